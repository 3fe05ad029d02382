"""Views and runs in plain layouts: Arrow's kernels take few of them, and its own cast of views to
lists loses the last offset."""

from __future__ import annotations

from typing import Any

import numpy as np

from llm_integrations.core.arrow.pyarrow_modules import pa, types

__all__ = ["from_runs", "from_view", "plain_text"]


def plain_text(kind: Any) -> Any:
    """The type that a view of texts or bytes is read as; None for other types."""
    if types.is_string_view(kind):
        return pa.large_string()
    return pa.large_binary() if types.is_binary_view(kind) else None


def from_runs(array: Any, values: Any) -> Any:
    """A run-end encoded array without runs; ``values`` are those of its runs, in a plain layout."""
    cells = np.arange(array.offset, array.offset + len(array))
    runs = np.searchsorted(np.asarray(array.run_ends), cells, side="right")
    return values.take(pa.array(runs))


def from_view(array: Any, items: Any) -> Any:
    """Views of lists as lists, one after the other.

    Args:
        items: what the views are of, ``array.values``, in a plain layout.
    """
    starts = np.asarray(array.offsets).astype(np.int64)
    sizes = np.asarray(array.sizes).astype(np.int64)
    valid = array.is_valid() if array.null_count else None
    if valid is not None:
        sizes = np.where(np.asarray(valid), sizes, 0)
    edges = np.concatenate([[0], np.cumsum(sizes)])
    places = np.repeat(starts - edges[:-1], sizes)
    places += np.arange(len(places))
    own = [valid and valid.buffers()[1], pa.py_buffer(edges)]
    target = pa.large_list(array.type.value_field.with_type(items.type))
    children = [_at(items, places)]
    return pa.Array.from_buffers(target, len(array), own, array.null_count, children=children)


def _at(items: Any, places: Any) -> Any:
    """The items at these places; where they follow each other no copy of them."""
    first = int(places[0]) if len(places) else 0
    if np.array_equal(places, np.arange(first, first + len(places))):
        return items.slice(first, len(places))
    return items.take(pa.array(places))
