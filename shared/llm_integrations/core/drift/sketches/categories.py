"""Categories of a column, gathered block by block in little memory."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from llm_integrations.core.drift.labels import Labels
from llm_integrations.core.drift.profile import Categories
from llm_integrations.core.drift.sketches.forms import form_of_ids

__all__ = ["MOST_DISTINCT", "CategorySketch"]

MOST_DISTINCT: Final = 10_000
_LISTED: Final = 512
_ONCE: Final = 1.1
"""How often values that hardly repeat come."""


class CategorySketch:
    """Counts of up to 10,000 different values; what comes after those is counted together."""

    def __init__(self) -> None:
        self._counts: Counter[Any] = Counter()
        self._other = 0

    def add(self, counted: list[tuple[Any, int]]) -> None:
        """Add values with their counts."""
        for value, count in counted:
            if value in self._counts or len(self._counts) < MOST_DISTINCT:
                self._counts[value] += count
            else:
                self._other += count

    def merge(self, other: CategorySketch) -> None:
        """Add what another sketch has seen."""
        self.add(list(other._counts.items()))
        self._other += other._other

    def form(self) -> str:
        """The form of values that hardly repeat and are ids; empty for others."""
        kept = sum(self._counts.values())
        return form_of_ids(self._counts) if kept <= _ONCE * len(self._counts) else ""

    def categories(
        self, labels: Labels, known: frozenset[str], *, always: bool
    ) -> Categories | None:
        """None if the values hardly repeat, as free text and ids do, unless ``always``."""
        total = sum(self._counts.values()) + self._other
        distinct = len(self._counts)
        repeats = not self._other and distinct <= max(_LISTED, 1) and 2 * distinct <= total
        if not total or not (always or repeats):
            return None
        # Of values as frequent as each other the order says nothing of where they were.
        ordered = sorted(self._counts.items(), key=lambda one: (-one[1], str(one[0])))
        listed = ordered[:_LISTED]
        rest = total - sum(count for _, count in listed)
        counts: Counter[str] = Counter()
        for value, count in listed:
            counts[labels.of(value, known)] += count
        return Categories(dict(counts.most_common()), rest, distinct)
