"""What an expression can take, from its tree alone: a polynomial in the size of the data.

A size counts values, and 64 characters each of texts; a step is what the engine does in well under
a microsecond. Loops multiply: over a range of size R, what is done with an element costs as much as
that elements' sizes add up to (R), what is done with anything else costs that much R times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Final, TypeAlias

from llm_integrations.core.validation.rules.syntax_tree import Node

__all__ = ["MAX_STEPS", "Cost", "TooCostly", "cost_of", "size_of"]

MAX_STEPS: Final = 5_000_000
"""Steps of one rule on one piece of data; about two seconds at the worst."""

_CHARACTERS: Final = 64
_MOST_TERMS: Final = 64
_HIGHEST_DEGREE: Final = 8
_COMPILE: Final = 20_000  # steps to compile the largest pattern that the engine takes
_COMPARISONS: Final = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"})
_LOGIC: Final = frozenset({"_&&_", "_||_", "!_", "@not_strictly_false", "__not_strictly_false__"})
_ELEMENT: Final = frozenset({"_[_]"})
_SMALL: Final = frozenset({"size", "matches", "contains", "startsWith", "endsWith", "@in", "_in_"})
_REPEATS: Final = re.compile(r"\{(\d+)(?:,(\d*))?\}")

Polynomial: TypeAlias = dict[tuple[str, ...], int]
"""Coefficients by the variables that are multiplied."""

_ONE: Final[Polynomial] = {(): 1}


class TooCostly(Exception):
    """Internal: no polynomial that is worth anything bounds it."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Attributes: the steps by the power of the data's size."""

    by_power: Mapping[int, int]

    @property
    def is_small(self) -> bool:
        """Whether it is a little for each value of the data, however many those are."""
        return max(self.by_power, default=0) <= 1 and sum(self.by_power.values()) <= 256

    def steps(self, size: int) -> int:
        """For data of that size."""
        return sum(count * size**power for power, count in self.by_power.items())


def cost_of(tree: Node) -> Cost:
    """Raises TooCostly."""
    _, steps = _Estimate().of(tree)
    by_power: dict[int, int] = {}
    for variables, count in steps.items():
        by_power[len(variables)] = by_power.get(len(variables), 0) + count
    return Cost(by_power)


def size_of(value: Any) -> int:
    """The size of JSON types, which must end."""
    waiting, size = [value], 0
    for item in waiting:
        size += 1
        if isinstance(item, str):
            size += len(item) // _CHARACTERS
        elif isinstance(item, dict):
            waiting += item.values()
            size += sum(len(key) // _CHARACTERS for key in item if isinstance(key, str))
        elif isinstance(item, list):
            waiting += item
    return size


class _Estimate:
    """Sizes and steps of nodes. Every variable is a symbol of its own, once for each loop."""

    def __init__(self) -> None:
        self._loops = 0
        self._symbols: dict[str, Polynomial] = {}

    def of(self, node: Node) -> tuple[Polynomial, Polynomial]:
        """The size of what it yields, and the steps to get there."""
        if node.kind == "const":
            return {(): 1 + len(node.name) // _CHARACTERS}, _ONE
        if node.kind == "ident":
            return self._symbols.get(node.name, {(node.name,): 1}), _ONE
        if node.kind == "loop":
            return self._loop(node)
        parts = [self.of(part) for part in node.parts]
        sizes = [size for size, _ in parts]
        steps = _sum([_ONE, *(steps for _, steps in parts)])
        if node.kind == "select":
            return sizes[0], steps
        if node.kind == "call":
            return _yielded(node.name, sizes), _sum([steps, _own_steps(node, sizes)])
        return _sum([_ONE, *sizes]), _sum([steps, *sizes])

    def _loop(self, node: Node) -> tuple[Polynomial, Polynomial]:
        over, start, condition, step, result = node.parts
        element, collected = node.variables
        if not collected.startswith("@"):  # else an expression could name it, and double it
            raise TooCostly
        around = dict(self._symbols)
        range_size, range_steps = self.of(over)
        start_size, start_steps = self.of(start)
        self._loops += 1
        symbol = f"{element} {self._loops}"
        # What each round adds is known first; what has been added so far is copied each time.
        self._symbols = {**around, element: {(symbol,): 1}, collected: {}}
        added, _ = self.of(step)
        grown = _sum([start_size, _over(added, symbol, range_size)])
        self._symbols[collected] = grown if _is_collecting(start) else _ONE
        _, round_steps = self.of(step)
        _, check_steps = self.of(condition)
        rounds = _over(_sum([round_steps, check_steps]), symbol, range_size)
        result_size, result_steps = self.of(result)
        self._symbols = around
        return result_size, _sum([range_steps, start_steps, rounds, result_steps, _ONE])


def _is_collecting(start: Node) -> bool:
    return start.kind in ("list", "struct")


def _yielded(function: str, sizes: list[Polynomial]) -> Polynomial:
    if function in _COMPARISONS or function in _LOGIC or function in _SMALL:
        return _ONE
    if function in _ELEMENT:
        return sizes[0]
    return _sum(sizes)


def _own_steps(node: Node, sizes: list[Polynomial]) -> Polynomial:
    """What the function itself takes."""
    function = node.name
    if function in _LOGIC or function in _ELEMENT or function == "_?_:_":
        return _ONE
    if function in _COMPARISONS:
        return min(sizes, key=_weight, default=_ONE)
    if function == "matches":
        return _sum([*sizes, {(): _pattern_steps(node.parts[-1])}])
    return _sum(sizes)


def _pattern_steps(pattern: Node) -> int:
    """To compile a pattern, which the engine does each time."""
    if pattern.kind != "const":
        return _COMPILE
    repeats = (int(more or least) for least, more in _REPEATS.findall(pattern.name))
    length = len(pattern.name) + 40 * pattern.name.lower().count("\\p")
    return min(_COMPILE, length * prod(max(1, count) for count in repeats))


def _weight(size: Polynomial) -> tuple[int, int, int]:
    """Which of two sizes is likely to be less; either would do as a bound of the smaller one."""
    degree = max(map(len, size), default=0)
    # A loop's element is less than all that the loop runs over.
    of_message = sum("message" in variables for variables in size)
    return degree, of_message, sum(size.values())


def _sum(terms: Iterable[Polynomial]) -> Polynomial:
    total: Polynomial = {}
    for term in terms:
        for variables, count in term.items():
            total[variables] = total.get(variables, 0) + count
    return _checked(total)


def _times(left: Polynomial, right: Polynomial) -> Polynomial:
    product: Polynomial = {}
    for one, count in left.items():
        for other, times in right.items():
            variables = tuple(sorted(one + other))
            product[variables] = product.get(variables, 0) + count * times
    return _checked(product)


def _over(each: Polynomial, element: str, elements: Polynomial) -> Polynomial:
    """The sum over a loop's rounds; the elements' sizes add up to ``elements``, and so do, at the
    most, the rounds."""
    total: Polynomial = {}
    for variables, count in each.items():
        others = tuple(variable for variable in variables if variable != element)
        powers = max(1, len(variables) - len(others))
        term: Polynomial = {others: count}
        for _ in range(powers):
            term = _times(term, elements)
        total = _sum([total, term])
    return total


def _checked(polynomial: Polynomial) -> Polynomial:
    if len(polynomial) > _MOST_TERMS or any(len(term) > _HIGHEST_DEGREE for term in polynomial):
        raise TooCostly
    if any(count > 10**18 for count in polynomial.values()):
        raise TooCostly
    return polynomial
