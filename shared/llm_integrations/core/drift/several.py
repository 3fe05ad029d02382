"""Data beside several baselines, as those of other weeks: it drifted if it drifted from each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median
from typing import Final

from llm_integrations.core.drift.report import Anomaly, ColumnDrift, DriftReport
from llm_integrations.core.drift.thresholds import DriftThresholds

__all__ = ["from_each", "row_anomalies"]

_NOTED: Final = 10
"""Times more or fewer rows that are worth a note."""
_HISTORY: Final = 5
"""Row counts that say how much they vary."""
_LEAST: Final = 2.0


def row_anomalies(before: Sequence[int], after: int, limits: DriftThresholds) -> Iterator[Anomaly]:
    """The row count beside those of the baselines.

    Of five and more, the usual count is their median, and they say by themselves how much it
    varies: four times as much, and twice as many rows, are allowed at least.
    """
    if len(before) >= _HISTORY:
        usual, noted = median(before), _LEAST
        logs = [math.log(max(rows, 1)) for rows in before]
        spread = 1.4826 * median([abs(one - median(logs)) for one in logs])
        limit = min(limits.rows, max(_LEAST, math.exp(min(4 * spread, 50))))
        what = f"the {usual:,.0f} that are usual"
    else:
        usual = min(before, key=lambda rows: _times(rows, after))
        noted, limit = _NOTED, limits.rows
        what = f"the baseline's {usual:,}"
    times = _times(usual, after)
    if times > min(noted, limit):
        word = "fewer" if after < usual else "more"
        shown = f"{times:,.0f}" if times >= _NOTED else f"{times:.1f}"
        text = f"there are {after:,} rows, {shown} times {word} than {what}"
        yield Anomaly("rows", "", text, drift=times > limit)


def _times(before: float, after: float) -> float:
    return max(before, after) / max(min(before, after), 1)


def from_each(reports: Sequence[DriftReport]) -> DriftReport:
    """One report of comparisons with several baselines: of each column the one that is nearest.

    What is odd beside some baselines only is a note. The baseline that is shown is the newest.
    """
    newest = max(reports, key=lambda report: report.baseline.made_at)
    if len(reports) == 1:
        return newest
    nearest: dict[str, tuple[tuple[bool, float], ColumnDrift]] = {}
    for report in reports:
        for column in report.columns:
            known = nearest.get(column.name)
            rank = column.name in report.not_compared, column.strength
            if known is None or rank < known[0]:
                nearest[column.name] = rank, column
    columns = sorted((c for _, c in nearest.values()), key=lambda c: (not c.drifted, -c.strength))
    unsure = dict(newest.not_compared)
    for report in reports:
        unsure = {name: why for name, why in unsure.items() if name in report.not_compared}
    everywhere = set.intersection(*({_key(a) for a in r.anomalies if a.drift} for r in reports))
    anomalies = tuple(
        replace(one, drift=one.drift and _key(one) in everywhere) for one in newest.anomalies
    )
    return replace(
        newest,
        anomalies=anomalies,
        columns=tuple(columns),
        not_compared=unsure,
        baselines=len(reports),
    )


def _key(anomaly: Anomaly) -> tuple[str, str, str]:
    reason = anomaly.message.partition(" refuses ")[0] if anomaly.kind == "invalid rows" else ""
    return anomaly.kind, anomaly.column, reason
