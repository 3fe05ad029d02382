"""One CEL expression, judged within bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from llm_integrations.core.validation.engine_faults import is_fault
from llm_integrations.core.validation.normalise import normalise
from llm_integrations.core.validation.plain import is_shallow_json
from llm_integrations.core.validation.rules.cost import MAX_STEPS, Cost, TooCostly, cost_of, size_of
from llm_integrations.core.validation.rules.engine import Failure, Program, compile_program
from llm_integrations.core.validation.rules.syntax_tree import fields_of, read_tree

__all__ = ["MAX_CHARACTERS", "MAX_DEPTH", "Condition", "compile_condition"]

MAX_CHARACTERS: Final = 4_096
"""Of an expression."""

MAX_DEPTH: Final = 64
"""Levels of data that the engine is given: it recurses, and any thread's stack must hold that."""

_LARGEST: Final = 2**63
_TOO_DEEP: Final = Failure(f"the data is nested deeper than {MAX_DEPTH} levels")
_TOO_LARGE: Final = Failure(f"the data is so large that it could take over {MAX_STEPS:,} steps")


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled expression over ``message``.

    Attributes:
        fields: which of an object's properties it looks at; None for the whole.
        is_cheap: whether it takes little whatever the data.
    """

    program: Program
    cost: Cost
    fields: frozenset[str] | None
    is_cheap: bool

    def verdict(self, data: Any) -> bool | Failure:
        """What it says of any data that has a JSON form."""
        message = self._part(data)
        if not _is_shallow(message):
            form = normalise(message, MAX_DEPTH)
            if form.problems:
                return _TOO_DEEP
            message = _numbers_in_range(form.without_opaque().value)
        if not self.is_cheap and self.cost.steps(size_of(message)) > MAX_STEPS:
            return _TOO_LARGE
        found = self.program.verdict(message)
        if isinstance(found, Failure) and found.is_of_data:
            form = normalise(message, MAX_DEPTH).without_opaque()
            return self.program.verdict(_numbers_in_range(form.value))
        return found

    def _part(self, data: Any) -> Any:
        """Of an object what the expression looks at: the engine makes a copy of all it is given."""
        if self.fields is None or type(data) is not dict:
            return data
        return {name: data[name] for name in self.fields if name in data}


def compile_condition(expression: str) -> Condition:
    """Raises ValueError with the reason why it cannot be judged by, and MissingExtra."""
    if len(expression) > MAX_CHARACTERS:
        raise ValueError(f"its expression has more than {MAX_CHARACTERS:,} characters")
    program = compile_program(expression)
    tree = read_tree(program.serialized)
    try:
        cost = cost_of(tree)
    except TooCostly:
        raise ValueError("its expression could take more steps than can be told") from None
    return Condition(program, cost, fields_of(tree, "message"), cost.is_small)


def _is_shallow(value: Any) -> bool:
    try:
        return is_shallow_json(value)
    except BaseException as error:
        # It may be a Python object, whose own code runs.
        if not is_fault(error):
            raise
        return False


def _numbers_in_range(value: Any) -> Any:
    """Numbers as the engine knows them: 64 bits, or a double."""
    kind = type(value)
    if kind is dict:
        return {name: _numbers_in_range(item) for name, item in value.items()}
    if kind is list:
        return [_numbers_in_range(item) for item in value]
    if kind is Decimal or (kind is int and not -_LARGEST <= value < _LARGEST):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return value
