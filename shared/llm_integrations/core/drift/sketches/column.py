"""The statistics of the values at one place, gathered block by block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from llm_integrations.core.arrow.pyarrow_modules import pc, types
from llm_integrations.core.drift.labels import Labels
from llm_integrations.core.drift.profile import ColumnProfile, Family
from llm_integrations.core.drift.sketches.categories import CategorySketch
from llm_integrations.core.drift.sketches.growth import Growth
from llm_integrations.core.drift.sketches.measured import counted_values, measured
from llm_integrations.core.drift.sketches.nested_columns import (
    entries,
    filled,
    is_list,
    is_worded,
    plain_values,
)
from llm_integrations.core.drift.sketches.numbers import NumberSketch
from llm_integrations.core.drift.sketches.vectors import VectorSketch

__all__ = ["ColumnSketch"]

_TESTS: Final[tuple[tuple[Family, Callable[[Any], bool]], ...]] = (
    ("number", lambda k: types.is_integer(k) or types.is_floating(k) or types.is_decimal(k)),
    ("text", lambda k: types.is_string(k) or types.is_large_string(k)),
    ("boolean", types.is_boolean),
    ("instant", lambda k: types.is_timestamp(k) or types.is_date(k)),
    ("time", lambda k: types.is_time(k) or types.is_duration(k)),
    ("bytes", lambda k: types.is_binary(k) or types.is_large_binary(k)),
    ("bytes", types.is_fixed_size_binary),
    ("list", is_list),
    ("map", types.is_map),
    ("null", types.is_null),
)
_OFTEN: Final = 4
"""How often texts come at least where their lengths are those of different ones."""


def _plain(kind: Any) -> Any:
    return kind.value_type if is_worded(kind) else kind


def _family(kind: Any) -> Family:
    for name, matches in _TESTS:
        if matches(kind):
            return name
    return "other"


class ColumnSketch:
    """Adds up blocks of one place's values.

    Args:
        named: the values, as JSON text, that the schema names there.
        kind: their Arrow type.
        within: the values, as JSON text, that the schema names within lists.
    """

    def __init__(
        self, named: frozenset[str], kind: Any, within: frozenset[str] = frozenset()
    ) -> None:
        self._kind = _plain(kind)
        self._rows = self._nulls = 0
        self._named = named
        self._within = within
        self._numbers = NumberSketch()
        self._categories = CategorySketch()
        self._family: Family = _family(self._kind)
        self._parts: dict[str, ColumnSketch] = {}
        self._vectors: VectorSketch | None = None
        self._groups: int | None = None
        self._growth = Growth()

    def add(self, values: Any, groups: int | None = None) -> None:
        """Add a ChunkedArray.

        Args:
            groups: the rows that the values come from, where several may stand in one.
        """
        self._rows += len(values)
        self._nulls += values.null_count
        if groups is not None:
            self._groups = groups + (self._groups or 0)
        self._take_kind(values.type)
        if self._family in ("text", "boolean") or (self._named and self._family == "number"):
            words, counts = counted_values(values)
            self._categories.add(list(zip(words.to_pylist(), counts.tolist(), strict=True)))
            if self._family == "text" and len(words) * _OFTEN < len(values):
                self._numbers.add_counted(measured(words, "text"), counts)
                return
        if self._family in ("boolean", "null", "other"):
            return
        for chunk in values.drop_null().chunks:
            numbers = measured(chunk, self._family)
            self._numbers.add(numbers)
            if self._family == "number":
                self._growth.add(numbers)
        if self._family == "list":
            self._add_items(values.drop_null())
        elif self._family == "map":
            self._part("keys", pc.struct_field(entries(values), [0]), filled(values))

    def _take_kind(self, kind: Any) -> None:
        kind = _plain(kind)
        if self._family == "null":
            # The column had only nulls so far, so its type was unknown.
            self._kind, self._family = kind, _family(kind)
        if self._family == "number" and types.is_floating(kind):
            # A JSONL column that held only integers before.
            self._kind = kind

    def merge(self, other: ColumnSketch) -> None:
        """Add what another sketch has seen at the same place."""
        self._take_kind(other._kind)
        self._rows += other._rows
        self._nulls += other._nulls
        if other._groups is not None:
            self._groups = other._groups + (self._groups or 0)
        self._numbers.merge(other._numbers)
        self._categories.merge(other._categories)
        self._growth.merge(other._growth)
        for name, part in other._parts.items():
            if name in self._parts:
                self._parts[name].merge(part)
            else:
                self._parts[name] = part
        if self._vectors is not None and other._vectors is not None:
            self._vectors.merge(other._vectors)
        self._vectors = self._vectors or other._vectors

    def _add_items(self, lists: Any) -> None:
        kind = lists.type.value_type
        if not len(lists):
            # Whether they are vectors cannot be told yet.
            return
        if types.is_floating(kind):
            if self._vectors is None:
                self._vectors = VectorSketch.of(lists)
            if self._vectors is not None:
                self._vectors.add(lists)
                return
        if not types.is_nested(kind):
            self._part("items", pc.list_flatten(lists), filled(lists))

    def _part(self, name: str, values: Any, groups: int) -> None:
        values = plain_values(values)
        if name not in self._parts:
            named = self._within if name == "items" else frozenset()
            self._parts[name] = ColumnSketch(named, values.type)
        self._parts[name].add(values, groups)

    def profile(
        self, labels: Labels, rows: int | None = None, alike: ColumnProfile | None = None
    ) -> ColumnProfile:
        """What is known of the values.

        Args:
            rows: how many values there should have been; None for as many as there were.
            alike: a profile to compare with: where it has categories, they are counted.
        """
        total = self._rows if rows is None else rows
        nulls = self._nulls + total - self._rows
        # true and false identify nobody, so they are shown in plain text.
        known = self._named | {"true", "false"}
        always = alike is not None and alike.categories is not None
        categories = self._categories.categories(
            labels, known, always=always or bool(self._named) or self._family == "boolean"
        )
        numbers = None if self._named else self._numbers.numbers()
        before = {} if alike is None else alike.parts
        parts = {
            name: part.profile(labels, alike=before.get(name)) for name, part in self._parts.items()
        }
        if self._vectors is not None:
            parts |= self._vectors.parts()
        return ColumnProfile(
            str(self._kind),
            self._family,
            total,
            nulls,
            numbers,
            categories,
            parts,
            self._groups,
            self._family == "number" and self._growth.ascending and numbers is not None,
            self._categories.form() if self._family == "text" and not categories else "",
        )
