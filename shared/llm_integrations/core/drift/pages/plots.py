"""Plots as SVG text, to stand inside a page."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from typing import Any, Final

import numpy as np

from llm_integrations.core.drift.profile import Categories, ColumnProfile, Numbers
from llm_integrations.core.drift.report import ColumnDrift, DriftReport
from llm_integrations.core.extras import require_extra

__all__ = ["column_plot", "overview_plot"]

_BEFORE: Final = "#8a94a6"
_AFTER: Final = "#d1495b"
_TOP: Final = 8
_MOST: Final = 30
_LONGEST: Final = 28


def overview_plot(report: DriftReport) -> str:
    """Each column's largest distance as a multiple of its limit."""
    columns = list(report.columns[:_MOST])[::-1]
    if not columns:
        return ""
    figure, axes = _figure(6.5, 0.6 + 0.24 * len(columns))
    strengths = [min(column.strength, 10.0) for column in columns]
    colours = [_AFTER if column.drifted else _BEFORE for column in columns]
    axes.barh(range(len(columns)), strengths, color=colours)
    _ticks(axes, [column.name for column in columns])
    axes.axvline(1.0, color="black", linewidth=0.8, linestyle="--")
    axes.set_xlabel("largest distance, in multiples of its limit (10 at the most)")
    return _svg(figure)


def column_plot(column: ColumnDrift) -> str:
    """Categories as bars, numbers as cumulative shares; empty text where there is neither."""
    before, after = column.before, column.after
    if before.categories is not None and after.categories is not None:
        return _bars(before.categories, after.categories)
    if _quantiles(before) and _quantiles(after) and before.numbers and after.numbers:
        return _lines(before.numbers, after.numbers, _unit(before))
    return ""


def _quantiles(column: ColumnProfile) -> bool:
    return column.numbers is not None and bool(column.numbers.quantiles)


def _unit(column: ColumnProfile) -> str:
    names = {"text": "length", "list": "items", "time": "seconds since 1970"}
    return names.get(column.family, "value")


def _bars(before: Categories, after: Categories) -> str:
    shares = {
        label: (before.counts.get(label, 0) / max(before.total, 1), count / max(after.total, 1))
        for label, count in {**dict.fromkeys(before.counts, 0), **after.counts}.items()
    }
    labels = sorted(shares, key=lambda label: max(shares[label]), reverse=True)[:_TOP][::-1]
    if not labels:
        return ""
    figure, axes = _figure(4.2, 0.8 + 0.32 * len(labels))
    places = np.arange(len(labels))
    axes.barh(places + 0.2, [shares[x][0] for x in labels], 0.38, color=_BEFORE, label="baseline")
    axes.barh(places - 0.2, [shares[x][1] for x in labels], 0.38, color=_AFTER, label="now")
    _ticks(axes, labels)
    axes.set_xlabel("share of values")
    _legend(figure)
    return _svg(figure)


def _lines(before: Numbers, after: Numbers, unit: str) -> str:
    figure, axes = _figure(4.2, 2.2)
    for numbers, colour, label in ((before, _BEFORE, "baseline"), (after, _AFTER, "now")):
        levels = (np.arange(len(numbers.quantiles)) + 0.5) / len(numbers.quantiles)
        axes.plot(numbers.quantiles, levels, color=colour, label=label, linewidth=1.6)
    axes.set_xlabel(unit)
    axes.set_ylabel("share below")
    _legend(figure)
    return _svg(figure)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    require_extra("drift", "matplotlib")
    from matplotlib.figure import Figure

    # No pyplot: it would pick a backend, and keep every figure for the whole process.
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.tick_params(labelsize=7)
    axes.xaxis.label.set_fontsize(7)
    axes.yaxis.label.set_fontsize(7)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _legend(figure: Any) -> None:
    # Above the plot, where no bar or line can lie behind it.
    figure.legend(loc="outside upper right", ncols=2, frameon=False, fontsize=7)


def _ticks(axes: Any, names: list[str]) -> None:
    # A dollar sign in a name is no formula; what cannot be printed would make the page invalid.
    shown = [_shortened(_printable(name)) for name in names]
    axes.set_yticks(range(len(names)), shown, parse_math=False)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else "·" for sign in text)


def _svg(figure: Any) -> str:
    from matplotlib import rc_context

    target = io.StringIO()
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "drift"}
    with rc_context(settings), warnings.catch_warnings():
        # Widths of signs that the measuring font lacks are guessed; the browser has its own font.
        warnings.filterwarnings("ignore", message=r"Glyph \d+")
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    text = target.getvalue()
    return _without_ids(text[text.index("<svg") :])


def _without_ids(svg: str) -> str:
    """Several plots on one page must not use the same ids."""
    prefix = f"p{hashlib.sha256(svg.encode('utf-8', 'replace')).hexdigest()[:8]}-"
    svg = re.sub(r'(?<=\sid=")(?=[^"]+")', prefix, svg)
    return re.sub(r'(url\(#|xlink:href="#)', rf"\g<1>{prefix}", svg)
