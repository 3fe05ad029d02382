"""Two profiles compared: anomalies first, then distances."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from llm_integrations.core.drift.comparison import Comparison
from llm_integrations.core.drift.distance import share_chance
from llm_integrations.core.drift.domains import ITEM
from llm_integrations.core.drift.limits import DriftLimits, is_within
from llm_integrations.core.drift.profile import ColumnProfile, Profile
from llm_integrations.core.drift.report import Anomaly, DriftReport
from llm_integrations.core.drift.several import row_anomalies
from llm_integrations.core.drift.sketches.categories import MOST_DISTINCT
from llm_integrations.core.drift.thresholds import DriftThresholds
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.extras import require_extra

__all__ = ["compare_profiles"]


def compare_profiles(
    baseline: Profile,
    current: Profile,
    *,
    thresholds: DriftThresholds | None = None,
    ignore: Collection[str] = (),
    compare: Collection[str] = (),
    limits: DriftLimits | None = None,
    history: Sequence[int] = (),
) -> DriftReport:
    """What changed from one profile to the other.

    Args:
        compare: columns to compare that are left out by themselves, since their values are new
            each time: points in time, and numbers that only grow from row to row, as ids do.
        ignore: columns that may change as they like, as ids do, and what is below them.
        limits: what may change in single columns; ``thresholds`` go before its own.
        history: how many rows there usually are; the baseline's if empty.

    Raises:
        ConfigurationError: the profiles name values by different keys, or there is no such column
            to ignore, to compare or to limit.
    """
    known = baseline.columns.keys() | current.columns.keys()
    for word, places in (("ignore", ignore), ("compare", compare)):
        for place in places:
            if not any(is_within(name, place) for name in known):
                raise ConfigurationError(
                    f"there is no column {place!r} to {word}; the columns are "
                    f"{', '.join(sorted(known))}"
                )
    said = limits or DriftLimits()
    said.check(known)
    ignored = {name for name in known if any(is_within(name, place) for place in ignore)}
    ignored |= said.marked("ignore", known) - {*compare}
    wanted = {*compare} | said.marked("compare", known)
    if baseline.key_id != current.key_id:
        raise ConfigurationError(
            "the profiles name values by different keys: set LLM_INTEGRATIONS_DRIFT_KEY to what it "
            "was when the baseline was made, or make a new baseline"
        )
    require_extra("drift", "scipy")
    allowed = said.applied(thresholds)
    left_out = {name: "it was to be ignored" for name in baseline.columns if name in ignored}
    both = {
        name: (column, current.columns[name])
        for name, column in baseline.columns.items()
        if name in current.columns and name not in ignored
    }
    base = Comparison(allowed, allowed.false_alarms, frozenset(wanted), said.columns)
    by = _at_level(both, base, len(current.reasons))
    level = allowed.false_alarms / max(len(both) + len(current.reasons), 1)
    columns = [by.column(name, *pair) for name, pair in both.items()]
    columns.sort(key=lambda column: (not column.drifted, -column.strength))
    why = {column.name: by.why_not(column) for column in columns}
    not_compared = {**{name: reason for name, reason in why.items() if reason}, **left_out}
    anomalies = tuple(_anomalies(baseline, current, allowed, ignored, level, history))
    if baseline.format == 1:
        old = "the baseline was made by an older version; make a new one"
        not_compared |= {name: old for name in current.columns if ITEM in name}
    return DriftReport(anomalies, tuple(columns), baseline, current, allowed, not_compared)


def _at_level(
    both: Mapping[str, tuple[ColumnProfile, ColumnProfile]], base: Comparison, reasons: int
) -> Comparison:
    """The comparison whose level keeps false alarms rare, by Benjamini and Hochberg's steps.

    Of many columns one differs most by chance, so that each may err in a share of the runs only;
    the more columns drifted beyond doubt, the less it takes to believe it of one more.
    """
    several = max(len(both) + reasons, 1)
    found = several
    while True:
        by = replace(base, level=base.level * max(found, 1) / several)
        drifted = sum(
            any(measure.drifted for measure in by.measures(*pair, name))
            for name, pair in both.items()
        )
        if drifted >= found or found <= 1:
            return by
        found = drifted


def _anomalies(
    before: Profile,
    after: Profile,
    limits: DriftThresholds,
    ignore: Collection[str],
    level: float,
    history: Sequence[int],
) -> Iterator[Anomaly]:
    if not after.rows:
        yield Anomaly("no rows", "", "there are no rows to compare")
        return
    if before.fingerprint != after.fingerprint:
        text = f"the baseline was judged by {before.schema}, the data by {after.schema}"
        yield Anomaly("schema", "", text, drift=False)
    yield from row_anomalies(history or [before.rows], after.rows, limits)
    for name, column in after.columns.items():
        unknown = before.format == 1 and ITEM in name
        if name not in before.columns and name not in ignore and not unknown:
            yield Anomaly("new column", name, f"a new column ({column.kind})")
    for name, column in before.columns.items():
        if name in ignore:
            continue
        if name not in after.columns:
            yield Anomaly("missing column", name, f"the column is gone (was {column.kind})")
        else:
            yield from _types(name, column, after.columns[name])
            yield from _forms(name, column, after.columns[name], limits)
            yield from _estimates(name, column, after.columns[name])
    yield from _refused(before, after, limits, level)


def _types(name: str, before: ColumnProfile, after: ColumnProfile) -> Iterator[Anomaly]:
    if before.kind == after.kind or "null" in (before.family, after.family):
        return
    text = f"the type was {before.kind} and is {after.kind}"
    yield Anomaly("type", name, text, drift=before.family != after.family)


def _forms(
    name: str, before: ColumnProfile, after: ColumnProfile, limits: DriftThresholds
) -> Iterator[Anomaly]:
    """Ids that have another form, or are none any more."""
    known = after.family == before.family and after.rows - after.nulls >= limits.min_values
    if before.form and known and after.form != before.form:
        now = f"have {after.form}" if after.form else "are none"
        yield Anomaly("form", name, f"its texts were ids of the form {before.form} and {now}")


def _estimates(name: str, *sides: ColumnProfile) -> Iterator[Anomaly]:
    if any(side.categories and side.categories.distinct >= MOST_DISTINCT for side in sides):
        text = f"of more than {MOST_DISTINCT:,} different values those that came first are counted"
        yield Anomaly("estimate", name, text, drift=False)


def _refused(
    before: Profile, after: Profile, limits: DriftThresholds, level: float
) -> Iterator[Anomaly]:
    """Values out of their domain: what the schema refuses more often than before."""
    parts = before.explained, after.explained
    if min(parts) < 1:
        shown = " and ".join(f"{part:.0%}" for part in parts)
        text = f"reasons were found for {shown} of the invalid rows, and their counts extrapolated"
        yield Anomaly("estimate", "", text, drift=False)
    for reason, count in after.reasons.items():
        then = before.reasons.get(reason, 0) / before.rows if before.rows else 0.0
        now = count / after.rows
        sizes = before.rows * parts[0], after.rows * parts[1]
        chance = share_chance(then, sizes[0], now, sizes[1], level)
        if now > then:
            text = f"{reason} refuses {now:.2%} of the rows ({count:,}), before {then:.2%}"
            yield Anomaly("invalid rows", "", text, drift=now - then > max(limits.invalid, chance))
