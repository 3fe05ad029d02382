"""Instances for a guide: one of the old schema that shows what changes, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from llm_integrations.core.evolution.differences.finding import Finding
from llm_integrations.core.evolution.differences.instance_path import (
    InstancePath,
    InstanceStep,
    demanding,
)
from llm_integrations.core.evolution.model.kinds import ChangeKind, Direction
from llm_integrations.core.evolution.model.limits import Undecidable
from llm_integrations.core.evolution.normal_form.nodes import Node
from llm_integrations.core.evolution.sampling.choices import Chooser, Full, Minimal, Randomly
from llm_integrations.core.evolution.verdict.witness import WitnessSearch
from llm_integrations.core.validation.compiled_schema import CompiledSchema

__all__ = ["Illustrated", "sample_like", "samples"]

_MOST_SHOWN: Final = 8
_TRIES: Final = 12


class Illustrated(Minimal):
    """The smallest instance, with the values that the schema's author offers."""

    likes_examples = True


def sample_like(
    search: WitnessSearch, judge: CompiledSchema, direction: Direction, findings: Sequence[Finding]
) -> tuple[Any] | None:
    """A valid instance of the writing side that has the places where something changed.

    Returns it in a tuple of one, or None when none was found.
    """
    comparison = search.comparison
    premises = list(comparison.premises(direction))
    for target in _places(findings, direction):
        wider = [*premises, comparison.workspace.add(target)]
        if _first(search, judge, wider, Illustrated(), 2) is not None:
            premises = wider
    return _first(search, judge, premises, Illustrated(), _TRIES) or _first(
        search, judge, list(comparison.premises(direction)), Full(), _TRIES
    )


def samples(search: WitnessSearch, judge: CompiledSchema, direction: Direction) -> list[Any]:
    """Some valid instances of the writing side: one with all there can be, and others."""
    premises = list(search.comparison.premises(direction))
    choosers = Full(), Illustrated(), Randomly(1), Randomly(2)
    found = (_first(search, judge, premises, chooser, 2) for chooser in choosers)
    return [value[0] for value in found if value is not None]


def _places(findings: Sequence[Finding], direction: Direction) -> Iterator[Node]:
    """Nodes that ask for the places that changed, the most telling first."""
    ranked = sorted(findings, key=lambda finding: not finding.change.is_breaking)
    shown = [finding for finding in ranked if not finding.change.is_documentation]
    for finding in shown[:_MOST_SHOWN]:
        path = (*finding.path, *_own_step(finding, direction))
        if path:
            yield demanding({}, path, direction, Illustrated().pick)


def _own_step(finding: Finding, direction: Direction) -> InstancePath:
    change = finding.change
    present = ChangeKind.PROPERTY_REMOVED if direction == "backward" else ChangeKind.PROPERTY_ADDED
    return (InstanceStep("property", change.keyword),) if change.kind is present else ()


def _first(
    search: WitnessSearch,
    judge: CompiledSchema,
    premises: list[Node],
    chooser: Chooser,
    tries: int,
) -> tuple[Any] | None:
    try:
        for value in search.sampler.attempts(premises, chooser, tries):
            if judge.accepts(value):
                return (value,)
    except (Undecidable, ValueError):
        return None
    return None
