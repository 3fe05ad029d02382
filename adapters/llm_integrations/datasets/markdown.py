"""A report as Markdown, for the card of a data set or a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from llm_integrations.datasets.samples import Sample

if TYPE_CHECKING:
    from llm_integrations.datasets.report import DatasetReport

__all__ = ["report_markdown"]

_MOST = 50


def report_markdown(report: DatasetReport, samples: Mapping[str, Sequence[Sample]]) -> str:
    return "\n".join([*_lines(report, samples), ""])


def _lines(report: DatasetReport, samples: Mapping[str, Sequence[Sample]]) -> Iterator[str]:
    yield "## Validation"
    yield ""
    yield (
        f"{report.valid:,} of {report.total:,} rows satisfy {_code(report.schema)}; "
        f"{report.invalid:,} ({report.share(report.invalid)}) do not. "
        f"Null was taken as {report.nulls}; the schema is {_code(report.fingerprint[:12])}."
    )
    if report.reasons:
        yield from ("", "| reason | rows | share |", "|---|---:|---:|")
        for reason, rows in report.reasons.most_common(_MOST):
            yield f"| {_code(reason)} | {rows:,} | {report.share(rows)} |"
        if len(report.reasons) > _MOST:
            yield f"| … and {len(report.reasons) - _MOST:,} more | | |"
    if report.splits:
        yield from ("", "| part | rows | invalid | share |", "|---|---:|---:|---:|")
        for name, part in report.splits.items():
            share = part.share(part.invalid)
            yield f"| {_code(name)} | {part.total:,} | {part.invalid:,} | {share} |"
    for reason, found in samples.items():
        yield from ("", f"**{_code(reason)}**", "")
        for sample in found:
            yield f"- {_code(sample.where)}: {_code('; '.join(sample.messages))}"
            if sample.data is not None:
                yield f"  {_code(sample.data)}"


def _code(text: str) -> str:
    """Text as Markdown code, with the bars and backticks in it made harmless."""
    text = " ".join(text.split()).replace("|", "\\|")
    if "`" not in text:
        return f"`{text}`"
    ticks = "`" * (max(map(len, _runs(text))) + 1)
    return f"{ticks} {text} {ticks}"


def _runs(text: str) -> Iterator[str]:
    run = ""
    for sign in f"{text} ":
        if sign == "`":
            run += sign
        elif run:
            yield run
            run = ""
