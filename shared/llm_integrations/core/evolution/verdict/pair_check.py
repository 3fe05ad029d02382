"""One previous version against a new one: what speaks against them getting along."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.evolution.differences.change import Change
from llm_integrations.core.evolution.differences.finding import Finding
from llm_integrations.core.evolution.model.kinds import Direction
from llm_integrations.core.evolution.model.levels import Policy
from llm_integrations.core.evolution.model.limits import Limits, Undecidable
from llm_integrations.core.evolution.model.source import Source
from llm_integrations.core.evolution.normal_form.nodes import same
from llm_integrations.core.evolution.text.wording import REFUSED, consequence
from llm_integrations.core.evolution.verdict.comparison import Comparison
from llm_integrations.core.evolution.verdict.judges import judge_beside
from llm_integrations.core.evolution.verdict.report import Incompatibility, Undecided
from llm_integrations.core.evolution.verdict.witness import Witness, WitnessSearch
from llm_integrations.core.validation.compiled_schema import CompiledSchema

__all__ = ["PairCheck"]

_MOST_SHOWN: Final = 50
_NO_TIME: Final = "the steps that a comparison may take ran out before it was looked at"
_NO_WITNESS: Final = "no instance was found that shows it, and it could not be ruled out"


class PairCheck:
    """One previous version against the new one.

    Attributes:
        comparison: the two side by side; None when they are the same or cannot be compared.
        why_not: why they cannot be compared; empty when they can.
        notes: what was left out.
        search: finds witnesses for the comparison; only there when they can be compared.
    """

    def __init__(
        self,
        old: Source,
        new: Source,
        judge: CompiledSchema,
        options: ValidationOptions,
        policy: Policy,
        limits: Limits,
    ) -> None:
        self.comparison: Comparison | None = None
        self._name = old.name
        self.why_not = ""
        self.notes: list[str] = []
        self._witnesses: dict[tuple[Direction, int], Witness | None] = {}
        if _is_same(old, new):
            return
        try:
            reader, options = judge_beside(old, [new], options)
            comparison = Comparison(old, new, options=options, policy=policy, limits=limits)
            self.search = WitnessSearch(comparison, reader, judge)
            self.comparison = comparison
        except Undecidable as error:
            self.why_not = str(error)
        except InvalidSchema as error:
            self.why_not = f"the previous version cannot be used: {error}"

    def judge(self, direction: Direction) -> Iterator[Incompatibility | Undecided]:
        """What speaks against compatibility in one direction; nothing if it is compatible."""
        if self.comparison is None:
            if self.why_not:
                yield Undecided("", self.why_not, direction, self._name)
            return
        try:
            if direction not in self.comparison.safe:
                yield from self._against(direction, self.comparison)
                if self.comparison.cut:
                    yield Undecided("", self.comparison.cut, direction, self._name)
        except Undecidable as error:
            yield Undecided("", str(error), direction, self._name)

    def breaking(self, direction: Direction) -> tuple[Change, ...]:
        """All changes that were found to break data, or could not be shown to break none."""
        if self.comparison is None or direction in self.comparison.safe:
            return ()
        changes = (finding.change for finding in self.comparison.findings)
        return tuple(change for change in changes if change.breaks(direction))

    def _against(
        self, direction: Direction, comparison: Comparison
    ) -> Iterator[Incompatibility | Undecided]:
        undecided: list[Change] = []
        shown = 0
        groups = _groups(comparison, direction)
        for number, (findings, witness) in enumerate(self.tried(direction)):
            changes = tuple(finding.change for finding in findings)
            if witness is None:
                undecided += changes
                continue
            shown += 1
            yield self._incompatibility(direction, changes, witness)
            if shown == _MOST_SHOWN or comparison.exhausted:
                yield from self._rest(direction, groups[number + 1 :])
                break
        if shown == 0:
            yield from self._as_a_whole(direction, comparison, tuple(undecided))
        elif undecided:
            reason = _NO_TIME if comparison.exhausted else _NO_WITNESS
            yield self._undecided(direction, reason, tuple(undecided))

    def _rest(self, direction: Direction, groups: list[list[Finding]]) -> Iterator[Undecided]:
        """What nobody looked for a witness of: enough were found, or the steps ran out."""
        if not groups:
            return
        things = (
            "1 further change was" if len(groups) == 1 else f"{len(groups)} further changes were"
        )
        self.notes.append(f"{things} not looked at ({direction}, {self._name})")
        if self.comparison is not None and self.comparison.exhausted:
            changes = tuple(finding.change for group in groups for finding in group)
            yield self._undecided(direction, _NO_TIME, changes)

    def _undecided(
        self, direction: Direction, reason: str, changes: tuple[Change, ...]
    ) -> Undecided:
        return Undecided(changes[0].path, reason, direction, self._name, changes)

    def tried(self, direction: Direction) -> Iterator[tuple[list[Finding], Witness | None]]:
        """The findings that break data, grouped by what shows them, each group with its witness."""
        if self.comparison is None:
            return
        for findings in _groups(self.comparison, direction):
            key = (direction, id(findings[0]))
            if key not in self._witnesses:
                target = findings[0].target(direction)
                found = None if target is None else self.search.find(direction, target)
                self._witnesses[key] = found
            yield findings, self._witnesses[key]

    def _as_a_whole(
        self, direction: Direction, comparison: Comparison, changes: tuple[Change, ...]
    ) -> Iterator[Incompatibility | Undecided]:
        """No change could be shown to break anything by itself: ask about the whole."""
        if comparison.oracle.covers(comparison.goal(direction), comparison.premises(direction)):
            return
        witness = self.search.find_any(direction)
        if witness is not None:
            yield self._incompatibility(direction, changes, witness)
        else:
            path = changes[0].path if changes else ""
            reason = _NO_TIME if comparison.exhausted else _NO_WITNESS
            yield Undecided(path, reason, direction, self._name, changes)

    def _incompatibility(
        self, direction: Direction, changes: tuple[Change, ...], witness: Witness
    ) -> Incompatibility:
        path = changes[0].path if changes else ""
        unexplained = f"there is {REFUSED[direction]}"
        message = consequence(changes[0], direction) if changes else unexplained
        value, refused = witness.value, witness.refused
        return Incompatibility(path, message, value, direction, self._name, refused, changes)


def _groups(comparison: Comparison, direction: Direction) -> list[list[Finding]]:
    """The findings that break data, those that the same instance shows together."""
    groups: dict[object, list[Finding]] = {}
    for finding in comparison.findings:
        if finding.change.breaks(direction):
            target = finding.target(direction)
            key = object() if target is None else (id(target.node), target.path)
            groups.setdefault(key, []).append(finding)
    return list(groups.values())


def _is_same(old: Source, new: Source) -> bool:
    """Whether both are the same documents, which is cheap to see however large they are."""
    return same(dict(old.resources), dict(new.resources)) and same(old.body, new.body)
