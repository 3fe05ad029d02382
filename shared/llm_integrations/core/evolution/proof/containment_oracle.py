"""What jsonschema-rs knows of nodes: containment, satisfiability, and verdicts on instances.

Whatever goes wrong inside of it is an unknown answer; only a clear yes is used as one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from math import prod
from typing import Any, Final

import jsonschema_rs
from jsonschema_rs.canonical import Containment, Satisfiability

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import InvalidSchema, ValidationLimitExceeded
from llm_integrations.core.evolution.model.answer import Answer
from llm_integrations.core.evolution.model.limits import Undecidable
from llm_integrations.core.evolution.normal_form.nodes import (
    Node,
    Workspace,
    descendants,
    node_children,
    ref_name,
    references,
)
from llm_integrations.core.evolution.patterns.syntax import compiled_size
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.validation.compiled_schema import CompiledSchema, compile_schema
from llm_integrations.core.validation.patterns import PatternLimits, compiled_bytes

__all__ = ["ContainmentOracle"]

_MOST_CASES: Final = 24
"""Alternatives at one place: containment takes time that grows like their square or worse."""

_MOST_DEPENDENCIES: Final = 10
"""Properties that require others: each may double the time that containment takes."""

_MOST_NODES: Final = 4_000
_MOST_VALUES: Final = 2_000
_MOST_WRITTEN_OUT: Final = 200_000
"""Nodes with each reference replaced by its definition, which is how containment looks at them."""

_QUESTION_STEPS: Final = 200
"""What a question about containment counts as, besides its nodes."""

_MOST_FACTOR: Final = 4
_MOST_TIMES: Final = 64
"""How often a union of unions, and so on, may be written out where several premises meet in it."""

_NO_VERDICT: Final = (ValueError, RecursionError, ValidationLimitExceeded)

_BYTES_IN_A_STEP: Final = 150
"""Of a pattern that is compiled, as it is for each question about containment."""


class ContainmentOracle:
    """Asks jsonschema-rs about nodes of one workspace.

    Args:
        workspace: where the definitions are.
        options: formats and regular expressions mean what they mean to a Validator.
    """

    def __init__(self, workspace: Workspace, options: ValidationOptions) -> None:
        self._workspace = workspace
        self._options = options
        self._validators: dict[int, CompiledSchema | None] = {}
        self._kept: list[Node] = []
        self._patterns: dict[str, CompiledSchema | None] = {}
        self._sizes: dict[str, int] = {}
        self._answers: dict[tuple[int, ...], tuple[bool, int]] = {}
        # Each side's patterns were found small enough when it was compiled.
        self._limits = PatternLimits(len(workspace.patterns()))

    def covers(self, goal: Node, premises: Sequence[Node]) -> bool:
        """Whether it is certain that the goal admits all that satisfies the premises."""
        if self._workspace.has_unenforced(goal) or self._are_stricter(premises):
            return False
        if not self._worth(premises, goal):
            return False
        old = _together(premises)
        return self._ask(
            (goal, old),
            lambda: self._canonical(goal).covers(self._canonical(old)) == Containment.YES,
        )

    def unsatisfiable(self, premises: Sequence[Node]) -> bool:
        """Whether it is certain that nothing satisfies all premises."""
        node = _together(premises)
        if self._are_stricter(premises) or not self._worth(premises):
            return False
        return self._ask(
            (node,),
            lambda: self._canonical(node).satisfiability() == Satisfiability.NO,
        )

    def _are_stricter(self, premises: Sequence[Node]) -> bool:
        return any(map(self._workspace.is_stricter_unenforced, premises))

    def refuses(self, node: Node, value: Any) -> bool:
        """Whether it is certain that an instance fails a node."""
        is_certain = not self._workspace.is_stricter_unenforced(node)
        return is_certain and self.is_valid(node, value) is Answer.NO

    def is_valid(self, node: Node, value: Any) -> Answer:
        """Whether an instance satisfies a node; unknown where the node does not compile."""
        self._workspace.budget.spend()
        if id(node) not in self._validators:
            parts, names = self._workspace.parts([node])
            self._workspace.budget.spend(_size(parts))
            self._kept.append(node)
            self._validators[id(node)] = self._compile(self._workspace.standalone(node, names))
        return self._judge(self._validators[id(node)], value)

    def matches(self, pattern: str, text: str) -> Answer:
        """Whether a text has a match of a pattern; unknown where the pattern does not compile."""
        sure, unsure = self.matching([pattern], text)
        return Answer.UNKNOWN if unsure else Answer.of(bool(sure))

    def matching(self, patterns: Collection[str], text: str) -> tuple[list[str], list[str]]:
        """The patterns that a text certainly matches, and those of which that is not known."""
        self._workspace.budget.spend(len(patterns))
        known = self._patterns
        sure, unsure = [], []
        for pattern in patterns:
            if pattern not in known:
                self._workspace.budget.spend(_steps_to_compile(pattern))
                known[pattern] = self._compile({"pattern": pattern})
            compiled = known[pattern]
            try:
                if compiled is None:
                    unsure.append(pattern)
                elif compiled.accepts(text):
                    sure.append(pattern)
            except _NO_VERDICT:
                unsure.append(pattern)
        return sure, unsure

    def _compile(self, schema: Node) -> CompiledSchema | None:
        try:
            return compile_schema(Documents(schema), self._options, limits=self._limits)
        except (InvalidSchema, ValueError, RecursionError):
            return None

    def _judge(self, compiled: CompiledSchema | None, value: Any) -> Answer:
        if compiled is None:
            return Answer.UNKNOWN
        try:
            return Answer.of(compiled.accepts(value))
        except _NO_VERDICT:
            return Answer.UNKNOWN

    def _canonical(self, node: Node) -> jsonschema_rs.CanonicalSchema:
        return jsonschema_rs.canonicalize(
            self._workspace.standalone(node),
            draft=20,
            validate_formats=self._options.formats,
            pattern_options=self._pattern_options,
            offline=True,
        )

    @property
    def _pattern_options(self) -> Any:
        return self._limits.linear if self._options.regex == "linear" else self._limits.bounded

    def _worth(self, premises: Sequence[Node], *goal: Node) -> bool:
        """Whether the question comes to an end soon, and there is time for it."""
        nodes = (*goal, *premises)
        try:
            self._workspace.budget.spend(_QUESTION_STEPS)
            values = patterns = 0
            parts, names = self._workspace.parts(nodes)
            if len(parts) > _MOST_NODES:
                return False
            # jsonschema-rs looks for what such a definition evaluates until its stack is full.
            if any(map(_looks_at_rest, parts)) and self._workspace.is_recursive(names):
                return False
            for node in parts:
                values += len(node.get("enum", ()))
                patterns += _steps_for_patterns(node)
                if values > _MOST_VALUES or _cases(node) > _MOST_CASES:
                    return False
                if len(node.get("dependentRequired", ())) > _MOST_DEPENDENCIES:
                    return False
            if sum(map(self._written_out, nodes)) > _MOST_WRITTEN_OUT:
                return False
            self._workspace.budget.spend(patterns)
            times = max(map(self._times, nodes)) if len(premises) > 1 else 1
            self._workspace.budget.spend(_QUESTION_STEPS * (min(times, _MOST_TIMES) - 1))
            return times <= _MOST_TIMES
        except Undecidable:
            return False

    def _times(self, node: Node) -> int:
        """How often the innermost of alternatives within alternatives may be written out below the
        outermost; a definition is entered once."""
        most = 1
        entered: set[str] = set()
        stack = [(node, 0)]
        while stack and most <= _MOST_TIMES:
            current, times = stack.pop()
            branches = min(_alternatives(current), _MOST_FACTOR)
            if branches > 1:
                times = times * branches or 1
                most = max(most, times)
            stack.extend((child, times) for child in node_children(current))
            name = ref_name(current)
            if name is not None and name not in entered:
                entered.add(name)
                stack.append((self._workspace.definitions[name], times))
        return most

    def _written_out(self, node: Node) -> int:
        """The number of nodes with every reference written out; a cycle is entered once."""
        entered: set[str] = set()
        waiting = list(self._workspace.reachable([node]) - self._sizes.keys())
        while waiting:
            name = waiting[-1]
            entered.add(name)
            used = set(references(self._workspace.definitions[name]))
            unknown = used - entered - self._sizes.keys()
            if unknown:
                waiting += unknown
            else:
                waiting.pop()
                self._sizes[name] = self._with_references(self._workspace.definitions[name])
        return self._with_references(node)

    def _with_references(self, node: Node) -> int:
        sizes = (self._sizes.get(ref_name(part) or "", 1) for part in descendants(node))
        return min(sum(sizes), _MOST_WRITTEN_OUT + 1)

    def _ask(self, about: Sequence[Node], question: Callable[[], bool]) -> bool:
        """The answer to a question; one about nodes that say the same is asked once, and counts
        as often as it comes up."""
        budget = self._workspace.budget
        try:
            key = tuple(id(self._workspace.canonical(node)) for node in about)
            if key in self._answers:
                answer, steps = self._answers[key]
                budget.spend(steps)
            else:
                before = budget.spent
                answer = question()
                self._answers[key] = answer, budget.spent - before
            return answer
        except BaseException as error:
            if isinstance(error, Exception) or type(error).__name__ == "PanicException":
                return False
            raise


def _looks_at_rest(node: Node) -> bool:
    return "unevaluatedProperties" in node or "unevaluatedItems" in node


def _size(parts: list[Node]) -> int:
    """What it takes to compile them: their keywords, values and patterns."""
    return sum(len(node) + len(node.get("enum", ())) + _steps_for_patterns(node) for node in parts)


def _steps_for_patterns(node: Node) -> int:
    steps = sum(map(_steps_to_compile, node.get("patternProperties", ())))
    return steps + (_steps_to_compile(node["pattern"]) if "pattern" in node else 0)


def _steps_to_compile(pattern: str) -> int:
    return compiled_size(pattern) + compiled_bytes(pattern) // _BYTES_IN_A_STEP


def _together(nodes: Sequence[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else {"allOf": list(nodes)}


def _cases(node: Node) -> int:
    """In how many ways a value can satisfy a node, at the most, by its combinations."""
    return prod(_alternatives(part) for part in (node, *node.get("allOf", ())))


def _alternatives(node: Node) -> int:
    branches = (len(node.get("anyOf", ())) or 1) * (len(node.get("oneOf", ())) or 1)
    dependent = 1 << min(len(node.get("dependentSchemas", ())), 8)
    return branches * dependent * (2 if "if" in node else 1)
