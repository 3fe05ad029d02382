"""JSON text that stands for what it says: its type, and the node that judges it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from llm_integrations.core.arrow.kernels.cells import Cells
from llm_integrations.core.arrow.kernels.fallback_nodes import FallbackNode
from llm_integrations.core.arrow.kernels.masks import Mask
from llm_integrations.core.arrow.kernels.nodes import Node, Path
from llm_integrations.core.arrow.kernels.unreadable import NotJson
from llm_integrations.core.arrow.pyarrow_modules import pa

__all__ = ["JsonText", "JsonTextNode", "is_json_null", "json_text", "parsed"]

_SPACE: Final = " \t\n\r"


class _Scalar(pa.ExtensionScalar):  # type: ignore[misc]  # pyarrow has no types
    def as_py(self, **options: Any) -> Any:
        return None if self.value is None else parsed(self.value.as_py(**options))


class JsonText(pa.ExtensionType):  # type: ignore[misc]  # pyarrow has no types
    """Text that ``to_pylist`` parses. Never registered: it lives within one call.

    Args:
        storage: an Arrow string type.
    """

    def __init__(self, storage: Any) -> None:
        super().__init__(storage, "json")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    def __hash__(self) -> int:
        return hash((JsonText, self.storage_type))

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: Any, _serialized: bytes) -> JsonText:
        return cls(storage)

    def __arrow_ext_scalar_class__(self) -> type[_Scalar]:
        return _Scalar


# Arrow holds on to these weakly, and cannot make new ones of a type that is not registered.
_KINDS: Final = {kind: JsonText(kind) for kind in (pa.string(), pa.large_string())}


def json_text(storage: Any) -> JsonText:
    """The type over this string type (string or large_string)."""
    return _KINDS[storage]


def _reader() -> Callable[[str], Any]:
    """Of the same values as ``json.loads``: pydantic's where it is there, which takes less time."""
    try:
        from pydantic_core import from_json
    except ImportError:
        return json.loads
    return from_json


_read: Final = _reader()


def parsed(text: str) -> Any:
    """What the text says; NotJson if it is none. NaN and infinity are read, to be refused."""
    try:
        return _read(text)
    except ValueError:
        pass
    try:
        # It decides what the other refuses: more than 200 levels, half of a surrogate pair.
        return json.loads(text)
    except (ValueError, RecursionError):
        return NotJson(text)


def is_json_null(text: str) -> bool:
    return text.strip(_SPACE) == "null"


class JsonTextNode(Node):
    """The verdict on what each text says; no text that is not JSON, or holds NaN, is valid.

    Args:
        accepts: the verdict on each distinct text.
    """

    rowwise = True

    def __init__(self, accepts: Callable[[str], bool]) -> None:
        self.node = FallbackNode(accepts)

    def run(self, cells: Cells, need: Mask) -> Mask:
        return self.node.run(Cells(cells.array.storage), need)

    def finite(self) -> frozenset[Path]:
        return frozenset([()])
