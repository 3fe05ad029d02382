"""A report as one HTML page that loads and runs nothing, light or dark, on any screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Final

from llm_integrations.datasets.samples import Sample

if TYPE_CHECKING:
    from llm_integrations.datasets.report import DatasetReport

__all__ = ["report_page"]

_STYLE: Final = """
:root{color-scheme:light dark;--text:#1d2430;--faint:#5b6473;--line:#d5dae3;--page:#fff;
--bar:#c9485b;--good:#2f7d4f;--bad:#b3243a;--code:#f3f5f8}
@media(prefers-color-scheme:dark){:root{--text:#e4e8ef;--faint:#9aa5b5;--line:#333b49;
--page:#14181f;--bar:#d5596c;--good:#6cc492;--bad:#ff8095;--code:#1e242e}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1.5rem 1rem 4rem;
color:var(--text);background:var(--page)}
h1{font-size:1.5rem;line-height:1.25;overflow-wrap:anywhere}h2{font-size:1.15rem;margin-top:2.5rem}
.good{color:var(--good)}.bad{color:var(--bad)}.faint{color:var(--faint)}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(7rem,1fr));gap:.75rem;margin:1.5rem 0}
dl div{border:1px solid var(--line);border-radius:.5rem;padding:.6rem .8rem}
dt{color:var(--faint);font-size:.85rem}dd{margin:0;font-size:1.35rem;font-weight:600;
font-variant-numeric:tabular-nums}
table{border-collapse:collapse;width:100%}
th,td{border-bottom:1px solid var(--line);padding:.45rem .6rem .45rem 0;text-align:left;
vertical-align:top}
th{color:var(--faint);font-weight:500;font-size:.85rem}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
th:last-child,td:last-child{padding-right:0}
td.name{overflow-wrap:anywhere;min-width:8rem}
.bar{height:.35rem;border-radius:.2rem;background:var(--line);margin-top:.35rem;overflow:hidden}
.bar i{display:block;height:100%;background:var(--bar)}
details{border-bottom:1px solid var(--line);padding:.5rem 0}summary{cursor:pointer;
overflow-wrap:anywhere}
ul{padding-left:1.2rem}li{margin:.5rem 0;overflow-wrap:anywhere}
code,pre{font:.85em/1.45 ui-monospace,monospace;background:var(--code);border-radius:.25rem}
code{padding:.1em .3em}pre{padding:.6rem;white-space:pre-wrap;overflow-wrap:anywhere;margin:.4rem 0}
"""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_MOST: Final = 200
_NONE: Final[Sequence[Sample]] = ()


def report_page(report: DatasetReport, samples: Mapping[str, Sequence[Sample]]) -> str:
    title = escape(f"{report.schema}: {report.invalid:,} of {report.total:,} rows invalid")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n"
        f"<body><main>{_body(report, samples)}</main></body></html>\n"
    )


def _body(report: DatasetReport, samples: Mapping[str, Sequence[Sample]]) -> str:
    word = '<span class="good">valid</span>' if report else '<span class="bad">invalid rows</span>'
    parts = [f"<h1>{escape(report.schema)}: {word}</h1>", _counts(report), _about(report)]
    if report.reasons:
        parts += ["<h2>Reasons</h2>", _reasons(report)]
    if report.splits:
        parts += ["<h2>Parts</h2>", _parts(report)]
    if samples:
        parts += ["<h2>Samples</h2>", *_samples(samples)]
    return "\n".join(parts)


def _counts(report: DatasetReport) -> str:
    shown = [
        ("rows", f"{report.total:,}"),
        ("valid", f"{report.valid:,}"),
        ("invalid", f"{report.invalid:,}"),
        ("share invalid", report.share(report.invalid)),
    ]
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in shown)
    return f"<dl>{cells}</dl>"


def _about(report: DatasetReport) -> str:
    read = "" if report.complete else " · the rows of streams that were read so far"
    text = f"null taken as {report.nulls} · schema {report.fingerprint[:12]}{read}"
    return f'<p class="faint">{escape(text)}</p>'


def _reasons(report: DatasetReport) -> str:
    rows = [
        _row(f"<code>{escape(reason)}</code>", rows, report.total)
        for reason, rows in report.reasons.most_common(_MOST)
    ]
    more = len(report.reasons) - _MOST
    note = f'<p class="faint">… and {more:,} more reasons</p>' if more > 0 else ""
    told = '<p class="faint">A row counts once for each of its reasons.</p>'
    return _table(("reason", "rows", "share"), rows) + note + told


def _parts(report: DatasetReport) -> str:
    rows = [
        _row(escape(name), part.invalid, part.total, f"{part.total:,}")
        for name, part in report.splits.items()
    ]
    return _table(("part", "rows", "invalid", "share"), rows)


def _row(name: str, rows: int, total: int, *more: str) -> str:
    share = rows / total if total else 0.0
    bar = f'<div class="bar"><i style="width:{share:.1%}"></i></div>'
    numbers = "".join(f'<td class="n">{text}</td>' for text in (*more, f"{rows:,}", f"{share:.2%}"))
    return f'<tr><td class="name">{name}{bar}</td>{numbers}</tr>'


def _table(heads: Sequence[str], rows: Iterable[str]) -> str:
    first, *others = heads
    head = f"<th>{first}</th>" + "".join(f'<th class="n">{text}</th>' for text in others)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _samples(samples: Mapping[str, Sequence[Sample]]) -> Iterable[str]:
    for reason, found in samples.items():
        items = "".join(f"<li>{_sample(sample)}</li>" for sample in found)
        yield f"<details><summary><code>{escape(reason)}</code></summary><ul>{items}</ul></details>"


def _sample(sample: Sample) -> str:
    messages = "<br>".join(escape(message) for message in sample.messages)
    data = "" if sample.data is None else f"<pre>{escape(sample.data)}</pre>"
    return f'<span class="faint">{escape(sample.where)}</span><br>{messages}{data}'
