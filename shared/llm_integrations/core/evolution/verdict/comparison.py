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
from llm_integrations.core.evolution.differences.objects import compare_objects
from llm_integrations.core.evolution.differences.values import compare_values
from llm_integrations.core.evolution.differences.walk import Finding, Pair, Walk
from llm_integrations.core.evolution.model.change import Change, Direction
from llm_integrations.core.evolution.model.levels import Policy
from llm_integrations.core.evolution.model.limits import Clock, Limits, Undecidable
from llm_integrations.core.evolution.model.source import Source
from llm_integrations.core.evolution.normal_form.nodes import Node, Workspace, same
from llm_integrations.core.evolution.normal_form.normalise import normalise_pair
from llm_integrations.core.evolution.proof.containment import Engine
from llm_integrations.core.evolution.proof.prover import Prover
from llm_integrations.core.evolution.sampling.sampler import Sampler
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
        self._clock = Clock(limits)
        self.engine = Engine(self.workspace, options, self._clock)
        self.prover = Prover(self.workspace, self.engine, self._clock)

    @cached_property
    def sampler(self) -> Sampler:
        """Makes instances; its time counts from the first use."""
        return Sampler(self.prover, Clock(self.limits))

    @property
    def is_identical(self) -> bool:
        return same(self.old_root, self.new_root)

    @cached_property
    def old_given(self) -> tuple[Node, ...]:
        """All that holds for old data."""
        return self._given(self.old_root)

    @cached_property
    def new_given(self) -> tuple[Node, ...]:
        """All that holds for new data."""
        return self._given(self.new_root)

    def _given(self, root: Node) -> tuple[Node, ...]:
        if self.policy == "strict":
            return (root,)
        closed = closing_node(root, self.workspace, self.engine)
        return (root, closed) if closed else (root,)

    def given(self, direction: Direction) -> tuple[Node, ...]:
        """All that holds for the data that is read, in a direction."""
        return self.old_given if direction == "backward" else self.new_given

    def goal(self, direction: Direction) -> Node:
        """What the reader demands, in a direction."""
        return self.new_root if direction == "backward" else self.old_root

    @cached_property
    def safe(self) -> frozenset[Direction]:
        """The directions in which compatibility is shown by structure."""
        directions: tuple[Direction, ...] = ("backward", "forward")
        if self.is_identical:
            return frozenset(directions)
        return frozenset(d for d in directions if self._shown(d))

    def _shown(self, direction: Direction) -> bool:
        try:
            return self.prover.proves(self.given(direction), self.goal(direction))
        except (Undecidable, RecursionError):
            return False

    def engine_agrees(self, direction: Direction) -> bool:
        """Whether the containment engine shows compatibility for the schemas as wholes."""
        return self.engine.covers(self.goal(direction), self.given(direction))

    @cached_property
    def findings(self) -> list[Finding]:
        """All differences, each once, in the order of the new schema."""
        walk = Walk(self.prover, self.safe, _COMPARERS)
        walk.compare(Pair(self.old_root, self.new_root, self.old_given, self.new_given))
        found = _merged(walk.findings)
        visited = _visited(found)
        wholes = [Finding(c, ()) for c in compare_documents(self.old, self.new, visited)]
        return [*self._blamed(found), *wholes]

    def _blamed(self, found: list[Finding]) -> list[Finding]:
        """If a direction is not safe, somebody is to blame: at worst, everything that differs."""
        backward = self._nobody_is_blamed(found, "backward")
        forward = self._nobody_is_blamed(found, "forward")
        return [
            finding
            if finding.change.is_documentation
            else _blame(finding, backward=backward, forward=forward)
            for finding in found
        ]

    def _nobody_is_blamed(self, found: list[Finding], direction: Direction) -> bool:
        return direction not in self.safe and not any(f.change.breaks(direction) for f in found)

    @property
    def changes(self) -> list[Change]:
        return [finding.change for finding in self.findings]


def _blame(finding: Finding, *, backward: bool, forward: bool) -> Finding:
    change = finding.change
    backward, forward = change.breaks_backward or backward, change.breaks_forward or forward
    return replace(
        finding, change=replace(change, breaks_backward=backward, breaks_forward=forward)
    )


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
    change = replace(
        first.change,
        breaks_backward=first.change.breaks_backward or second.change.breaks_backward,
        breaks_forward=first.change.breaks_forward or second.change.breaks_forward,
    )
    leader = first if first.backward or first.forward else second
    return replace(leader, change=change)


def _visited(findings: Sequence[Finding]) -> set[str]:
    """The definitions that some change is inside of."""
    visited = set()
    for finding in findings:
        tokens = finding.change.path.split("/")
        if len(tokens) > 2 and tokens[1] in ("definitions", "$defs"):
            visited.add("/".join(tokens[:3]))
    return visited
