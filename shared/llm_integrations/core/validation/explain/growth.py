"""How often the parts of a schema look at one value: what judging and explaining may cost.

The engine looks at a value once for each subschema that applies to it, and each part of ``allOf``,
each branch of ``anyOf`` and each ``$ref`` applies to the same value. A definition that two
definitions use, which two others use each, looks four times; 30 such levels look a billion times at
the number 1. The engine remembers a verdict only where a reference leads back to a definition that
it stands in, so there a second look costs nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from typing import Any, Final

from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.jsonschema.location import SchemaLocation

__all__ = [
    "NOT_REMEMBERED",
    "Growth",
    "growth_of",
    "is_surely_judged_in_time",
    "most_errors_about_a_value",
    "most_looks",
]

_UNEVALUATED: Final = frozenset({"unevaluatedProperties", "unevaluatedItems"})
_DYNAMIC: Final = frozenset({"$dynamicRef", "$recursiveRef"})
NOT_REMEMBERED: Final = _UNEVALUATED | _DYNAMIC
"""Keywords whose verdict follows from more than their subschemas' verdicts."""

_MANY: Final = 10**12
"""Counting ends here: the numbers of a hostile schema have thousands of digits."""

_LOOKS: Final = 10_000
_LOOKS_PER_SUBSCHEMA: Final = 64
"""What judging one value may take. Real schemas of 1.5 MB take 8 looks for each subschema."""

_ENOUGH: Final = 20
"""Doublings that are more than any of these allow."""

_HERE: Final = frozenset(
    {"allOf", "anyOf", "oneOf", "dependentSchemas", "dependencies", "then", "else"}
)
_VERDICTS: Final = frozenset({"not", "if"})
_EACH_MEMBER: Final = frozenset({"properties", "additionalProperties"})
_ANY_MEMBER: Final = frozenset({"patternProperties", "unevaluatedProperties", "propertyNames"})
_EACH_ITEM: Final = frozenset({"prefixItems", "items", "additionalItems"})
_ANY_ITEM: Final = frozenset({"contains", "unevaluatedItems"})
_KINDS: Final = (_HERE, _VERDICTS, _EACH_MEMBER, _ANY_MEMBER, _EACH_ITEM, _ANY_ITEM)
_KIND: Final = {word: kind for kind, words in enumerate(_KINDS) for word in words}
_REFERENCES: Final = _DYNAMIC | {"$ref"}
_QUOTED: Final = ("required", "enum", "dependentRequired")
"""Keywords of which each entry can be an error, or is copied into one."""

_APPLYING: Final = _REFERENCES | _KIND.keys()

_DEFINITION: Final = re.compile(r"#/(?:\$defs|definitions)/[^/~%]+")
_MOST_LISTED: Final = 5_000
"""Looks, and copies of 64 characters or a smaller value, that the engine's list may take where it
grows exponentially with the depth of the data (a few milliseconds)."""

_Id = int
_Cost = Callable[[_Id], int]


@dataclass(slots=True)
class _Uses:
    """The subschemas that one subschema applies, by the kinds of keywords above.

    Attributes:
        gathers: whether it looks for what the others leave over.
        stated: its keywords, and the entries of those that quote each.
    """

    by_kind: tuple[list[_Id], ...] = field(default_factory=lambda: tuple([] for _ in _KINDS))
    gathers: bool = False
    stated: int = 1

    @property
    def here(self) -> list[_Id]:
        """Those applied to the value itself."""
        return self.by_kind[0] + self.by_kind[1]

    @property
    def inside(self) -> Iterator[_Id]:
        """Those applied to its members and items."""
        return chain.from_iterable(self.by_kind[2:])

    def cost(self, of: _Cost, *, verdicts: bool) -> int:
        """What is applied to one value and to one member or item of it; it cannot have both."""
        here, conditions, each_member, members, each_item, items = self.by_kind
        member = max(map(of, each_member), default=0) + sum(map(of, members))
        item = max(map(of, each_item), default=0) + sum(map(of, items))
        return (
            sum(map(of, here)) + (sum(map(of, conditions)) if verdicts else 0) + max(member, item)
        )


_LEAF: Final = _Uses()


@dataclass(frozen=True)
class Growth:
    """What a schema costs at the worst.

    Attributes:
        uses: the subschemas that can apply to something, parts first; empty for a schema in which
            no value can be looked at often.
        looks: how many of them may look at one value while it is judged.
    """

    uses: dict[_Id, _Uses] = field(default_factory=dict)
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
        errors: dict[_Id, int] = {}
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
        group = _groups({number: [*use.here, *use.inside] for number, use in self.uses.items()})

        def leads_back(number: _Id) -> int:
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
                for part in self.uses.get(number, _LEAF).here if visits[number] else ():
                    visits[part] += visits[number]
            looks.append(visits.total() + sum(looks[-1:]))
            inside: Counter[_Id] = Counter()
            for number, times in visits.items():
                for part in self.uses.get(number, _LEAF).inside if times else ():
                    inside[part] += times
            visits = inside
        return looks


def is_surely_judged_in_time(documents: Documents) -> bool:
    """Whether so little leads to any subschema twice that there is nothing to count."""
    if documents.keywords.isdisjoint(_REFERENCES | _UNEVALUATED):
        return True  # Each subschema applies in one place only.
    if not documents.keywords.isdisjoint(_DYNAMIC):
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
        if not _UNEVALUATED.isdisjoint(node):
            gathering += len(_UNEVALUATED & node.keys())
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
    if keywords.isdisjoint(_REFERENCES | _UNEVALUATED):
        return Growth()
    uses: dict[_Id, _Uses] = {}
    looks: dict[_Id, int] = {}
    gathered: dict[_Id, int] = {}
    for number, use in _parts_first(documents):
        uses[number] = use
        # What ``unevaluated…`` leaves over is found by judging every branch again.
        again = sum(looks.get(part, 1) + gathered.get(part, 1) for part in use.here)
        gathered[number] = min(_MANY, 1 + again)
        judged = use.cost(lambda part: looks.get(part, 1), verdicts=True)
        looks[number] = min(_MANY, 1 + judged + (gathered[number] if use.gathers else 0))
    return Growth(uses, max(looks.values()))


def most_errors_about_a_value(documents: Documents) -> int:
    """How many errors, and entries that they quote, the engine's list may hold for one value, in
    time that grows with the schema's size."""
    errors: dict[_Id, int] = {}
    for number, use in _parts_first(documents):
        listed = sum(errors.get(part, 1) for part in use.by_kind[0])
        errors[number] = min(_MANY, use.stated + listed)
    return max(1, *errors.values())


def _stated(keywords: dict[str, Any]) -> int:
    stated = len(keywords)
    for word in _QUOTED:
        if isinstance(value := keywords.get(word), list | dict):
            stated += len(value)
    return stated


def _parts_first(documents: Documents) -> Iterator[tuple[_Id, _Uses]]:
    """Every subschema that can apply, after those that it applies unless they lead back to it."""
    seen: set[_Id] = set()
    path: list[tuple[_Id, _Uses, Iterator[SchemaLocation]]] = []

    def enter(location: SchemaLocation) -> None:
        seen.add(id(location.schema))
        use, parts = _uses(documents, location)
        path.append((id(location.schema), use, iter(parts)))

    enter(documents.top)
    while path:
        number, use, rest = path[-1]
        for part in rest:
            if id(part.schema) not in seen:
                enter(part)
                break
        else:
            path.pop()
            yield number, use


def _uses(documents: Documents, location: SchemaLocation) -> tuple[_Uses, list[SchemaLocation]]:
    keywords = location.keywords
    stated = _stated(keywords)
    if _APPLYING.isdisjoint(keywords):
        return _Uses(_LEAF.by_kind, stated=stated), []
    use, parts = _Uses(stated=stated), []
    for word in keywords:
        kind = _KIND.get(word)
        if kind is None or (word in ("then", "else") and "if" not in keywords):
            continue
        use.gathers = use.gathers or word in _UNEVALUATED
        held = [part for part in location.parts(word) if isinstance(part.schema, dict)]
        use.by_kind[kind].extend(id(part.schema) for part in held)
        parts += held
    if not _REFERENCES.isdisjoint(keywords):
        targets = [target for target in documents.targets(location) if target is not None]
        use.by_kind[0].extend(id(target.schema) for target in targets)
        parts += targets
    return use, parts


def _groups(edges: dict[_Id, list[_Id]]) -> dict[_Id, _Id]:
    """The strongly connected component of each subschema, by one of its members.

    Kosaraju's second search; the first gave the order of ``edges``, parts first.
    """
    back: dict[_Id, list[_Id]] = {number: [] for number in edges}
    for number, parts in edges.items():
        for part in parts:
            back[part].append(number)
    group: dict[_Id, _Id] = {}
    for start in reversed(edges):
        waiting = [start]
        while waiting:
            number = waiting.pop()
            if number not in group:
                group[number] = start
                waiting += back[number]
    return group
