"""A drift report as one HTML page that loads and runs nothing."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

from llm_integrations.core.drift.pages.markdown import shown_measure, shown_quantiles, shown_top
from llm_integrations.core.drift.pages.plots import column_plot, overview_plot
from llm_integrations.core.drift.report import ColumnDrift, DriftReport

__all__ = ["drift_body", "drift_page"]

_PLOTTED: Final = 30
_STYLE: Final = (
    ":root{color-scheme:light dark;--text:#1d2430;--page:#fff;--line:#d5dae3;--yes:#b3243a;"
    "--no:#3b6b49;--unsure:#7a5a00}"
    "@media(prefers-color-scheme:dark){:root{--text:#dfe4ec;--page:#14181f;--line:#39414f;"
    "--yes:#ff8a9b;--no:#8fd0a3;--unsure:#e8c66a}}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:1rem auto;padding:0 1rem;"
    "color:var(--text);background:var(--page)}"
    "h1,h2,h3,p,td{overflow-wrap:anywhere}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;margin:1rem 0}"
    "td,th{border-bottom:1px solid var(--line);padding:.3rem .7rem;"
    "text-align:left;vertical-align:top;min-width:4rem}"
    ".yes{color:var(--yes);font-weight:600}.no{color:var(--no)}.unsure{color:var(--unsure)}"
    "section{margin:2rem 0}"
    ".wide>svg{min-width:34rem}"
    "svg{max-width:100%;height:auto;background:#fff;border-radius:4px}"
)
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def drift_page(report: DriftReport) -> str:
    title = escape(f"Drift: {report.current.schema}")
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<style>{_STYLE}</style></head><body>{drift_body(report)}</body></html>\n"
    )


def drift_body(report: DriftReport) -> str:
    before, after = report.baseline, report.current
    kind = "yes" if report.drifted else "no" if report.decided else "unsure"
    word = f'<span class="{kind}">{report.word}</span>'
    parts = [
        f"<h1>{escape(after.schema)}: {word}</h1>",
        _table(
            ("", "baseline", "now"),
            [
                ("schema", before.schema, after.schema),
                ("data", before.source, after.source),
                ("made", before.made_at, after.made_at),
                ("rows", f"{before.rows:,}", f"{after.rows:,}"),
                ("invalid rows", f"{before.invalid:,}", f"{after.invalid:,}"),
            ],
        ),
        "<h2>Schema</h2>",
        _anomalies(report),
        "<h2>Columns</h2>",
        f'<div class="wide">{overview_plot(report)}</div>',
        _not_compared(report),
        *(
            _column(column, report.not_compared.get(column.name, ""), plotted=i < _PLOTTED)
            for i, column in enumerate(report.columns)
        ),
    ]
    return "\n".join(parts)


def _not_compared(report: DriftReport) -> str:
    if not report.not_compared:
        return ""
    return f"<h3>Not compared</h3>{_table(('column', 'why'), report.not_compared.items())}"


def _anomalies(report: DriftReport) -> str:
    if not report.anomalies:
        return "<p>Nothing out of the ordinary.</p>"
    rows = [("drift" if a.drift else "note", a.kind, a.column, a.message) for a in report.anomalies]
    return _table(("", "what", "column", "message"), rows)


def _column(column: ColumnDrift, why: str, *, plotted: bool) -> str:
    kind, word = ("yes", "drift") if column.drifted else ("no", "no drift")
    if why and not column.drifted:
        kind, word = "unsure", "not compared"
    before, after = column.before, column.after
    rows = [
        ("type", before.kind, after.kind),
        ("values", f"{before.rows - before.nulls:,}", f"{after.rows - after.nulls:,}"),
        ("null", f"{1 - before.present:.2%}", f"{1 - after.present:.2%}"),
        ("most frequent", shown_top(before), shown_top(after)),
        ("5 · 25 · 50 · 75 · 95 %", shown_quantiles(before), shown_quantiles(after)),
    ]
    labels = [("new", column.new), ("gone", column.gone)]
    listed = "".join(f"<p>{name}: {_codes(values)}</p>" for name, values in labels if values)
    measures = "; ".join(escape(shown_measure(m)) for m in column.measures)
    return (
        f'<section><h3>{escape(column.name)}: <span class="{kind}">{word}</span></h3>'
        f"<p>distance (limit): {measures}</p>{column_plot(column) if plotted else ''}"
        f"{_table(('', 'baseline', 'now'), [row for row in rows if row[1] or row[2]])}"
        f"{listed}</section>"
    )


def _codes(values: Iterable[str]) -> str:
    return ", ".join(f"<code>{escape(value)}</code>" for value in values)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide">{table}</div>'
