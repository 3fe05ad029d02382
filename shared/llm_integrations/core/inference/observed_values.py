"""Statistics of all values at one place of the data, from which its schema is inferred."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from math import isfinite
from typing import Any, Final

from llm_integrations.core.inference.formats import FORMATS, Accepts
from llm_integrations.core.validation.convert import NO_JSON
from llm_integrations.core.validation.normalise import normalise

__all__ = ["ObservedValues"]

_MAX_DEPTH: Final = 40
_MAX_TEXTS: Final = 64
"""Distinct texts that are remembered: nobody writes a longer enumeration by hand."""
_MAX_NAMES: Final = 1_000
"""Distinct names of members that are kept: objects with more are maps."""


class ObservedValues:
    """Statistics of the values at one place.

    Attributes:
        kinds: how many values there were of each JSON type.
        texts: the distinct texts; None for too many.
        formats: the formats that all texts so far have.
        numbers: the least and the greatest number.
        items: statistics of the items of all lists.
        members: statistics of the members of all objects, by name.
        values: of a map, whose names are data, the statistics of all members together.
        anything: nothing is known, since a value was no JSON or nested too deep.
        depth: how deep the place is nested.
    """

    __slots__ = (
        "anything",
        "depth",
        "formats",
        "items",
        "kinds",
        "members",
        "numbers",
        "texts",
        "values",
    )

    def __init__(self, depth: int = 0) -> None:
        self.depth = depth
        self.kinds: Counter[str] = Counter()
        self.texts: set[str] | None = set()
        self.formats: dict[str, Accepts] = dict(FORMATS)
        self.numbers: tuple[float | Decimal, float | Decimal] | None = None
        self.items: ObservedValues | None = None
        self.members: dict[str, ObservedValues] = {}
        self.values: ObservedValues | None = None
        self.anything = depth > _MAX_DEPTH

    def add(self, value: Any, times: int = 1) -> None:
        """Count a value that occurred ``times`` times."""
        if self.anything:
            return
        match value:
            case None:
                self.kinds["null"] += times
            case bool():
                self.kinds["boolean"] += times
            case str():
                self._add_text(value, times)
            case int() | float() | Decimal():
                self._add_number(value, times)
            case list():
                self._add_list(value, times)
            case dict():
                self._add_object(value, times)
            case _:
                self._add_form(value, times)

    def add_rows_of(self, names: Iterable[str], times: int) -> None:
        """Count objects of these names; the caller counts their members' values."""
        self.kinds["object"] += times
        for name in names:
            self.member_of(name)

    @property
    def count(self) -> int:
        return self.kinds.total()

    def _add_form(self, value: Any, times: int) -> None:
        form = normalise(value).value
        if form is NO_JSON or type(form) is type(value):
            # Bytes and the like are no JSON: any constraint of a schema would refuse them.
            self.anything = True
            return
        self.add(form, times)

    def _add_text(self, value: str, times: int) -> None:
        self.kinds["string"] += times
        if self.texts is not None and value in self.texts:
            return
        if self.texts is not None:
            self.texts.add(value)
            if len(self.texts) > _MAX_TEXTS:
                self.texts = None
        if self.formats:
            self.formats = {name: is_it for name, is_it in self.formats.items() if is_it(value)}

    def _add_number(self, value: float | Decimal, times: int) -> None:
        self.kinds["integer" if isinstance(value, int) else "number"] += times
        if isfinite(value):
            low, high = self.numbers or (value, value)
            self.numbers = (min(low, value), max(high, value))

    def _add_list(self, value: list[Any], times: int) -> None:
        self.kinds["array"] += times
        if value and self.items is None:
            self.items = ObservedValues(self.depth + 1)
        for item in value:
            self.items.add(item, times)  # type: ignore[union-attr]  # there is an item

    def _add_object(self, value: dict[str, Any], times: int) -> None:
        self.kinds["object"] += times
        for name, member in value.items():
            self.member_of(str(name)).add(member, times)

    def member_of(self, name: str) -> ObservedValues:
        """The statistics of a member; of all members, for a map."""
        if self.values is not None:
            return self.values
        if name not in self.members:
            self.members[name] = ObservedValues(self.depth + 1)
            if len(self.members) > _MAX_NAMES:
                return self.as_map()
        return self.members[name]

    def as_map(self) -> ObservedValues:
        """Merge the members as values of a map; returns the merged statistics."""
        if self.values is None:
            self.values = ObservedValues(self.depth + 1)
            for member in self.members.values():
                self.values.merge(member)
            self.members = {}
        return self.values

    def merge(self, other: ObservedValues) -> None:
        """Add the other's statistics to these."""
        self.anything |= other.anything
        self.kinds += other.kinds
        both = None if self.texts is None or other.texts is None else self.texts | other.texts
        self.texts = both if both is not None and len(both) <= _MAX_TEXTS else None
        self.formats = {name: self.formats[name] for name in self.formats if name in other.formats}
        found = [pair for pair in (self.numbers, other.numbers) if pair is not None]
        if found:
            self.numbers = (min(low for low, _ in found), max(high for _, high in found))
        if other.items is not None:
            self.items = self.items or ObservedValues(self.depth + 1)
            self.items.merge(other.items)
        for name, member in other.members.items():
            self.member_of(name).merge(member)
        if other.values is not None:
            self.as_map().merge(other.values)
