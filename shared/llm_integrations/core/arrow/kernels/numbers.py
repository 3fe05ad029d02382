"""Nodes that judge numbers, and how a schema's number becomes one of the column's own dtype.

A bound is turned into the nearest number of the column that still satisfies it, so that comparing
within one dtype gives the exact answer: 0.1 in a schema is no float32, and 2**53 + 1 no float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llm_integrations.core.arrow.kernels.cells import Cells
from llm_integrations.core.arrow.kernels.masks import Bits, Mask, collapse
from llm_integrations.core.arrow.kernels.nodes import ALWAYS, NEVER, Leaf, Node, Path

__all__ = ["EXACT", "Booleans", "Finite", "Number", "Whole", "bounds", "one_of_numbers"]

Number = int | float

EXACT: Final = 2**53
"""Up to here every integer is a float64 too, and the engine compares the two exactly."""

_FEW = 6


def _verdict(bits: Any) -> Mask:
    """What a comparison gave: always a mask, which numpy's types do not know."""
    mask: Bits = bits
    return collapse(mask)


@dataclass(frozen=True)
class _Between(Leaf):
    """Both bounds inclusive; None is no bound."""

    low: Any
    high: Any

    @property
    def is_single(self) -> bool:
        return self.low is None or self.high is None

    def parts(self) -> Iterable[Node]:
        return (self,) if self.is_single else (_Between(self.low, None), _Between(None, self.high))

    def judge(self, cells: Cells) -> Mask:
        numbers = cells.numbers
        if not len(numbers):
            return True
        if (self.low is None or numbers.min() >= self.low) and (
            self.high is None or numbers.max() <= self.high
        ):
            return True
        if self.low is None:
            return _verdict(numbers <= self.high)
        if self.high is None:
            return _verdict(numbers >= self.low)
        return _verdict(np.logical_and(numbers >= self.low, numbers <= self.high))

    def finite(self) -> frozenset[Path]:
        return frozenset() if self.low is None or self.high is None else frozenset([()])


def bounds(
    kind: np.dtype[Any],
    low: Number | None,
    high: Number | None,
    *,
    strict_low: bool,
    strict_high: bool,
) -> Node:
    """Exact ``low <(=) x <(=) high`` on a column of this dtype; None is no bound."""
    if kind.kind == "f":
        return _float_bounds(kind, low, high, strict_low=strict_low, strict_high=strict_high)
    info = np.iinfo(kind)
    least = info.min if low is None else _integer_from(low, strict=strict_low)
    most = info.max if high is None else -_integer_from(-high, strict=strict_high)
    if least > info.max or most < info.min or least > most:
        return NEVER
    first = None if least <= info.min else kind.type(least)
    last = None if most >= info.max else kind.type(most)
    return ALWAYS if first is None and last is None else _Between(first, last)


def _integer_from(low: Number, *, strict: bool) -> int:
    """The least integer that is >= low, or > low."""
    ceiling = math.ceil(Fraction(low))
    return ceiling + 1 if strict and ceiling == Fraction(low) else ceiling


def _float_bounds(
    kind: np.dtype[Any],
    low: Number | None,
    high: Number | None,
    *,
    strict_low: bool,
    strict_high: bool,
) -> Node:
    first = None if low is None else _float_from(kind, low, strict=strict_low)
    last = None if high is None else -_float_from(kind, -high, strict=strict_high)
    if first is None and last is None:
        return ALWAYS
    if (first is not None and first == np.inf) or (last is not None and last == -np.inf):
        return NEVER
    return _Between(first, last)


def _float_from(kind: np.dtype[Any], low: Number, *, strict: bool) -> Any:
    """The least float of this dtype that is >= low, or > low."""
    with np.errstate(over="ignore"):
        try:
            near = kind.type(low)
        except OverflowError:
            near = kind.type(math.copysign(math.inf, low))
    while not np.isinf(near) and Fraction(float(near)) > Fraction(low):
        near = np.nextafter(near, kind.type(-np.inf))
    while near == -np.inf or (
        near != np.inf
        and (Fraction(float(near)) < Fraction(low) or (strict and Fraction(float(near)) == low))
    ):
        near = np.nextafter(near, kind.type(np.inf))
    return near


@dataclass(frozen=True)
class Finite(Leaf):
    """Neither NaN nor infinite."""

    def judge(self, cells: Cells) -> Mask:
        bits = np.isfinite(cells.numbers)
        return True if bits.all() else bits

    def finite(self) -> frozenset[Path]:
        return frozenset([()])


@dataclass(frozen=True)
class Whole(Leaf):
    """A float that is an integer, as JSON Schema has it since draft 6."""

    def judge(self, cells: Cells) -> Mask:
        numbers = cells.numbers
        return _verdict(np.logical_and(np.trunc(numbers) == numbers, np.isfinite(numbers)))

    def finite(self) -> frozenset[Path]:
        return frozenset([()])


@dataclass(frozen=True)
class _Equal(Leaf):
    """One of a few numbers. 0.0 equals -0.0."""

    values: tuple[Any, ...]

    def judge(self, cells: Cells) -> Mask:
        bits = cells.numbers == self.values[0]
        for value in self.values[1:]:
            np.logical_or(bits, cells.numbers == value, out=bits)
        return _verdict(bits)

    def finite(self) -> frozenset[Path]:
        return frozenset([()])


class _In(Leaf):
    """Equal to one of so many numbers that sorting costs less than comparing with each."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self.values = values

    def judge(self, cells: Cells) -> Mask:
        return _verdict(np.isin(cells.numbers, self.values))

    def finite(self) -> frozenset[Path]:
        return frozenset([()])


def one_of_numbers(kind: np.dtype[Any], values: list[Number]) -> Node:
    """Equal to one of the values, of which those that the dtype cannot hold never match."""
    held = [np.array(value, kind)[()] for value in values if _holds(kind, value)]
    if not held:
        return NEVER
    return _Equal(tuple(held)) if len(held) <= _FEW else _In(np.array(held, kind))


def _holds(kind: np.dtype[Any], value: Number) -> bool:
    if kind.kind == "f":
        with np.errstate(over="ignore"):
            try:
                return bool(Fraction(float(kind.type(value))) == Fraction(value))
            except OverflowError:
                return False
    info = np.iinfo(kind)
    return Fraction(value).denominator == 1 and info.min <= value <= info.max


@dataclass(frozen=True)
class Booleans(Leaf):
    """``true`` and ``false``, as far as a schema admits them."""

    true: bool
    false: bool

    def judge(self, cells: Cells) -> Mask:
        if self.true == self.false:
            return self.true
        return cells.booleans if self.true else np.logical_not(cells.booleans)
