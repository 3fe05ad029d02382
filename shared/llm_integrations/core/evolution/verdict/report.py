"""The verdict on a new version of a schema."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any, Final

from llm_integrations.core.errors import IncompatibleSchema
from llm_integrations.core.evolution.differences.change import Change
from llm_integrations.core.evolution.model.kinds import Direction
from llm_integrations.core.evolution.model.values import field_values
from llm_integrations.core.evolution.text.tables import html_table, rich_table, shown

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["CompatibilityReport", "Incompatibility", "Undecided", "unique_changes"]

_MOST_LISTED: Final = 50
_COLUMNS: Final = ("", "where", "what", "witness")


@dataclass(frozen=True, slots=True)
class Incompatibility:
    """One way in which two versions do not get along, shown by an instance.

    Attributes:
        path: the cause, as a JSON Pointer into the new schema (into the old one where the new
            one has nothing); empty for the whole.
        message: what happened and what follows from it.
        witness: an instance that its writer's schema accepts and its reader's refuses.
        direction: backward (old data, new reader) or forward (new data, old reader).
        version: the previous version that this is about.
        refused: why the reader refuses the witness.
        changes: the changes that cause it.
    """

    path: str
    message: str
    witness: Any
    direction: Direction
    version: str = ""
    refused: str = ""
    changes: tuple[Change, ...] = ()

    def __str__(self) -> str:
        shown = json.dumps(self.witness, ensure_ascii=False)
        shown = shown if len(shown) <= 200 else f"{shown[:197]}…"
        return f"{self.path or '(root)'}: {self.message}; for example {shown}"


@dataclass(frozen=True, slots=True)
class Undecided:
    """What could be neither shown nor ruled out for one reason; it counts as incompatible.

    Attributes:
        path: the possible cause, as a JSON Pointer; empty for the whole.
        reason: why there is no decision.
        direction: backward or forward.
        version: the previous version that this is about.
        changes: the changes in question.
    """

    path: str
    reason: str
    direction: Direction
    version: str = ""
    changes: tuple[Change, ...] = ()

    def __str__(self) -> str:
        paths = list(dict.fromkeys(change.path or "(root)" for change in self.changes))
        places = _listed(paths or [self.path or "(root)"])
        return f"{places}: not decided ({self.direction}): {self.reason}"


@dataclass(frozen=True, slots=True)
class CompatibilityReport:
    """Whether a new version gets along with the previous ones. False when it does not.

    Attributes:
        is_compatible: the verdict; what is undecided counts as incompatible.
        level: the level that was asked for, as ``BACKWARD_TRANSITIVE``.
        policy: "strict", or "lenient": properties that the data's schema does not declare are
            taken as absent.
        violations: each with an instance that shows it.
        unknown: what could not be decided, with the reason.
        compared: the previous versions that were looked at.
        notes: what else deserves a look, as a server that judged otherwise.
        registry_verdict: what the registry itself says, where it was asked.
        breaking: every change that was found to break data in a direction that is incompatible,
            or could not be shown to break none, with a witness or without.
    """

    is_compatible: bool
    level: str
    policy: str
    violations: tuple[Incompatibility, ...] = ()
    unknown: tuple[Undecided, ...] = ()
    compared: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    registry_verdict: bool | None = None
    breaking: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        return self.is_compatible

    def beside_server(self, accepted: bool, messages: Sequence[str]) -> CompatibilityReport:
        """This verdict together with a registry's own: what either refuses is incompatible.

        Args:
            accepted: the registry's verdict.
            messages: what it says about it.
        """
        text = "; ".join(messages)
        verdict = f"the registry {'accepts' if accepted else 'refuses'} it"
        note = f"{verdict}: {text}" if text else verdict
        together = replace(self, registry_verdict=accepted)
        if accepted == self.is_compatible:
            return replace(together, notes=(*self.notes, *messages))
        if accepted:
            return replace(together, notes=(*self.notes, f"{note}, this check does not"))
        direction: Direction = "forward" if self.level.startswith("FORWARD") else "backward"
        refusal = Undecided("", f"{note}, this check found no reason to", direction)
        return replace(together, is_compatible=False, unknown=(*self.unknown, refusal))

    @property
    def messages(self) -> tuple[str, ...]:
        """Everything that speaks against the new version, as text."""
        return tuple(map(str, self._against))

    @property
    def _against(self) -> tuple[Incompatibility | Undecided, ...]:
        return (*self.violations, *self.unknown)

    def raise_if_incompatible(self, subject: str = "the schema") -> None:
        """Raise IncompatibleSchema, which carries this report, unless it is compatible."""
        if not self.is_compatible:
            raise IncompatibleSchema(f"{subject} {self._refusal()}", report=self)

    def _refusal(self) -> str:
        shown = "; ".join(self.messages[:3])
        known = {c.path for item in self._against[:3] for c in item.changes}
        others = [c.path or "(root)" for c in self.breaking if c.path not in known]
        also = f"; breaking as well: {_listed(list(dict.fromkeys(others)))}" if others else ""
        more = "" if others or len(self.messages) <= 3 else f"; and {len(self.messages) - 3} more"
        return f"is not {self.level} compatible ({self.policy}): {shown}{also}{more}"

    def to_dict(self) -> dict[str, Any]:
        """A dict of JSON types."""
        return {
            **field_values(self),
            "violations": [_with_plain_changes(item) for item in self.violations],
            "unknown": [_with_plain_changes(item) for item in self.unknown],
            "compared": list(self.compared),
            "notes": list(self.notes),
            "breaking": [change.to_dict() for change in self.breaking],
        }

    def to_json(self, *, indent: int | None = None) -> str:
        return json.dumps(self.to_dict(), indent=indent)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CompatibilityReport:
        """The opposite of ``to_dict``."""
        violations = [Incompatibility(**_with_changes(item)) for item in data["violations"]]
        unknown = [Undecided(**_with_changes(item)) for item in data["unknown"]]
        tuples = {"violations": tuple(violations), "unknown": tuple(unknown)}
        tuples |= {name: tuple(data[name]) for name in ("compared", "notes")}
        breaking = tuple(Change.from_dict(change) for change in data.get("breaking", ()))
        return cls(**{**data, **tuples, "breaking": breaking})

    def __str__(self) -> str:
        if self.is_compatible:
            return f"{self.level} compatible ({self.policy})"
        return self._refusal().removeprefix("is ")

    def __rich__(self) -> Table:
        title = f"{self._verdict} · {self.level} · {self.policy}"
        return rich_table(title, _COLUMNS, self._rows())

    def _repr_html_(self) -> str:
        head = f"<p><b>{self._verdict}</b> · {escape(self.level)} · {escape(self.policy)}</p>"
        rows = self._rows()
        return head + html_table(_COLUMNS, rows) if rows else head

    @property
    def _verdict(self) -> str:
        return "compatible" if self.is_compatible else "incompatible"

    def _rows(self) -> list[tuple[str, str, str, str]]:
        return [
            *(
                (v.direction, v.path or "(root)", v.message, shown(v.witness))
                for v in self.violations
            ),
            *((u.direction, u.path or "(root)", f"unknown: {u.reason}", "") for u in self.unknown),
        ]


def unique_changes(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The changes, each once, in order."""
    return tuple({repr(change): change for change in changes}.values())


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _MOST_LISTED} more" if len(paths) > _MOST_LISTED else ""
    return ", ".join(paths[:_MOST_LISTED]) + more


def _with_plain_changes(item: Incompatibility | Undecided) -> dict[str, Any]:
    return {**field_values(item), "changes": [change.to_dict() for change in item.changes]}


def _with_changes(item: Mapping[str, Any]) -> dict[str, Any]:
    return {**item, "changes": tuple(Change.from_dict(change) for change in item["changes"])}
