"""Reports and diffs for a terminal and for a notebook."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from llm_integrations.core.evolution.model.change import Change
from llm_integrations.core.evolution.text.wording import describe

if TYPE_CHECKING:
    from rich.table import Table

    from llm_integrations.core.evolution.model.report import CompatibilityReport

__all__ = ["changes_html", "changes_table", "report_html", "report_table", "shown"]

_REPORT_COLUMNS = ("", "where", "what", "witness")
_CHANGE_COLUMNS = ("breaks", "where", "what")


def shown(value: Any, most: int = 120) -> str:
    """A JSON value as one line of text, cut if it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _rows(report: CompatibilityReport) -> list[tuple[str, str, str, str]]:
    rows: list[tuple[str, str, str, str]] = [
        (v.direction, v.path or "(root)", v.message, shown(v.witness)) for v in report.violations
    ]
    rows += [(u.direction, u.path or "(root)", f"unknown: {u.reason}", "") for u in report.unknown]
    return rows


def report_table(report: CompatibilityReport) -> Table:
    """A table for rich; text of schemas is never read as markup."""
    from rich.text import Text

    verdict = "compatible" if report.is_compatible else "incompatible"
    title = Text(f"{verdict} · {report.level} · {report.policy}")
    return _rich_table(title, _REPORT_COLUMNS, _rows(report))


def changes_table(changes: Sequence[Change]) -> Table:
    """The changes of a diff, one a row."""
    from rich.text import Text

    return _rich_table(Text(_count(changes)), _CHANGE_COLUMNS, _change_rows(changes))


def changes_html(changes: Sequence[Change]) -> str:
    return f"<p><b>{_count(changes)}</b></p>" + _html_table(_CHANGE_COLUMNS, _change_rows(changes))


def _count(changes: Sequence[Change]) -> str:
    return "1 change" if len(changes) == 1 else f"{len(changes)} changes"


def _change_rows(changes: Sequence[Change]) -> list[tuple[str, str, str]]:
    return [(_whom(change), change.path or "(root)", describe(change)) for change in changes]


def _whom(change: Change) -> str:
    names = {"readers": change.breaks_backward, "writers": change.breaks_forward}
    return ", ".join(name for name, breaks in names.items() if breaks)


def _rich_table(title: Any, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def report_html(report: CompatibilityReport) -> str:
    verdict = "compatible" if report.is_compatible else "incompatible"
    head = f"<p><b>{verdict}</b> · {escape(report.level)} · {escape(report.policy)}</p>"
    rows = _rows(report)
    return head + _html_table(_REPORT_COLUMNS, rows) if rows else head


def _html_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """An HTML table; every cell is escaped."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
