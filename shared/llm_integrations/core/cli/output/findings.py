"""What commands find, about schemas and about data, whatever form it is printed in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from llm_integrations.core.evolution import (
        Change,
        CompatibilityReport,
        Incompatibility,
        Undecided,
    )

__all__ = ["Finding", "findings_of_changes", "findings_of_records", "findings_of_report"]

_PLACE: Final = re.compile(
    r"(?P<file>.+?)(?::(?P<line>\d+)|\[\d+\]|: row \d+)?(?: \(custom_id .+\))?"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report.

    Attributes:
        path: where in the schema, or in the record.
        text: what was found.
        kind: whether it breaks somebody, may do so, or does not.
        where: the record, as ``rows.jsonl:7``; empty for what is about a schema.
    """

    path: str
    text: str
    kind: Literal["breaking", "undecided", "harmless"]
    where: str = ""

    @property
    def file(self) -> str:
        """The record's file; empty for what is about a schema."""
        found = _PLACE.fullmatch(self.where)
        return found["file"] if found else ""

    @property
    def line(self) -> int:
        """In that file; 1 where a record is no line."""
        found = _PLACE.fullmatch(self.where)
        return int(found["line"] or 1) if found else 1


def findings_of_changes(changes: Iterable[Change]) -> list[Finding]:
    """Each change, and whom it breaks."""
    from llm_integrations.core.evolution.text.wording import describe
    from llm_integrations.core.evolution.verdict.difference import broken_readers

    found = []
    for change in changes:
        whom = broken_readers(change)
        text = describe(change) + (f" (breaks {whom})" if whom else "")
        found.append(Finding(change.path, text, "breaking" if whom else "harmless"))
    return found


def findings_of_report(report: CompatibilityReport) -> list[Finding]:
    """Each violation with its witness, what is undecided, and the other breaking changes."""
    from llm_integrations.core.evolution.text.wording import describe

    found = [Finding(item.path, _after_path(item), "breaking") for item in report.violations]
    found += [Finding(item.path, _after_path(item), "undecided") for item in report.unknown]
    named = {c.path for item in report.violations for c in item.changes}
    named |= {c.path for item in report.unknown for c in item.changes}
    others = (change for change in report.breaking if change.path not in named)
    return found + [Finding(change.path, describe(change), "breaking") for change in others]


def _after_path(item: Incompatibility | Undecided) -> str:
    return str(item).removeprefix(f"{item.path or '(root)'}: ")


def findings_of_records(records: Iterable[dict[str, Any]]) -> list[Finding]:
    """What is wrong with each record: ``{"where": …, "errors": [{"path": …, "message": …}]}``."""
    return [
        Finding(error["path"], error["message"], "breaking", record["where"])
        for record in records
        for error in record["errors"]
    ]
