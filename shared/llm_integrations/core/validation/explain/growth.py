"""How often the parts of a schema look at one value: what judging and explaining may cost.

The engine looks at a value once for each subschema that applies to it, and each part of ``allOf``,
each branch of ``anyOf`` and each ``$ref`` applies to the same value. A definition that two
definitions use, which two others use each, looks four times; 30 such levels look a billion times at
the number 1. The engine remembers a verdict only where a reference leads back to a definition that
it stands in, so there a second look costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.jsonschema.location import SchemaLocation

__all__ = ["NOT_REMEMBERED", "Growth", "growth_of"]

NOT_REMEMBERED: Final = frozenset(
    {"unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef"}
)
"""Keywords whose verdict follows from more than their subschemas' verdicts."""

_MANY: Final = 10**12
"""Counting ends here: the numbers of a hostile schema have thousands of digits."""

_LOOKS: Final = 10_000
_LOOKS_PER_SUBSCHEMA: Final = 64
"""What judging one value may take. Real schemas of 1.5 MB take 8 looks for each subschema."""

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
_REFERENCES: Final = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
_UNEVALUATED: Final = frozenset({"unevaluatedProperties", "unevaluatedItems"})

_Id = int
_Cost = Callable[[_Id], int]


@dataclass(frozen=True, slots=True)
class Growth:
    """What a schema costs at the worst.

    Attributes:
        subschemas: how many of them can apply to something.
        looks: how many may look at one value while it is judged.
        errors: how many may look at one value while the engine lists all errors of all branches.
        ways_back: in how many ways a subschema leads back to itself for the same value, at the
            most: by more than one the list grows exponentially with the depth of the data, by one
            it can hold a copy of a value for each level above.
    """

    subschemas: int = 0
    looks: int = 0
    errors: int = 0
    ways_back: int = 0

    @property
    def most_looks(self) -> int:
        """Looks at one value that are in proportion to the schema's size."""
        return _LOOKS + _LOOKS_PER_SUBSCHEMA * self.subschemas

    @property
    def is_judged_in_time(self) -> bool:
        """Whether the time of a verdict grows like the data's size times the schema's."""
        return self.looks <= self.most_looks

    @property
    def is_listed_in_time(self) -> bool:
        """Whether the same holds for the engine's list of errors."""
        return self.errors <= self.most_looks and self.ways_back <= 1


@dataclass(slots=True)
class _Uses:
    """The subschemas that one subschema applies, by the kinds of keywords above."""

    by_kind: tuple[list[_Id], ...] = field(default_factory=lambda: tuple([] for _ in _KINDS))
    gathers: bool = False

    @property
    def all(self) -> list[_Id]:
        return [part for parts in self.by_kind for part in parts]

    def cost(self, of: _Cost, *, verdicts: bool) -> int:
        """What is applied to one value and to one member or item of it; it cannot have both."""
        here, asked, each_member, members, each_item, items = self.by_kind
        member = max(map(of, each_member), default=0) + sum(map(of, members))
        item = max(map(of, each_item), default=0) + sum(map(of, items))
        return sum(map(of, here)) + (sum(map(of, asked)) if verdicts else 0) + max(member, item)


def growth_of(documents: Documents, keywords: frozenset[str]) -> Growth:
    """Counts in time that grows with the schema's size; ``keywords`` are those it uses."""
    if keywords.isdisjoint(_REFERENCES | _UNEVALUATED):
        return Growth()  # Each subschema applies in one place only.
    uses: dict[_Id, _Uses] = {}
    looks: dict[_Id, int] = {}
    gathered: dict[_Id, int] = {}
    errors: dict[_Id, int] = {}
    for number in _parts_first(documents, uses):
        use = uses[number]
        # What ``unevaluated…`` leaves over is found by judging every branch again.
        branches = use.by_kind[0] + use.by_kind[1]
        again = sum(looks.get(part, 1) + gathered.get(part, 1) for part in branches)
        gathered[number] = min(_MANY, 1 + again)
        judged = use.cost(lambda part: looks.get(part, 1), verdicts=True)
        looks[number] = min(_MANY, 1 + judged + (gathered[number] if use.gathers else 0))
        listed = use.cost(lambda part: errors.get(part, 1), verdicts=False)
        errors[number] = min(_MANY, 1 + listed)
    return Growth(len(uses), max(looks.values()), max(errors.values()), _ways_back(uses))


def _parts_first(documents: Documents, uses: dict[_Id, _Uses]) -> Iterator[_Id]:
    """Every subschema that can apply, after those that it applies unless they lead back to it."""
    path: list[tuple[_Id, Iterator[SchemaLocation]]] = []

    def enter(location: SchemaLocation) -> None:
        uses[id(location.schema)], parts = _uses(documents, location)
        path.append((id(location.schema), iter(parts)))

    enter(documents.top)
    while path:
        number, rest = path[-1]
        for part in rest:
            if id(part.schema) not in uses:
                enter(part)
                break
        else:
            path.pop()
            yield number


def _uses(documents: Documents, location: SchemaLocation) -> tuple[_Uses, list[SchemaLocation]]:
    use, parts = _Uses(), []
    said = location.keywords
    for word in said:
        kind = _KIND.get(word)
        if kind is None or (word in ("then", "else") and "if" not in said):
            continue
        use.gathers = use.gathers or word in _UNEVALUATED
        held = [part for part in location.parts(word) if isinstance(part.schema, dict)]
        use.by_kind[kind].extend(id(part.schema) for part in held)
        parts += held
    targets = [target for target in documents.targets(location) if target is not None]
    use.by_kind[0].extend(id(target.schema) for target in targets)
    return use, parts + targets


def _ways_back(uses: dict[_Id, _Uses]) -> int:
    """In how many ways some subschema leads back to itself for the same value, at the most."""
    edges = {number: use.all for number, use in uses.items()}
    group = _groups(edges)

    def leads_back(number: _Id) -> int:
        here = group[number]
        return uses[number].cost(lambda part: int(group[part] == here), verdicts=False)

    return max(map(leads_back, uses))


def _groups(edges: dict[_Id, list[_Id]]) -> dict[_Id, _Id]:
    """The strongly connected component of each subschema, by one of its members (Kosaraju)."""
    back: dict[_Id, list[_Id]] = {number: [] for number in edges}
    for number, parts in edges.items():
        for part in parts:
            back[part].append(number)
    group: dict[_Id, _Id] = {}
    for start in reversed(_finished(edges)):
        waiting = [start]
        while waiting:
            number = waiting.pop()
            if number not in group:
                group[number] = start
                waiting += back[number]
    return group


def _finished(edges: dict[_Id, list[_Id]]) -> list[_Id]:
    order: list[_Id] = []
    seen: set[_Id] = set()
    for start in edges:
        path = [] if start in seen else [(start, iter(edges[start]))]
        seen.add(start)
        while path:
            number, rest = path[-1]
            for part in rest:
                if part not in seen:
                    seen.add(part)
                    path.append((part, iter(edges[part])))
                    break
            else:
                path.pop()
                order.append(number)
    return order
