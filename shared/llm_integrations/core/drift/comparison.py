"""One column before and after: its measures with their limits, or why it was not compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import hypot
from typing import Final, Literal

from llm_integrations.core.drift.distance import (
    category_chance,
    category_distance,
    cells_of,
    centred,
    ks_chance,
    ks_distance,
    l_infinity,
    lepage_chance,
    lepage_distance,
    missing_mass,
    missing_mass_chance,
    number_chance,
    number_distance,
    psi,
    share_chance,
)
from llm_integrations.core.drift.limits import ColumnLimits
from llm_integrations.core.drift.profile import Categories, ColumnProfile, Numbers
from llm_integrations.core.drift.report import ColumnDrift, Measure
from llm_integrations.core.drift.thresholds import DriftThresholds

__all__ = ["Comparison"]

_LIMITS: Final = {"PSI": 0.2, "L-infinity": 0.1}
_LISTED: Final = 20
_PRESENCE: Final = 0.1
_CATEGORIES: Final = 0.5
_NEW: Final = 0.4
_LEPAGE: Final = 0.5
_KS: Final = 0.3
_WASSERSTEIN: Final = 0.1
"""The parts of a column's false alarms that its measures may cause: the larger, the more is seen
in few rows. No one measure is the best for all that may change."""


@dataclass(frozen=True)
class Comparison:
    """How columns are compared.

    Attributes:
        limits: what may change.
        level: the probability that a column's measures may exceed their limits by chance.
        wanted: the columns to compare although their values are new each time.
        columns: what may change in single columns.
        own: of these what is in force.
    """

    limits: DriftThresholds
    level: float
    wanted: frozenset[str] = frozenset()
    columns: Mapping[str, ColumnLimits] = field(default_factory=dict)
    own: ColumnLimits = field(default_factory=ColumnLimits)

    def of(self, name: str) -> Comparison:
        """How this column is compared."""
        own = self.columns.get(name)
        return self if own is None else replace(self, limits=own.over(self.limits), own=own)

    def column(self, name: str, before: ColumnProfile, after: ColumnProfile) -> ColumnDrift:
        """A column with its measures, and the values that only one side has."""
        measures = self.measures(before, after, name)
        new, gone = _labels(before, after)
        return ColumnDrift(name, before, after, measures, new, gone)

    def measures(
        self, before: ColumnProfile, after: ColumnProfile, name: str = ""
    ) -> tuple[Measure, ...]:
        """All that can be measured; the presence of values at least."""
        mine = self.of(name)
        found = [mine._presence(before, after)]
        if name in self.wanted or not _is_new_each_time(before, after):
            found += mine._values(before, after)
        return tuple(found)

    def why_not(self, column: ColumnDrift) -> str:
        """Why its values were not compared; empty if they were."""
        if len(column.measures) > 1:
            return ""
        before, after = column.before, column.after
        if column.name not in self.wanted and _is_new_each_time(before, after):
            what = "it is a point in time" if before.family == "instant" else "it only grows"
            what = f"its texts are ids ({before.form})" if before.form else what
            return f"{what}, so that its values are new each time"
        if before.family != after.family:
            return f"it was {before.kind} and is {after.kind}"
        if before.family == "other":
            return f"nothing is known to compare of {before.kind}"
        values = [part.rows - part.nulls for part in (before, after)]
        mine = self.of(column.name)
        if min(values) < mine.limits.min_values:
            return f"{min(values):,} values are too few, of {mine.limits.min_values} at least"
        if mine.own.measure is not None:
            return f"{mine.own.measure} does not measure it"
        return "its profile has nothing to compare"

    def _presence(self, before: ColumnProfile, after: ColumnProfile) -> Measure:
        one, two = _independent(before, before.rows), _independent(after, after.rows)
        chance = share_chance(before.present, one, after.present, two, _PRESENCE * self.level)
        change = after.present - before.present
        return Measure("presence", change, max(self.limits.presence, chance))

    def _values(self, before: ColumnProfile, after: ColumnProfile) -> Iterator[Measure]:
        if before.family != after.family:
            return
        parts = {
            name: (part, after.parts[name])
            for name, part in before.parts.items()
            if name in after.parts
            and (part.kind == after.parts[name].kind or part.family != "number")
        }
        shared = replace(self, level=self.level / (1 + len(parts)))
        if before.categories is not None and after.categories is not None:
            found = shared._categories(before, after)
        else:
            found = shared._numbers(before, after)
        match self.own.measure:
            case None:
                yield from found
            case "PSI" | "L-infinity" as name:
                yield from shared._cells(before, after, name)
            case name:
                yield from (measure for measure in found if measure.name == name)
        for name, pair in parts.items():
            yield from (replace(measure, of=name) for measure in shared._values(*pair))

    def _categories(self, before: ColumnProfile, after: ColumnProfile) -> Iterator[Measure]:
        one, two = before.categories, after.categories
        if one is None or two is None:
            return
        if min(one.total, two.total) < max(self.limits.min_values, 1):
            return
        sizes = _independent(before, one.total), _independent(after, two.total)
        chance = category_chance(one, two, _CATEGORIES * self.level, 1 / sizes[0] + 1 / sizes[1])
        distance = category_distance(one, two)
        yield Measure("Jensen–Shannon", distance, max(self.limits.category, chance))
        if not one.other:
            # A baseline that lists all its values knows which ones are new.
            seen = sum(count for label, count in two.counts.items() if label in one.counts)
            expected = missing_mass(one.counts, one.total)
            chance = missing_mass_chance(one.counts, sizes, _NEW * self.level)
            limit = expected + max(self.limits.new_categories, chance)
            yield Measure("new categories", 1 - seen / two.total, limit)

    def _cells(
        self, before: ColumnProfile, after: ColumnProfile, name: Literal["PSI", "L-infinity"]
    ) -> Iterator[Measure]:
        one, two = (side.categories or side.numbers for side in (before, after))
        if one is None or two is None or type(one) is not type(two):
            return
        counts = [side.total if isinstance(side, Categories) else side.count for side in (one, two)]
        told = all(isinstance(side, Categories) or side.quantiles for side in (one, two))
        if min(counts) < max(self.limits.min_values, 1) or not told:
            return
        if isinstance(one, Numbers) and isinstance(two, Numbers) and _are_exact(before, after):
            one, two = centred(one, two)
        cells = cells_of(one, two)
        sizes = _independent(before, counts[0]), _independent(after, counts[1])
        if name == "PSI":
            value, chance = psi(*cells, self.level, 1 / sizes[0] + 1 / sizes[1])
        else:
            value, chance = l_infinity(*cells, self.level, sizes)
        limit = _LIMITS[name] if self.own.limit is None else self.own.limit
        yield Measure(name, value, max(limit, chance))

    def _numbers(self, before: ColumnProfile, after: ColumnProfile) -> Iterator[Measure]:
        one, two = before.numbers, after.numbers
        if one is None or two is None or not (one.quantiles and two.quantiles):
            return
        if min(one.count, two.count) < self.limits.min_values:
            return
        if _are_exact(before, after):
            one, two = centred(one, two)
        sizes = _independent(before, one.count), _independent(after, two.count)
        size = 1 / sizes[0] + 1 / sizes[1]
        chance = lepage_chance(_LEPAGE * self.level, size)
        yield Measure("Lepage", lepage_distance(one, two), hypot(self.limits.number, chance))
        chance = number_chance(one, two, _WASSERSTEIN * self.level, sizes)
        yield Measure("Wasserstein", number_distance(one, two), hypot(self.limits.number, chance))
        chance = ks_chance(_KS * self.level, size)
        yield Measure("Kolmogorov–Smirnov", ks_distance(one, two), max(self.limits.shape, chance))


def _independent(column: ColumnProfile, values: int) -> float:
    """How many of the values count as independent: of those in one list, one."""
    return float(values if column.groups is None else max(min(values, column.groups), 1))


def _are_exact(before: ColumnProfile, after: ColumnProfile) -> bool:
    """Whether numbers or times have no errors of computing, which say nothing."""
    return all(
        side.family in ("instant", "time") or side.kind.startswith(("int", "uint", "decimal"))
        for side in (before, after)
    )


def _is_new_each_time(before: ColumnProfile, after: ColumnProfile) -> bool:
    ids = bool(before.form) and before.form == after.form
    return before.family == "instant" or before.ascending or ids


def _labels(before: ColumnProfile, after: ColumnProfile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The values that only the data, and only the baseline, has: of the column or its parts."""
    new: list[str] = []
    gone: list[str] = []
    pairs = [(before, after)]
    pairs += [(part, after.parts[n]) for n, part in before.parts.items() if n in after.parts]
    for one, two in pairs:
        if one.categories is not None and two.categories is not None:
            first, second = one.categories.counts, two.categories.counts
            new += [label for label in second if label not in first]
            gone += [label for label in first if label not in second]
    return tuple(new[:_LISTED]), tuple(gone[:_LISTED])
