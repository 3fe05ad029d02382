"""How often the parts of a schema look at one value: what judging and explaining may cost.

The engine looks at a value once for each subschema that applies to it, and each part of ``allOf``,
each branch of ``anyOf`` and each ``$ref`` applies to the same value. A definition that two
definitions use, which two others use each, looks four times; 30 such levels look a billion times at
the number 1. The engine remembers a verdict only where a reference leads back to a definition that
it stands in, and only on an object or an array, so there a second look costs nothing. Where several
definitions lead to each other, which of them it stands in depends on the order that it takes.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from typing import Any, Final

from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.validation.explain.uses import (
    DYNAMIC,
    LEAF,
    REFERENCES,
    UNEVALUATED,
    SubschemaId,
    Uses,
    groups,
    parts_first,
    reaching_a_cycle,
)

__all__ = [
    "NOT_REMEMBERED",
    "Growth",
    "growth_of",
    "is_surely_judged_in_time",
    "most_errors_about_a_value",
    "most_looks",
]

NOT_REMEMBERED: Final = UNEVALUATED | DYNAMIC
"""Keywords whose verdict follows from more than their subschemas' verdicts."""

_MANY: Final = 10**12
"""Counting ends here: the numbers of a hostile schema have thousands of digits."""

_LOOKS: Final = 10_000
_LOOKS_PER_SUBSCHEMA: Final = 64
"""What judging one value may take. Real schemas of 1.5 MB take 8 looks for each subschema."""

_ENOUGH: Final = 20
"""Doublings that are more than any of these allow."""

_DEFINITION: Final = re.compile(r"#/(?:\$defs|definitions)/[^/~%]+")
_MOST_LISTED: Final = 5_000
"""Looks, and copies of 64 characters or a smaller value, that the engine's list may take where it
grows exponentially with the depth of the data (a few milliseconds)."""

_Counted = tuple[dict[SubschemaId, int], set[SubschemaId]]


@dataclass(frozen=True)
class Growth:
    """What a schema costs at the worst.

    Attributes:
        uses: the subschemas that can apply to something, parts first; empty for a schema in which
            no value can be looked at often.
        looks: how many of them may look at one value while it is judged.
    """

    uses: dict[SubschemaId, Uses] = field(default_factory=dict)
    looks: int = 0

    @property
    def most_looks(self) -> int:
        """Looks at one value that are in proportion to the schema's size."""
        return _LOOKS + _LOOKS_PER_SUBSCHEMA * len(self.uses)

    @property
    def is_judged_in_time(self) -> bool:
        """Whether the time of a verdict grows like the data's size times the schema's."""
        return self.looks <= self.most_looks

    @cached_property
    def is_listed_in_time(self) -> bool:
        """Whether the same holds for the engine's list of all errors of all branches."""
        if self.recursive_paths > 1:
            return False
        errors: dict[SubschemaId, int] = {}
        for number, use in self.uses.items():
            listed = use.cost(lambda part: errors.get(part, 1), verdicts=False)
            errors[number] = min(_MANY, 1 + listed)
        return max(errors.values(), default=0) <= self.most_looks

    @cached_property
    def recursive_paths(self) -> int:
        """How many paths lead from a subschema back to itself, at the most.

        By more than one the list grows exponentially with the depth of the data, by one it can hold
        a copy of a value for each level above.
        """
        group = groups({number: [*use.here, *use.inside] for number, use in self.uses.items()})

        def leads_back(number: SubschemaId) -> int:
            here = group[number]
            return self.uses[number].cost(lambda part: group.get(part) == here, verdicts=False)

        return max(map(leads_back, self.uses), default=0)

    def is_listed_soon(self, value: Any) -> bool:
        """Whether the engine's list is short for this very value, whatever it is for others."""
        room, level = _MOST_LISTED, [value]
        for looks in self._looks_by_level:
            below: list[Any] = []
            for item in level:
                room -= looks
                if isinstance(item, str):
                    room -= looks * (len(item) // 64)
                elif isinstance(item, dict | list | tuple):
                    below += item.values() if isinstance(item, dict) else item
                if room < 0:
                    return False
            if not below:
                return True
            level = below
        return False

    @cached_property
    def _looks_by_level(self) -> list[int]:
        """How many looks at it, or at what holds it, a value of each level can get; cut at many."""
        try:
            order = [
                *TopologicalSorter({n: use.here for n, use in self.uses.items()}).static_order()
            ]
        except CycleError:
            return []
        looks: list[int] = []
        visits = Counter([next(reversed(self.uses))])
        while visits and (not looks or looks[-1] <= _MOST_LISTED):
            for number in reversed(order):
                for part in self.uses.get(number, LEAF).here if visits[number] else ():
                    visits[part] += visits[number]
            looks.append(visits.total() + sum(looks[-1:]))
            inside: Counter[SubschemaId] = Counter()
            for number, times in visits.items():
                for part in self.uses.get(number, LEAF).inside if times else ():
                    inside[part] += times
            visits = inside
        return looks


def is_surely_judged_in_time(documents: Documents) -> bool:
    """Whether so little leads to any subschema twice that there is nothing to count."""
    if documents.keywords.isdisjoint(REFERENCES | UNEVALUATED):
        return True  # Each subschema applies in one place only.
    if not documents.keywords.isdisjoint(DYNAMIC):
        return False
    objects, looks = most_looks(documents)
    return looks <= _LOOKS_PER_SUBSCHEMA or objects * looks <= _LOOKS


def most_looks(documents: Documents) -> tuple[int, int]:
    """How many objects there are, and a bound on the looks for each, without following references.

    A subschema applies along as many paths as lead to it, times those along which what leads there
    applies: at the most, the product of these numbers over all subschemas.
    """
    # With an id or another document, one text can mean several subschemas.
    is_one = not documents.named
    references: list[str] = []
    gathering = 0
    for node in chain.from_iterable(documents.levels):
        if "$ref" in node and isinstance(node["$ref"], str):
            references.append(node["$ref"])
        if not UNEVALUATED.isdisjoint(node):
            gathering += len(UNEVALUATED & node.keys())
        if isinstance(node.get("$id", node.get("id")), str) and node is not documents.root:
            is_one = False
    objects = sum(map(len, documents.levels))
    # Each keyword that gathers looks again at what is on the way from it to the innermost part.
    depth = documents.nesting * (1 + len(references)) if gathering else 0
    looks = 2 * _most_paths(references, is_one=is_one)
    return objects, looks * int((1 + depth) ** min(gathering, _ENOUGH))


def _most_paths(references: list[str], *, is_one: bool) -> int:
    """That product. A definition has a path for each reference to it, another subschema one more:
    at the most 2 to the power of that number. A reference to the root leads back, and ends."""
    if not is_one:
        return 1 << min(len(references), _ENOUGH)
    used = Counter(references)
    del used["#"]
    paths = 1
    for reference, number in used.items():
        paths *= number if _DEFINITION.fullmatch(reference) else 1 << min(number, _ENOUGH)
        if paths > _LOOKS:
            break
    return paths


def growth_of(documents: Documents, keywords: frozenset[str]) -> Growth:
    """Counts in time that grows with the schema's size.

    Args:
        keywords: those that the documents use.
    """
    if keywords.isdisjoint(REFERENCES | UNEVALUATED):
        return Growth()
    uses = dict(parts_first(documents))
    looks, led_back_to = _looks(uses)
    most = max(looks.values())
    if len(led_back_to) > 1 and Growth(uses, most).is_judged_in_time:
        backwards = _looks(dict(parts_first(documents, backwards=True)))
        most = max(most, _most_in_cycles(uses, [(looks, led_back_to), backwards]))
    return Growth(uses, min(_MANY, most))


def _looks(uses: dict[SubschemaId, Uses]) -> _Counted:
    """How many looks at one value each subschema takes, if what leads back to one on the way is
    asked no more than once; and those to which something leads back."""
    looks: dict[SubschemaId, int] = {}
    gathered: dict[SubschemaId, int] = {}
    led_back_to: set[SubschemaId] = set()
    for number, use in uses.items():
        led_back_to.update(p for p in (*use.here, *use.inside) if p in uses and p not in looks)
        # What ``unevaluated…`` leaves over is found by judging every branch again.
        again = sum(looks.get(part, 1) + gathered.get(part, 1) for part in use.here)
        gathered[number] = min(_MANY, 1 + again)
        judged = use.cost(lambda part: looks.get(part, 1), verdicts=True)
        looks[number] = min(_MANY, 1 + judged + (gathered[number] if use.gathers else 0))
    return looks, led_back_to


def _most_in_cycles(uses: dict[SubschemaId, Uses], counted: list[_Counted]) -> int:
    """The looks at one value, at the most, where several subschemas lead to each other.

    Args:
        counted: by the one order and by the other.
    """
    group = groups({number: [*use.here, *use.inside] for number, use in uses.items()})
    cycles: dict[SubschemaId, set[SubschemaId]] = {}
    for number in uses:
        cycles.setdefault(group[number], set()).add(number)
    circular = reaching_a_cycle({number: use.here for number, use in uses.items()})
    return max(
        max(looks[number] for looks, _ in counted for number in cycle)
        * max(_ways(uses, cycle & circular), _starts(uses, cycle, counted))
        for cycle in cycles.values()
    )


def _starts(uses: dict[SubschemaId, Uses], cycle: set[SubschemaId], counted: list[_Counted]) -> int:
    """How many of a cycle are asked about an object or an array from the beginning, once each:
    those to which something leads back."""
    if max(uses[number].cost(cycle.__contains__, verdicts=True) for number in cycle) <= 1:
        return 1
    return max(len(cycle & led_back_to) for _, led_back_to in counted)


def _ways(uses: dict[SubschemaId, Uses], circular: set[SubschemaId]) -> int:
    """Along how many ways subschemas that lead to each other, about the same value, are asked
    about a number or a text: the engine remembers none there."""
    ways = 1
    for number in circular:
        ways *= sum(map(circular.__contains__, uses[number].here)) or 1
        if ways > _MANY:
            break
    return ways


def most_errors_about_a_value(documents: Documents) -> int:
    """How many errors, and entries that they quote, the engine's list may hold for one value, in
    time that grows with the schema's size."""
    errors: dict[SubschemaId, int] = {}
    for number, use in parts_first(documents):
        listed = sum(errors.get(part, 1) for part in use.by_kind[0])
        errors[number] = min(_MANY, use.stated + listed)
    return max(1, *errors.values())
