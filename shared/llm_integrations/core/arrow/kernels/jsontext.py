"""Columns of JSON text that stand for what the text says."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from llm_integrations.core.arrow.kernels.python_values import UNREADABLE
from llm_integrations.core.arrow.pyarrow_modules import pa, types
from llm_integrations.core.errors import ConfigurationError

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

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: Any, _serialized: bytes) -> JsonText:
        return cls(storage)

    def __arrow_ext_scalar_class__(self) -> type[_Scalar]:
        return _Scalar


@cache
def _kind(storage: Any) -> JsonText:
    """One type for each storage. Arrow holds types made in Python by a weak reference only."""
    return JsonText(storage)


# Arrow holds on to these weakly, and cannot make new ones of a type that is not registered.
_KINDS: Final = {kind: JsonText(kind) for kind in (pa.string(), pa.large_string())}


def parsed(text: str) -> Any:
    """What the text says; UNREADABLE if it is no JSON. NaN and infinity are read, to be refused."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return UNREADABLE


def with_json(batch: Any, columns: Iterable[str]) -> Any:
    """The batch with these columns, where it has them, read as JSON text.

    Raises:
        ConfigurationError: one of them holds no text.
    """
    for index, name in enumerate(batch.schema.names):
        if name in columns:
            text = _text(batch.column(index), name)
            read = pa.ExtensionArray.from_storage(_KINDS[text.type], text)
            batch = batch.set_column(index, name, read)
    return batch


def _text(column: Any, name: str) -> Any:
    kind = column.type
    if types.is_string(kind) or types.is_large_string(kind):
        return column
    if types.is_string_view(kind):
        return column.cast(pa.large_string())
    if types.is_dictionary(kind):
        return _text(column.dictionary_decode(), name)
    if isinstance(kind, pa.JsonType):
        return _text(column.storage, name)
    raise ConfigurationError(f"the JSON column {name!r} is {kind}, not text")
