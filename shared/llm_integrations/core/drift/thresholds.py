"""Thresholds: how much may change before it counts as drift."""

from __future__ import annotations

from dataclasses import dataclass, fields

from llm_integrations.core.errors import ConfigurationError

__all__ = ["DriftThresholds"]


@dataclass(frozen=True, slots=True)
class DriftThresholds:
    """Limits; what lies above one is drift. None is below what chance explains.

    The distances of two samples of the same data are not zero, the less so the smaller they are,
    and the largest of many is larger than any one. A limit is at least the distance that all
    measures together exceed by chance in a share ``false_alarms`` of the runs without drift: so a
    hundred rows raise no false alarm, and a million rows are judged by the limit as it stands.

    Attributes:
        category: Jensen–Shannon distance of categories, from 0 to 1.
        number: Wasserstein distance of numbers, lengths and times, in the baseline's standard
            deviations.
        presence: change of the share of rows that have a value, from 0 to 1.
        new_categories: share of values that the baseline never saw, from 0 to 1.
        invalid: growth of the share of rows that a keyword of the schema refuses, from 0 to 1.
        min_values: with fewer values on either side distances are not judged.
        ks: Kolmogorov–Smirnov distance of numbers, lengths and times, from 0 to 1: it sees what
            moved however far single values lie. None is as ``number``, 1 at the most.
        rows: how many times more or fewer rows than the baseline has.
        false_alarms: the share of runs without drift that may raise an alarm, from 0 to 1.
    """

    category: float = 0.1
    number: float = 0.1
    presence: float = 0.05
    new_categories: float = 0.01
    invalid: float = 0.01
    min_values: int = 30
    ks: float | None = None
    rows: float = 100.0
    false_alarms: float = 0.02

    @property
    def shape(self) -> float:
        """The limit of the Kolmogorov–Smirnov distance."""
        return min(self.number, 1.0) if self.ks is None else self.ks

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if value is not None and not value >= 0:
                raise ConfigurationError(f"the drift threshold {one.name} must be 0 or more")
        if not (0 < self.false_alarms < 1 <= self.rows):
            raise ConfigurationError("false_alarms lies between 0 and 1, and rows is at least 1")
