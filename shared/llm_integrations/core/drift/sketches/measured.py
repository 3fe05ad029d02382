"""What is compared of values as numbers: themselves, seconds, or their lengths."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llm_integrations.core.arrow.pyarrow_modules import pa, pc, types
from llm_integrations.core.drift.profile import Family
from llm_integrations.core.drift.sketches.nested_columns import is_worded, lengths

__all__ = ["counted_values", "measured"]

_PER_SECOND: Final = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


def measured(values: Any, family: Family) -> npt.NDArray[Any]:
    """Numbers as they are, times in seconds, of all else its length.

    Args:
        values: an Array without nulls.

    Returns:
        Floats, integers, or Python's integers for those that have more than 64 bits.
    """
    kind = values.type
    if is_worded(kind):
        values = values.dictionary_decode()
    match family:
        case "text":
            return _as_numpy(pc.utf8_length(values.cast(pa.large_string())))
        case "bytes":
            return _as_numpy(pc.binary_length(values))
        case "list" | "map":
            return _as_numpy(lengths(values))
        case "instant" | "time":
            return _seconds(values)
        case _ if types.is_decimal(kind):
            return _of_decimals(values)
        case _ if types.is_floating(kind):
            return _as_numpy(values.cast(pa.float64()))
    return _as_numpy(values)


def _as_numpy(values: Any) -> npt.NDArray[Any]:
    found: npt.NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return found


def _seconds(values: Any) -> npt.NDArray[np.float64]:
    kind = values.type
    if types.is_date(kind):
        values = values.cast(pa.timestamp("ms"))
    elif types.is_time32(kind):
        values = values.cast(pa.time64("us"))
    whole = _as_numpy(values.cast(pa.int64()))
    return whole.astype(np.float64) / _PER_SECOND[values.type.unit]


def _of_decimals(values: Any) -> npt.NDArray[Any]:
    if values.type.scale > 0:
        return _as_numpy(values.cast(pa.float64(), safe=False))
    try:
        return _as_numpy(values.cast(pa.int64()))
    except pa.ArrowInvalid:  # one of them has more digits
        return np.array([int(value) for value in values.to_pylist()], object)


def counted_values(values: Any) -> tuple[Any, npt.NDArray[np.int64]]:
    """The different values of a ChunkedArray, and how often each comes; null is none.

    Of a dictionary its codes are counted; what stands there twice comes twice.
    """
    if is_worded(values.type):
        # Codes of eight bits have no room for the words of several chunks.
        kind = pa.dictionary(pa.int32(), values.type.value_type)
        values = values.cast(kind).unify_dictionaries()
        words = values.chunk(0).dictionary
        codes = [_as_numpy(chunk.indices.drop_null()) for chunk in values.chunks]
        counts = np.bincount(np.concatenate(codes), minlength=len(words))
        found = np.flatnonzero(counts)
        return words.take(pa.array(found)), counts[found]
    kinds = pc.value_counts(values.drop_null())
    return kinds.field("values"), _as_numpy(kinds.field("counts"))
