"""A drift report as text: Markdown for a pull request, a table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_integrations.core.drift.profile import ColumnProfile
from llm_integrations.core.drift.report import ColumnDrift, DriftReport, Measure

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["drift_markdown", "drift_table", "shown_measure", "shown_quantiles", "shown_top"]

_TOP = 5
_LEVELS = (5, 25, 50, 75, 95)


def drift_markdown(report: DriftReport) -> str:
    before, after = report.baseline, report.current
    lines = [
        f"# {report.word.capitalize()}: {_cell(after.schema)}",
        "",
        "| | baseline | now |",
        "|---|---|---|",
        f"| schema | {_cell(before.schema)} | {_cell(after.schema)} |",
        f"| data | {_cell(before.source)} | {_cell(after.source)} |",
        f"| made | {before.made_at} | {after.made_at} |",
        f"| rows | {before.rows:,} | {after.rows:,} |",
        f"| invalid rows | {before.invalid:,} | {after.invalid:,} |",
        "",
        "## Schema",
        "",
    ]
    lines += [f"- {'**drift**' if a.drift else 'note'} {_cell(str(a))}" for a in report.anomalies]
    lines += [] if report.anomalies else ["Nothing out of the ordinary."]
    lines += ["", "## Columns", ""]
    lines += [
        "| column | drift | distances (limit) | null | typical values |",
        "|---|---|---|---|---|",
    ]
    lines += [_row(column, column.name in report.not_compared) for column in report.columns]
    if report.not_compared:
        lines += ["", "## Not compared", ""]
        lines += [f"- {_cell(name)}: {_cell(why)}" for name, why in report.not_compared.items()]
    return "\n".join([*lines, ""])


def _row(column: ColumnDrift, unsure: bool) -> str:
    measures = "; ".join(shown_measure(m) for m in column.measures)
    nulls = f"{1 - column.before.present:.1%} → {1 - column.after.present:.1%}"
    typical = f"{_typical(column.before)} → {_typical(column.after)}"
    word = "**yes**" if column.drifted else "not compared" if unsure else "no"
    return f"| {_cell(column.name)} | {word} | {measures} | {nulls} | {_cell(typical)} |"


def _cell(text: str) -> str:
    """Text of others in a Markdown table: it starts no column, line, markup or HTML."""
    plain = " ".join(text.split())
    plain = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for sign in "\\`*_[]|!":
        plain = plain.replace(sign, f"\\{sign}")
    return plain


def shown_measure(measure: Measure) -> str:
    name = f"{measure.name} of {measure.of}" if measure.of else measure.name
    return f"{name} {measure.value:.3f} ({measure.threshold:.3f})"


def _typical(column: ColumnProfile) -> str:
    return shown_top(column) or shown_quantiles(column) or "–"


def shown_top(column: ColumnProfile) -> str:
    """The most frequent categories with their shares."""
    found = column.categories
    if found is None or not found.total:
        return ""
    listed = list(found.counts.items())[:_TOP]
    return ", ".join(f"{label} {count / found.total:.0%}" for label, count in listed)


def shown_quantiles(column: ColumnProfile) -> str:
    """The 5th, 25th, 50th, 75th and 95th percentile."""
    if column.numbers is None or not column.numbers.quantiles:
        return ""
    values = column.numbers.quantiles
    picked = [values[min(len(values) * level // 100, len(values) - 1)] for level in _LEVELS]
    return " · ".join(f"{value:g}" for value in picked)


def drift_table(report: DriftReport) -> Table:
    from rich.markup import escape
    from rich.table import Table

    title = escape(f"{report.current.schema}: {report.word}")
    table = Table("column", "drift", "distances (limit)", "null", title=title)
    for anomaly in report.anomalies:
        word = "[red]yes[/]" if anomaly.drift else "note"
        table.add_row(escape(anomaly.column or "(schema)"), word, escape(anomaly.message), "")
    for column in report.columns:
        unsure = column.name in report.not_compared
        word = "[red]yes[/]" if column.drifted else "not compared" if unsure else "no"
        measures = "; ".join(shown_measure(m) for m in column.measures)
        nulls = f"{1 - column.before.present:.1%} → {1 - column.after.present:.1%}"
        table.add_row(escape(column.name), word, escape(measures), nulls)
    return table
