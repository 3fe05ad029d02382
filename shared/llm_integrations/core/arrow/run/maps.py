"""Maps as they are judged: objects, whose keys are texts and stand once in each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from llm_integrations.core.arrow.pyarrow_modules import pa, pc, types

__all__ = ["reading_of_map"]

_DENSE: Final = 8
"""Keys that could stand in the maps, for each that does: up to here counting costs least."""


def reading_of_map(of_items: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """Makes maps into ones whose keys are texts, where JSON has them, the
    last value of each key alone.

    Args:
        of_items: makes the values into what they are judged as; None leaves them.
    """

    def read(array: Any) -> Any:
        keys, items = _texts(array.keys), array.items
        if of_items is not None:
            items = of_items(items)
        again = _said_again(array, keys)
        if again is not None:
            return _without(array, keys, items, again)
        if keys is array.keys and of_items is None:
            return array
        own = array.buffers()[:2]
        return _rebuilt(keys, items, len(array), own, array.null_count, array.offset)

    return read


def _texts(keys: Any) -> Any:
    if types.is_dictionary(keys.type):
        keys = keys.dictionary_decode()
    kind = keys.type
    if types.is_integer(kind) or types.is_boolean(kind) or types.is_string_view(kind):
        return keys.cast(pa.string())
    return keys


def _said_again(array: Any, keys: Any) -> Any:
    """The entries whose key comes again later in the same map; None if there are none."""
    first, sizes = _edges(array)
    if not len(sizes) or int(sizes.max()) < 2:
        return None
    try:
        codes = keys.slice(first, int(sizes.sum())).dictionary_encode()
    except pa.ArrowNotImplementedError:
        return None
    owners = np.repeat(np.arange(len(sizes)), sizes)
    places = owners * max(len(codes.dictionary), 1) + np.asarray(codes.indices)
    if _are_distinct(places, len(sizes) * len(codes.dictionary)):
        return None
    _, last = np.unique(places[::-1], return_index=True)
    return np.setdiff1d(np.arange(len(places)), len(places) - 1 - last)


def _are_distinct(places: Any, most: int) -> bool:
    if most <= _DENSE * len(places):
        return int(np.bincount(places).max()) < 2
    return len(pc.unique(pa.array(places))) == len(places)


def _edges(array: Any) -> tuple[int, Any]:
    """Where the first map's entries start, and how many each map has."""
    offsets = np.frombuffer(array.buffers()[1] or b"", np.int32)
    offsets = offsets[array.offset : array.offset + len(array) + 1]
    return (int(offsets[0]), np.diff(offsets)) if len(offsets) else (0, np.zeros(0, np.int32))


def _without(array: Any, keys: Any, items: Any, entries: Any) -> Any:
    """The maps without some of their entries."""
    first, sizes = _edges(array)
    edges = np.concatenate([[0], np.cumsum(sizes)])
    kept = np.delete(np.arange(edges[-1]), entries)
    offsets = np.searchsorted(kept, edges).astype(np.int32)
    chosen = pa.array(kept + first)
    valid = array.is_valid().buffers()[1] if array.null_count else None
    own = [valid, pa.py_buffer(offsets)]
    return _rebuilt(keys.take(chosen), items.take(chosen), len(array), own, array.null_count, 0)


def _rebuilt(
    keys: Any, items: Any, length: int, own: list[Any], null_count: int, offset: int
) -> Any:
    kind = pa.map_(keys.type, items.type)
    fields = [kind.key_field, kind.item_field]
    entries = pa.StructArray.from_arrays([keys, items], fields=fields)
    return pa.Array.from_buffers(kind, length, own, null_count, offset, children=[entries])
