"""One pair of schemas under comparison: what is proven, what differs, what shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Final

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.evolution.differences.annotations import compare_documents, compare_notes
from llm_integrations.core.evolution.differences.arrays import compare_arrays
from llm_integrations.core.evolution.differences.combinations import compare_combinations
from llm_integrations.core.evolution.differences.finding import Finding
from llm_integrations.core.evolution.differences.objects import compare_objects
from llm_integrations.core.evolution.differences.values import compare_values
from llm_integrations.core.evolution.differences.walk import Pair, Walk
from llm_integrations.core.evolution.model.kinds import DIRECTIONS, Direction
from llm_integrations.core.evolution.model.levels import Policy
from llm_integrations.core.evolution.model.limits import Limits, Undecidable
from llm_integrations.core.evolution.model.source import Source
from llm_integrations.core.evolution.normal_form.nodes import Node, Workspace, same
from llm_integrations.core.evolution.normal_form.normalise import normalise_pair
from llm_integrations.core.evolution.proof.containment_oracle import ContainmentOracle
from llm_integrations.core.evolution.proof.prover import Prover
from llm_integrations.core.evolution.verdict.lenient import closing_node

__all__ = ["Comparison"]

_COMPARERS: Final = (
    compare_notes,
    compare_values,
    compare_arrays,
    compare_objects,
    compare_combinations,
)

_MOST_JUDGEMENTS: Final = 20_000


class Comparison:
    """Compares one old schema with one new one.

    Args:
        old: the old schema.
        new: the new one.
        options: how a Validator would judge data.
        policy: strict, or lenient (properties that data's schema does not declare are absent).
        limits: what the comparison may cost.

    Attributes:
        cut: why not all differences are among the findings; empty when they are.

    Raises:
        Undecidable: when the schemas cannot be brought into a form to compare.
    """

    def __init__(
        self,
        old: Source,
        new: Source,
        *,
        options: ValidationOptions,
        policy: Policy,
        limits: Limits,
    ) -> None:
        self.old, self.new = old, new
        self.policy = policy
        self.cut = ""
        self.limits = limits
        self.workspace: Workspace
        self.workspace, self.old_root, self.new_root = normalise_pair(
            old, new, formats=options.formats, limits=limits
        )
        for node in (self.old_root, self.new_root, *self.workspace.definitions.values()):
            if self.workspace.judgements(node) > _MOST_JUDGEMENTS:
                raise Undecidable(
                    "a schema judges the same value again and again, in too many ways"
                )
        self.oracle = ContainmentOracle(self.workspace, options)
        self.prover = Prover(self.workspace, self.oracle)
        self._premises = self._all_that_holds()
        self.workspace.budget.start_phase()

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left of what the present phase may cost."""
        return self.workspace.budget.exhausted

    def _all_that_holds(self) -> dict[Direction, tuple[Node, ...]]:
        writers: dict[Direction, Node] = {"backward": self.old_root, "forward": self.new_root}
        if self.policy == "strict":
            return {direction: (root,) for direction, root in writers.items()}
        closed = {
            d: closing_node(root, self.goal(d), self.workspace, self.oracle)
            for d, root in writers.items()
        }
        return {d: (root, closed[d]) if closed[d] else (root,) for d, root in writers.items()}

    def premises(self, direction: Direction) -> tuple[Node, ...]:
        """All that holds for the data that is read, in a direction."""
        return self._premises[direction]

    def goal(self, direction: Direction) -> Node:
        """What the reader demands, in a direction."""
        return self.new_root if direction == "backward" else self.old_root

    @cached_property
    def safe(self) -> frozenset[Direction]:
        """The directions in which compatibility is shown by structure."""
        if same(self.old_root, self.new_root):
            return frozenset(DIRECTIONS)
        return frozenset(d for d in DIRECTIONS if self._shown(d))

    def _shown(self, direction: Direction) -> bool:
        try:
            return self.prover.proves(self.premises(direction), self.goal(direction))
        except (Undecidable, RecursionError):
            return False

    @cached_property
    def findings(self) -> list[Finding]:
        """All differences, each once, in the order of the new schema."""
        walk = Walk(self.prover, self.safe, _COMPARERS)
        premises = self.premises("backward"), self.premises("forward")
        try:
            walk.compare(Pair(self.old_root, self.new_root, *premises))
        except (Undecidable, RecursionError) as error:
            self.cut = str(error) or "the schemas are nested too deeply"
        found = _merged(walk.findings)
        visited = _visited(found)
        wholes = [Finding(c) for c in compare_documents(self.old, self.new, visited)]
        return [*self._blamed(found), *wholes]

    def _blamed(self, found: list[Finding]) -> list[Finding]:
        """In a direction that is not safe some change breaks data; where none is known, all may."""
        known = {d for d in DIRECTIONS if any(f.change.breaks(d) for f in found)}
        blamed = [direction not in self.safe | known for direction in DIRECTIONS]
        return [f if f.change.is_documentation else f.also_breaking(*blamed) for f in found]


def _merged(findings: Sequence[Finding]) -> list[Finding]:
    """Findings about the same thing become one that breaks whom any of them breaks."""
    merged: dict[str, Finding] = {}
    for finding in findings:
        change = finding.change
        parts = (change.side, change.path, change.kind, change.keyword, change.old, change.new)
        key = repr(parts)
        known = merged.get(key)
        merged[key] = finding if known is None else _joined(known, finding)
    return list(merged.values())


def _joined(first: Finding, second: Finding) -> Finding:
    shows = first if first.backward or first.forward else second
    both = first.also_breaking(second.change.breaks_backward, second.change.breaks_forward)
    return replace(shows, change=both.change)


def _visited(findings: Sequence[Finding]) -> set[str]:
    """The definitions that some change is inside of."""
    paths = [finding.change.path.split("/") for finding in findings]
    return {
        "/".join(path[:3])
        for path in paths
        if len(path) > 2 and path[1] in ("definitions", "$defs")
    }
