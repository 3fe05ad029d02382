"""Columns of JSON text that stand for what the text says."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from llm_integrations.core.validation.arrow.kernels import pa
from llm_integrations.core.validation.arrow.python import UNREADABLE

__all__ = ["JsonText", "parsed", "with_json"]


class _Scalar(pa.ExtensionScalar):  # type: ignore[misc]  # pyarrow has no types
    def as_py(self, **options: Any) -> Any:
        return None if self.value is None else parsed(self.value.as_py(**options))


class JsonText(pa.ExtensionType):  # type: ignore[misc]  # pyarrow has no types
    """Text that ``to_pylist`` parses. Never registered: it lives within one call.

    Args:
        storage: an Arrow string type.
    """

    def __init__(self, storage: Any) -> None:
        super().__init__(storage, "llm_integrations.json_text")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    def __hash__(self) -> int:
        return hash((JsonText, self.storage_type))

    def __arrow_ext_scalar_class__(self) -> type[_Scalar]:
        return _Scalar


@cache
def _kind(storage: Any) -> JsonText:
    """One type for each storage. Arrow holds types made in Python by a weak reference only."""
    return JsonText(storage)


def parsed(text: str) -> Any:
    """What the text says; UNREADABLE if it is no JSON. NaN and infinity are read, to be refused."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return UNREADABLE


def with_json(batch: Any, columns: Iterable[str]) -> Any:
    """The batch with these columns read as JSON text."""
    for index, name in enumerate(batch.schema.names):
        if name in columns:
            text = batch.column(index)
            read = pa.ExtensionArray.from_storage(_kind(text.type), text)
            batch = batch.set_column(index, name, read)
    return batch
