"""Thresholds: how much may change before it counts as drift."""

from __future__ import annotations

from dataclasses import dataclass, fields

from llm_integrations.core.errors import ConfigurationError

__all__ = ["DriftThresholds"]


@dataclass(frozen=True, slots=True)
class DriftThresholds:
    """Limits; what lies above one is drift. Each is widened by what chance explains.

    The distances of two samples of the same data are not zero, the less so the smaller they are.
    What to expect of chance is added to a limit, so that a hundred rows raise no false alarm and
    a million rows are judged by the limit as it stands.

    Attributes:
        category: Jensen–Shannon distance of categories, from 0 to 1.
        number: Wasserstein distance of numbers, lengths and times, in the baseline's standard
            deviations.
        presence: change of the share of rows that have a value, from 0 to 1.
        new_categories: share of values that the baseline never saw, from 0 to 1.
        invalid: growth of the share of rows that a keyword of the schema refuses, from 0 to 1.
        min_values: with fewer values on either side distances are not judged.
    """

    category: float = 0.1
    number: float = 0.1
    presence: float = 0.05
    new_categories: float = 0.01
    invalid: float = 0.01
    min_values: int = 30

    def __post_init__(self) -> None:
        for one in fields(self):
            if not getattr(self, one.name) >= 0:
                raise ConfigurationError(f"the drift threshold {one.name} must be 0 or more")
