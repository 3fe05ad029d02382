"""What a migration guide holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llm_integrations.core.evolution.differences.change import Change
from llm_integrations.core.evolution.verdict.report import Incompatibility, Undecided

__all__ = ["Action", "Example", "GuideContents"]


@dataclass(frozen=True, slots=True)
class Action:
    """A change and what to do about it.

    Attributes:
        change: what differs.
        advice: what to do.
        automated: whether ``migrate()`` brings old data over it.
    """

    change: Change
    advice: str
    automated: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """A valid instance before and after.

    Attributes:
        before: valid under the old schema.
        after: valid under the new one.
        migrated: whether ``migrate(before)`` is ``after``; else ``after`` was made up.
    """

    before: Any
    after: Any
    migrated: bool


@dataclass(frozen=True, slots=True)
class GuideContents:
    """What it takes to get from one version of a schema to the next.

    Attributes:
        old: what the old version is called, and ``new`` the new one.
        policy: "strict" or "lenient", as for ``check_compatibility``.
        breaks_readers: whether new readers refuse some old data (or that could not be ruled out).
        breaks_writers: whether old readers refuse some new data.
        actions: every change, with what to do about it.
        violations: data that is refused, for either side.
        unknown: what could not be decided.
        example: an instance before and after, where one was found.
        migrate: Python source of a module with ``migrate(data)``; empty when nothing has to be
            done to old data, or nothing can be by a program.
        decisions: what people have to decide, each as Markdown in one line.
        notes: what was not looked at.
    """

    old: str
    new: str
    policy: str
    breaks_readers: bool
    breaks_writers: bool
    actions: tuple[Action, ...] = ()
    violations: tuple[Incompatibility, ...] = ()
    unknown: tuple[Undecided, ...] = ()
    example: Example | None = None
    migrate: str = ""
    decisions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_breaking(self) -> bool:
        return self.breaks_readers or self.breaks_writers

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(action.change for action in self.actions)
