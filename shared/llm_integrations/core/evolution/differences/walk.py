"""Walking two schemas side by side: the frame; what is compared lives in the other modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from llm_integrations.core.evolution.differences.change import Change
from llm_integrations.core.evolution.differences.finding import Finding, WitnessTarget
from llm_integrations.core.evolution.differences.instance_path import (
    InstancePath,
    InstanceStep,
    where_text,
)
from llm_integrations.core.evolution.model.answer import Answer
from llm_integrations.core.evolution.model.kinds import ChangeKind, Direction
from llm_integrations.core.evolution.model.limits import Budget, Undecidable
from llm_integrations.core.evolution.normal_form.nodes import Node, references, same
from llm_integrations.core.evolution.proof.constraints import Constraints
from llm_integrations.core.evolution.proof.prover import Prover

__all__ = ["Goals", "Pair", "Walk"]

_DEEPEST: Final = 60

Goals = tuple[Node | None, Node | None]
"""What new readers demand of old data because of a difference, and old readers of new data."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An old and a new node that judge the same place in the data.

    Attributes:
        old: the old node.
        new: the new node.
        old_premises: all that holds for old data there, the old node included.
        new_premises: all that holds for new data there.
        path: how to get there in an instance.
    """

    old: Node
    new: Node
    old_premises: tuple[Node, ...]
    new_premises: tuple[Node, ...]
    path: InstancePath = ()

    def goals(self, *keywords: str) -> Goals:
        """What each side demands by some of its keywords; None where it has none of them."""
        new, old = ({k: node[k] for k in keywords if k in node} for node in (self.new, self.old))
        return new or None, old or None


class Walk:
    """Collects the differences of a pair of schemas.

    Args:
        prover: decides whom a difference breaks.
        safe: directions in which the whole is known to be compatible, so that nothing breaks.
        comparers: what is compared at each pair.
    """

    def __init__(
        self,
        prover: Prover,
        safe: frozenset[Direction],
        comparers: Sequence[Callable[[Walk, Pair], None]],
    ) -> None:
        self.prover = prover
        self.workspace = prover.workspace
        self.findings: list[Finding] = []
        self._safe = safe
        self._comparers = comparers
        # Without a clock: a list of differences is complete, or none is given.
        self._budget = Budget(prover.workspace.budget.limits)
        self._seen: set[tuple[int, int, bool]] = set()
        self._depth = 0
        self._together = 0

    def compare(self, pair: Pair) -> None:
        """Compare two nodes, and what is inside of them; each pair of nodes once."""
        self._compare_references(pair)
        old, new = self.workspace.resolved(pair.old), self.workspace.resolved(pair.new)
        pair = replace(pair, old=old, new=new)
        # A pair inside of a combination is judged with the combination, and once more outside.
        key = (id(old), id(new), self._together > 0)
        if key in self._seen:
            return
        self._seen.add(key)
        self._budget.spend(_size(old) + _size(new))
        if self._depth > _DEEPEST:
            raise Undecidable(f"the schemas nest more than {_DEEPEST} levels")
        self._depth += 1
        for comparer in self._comparers:
            comparer(self, pair)
        self._depth -= 1

    def compare_children(
        self,
        pair: Pair,
        step: InstanceStep,
        old: Node,
        new: Node,
        premises: Callable[[Constraints], Sequence[Node]],
    ) -> None:
        """Compare what two nodes say about the same child of the instance.

        Args:
            pair: the nodes about the instance.
            step: which child.
            old: what the old node says about it.
            new: what the new node says about it.
            premises: what holds for the child, by the constraints on the instance.
        """
        old_premises, new_premises = (
            tuple(self.nodes_about(p, premises) or ())
            for p in (pair.old_premises, pair.new_premises)
        )
        self.compare(Pair(old, new, old_premises, new_premises, (*pair.path, step)))

    def nodes_about(
        self, premises: Sequence[Node], look_up: Callable[[Constraints], Sequence[Node]]
    ) -> Sequence[Node] | None:
        """What holds for a child of the instance; None once the budget is exhausted."""
        try:
            return look_up(self.prover.constraints(premises))
        except Undecidable:
            return None

    def is_unchanged(self, old: Node, new: Node) -> bool:
        """Whether two nodes without references were written alike: nothing to compare inside."""
        return same(old, new) and same(self.raw(old), self.raw(new)) and not any(references(new))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Compare nodes that are judged as one with their neighbours, as those below ``not``."""
        self._together += 1
        try:
            yield
        finally:
            self._together -= 1

    def _compare_references(self, pair: Pair) -> None:
        old, new = (self.workspace.written(n).get("$ref") for n in (pair.old, pair.new))
        if old != new and old is not None and new is not None:
            self.note(pair, ChangeKind.REFERENCE_CHANGED, "$ref", old, new)

    def implies(self, premises: Sequence[Node], goal: Node) -> bool:
        """Whether the goal certainly holds; giving up counts as no."""
        if self.prover.exhausted:
            return False
        try:
            return self.prover.proves(premises, goal)
        except (Undecidable, RecursionError):
            return False

    def refuses(self, premises: Sequence[Node], value: Any) -> bool:
        """Whether a value certainly fails one of the premises; giving up counts as no."""
        try:
            oracle = self.prover.oracle
            return any(oracle.is_valid(node, value) is Answer.NO for node in premises)
        except Undecidable:
            return False

    def report(
        self,
        pair: Pair,
        kind: ChangeKind,
        keyword: str,
        old: Any,
        new: Any,
        goals: Goals,
        *,
        rest: str = "",
        where: InstancePath = (),
    ) -> None:
        """Note a difference, and find out whom it breaks.

        Args:
            pair: the nodes that differ.
            kind: what happened.
            keyword: the keyword that differs.
            old: what stood there: a node or a plain value; None when nothing did.
            new: what stands there now.
            goals: what each side's readers demand because of it.
            rest: what the JSON Pointer has after the keyword.
            where: the place in the instance, from the pair's.
        """
        backward = self._failure("backward", pair.old_premises, goals[0])
        forward = self._failure("forward", pair.new_premises, goals[1])
        self.note(pair, kind, keyword, old, new, backward, forward, rest=rest, where=where)

    def note(
        self,
        pair: Pair,
        kind: ChangeKind,
        keyword: str,
        old: Any,
        new: Any,
        backward: Node | None = None,
        forward: Node | None = None,
        *,
        rest: str = "",
        where: InstancePath = (),
        name: str = "",
        rename: str | None = None,
    ) -> None:
        """Note a difference of which it is known whom it breaks.

        ``backward`` and ``forward`` are what the data is like that it breaks; the other arguments
        are those of ``report``, with ``name`` for a property instead of the keyword.
        """
        backward = None if "backward" in self._safe else backward
        forward = None if "forward" in self._safe else forward
        in_old = new is None and old is not None
        change = Change(
            path=self._pointer(pair.old if in_old else pair.new, keyword, rest),
            kind=kind,
            old=self.raw(old),
            new=self.raw(new),
            breaks_backward=backward is not None,
            breaks_forward=forward is not None,
            where=where_text(pair.path + where),
            keyword=name or keyword,
            side="old" if in_old else "new",
            rename=rename,
        )
        targets = [None if n is None else WitnessTarget(n, pair.path) for n in (backward, forward)]
        self.findings.append(Finding(change, pair.path, *targets))

    def _failure(
        self, direction: Direction, premises: Sequence[Node], goal: Node | None
    ) -> Node | None:
        """What fails the goal; None when the premises leave nothing that does."""
        if goal is None or direction in self._safe:
            return None
        goal = self.workspace.add(goal)
        return None if self.implies(premises, goal) else self.workspace.negation(goal)

    def _pointer(self, node: Node, keyword: str, rest: str) -> str:
        """Where a keyword of a node is written, as a JSON Pointer into its own document."""
        place = self.workspace.place(node)
        if place is None:
            return ""
        written = _as_written(keyword, place.schema)
        suffix = "" if written is None else f"/{written}{rest}"
        pointer = place.pointer + suffix
        return f"{place.document}#{pointer}" if place.document else pointer

    def raw(self, value: Any) -> Any:
        """A node as people wrote it; any other value as it is."""
        place = self.workspace.place(value)
        return value if place is None else place.schema

    def mark(self) -> int:
        """A point in the findings from which ``blame_together`` starts."""
        return len(self.findings)

    def blame_together(
        self, mark: int, pair: Pair, direction: Direction, node: Node | None
    ) -> None:
        """Say of all findings since the mark that they break data only together.

        ``node`` is what that data is like; None says that they break none.
        """
        broken = node is not None and direction not in self._safe
        target = WitnessTarget(node, pair.path) if node is not None and broken else None
        self._budget.spend(len(self.findings) - mark)
        for index in range(mark, len(self.findings)):
            finding = self.findings[index]
            if not finding.change.is_documentation:
                changed: dict[str, Any] = {f"breaks_{direction}": broken}
                targets: dict[str, Any] = {direction: target}
                change = replace(finding.change, **changed)
                self.findings[index] = replace(finding, change=change, **targets)


def _size(node: Node) -> int:
    """How much there is to compare at one node, without what is inside of its children."""
    lengths = (len(value) for value in node.values() if isinstance(value, dict | list))
    return 1 + sum(lengths)


_SPELLINGS: Final = {
    "enum": ("enum", "const"),
    "prefixItems": ("prefixItems", "items"),
    "items": ("items", "additionalItems", "unevaluatedItems"),
    "additionalProperties": ("additionalProperties", "unevaluatedProperties"),
    "dependentRequired": ("dependentRequired", "dependencies"),
    "dependentSchemas": ("dependentSchemas", "dependencies"),
    "exclusiveMinimum": ("exclusiveMinimum", "minimum"),
    "exclusiveMaximum": ("exclusiveMaximum", "maximum"),
}


def _as_written(keyword: str, schema: Any) -> str | None:
    """The keyword as the author spelled it; None when the schema has none of that kind."""
    if not isinstance(schema, dict):
        return None
    for spelling in _SPELLINGS.get(keyword, (keyword,)):
        # Draft 4 has flags of this name, beside the bound that they are about.
        if spelling in schema and not (spelling.startswith("excl") and schema[spelling] is True):
            return spelling
    return None
