"""A migration guide: what changed, whom it breaks, what to do, and a draft of the code for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_integrations.core.evolution.guide.contents import GuideContents
from llm_integrations.core.evolution.guide.text import summary, to_markdown
from llm_integrations.core.evolution.model.values import field_values

__all__ = ["MigrationGuide"]


@dataclass(frozen=True, slots=True)
class MigrationGuide(GuideContents):
    """A guide that shows itself: as Markdown, in a terminal and in a notebook."""

    @property
    def summary(self) -> str:
        """Whether it breaks anything, and for whom, in one line."""
        return summary(self)

    def to_markdown(self) -> str:
        """The guide for people. Text of the schemas is quoted, so it is never read as markup."""
        return to_markdown(self)

    def to_dict(self) -> dict[str, Any]:
        """A dict of JSON types."""
        made = field_values(self)
        del made["violations"]
        return {
            **made,
            "summary": self.summary,
            "actions": [
                {**field_values(action), "change": action.change.to_dict()}
                for action in self.actions
            ],
            "refused": [
                {"direction": v.direction, "path": v.path, "witness": v.witness}
                for v in self.violations
            ],
            "unknown": [
                {"direction": u.direction, "path": u.path, "reason": u.reason} for u in self.unknown
            ],
            "example": None if self.example is None else field_values(self.example),
            "decisions": list(self.decisions),
            "notes": list(self.notes),
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
