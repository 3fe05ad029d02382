"""Python source that follows a plan: the draft of ``migrate(data)``.

Names and values from schemas get into the source only as literals, or reduced to identifiers.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Sequence
from typing import Any, Final

from llm_integrations.core.evolution.guide.conversions import CONVERSIONS
from llm_integrations.core.evolution.guide.migrate_plan import Move, Plan, Test

__all__ = ["migrate_source"]

_TYPES: Final = {
    "null": "type(None)",
    "boolean": "bool",
    "object": "dict",
    "array": "list",
    "string": "str",
    "integer": "int",
    "fraction": "float",
}
_TAKEN: Final = frozenset(
    {"migrate", "data", "value", "item", "name", "Any", "inner", "moved", "spellings"}
    | {conversion.name for conversion in CONVERSIONS.values()}
)


def migrate_source(plan: Plan, title: str, open_questions: Sequence[str] = ()) -> str:
    """The source of a module with ``migrate(data)``.

    Args:
        plan: what to do.
        title: the docstring's first line, free of quotes and line ends.
        open_questions: what the function leaves to people, one line each.
    """
    return _Writer().module(plan, title, open_questions)


class _Writer:
    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._used: set[str] = set(_TAKEN)
        self._functions: list[list[str]] = []
        self._converting: dict[str, None] = {}

    def module(self, plan: Plan, title: str, open_questions: Sequence[str]) -> str:
        result = self._expression(plan, "data")
        notes = [f"    # To decide: {_comment(question)}" for question in open_questions]
        main = [
            "def migrate(data: Any) -> Any:",
            f'    """{_docstring(title)}"""',
            *notes,
            f"    return {result}",
        ]
        helpers = [[CONVERSIONS[kind].source] for kind in self._converting]
        blocks = [["from typing import Any"], *helpers, *self._functions, main]
        return "\n\n\n".join("\n".join(block) for block in blocks) + "\n"

    def _expression(self, plan: Plan, variable: str) -> str:
        """What a value becomes, as an expression."""
        if not plan.changes_something():
            return variable
        match plan.kind:
            case "constant":
                return literal(plan.constant)
            case "wrap":
                return f"[{variable}]"
            case "array":
                return self._list(plan, variable)
            case "object" | "union" | "spelling":
                return f"{self._function(plan)}({variable})"
        return f"{self._conversion(plan.kind)}({variable})"

    def _conversion(self, kind: str) -> str:
        conversion = CONVERSIONS[kind]
        for needed in (*conversion.needs, kind):
            if CONVERSIONS[needed].source:
                self._converting[needed] = None
        return conversion.name

    def _list(self, plan: Plan, variable: str) -> str:
        assert plan.items is not None  # noqa: S101 - for the type checker; arrays have items
        made = f"[{self._expression(plan.items, 'item')} for item in {variable}]"
        if not plan.only:
            return made
        return f"{made} if isinstance({variable}, list) else {variable}"

    def _function(self, plan: Plan) -> str:
        if id(plan) not in self._names:
            name = self._names[id(plan)] = self._identifier(plan.label)
            # A function stands below those that it calls, except where they call each other.
            body = self._body(plan)
            self._functions.append([f"def {name}(value: Any) -> Any:", *body])
        return self._names[id(plan)]

    def _body(self, plan: Plan) -> list[str]:
        match plan.kind:
            case "union":
                return self._union(plan)
            case "spelling":
                known = f"    spellings = {literal(plan.spellings)}"
                chosen = "spellings.get(value, value) if isinstance(value, str) else value"
                return [known, f"    return {chosen}"]
        return self._object(plan)

    def _identifier(self, label: str) -> str:
        base = re.sub(r"\W+", "_", label, flags=re.ASCII).strip("_").lower()[:40] or "value"
        base = f"_{base}"
        name, count = base, 1
        while name in self._used or keyword.iskeyword(name):
            count += 1
            name = f"{base}_{count}"
        self._used.add(name)
        return name

    def _union(self, plan: Plan) -> list[str]:
        lines = []
        for case in (case for case in plan.cases if case.plan.changes_something()):
            lines.append(f"    if {_condition(case.test)}:")
            lines.append(f"        return {self._expression(case.plan, 'value')}")
        return [*lines, "    return value"]

    def _object(self, plan: Plan) -> list[str]:
        lines = []
        if plan.only:
            lines += ["    if not isinstance(value, dict):", "        return value"]
        lines.append("    value = dict(value)")
        for move in plan.moves:
            lines += self._moving(move)
        for old, new in plan.renames.items():
            lines.append(f"    if {literal(old)} in value and {literal(new)} not in value:")
            lines.append(f"        value[{literal(new)}] = value.pop({literal(old)})")
        lines += [f"    value.pop({literal(name)}, None)" for name in plan.drops]
        for name in plan.emptied:
            lines.append(f"    if value.get({literal(name)}) == {{}}:")
            lines.append(f"        del value[{literal(name)}]")
        for name in plan.unless_null:
            lines.append(f"    if {literal(name)} in value and value[{literal(name)}] is None:")
            lines.append(f"        del value[{literal(name)}]")
        parts = {name: part for name, part in plan.parts.items() if part.changes_something()}
        for name, child in parts.items():
            lines.append(f"    if {literal(name)} in value:")
            made = self._expression(child, f"value[{literal(name)}]")
            lines.append(f"        value[{literal(name)}] = {made}")
        lines += self._others(plan)
        for name, default in plan.defaults.items():
            lines.append(f"    value.setdefault({literal(name)}, {literal(default)})")
        return [*lines, "    return value"]

    def _moving(self, move: Move) -> list[str]:
        """Lines that take a value out of one place and put it into another that is free."""
        outer, inner = move.source[0], move.target[0]
        last, new = literal(move.source[-1]), literal(move.target[-1])
        made = self._expression(move.plan, "moved")
        if len(move.source) == len(move.target):
            return [
                f"    if {last} in value and {new} not in value:",
                f"        moved = value.pop({last})",
                f"        value[{new}] = {made}",
            ]
        if len(move.source) > len(move.target):
            return [
                f"    inner = value.get({literal(outer)})",
                f"    if isinstance(inner, dict) and {last} in inner and {new} not in value:",
                f"        value[{literal(outer)}] = inner = dict(inner)",
                f"        moved = inner.pop({last})",
                f"        value[{new}] = {made}",
            ]
        return [
            f"    inner = value.get({literal(inner)}, {{}})",
            f"    if isinstance(inner, dict) and {last} in value and {new} not in inner:",
            f"        moved = value.pop({last})",
            f"        value[{literal(inner)}] = {{**inner, {new}: {made}}}",
        ]

    def _others(self, plan: Plan) -> list[str]:
        if plan.rest is None or not plan.rest.changes_something():
            return []
        known = plan.named
        made = self._expression(plan.rest, "value[name]")
        condition = f"    for name in value.keys() - {{{', '.join(map(literal, known))}}}:"
        header = condition if known else "    for name in list(value):"
        return [header, f"        value[name] = {made}"]


def _condition(test: Test) -> str:
    if test.name:
        key = literal(test.name)
        return f"isinstance(value, dict) and value.get({key}) == {literal(test.value)}"
    names = [_TYPES[kind] for kind in test.types]
    if "bool" not in names and ("int" in names or "float" in names):
        return f"isinstance(value, ({', '.join(names)},)) and not isinstance(value, bool)"
    return f"isinstance(value, ({', '.join(names)},))"


def literal(value: Any) -> str:
    """A JSON value as a Python literal in one line of printable ASCII."""
    if isinstance(value, dict):
        pairs = (f"{literal(key)}: {literal(item)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, str):
        return ascii(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    return repr(value)


def _comment(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _docstring(text: str) -> str:
    return _comment(text).replace("\\", "/").replace('"', "'")
