"""Floats as integers in their order, of which the last digits can be dropped."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["Floats", "Integers", "counted_keys", "numbers_of", "ordered", "starts_of", "summed"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_MAGNITUDE: Final = np.int64(0x7FFF_FFFF_FFFF_FFFF)
"""A number without its sign."""
_UPPER: Final = 1 if sys.byteorder == "little" else 0
"""Which half of a float has its sign and its first digits."""
_HALF: Final = 32
_UPPER_MAGNITUDE: Final = np.int32(0x7FFF_FFFF)
_SHORT: Final = 2**31


def ordered(values: Floats) -> Integers:
    """Integers in the order of the numbers, whose last digits are those of the numbers."""
    # -0.0 becomes 0.0, which it equals.
    bits: Integers = (values + 0.0).view(np.int64)
    signs = bits >> 63
    signs &= _MAGNITUDE
    bits ^= signs
    return bits


def numbers_of(keys: Integers) -> Floats:
    """The numbers that ``ordered`` gives these integers for."""
    return (keys ^ ((keys >> 63) & _MAGNITUDE)).view(np.float64)


def counted_keys(parts: Sequence[Floats], dropped: int) -> tuple[Integers, Integers]:
    """The different keys of numbers, in order, without so many digits; how often each comes."""
    if dropped >= _HALF:
        found = _counted_by_halves(parts, dropped)
        if found is not None:
            return found
    values = np.concatenate(parts)
    if dropped >= _HALF and (nothing := values == 0).any():
        # Zeros lie far from all other numbers, and have two signs.
        return _beside_zeros(values[~nothing], int(nothing.sum()), dropped)
    keys = ordered(values)
    keys >>= dropped
    return _counted(keys)


def _counted_by_halves(parts: Sequence[Floats], dropped: int) -> tuple[Integers, Integers] | None:
    """``counted_keys`` of the upper halves alone; None where they are too far apart to be counted
    by their place."""
    halves = [np.ascontiguousarray(part).view(np.int32)[_UPPER::2] for part in parts]
    sizes = [half & _UPPER_MAGNITUDE for half in halves]
    for part in sizes:
        part >>= dropped - _HALF
    least = min(int(part.min()) for part in sizes)
    width = max(int(part.max()) for part in sizes) - least + 1
    if not least or width > sum(map(len, parts)):
        return None
    found = np.zeros(2 * width, np.int64)
    for half, part in zip(halves, sizes, strict=True):
        part -= np.int32(least)
        signs = half >> 31
        signs &= np.int32(width)
        part += signs
        found += np.bincount(part, minlength=2 * width)
    above, below = np.flatnonzero(found[:width]), np.flatnonzero(found[width:])[::-1]
    keys = np.concatenate([~(below + least), above + least])
    return keys, np.concatenate([found[width:][below], found[:width][above]])


def _beside_zeros(values: Floats, zeros: int, dropped: int) -> tuple[Integers, Integers]:
    nothing = np.zeros(1, np.int64), np.full(1, zeros, np.int64)
    if not len(values):
        return nothing
    keys, counts = counted_keys([values], dropped)
    return summed(np.append(keys, nothing[0]), np.append(counts, nothing[1]))


def _counted(keys: Integers) -> tuple[Integers, Integers]:
    """Different keys, and how often each comes."""
    if keys.min() >= 0:
        return _dense(keys)
    negative = keys < 0
    found = [_dense(part) for part in (keys[negative], keys[~negative]) if len(part)]
    return np.concatenate([k for k, _ in found]), np.concatenate([c for _, c in found])


def _dense(keys: Integers) -> tuple[Integers, Integers]:
    # The last digits of whole numbers are all zero.
    used = int(np.bitwise_or.reduce(keys))
    zeros = (used & -used).bit_length() - 1 if used else 0
    least, most = int(keys.min()), int(keys.max())
    low = least >> zeros
    if (most >> zeros) - low <= len(keys):
        counts = np.bincount((keys >> zeros) - low)
        at = np.flatnonzero(counts)
        return (at + low) << zeros, counts[at]
    # Short integers sort in half of the time.
    short = least >= -_SHORT and most < _SHORT
    keys = np.sort(keys.astype(np.int32)).astype(np.int64) if short else np.sort(keys)
    starts = starts_of(keys)
    return keys[starts], np.diff(starts, append=len(keys))


def summed(keys: Integers, counts: Integers) -> tuple[Integers, Integers]:
    """Each key once, in order, with the sum of its counts."""
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = starts_of(keys)
    return keys[starts], np.add.reduceat(counts[order], starts)


def starts_of(keys: Integers) -> Integers:
    """Where each different key begins, of keys in order."""
    return np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
