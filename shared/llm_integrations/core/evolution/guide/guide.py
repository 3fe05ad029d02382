"""A migration guide: what changed, whom it breaks, what to do, and a draft of the code for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_integrations.core.evolution.model.change import Change
from llm_integrations.core.evolution.model.report import Incompatibility, Undecided

__all__ = ["Action", "Example", "MigrationGuide"]


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
class MigrationGuide:
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

    @property
    def is_breaking(self) -> bool:
        return self.breaks_readers or self.breaks_writers

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(action.change for action in self.actions)

    @property
    def summary(self) -> str:
        """Whether it breaks anything, and for whom, in one line."""
        from llm_integrations.core.evolution.guide.text import summary

        return summary(self)

    def to_markdown(self) -> str:
        """The guide for people. Text of the schemas is quoted, so it is never read as markup."""
        from llm_integrations.core.evolution.guide.text import to_markdown

        return to_markdown(self)

    def to_dict(self) -> dict[str, Any]:
        """A dict of JSON types."""
        example = self.example
        return {
            "old": self.old,
            "new": self.new,
            "policy": self.policy,
            "summary": self.summary,
            "breaks_readers": self.breaks_readers,
            "breaks_writers": self.breaks_writers,
            "actions": [
                {
                    "change": action.change.to_dict(),
                    "advice": action.advice,
                    "automated": action.automated,
                }
                for action in self.actions
            ],
            "refused": [
                {"direction": v.direction, "path": v.path, "witness": v.witness}
                for v in self.violations
            ],
            "unknown": [
                {"direction": u.direction, "path": u.path, "reason": u.reason} for u in self.unknown
            ],
            "example": None
            if example is None
            else {
                "before": example.before,
                "after": example.after,
                "migrated": example.migrated,
            },
            "migrate": self.migrate,
            "decisions": list(self.decisions),
        }

    def to_json(self, *, indent: int | None = None) -> str:
        return json.dumps(self.to_dict(), indent=indent)

    def __str__(self) -> str:
        return self.to_markdown()

    def __rich__(self) -> Any:
        from rich.markdown import Markdown

        return Markdown(self.to_markdown())

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def _repr_mimebundle_(self, **_: Any) -> Mapping[str, str]:
        return {"text/markdown": self.to_markdown(), "text/plain": self.to_markdown()}
