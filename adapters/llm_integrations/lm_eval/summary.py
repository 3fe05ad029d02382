"""Counts of what was judged in each task, by role, with examples of what was invalid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Literal

from llm_integrations.core.pins import Pin, Role
from llm_integrations.core.pins.inputs import Inputs

__all__ = ["EXAMPLES", "Counted", "RoleCounts", "TaskSummary"]

Counted = Role | Literal["fewshot"]
"""Documents that stand in prompts as shots are judged by the schema of cases, and counted apart."""

_NOUNS: Final[dict[Counted, str]] = {
    "case": "cases",
    "fewshot": "few-shot documents",
    "result": "results",
    "metric": "metrics",
}
EXAMPLES: Final = 5
"""Reports kept for each role; the others are counted, and in the quarantine if there is one."""


@dataclass
class RoleCounts:
    """Counts for one role of a task; ``total`` is always valid + invalid."""

    total: int = 0
    invalid: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def valid(self) -> int:
        return self.total - self.invalid

    def count(self, total: int, invalid: int, examples: Iterable[str]) -> None:
        """Add what was judged; of the examples a few are kept."""
        self.total += total
        self.invalid += invalid
        self.examples += islice(examples, EXAMPLES - len(self.examples))

    def to_dict(self) -> dict[str, Any]:
        return {
            "total": self.total,
            "valid": self.valid,
            "invalid": self.invalid,
            "examples": list(self.examples),
        }


@dataclass
class TaskSummary:
    """One task's pins and counts, by role.

    Attributes:
        set_aside: positions of the documents that were left out: their ``doc_id``.
        inputs: what else the scores depend on, see ``core.pins.inputs``.
        unjudged: by role, why something that should have been judged was not.
    """

    task: str
    pins: dict[Role, Pin]
    tallies: dict[Counted, RoleCounts] = field(default_factory=dict)
    set_aside: list[int] = field(default_factory=list)
    inputs: Inputs = field(default_factory=dict)
    unjudged: dict[Role, str] = field(default_factory=dict)

    def counts_of(self, role: Counted) -> RoleCounts:
        return self.tallies.setdefault(role, RoleCounts())

    def problems(self) -> list[str]:
        """One line for each role that holds something invalid."""
        return [
            f"{self.task}: {counts.invalid} of {counts.total} {_NOUNS[role]} invalid by "
            f"{self.pins['case' if role == 'fewshot' else role].ref} ({counts.examples[0]})"
            for role, counts in self.tallies.items()
            if counts.invalid
        ]

    def to_dict(self) -> dict[str, Any]:
        return {
            "pins": {role: pin.to_dict() for role, pin in self.pins.items()},
            "validation": {role: counts.to_dict() for role, counts in self.tallies.items()},
            "set_aside": list(self.set_aside),
            "inputs": dict(self.inputs),
        }
