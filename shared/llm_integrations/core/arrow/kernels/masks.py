"""Masks: one verdict per element, collapsed to a plain bool where all agree.

The collapsed form is what makes valid data cheap: nothing is allocated for a column that passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Bits",
    "Mask",
    "both",
    "collapse",
    "either",
    "exactly_one",
    "expand",
    "inverse",
    "positions",
]

Bits: TypeAlias = npt.NDArray[np.bool_]
Mask: TypeAlias = bool | Bits


def both(a: Mask, b: Mask) -> Mask:
    if isinstance(a, bool):
        return b if a else False
    if isinstance(b, bool):
        return a if b else False
    return np.logical_and(a, b)


def either(a: Mask, b: Mask) -> Mask:
    if isinstance(a, bool):
        return True if a else b
    if isinstance(b, bool):
        return True if b else a
    return np.logical_or(a, b)


def inverse(mask: Mask) -> Mask:
    return not mask if isinstance(mask, bool) else np.logical_not(mask)


def exactly_one(masks: Iterable[Mask]) -> Mask:
    once: Mask = False
    twice: Mask = False
    for mask in masks:
        twice = either(twice, both(once, mask))
        once = either(once, mask)
    return both(once, inverse(twice))


def collapse(bits: Bits) -> Mask:
    """The same mask, as a bool if every element says the same."""
    if bits.all():
        return True
    return bits if bits.any() else False


def expand(mask: Mask, length: int) -> Bits:
    return np.full(length, mask, np.bool_) if isinstance(mask, bool) else mask


def positions(mask: Mask, length: int) -> npt.NDArray[np.intp]:
    """The indices at which the mask is true."""
    return np.flatnonzero(expand(mask, length))
