"""One difference between two schemas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from llm_integrations.core.evolution.model.kinds import ChangeKind, Direction
from llm_integrations.core.evolution.model.values import field_values
from llm_integrations.core.evolution.text.wording import describe

__all__ = ["Change"]

_NEVER_BREAKING: Final = frozenset(
    {
        ChangeKind.DEFINITION_ADDED,
        ChangeKind.DEFINITION_REMOVED,
        ChangeKind.DEFINITION_CHANGED,
        ChangeKind.REFERENCE_CHANGED,
        ChangeKind.DOCUMENTATION,
    }
)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference, and whom it breaks.

    Attributes:
        path: where the schema differs, as a JSON Pointer into the new schema, or into the old one
            where the new one has nothing (``side`` says which).
        kind: what happened.
        old: what stood there before; None when nothing did.
        new: what stands there now; None when nothing does.
        breaks_backward: whether the change can make new readers refuse old data.
        breaks_forward: whether the change can make old readers refuse new data.
        where: the place in the data, as ``user.tags[*]``; empty for the whole.
        keyword: the JSON Schema keyword, or the property's name where one was added or removed.
        side: which of the two schemas ``path`` points into.
        rename: for a property that was added or removed, the one of the same shape that was
            removed or added beside it: probably the same property under another name.
    """

    path: str
    kind: ChangeKind
    old: Any = None
    new: Any = None
    breaks_backward: bool = False
    breaks_forward: bool = False
    where: str = ""
    keyword: str = ""
    side: Literal["old", "new"] = "new"
    rename: str | None = None

    @property
    def is_breaking(self) -> bool:
        return self.breaks_backward or self.breaks_forward

    @property
    def is_documentation(self) -> bool:
        """Whether it changes no verdict on any data, by its kind alone."""
        return self.kind in _NEVER_BREAKING

    def breaks(self, direction: Direction) -> bool:
        return self.breaks_backward if direction == "backward" else self.breaks_forward

    def to_dict(self) -> dict[str, Any]:
        """A dict of JSON types."""
        made = {**field_values(self), "kind": str(self.kind)}
        if self.rename is None:
            del made["rename"]
        return made

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Change:
        """The opposite of ``to_dict``."""
        return cls(**{**data, "kind": ChangeKind(data["kind"])})

    def __str__(self) -> str:
        return f"{self.path or '(root)'}: {describe(self)}"
