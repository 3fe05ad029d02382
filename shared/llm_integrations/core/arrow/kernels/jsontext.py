"""JSON text that stands for what it says: its type, and the node that judges it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np

from llm_integrations.core.arrow.kernels.cells import Cells
from llm_integrations.core.arrow.kernels.fallback_nodes import Accepts
from llm_integrations.core.arrow.kernels.masks import Bits, Mask, collapse
from llm_integrations.core.arrow.kernels.nodes import Node, Path
from llm_integrations.core.arrow.kernels.unreadable import UNREADABLE, NotJson, UnreadableValue
from llm_integrations.core.arrow.pyarrow_modules import pa

__all__ = ["JsonText", "JsonTextNode", "JsonTexts", "json_text", "parsed"]


class _Scalar(pa.ExtensionScalar):  # type: ignore[misc]  # pyarrow has no types
    def as_py(self, **options: Any) -> Any:
        return None if self.value is None else parsed(self.value.as_py(**options))


DropNulls: TypeAlias = Callable[[Any], Any]


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


_SHORT: Final = 256
_KEPT: Final = 16_384
"""Short texts whose verdicts are kept for the next batch: some megabytes."""

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


class JsonTexts:
    """What all nodes that look at one place say about its texts, each of which is read once."""

    def __init__(self) -> None:
        self._verdicts: dict[tuple[Accepts, bool], int] = {}
        self._nodes: list[tuple[int, Accepts, DropNulls | None]] = []
        # Texts often come again in the next batch.
        self._kept = lru_cache(maxsize=_KEPT)(self._of_text)

    def node(
        self, accepts: Accepts, *, null_is_valid: bool, drop_nulls: DropNulls | None = None
    ) -> JsonTextNode:
        """A node for one verdict on what each text says; what is no JSON is not valid.

        Args:
            accepts: the verdict on a value.
            null_is_valid: the verdict on null.
            drop_nulls: takes away from a value what counts as missing.
        """
        verdict = self._verdicts.setdefault((accepts, null_is_valid), len(self._verdicts))
        self._nodes.append((verdict, accepts, drop_nulls))
        return JsonTextNode(self, len(self._nodes) - 1)

    def verdicts(self, texts: Any) -> Bits:
        """For each text what each node says; rubbish under nulls."""
        try:
            encoded = texts.dictionary_encode()
        except pa.ArrowInvalid:  # more text than the indices of a dictionary can reach
            return self._said(texts.to_pylist())
        codes = encoded.indices.fill_null(0) if encoded.null_count else encoded.indices
        found: Bits = self._said(encoded.dictionary.to_pylist() or [None])[np.asarray(codes)]
        return found

    def _said(self, texts: list[str | None]) -> Bits:
        once, kept = self._of_text, self._kept
        rows = [kept(t) if t is not None and len(t) <= _SHORT else once(t) for t in texts]
        return np.array(rows, np.bool_).reshape(len(texts), len(self._nodes))

    def _of_text(self, text: str | None) -> tuple[bool, ...]:
        """What each node says of a text."""
        value = UNREADABLE if text is None else parsed(text)
        if isinstance(value, UnreadableValue):
            return (False,) * len(self._nodes)
        if value is None:
            said = [null_is_valid for _, null_is_valid in self._verdicts]
        else:
            said = [accepts(value) for accepts, _ in self._verdicts]
        if value is None or text is None or "null" not in text:
            return tuple([said[verdict] for verdict, _, _ in self._nodes])
        return tuple(
            said[verdict] if drop_nulls is None else accepts(drop_nulls(value))
            for verdict, accepts, drop_nulls in self._nodes
        )


class JsonTextNode(Node):
    """One verdict on what each text says.

    Args:
        texts: those that look at the same place.
        index: which of them this is.
    """

    rowwise = True

    def __init__(self, texts: JsonTexts, index: int) -> None:
        self.texts = texts
        self.index = index

    def run(self, cells: Cells, need: Mask) -> Mask:
        if need is False:
            return False
        found = cells.once(self.texts, lambda: self.texts.verdicts(cells.array.storage))
        verdict: Mask = collapse(found[:, self.index])
        return verdict

    def finite(self) -> frozenset[Path]:
        return frozenset([()])
