"""``multipleOf``, where every number counts as the decimal that it is written as."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import numpy as np

from llm_integrations.core.arrow.kernels.cells import Cells
from llm_integrations.core.arrow.kernels.masks import Mask, collapse
from llm_integrations.core.arrow.kernels.nodes import ALWAYS, Leaf, Node
from llm_integrations.core.arrow.kernels.numbers import Number, one_of_numbers

__all__ = ["few_digits", "float_multiples", "integer_multiples"]

_SAFE: Final = 10**15
"""Decimals of up to 15 digits are told apart by float64, so that one has one shortest decimal."""

_MOST_PLACES: Final = 15


@dataclass(frozen=True)
class _Divisible(Leaf):
    divisor: Any

    def judge(self, cells: Cells) -> Mask:
        return collapse(np.remainder(cells.numbers, self.divisor) == 0)


def integer_multiples(kind: np.dtype[Any], step: Number) -> Node:
    """Which integers are multiples: those of the step's numerator, in lowest terms."""
    numerator = Fraction(Decimal(repr(step))).numerator
    if numerator == 1:
        return ALWAYS
    info = np.iinfo(kind)
    if numerator <= info.max:
        return _Divisible(kind.type(numerator))
    # The dtype's own minimum is the one other number that such a step can divide.
    reach: list[Number] = [0, int(info.min)] if info.min % numerator == 0 else [0]
    return one_of_numbers(kind, reach)


@dataclass(frozen=True)
class _DecimalMultiples(Leaf):
    """Whether the nearest multiple of ``units / 10**places`` is written as the same float."""

    units: int
    places: int

    def judge(self, cells: Cells) -> Mask:
        numbers = cells.numbers.astype(np.float64, copy=False)
        scale = float(10**self.places)
        nearest = np.rint(numbers * scale / self.units) * self.units
        return collapse(nearest / scale == numbers)


@dataclass(frozen=True)
class _FewDigits(Leaf):
    """Whether a number, at so many places behind the point, has 15 digits at the most."""

    places: int

    def judge(self, cells: Cells) -> Mask:
        return collapse(np.abs(cells.numbers).astype(np.float64) * 10.0**self.places < _SAFE)


def float_multiples(step: Number) -> Node | None:
    """Which floats of few digits are multiples; None for a step that has too many itself."""
    written = _units(step)
    return None if written is None else _DecimalMultiples(*written)


def few_digits(step: Number) -> Node:
    """On which floats ``float_multiples`` is right."""
    written = _units(step)
    return _FewDigits(written[1] if written else 0)


def _units(step: Number) -> tuple[int, int] | None:
    """The step as units of a power of ten, and which one; None if that takes too many digits."""
    decimal = Decimal(repr(step))
    places = max(0, -int(decimal.as_tuple().exponent))
    units = int(decimal.scaleb(places))
    return (units, places) if 0 < units < _SAFE and places <= _MOST_PLACES else None
