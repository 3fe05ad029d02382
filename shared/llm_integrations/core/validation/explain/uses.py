"""What applies what: the subschemas that each subschema of a schema applies, and in which order.

A subschema is known by the identity of its object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, TypeAlias

from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.jsonschema.location import SchemaLocation

__all__ = [
    "DYNAMIC",
    "LEAF",
    "REFERENCES",
    "UNEVALUATED",
    "SubschemaId",
    "Uses",
    "groups",
    "parts_first",
    "reaching_a_cycle",
]

SubschemaId: TypeAlias = int
_Cost = Callable[[SubschemaId], int]

UNEVALUATED: Final = frozenset({"unevaluatedProperties", "unevaluatedItems"})
DYNAMIC: Final = frozenset({"$dynamicRef", "$recursiveRef"})
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
REFERENCES: Final = DYNAMIC | {"$ref"}
_QUOTED: Final = ("required", "enum", "dependentRequired")
"""Keywords of which each entry can be an error, or is copied into one."""

_APPLYING: Final = REFERENCES | _KIND.keys()


@dataclass(slots=True)
class Uses:
    """The subschemas that one subschema applies, by the kinds of keywords above.

    Attributes:
        gathers: whether it looks for what the others leave over.
        stated: its keywords, and the entries of those that quote each.
    """

    by_kind: tuple[list[SubschemaId], ...] = field(
        default_factory=lambda: tuple([] for _ in _KINDS)
    )
    gathers: bool = False
    stated: int = 1

    @property
    def here(self) -> list[SubschemaId]:
        """Those applied to the value itself."""
        return self.by_kind[0] + self.by_kind[1]

    @property
    def inside(self) -> Iterator[SubschemaId]:
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


LEAF: Final = Uses()


def _stated(keywords: dict[str, Any]) -> int:
    stated = len(keywords)
    for word in _QUOTED:
        if isinstance(value := keywords.get(word), list | dict):
            stated += len(value)
    return stated


def parts_first(
    documents: Documents, *, backwards: bool = False
) -> Iterator[tuple[SubschemaId, Uses]]:
    """Every subschema that can apply, after those that it applies unless they lead back to it.

    ``backwards``: what is written last is entered first.
    """
    seen: set[SubschemaId] = set()
    path: list[tuple[SubschemaId, Uses, Iterator[SchemaLocation]]] = []

    def enter(location: SchemaLocation) -> None:
        seen.add(id(location.schema))
        use, parts = _uses(documents, location)
        path.append((id(location.schema), use, iter(parts[::-1] if backwards else parts)))

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


def _uses(documents: Documents, location: SchemaLocation) -> tuple[Uses, list[SchemaLocation]]:
    keywords = location.keywords
    stated = _stated(keywords)
    if _APPLYING.isdisjoint(keywords):
        return Uses(LEAF.by_kind, stated=stated), []
    use, parts = Uses(stated=stated), []
    for word in keywords:
        kind = _KIND.get(word)
        if kind is None or (word in ("then", "else") and "if" not in keywords):
            continue
        use.gathers = use.gathers or word in UNEVALUATED
        held = [part for part in location.parts(word) if isinstance(part.schema, dict)]
        use.by_kind[kind].extend(id(part.schema) for part in held)
        parts += held
    if not REFERENCES.isdisjoint(keywords):
        targets = [target for target in documents.targets(location) if target is not None]
        use.by_kind[0].extend(id(target.schema) for target in targets)
        parts += targets
    return use, parts


def groups(edges: dict[SubschemaId, list[SubschemaId]]) -> dict[SubschemaId, SubschemaId]:
    """The strongly connected component of each subschema, by one of its members.

    Kosaraju's second search; the first gave the order of ``edges``, parts first.
    """
    back: dict[SubschemaId, list[SubschemaId]] = {number: [] for number in edges}
    for number, parts in edges.items():
        for part in parts:
            back[part].append(number)
    group: dict[SubschemaId, SubschemaId] = {}
    for start in reversed(edges):
        waiting = [start]
        while waiting:
            number = waiting.pop()
            if number not in group:
                group[number] = start
                waiting += back[number]
    return group


def reaching_a_cycle(edges: dict[SubschemaId, list[SubschemaId]]) -> set[SubschemaId]:
    """Those from which some cycle can be reached."""
    back: dict[SubschemaId, list[SubschemaId]] = {number: [] for number in edges}
    left = {}
    for number, parts in edges.items():
        own = [part for part in parts if part in edges]
        left[number] = len(own)
        for part in own:
            back[part].append(number)
    waiting = [number for number, parts in left.items() if not parts]
    for number in waiting:  # to which others are added on the way
        for user in back[number]:
            left[user] -= 1
            if not left[user]:
                waiting.append(user)
    return edges.keys() - set(waiting)
