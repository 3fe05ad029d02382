"""Two profiles compared: anomalies first, then distances."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from llm_integrations.core.drift.distance import (
    category_chance,
    category_distance,
    number_chance,
    number_distance,
    share_chance,
)
from llm_integrations.core.drift.profile import ColumnProfile, Profile
from llm_integrations.core.drift.report import Anomaly, ColumnDrift, DriftReport, Measure
from llm_integrations.core.drift.thresholds import DriftThresholds
from llm_integrations.core.errors import ConfigurationError

__all__ = ["compare_profiles"]

_LISTED: Final = 20


def compare_profiles(
    baseline: Profile,
    current: Profile,
    *,
    thresholds: DriftThresholds | None = None,
    ignore: Collection[str] = (),
) -> DriftReport:
    """What changed from one profile to the other.

    Args:
        ignore: columns that may change as they like, as ids do.

    Raises:
        ConfigurationError: the profiles name values by different keys, or there is no column to
            ignore.
    """
    unknown = set(ignore) - baseline.columns.keys() - current.columns.keys()
    if unknown:
        known = ", ".join(sorted(baseline.columns.keys() | current.columns.keys()))
        raise ConfigurationError(
            f"there is no column {min(unknown)!r} to ignore; the columns are {known}"
        )
    if baseline.key_id != current.key_id:
        raise ConfigurationError(
            "the profiles name values by different keys: set LLM_INTEGRATIONS_DRIFT_KEY to what it "
            "was when the baseline was made, or make a new baseline"
        )
    limits = thresholds or DriftThresholds()
    columns = [
        _column(name, column, current.columns[name], limits)
        for name, column in baseline.columns.items()
        if name in current.columns and name not in ignore
    ]
    columns.sort(key=lambda column: (not column.drifted, -column.strength))
    anomalies = tuple(_anomalies(baseline, current, limits, ignore))
    return DriftReport(anomalies, tuple(columns), baseline, current, limits)


def _anomalies(
    before: Profile, after: Profile, limits: DriftThresholds, ignore: Collection[str]
) -> Iterator[Anomaly]:
    if not after.rows:
        yield Anomaly("no rows", "", "there are no rows to compare")
        return
    if before.fingerprint != after.fingerprint:
        text = f"the baseline was judged by {before.schema}, the data by {after.schema}"
        yield Anomaly("schema", "", text, drift=False)
    for name, column in after.columns.items():
        if name not in before.columns and name not in ignore:
            yield Anomaly("new column", name, f"a new column ({column.kind})")
    for name, column in before.columns.items():
        if name in ignore:
            continue
        if name not in after.columns:
            yield Anomaly("missing column", name, f"the column is gone (was {column.kind})")
        else:
            yield from _types(name, column, after.columns[name])
    yield from _refused(before, after, limits)


def _types(name: str, before: ColumnProfile, after: ColumnProfile) -> Iterator[Anomaly]:
    if before.kind == after.kind or "null" in (before.family, after.family):
        return
    text = f"the type was {before.kind} and is {after.kind}"
    yield Anomaly("type", name, text, drift=before.family != after.family)


def _refused(before: Profile, after: Profile, limits: DriftThresholds) -> Iterator[Anomaly]:
    """Values out of their domain: what the schema refuses more often than before."""
    for reason, count in after.reasons.items():
        then = before.reasons.get(reason, 0) / before.rows if before.rows else 0.0
        now = count / after.rows
        chance = share_chance(then, before.rows, now, after.rows)
        if now > then:
            text = f"{reason} refuses {now:.2%} of the rows ({count:,}), before {then:.2%}"
            yield Anomaly("invalid rows", "", text, drift=now - then > limits.invalid + chance)


def _column(
    name: str, before: ColumnProfile, after: ColumnProfile, limits: DriftThresholds
) -> ColumnDrift:
    measures = [_presence(before, after, limits)]
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    if before.categories is not None and after.categories is not None:
        measures += _categories(before, after, limits)
        one, two = before.categories.counts, after.categories.counts
        new = tuple(label for label in two if label not in one)[:_LISTED]
        gone = tuple(label for label in one if label not in two)[:_LISTED]
    else:
        measures += _numbers(before, after, limits)
    return ColumnDrift(name, before, after, tuple(measures), new, gone)


def _presence(before: ColumnProfile, after: ColumnProfile, limits: DriftThresholds) -> Measure:
    chance = share_chance(before.present, before.rows, after.present, after.rows)
    return Measure("presence", after.present - before.present, limits.presence + chance)


def _categories(
    before: ColumnProfile, after: ColumnProfile, limits: DriftThresholds
) -> Iterator[Measure]:
    one, two = before.categories, after.categories
    if one is None or two is None or min(one.total, two.total) < max(limits.min_values, 1):
        return
    chance = category_chance(one, two)
    yield Measure("Jensen–Shannon", category_distance(one, two), limits.category + chance)
    if not one.other:
        # A baseline that lists all its values knows which ones are new.
        seen = sum(count for label, count in two.counts.items() if label in one.counts)
        share = 1 - seen / two.total
        chance = share_chance(0.0, one.total, share, two.total)
        yield Measure("new categories", share, limits.new_categories + chance)


def _numbers(
    before: ColumnProfile, after: ColumnProfile, limits: DriftThresholds
) -> Iterator[Measure]:
    one, two = before.numbers, after.numbers
    if before.family != after.family or one is None or two is None:
        return
    if min(one.count, two.count) < limits.min_values or not (one.quantiles and two.quantiles):
        return
    chance = number_chance(one, two)
    yield Measure("Wasserstein", number_distance(one, two), limits.number + chance)
