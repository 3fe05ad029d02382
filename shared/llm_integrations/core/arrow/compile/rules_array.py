"""Keywords that concern arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from llm_integrations.core.arrow.compile.compiler import Compiler, Spot
from llm_integrations.core.arrow.compile.kinds import Kind, kind_of, value_type
from llm_integrations.core.arrow.kernels.nested import Contains, Distinct, EachItem, ItemCount
from llm_integrations.core.arrow.kernels.nodes import ALWAYS, NEVER, Node

__all__ = ["contained", "counted", "distinct", "itemised"]

_COMPARABLE: Final = frozenset([Kind.BOOLEAN, Kind.INTEGER, Kind.FLOAT, Kind.STRING])


def counted(compiler: Compiler, spot: Spot) -> Iterator[Node]:
    """minItems and maxItems."""
    low, high = spot.schema.get("minItems"), spot.schema.get("maxItems")
    for word, limit in (("minItems", low), ("maxItems", high)):
        if limit is not None:
            compiler.note(spot, word, "vectorised")
    if low or high is not None:
        yield ItemCount(int(low or 0), None if high is None else int(high))


def itemised(compiler: Compiler, spot: Spot) -> Iterator[Node]:
    """items, prefixItems and additionalItems."""
    items = spot.schema.get("items")
    several = "prefixItems" if "prefixItems" in compiler.draft.keywords else "items"
    first = spot.schema.get(several)
    prefix = first if isinstance(first, list) else []
    if prefix:
        compiler.note(spot, several, "vectorised")
    for position in range(len(prefix)):
        yield _items(compiler, spot, position, position + 1, several, position)
    rest = "additionalItems" if isinstance(items, list) else "items"
    if rest in compiler.keywords(spot) and spot.schema[rest] is not None:
        compiler.note(spot, rest, "vectorised")
        edges = [len(prefix), *range(len(prefix) + 1, spot.nulls.positions + 1)]
        for start, end in zip(edges, [*edges[1:], None], strict=True):
            yield _items(compiler, spot, start, end, rest)


def _items(compiler: Compiler, spot: Spot, start: int, end: int | None, *steps: str | int) -> Node:
    node = compiler.cells(spot.items(start, *steps))
    if node == ALWAYS:
        return ALWAYS
    if node == NEVER and end is None:
        return ItemCount(0, start)
    return EachItem(node, start, end)


def contained(compiler: Compiler, spot: Spot) -> Iterator[Node]:
    """contains, with minContains and maxContains."""
    if "contains" not in compiler.keywords(spot):
        return
    if spot.nulls.positions and _holds_objects(spot):
        yield compiler.fall_back(spot, "its items differ in which nulls count as missing")
        return
    since_2019 = "minContains" in compiler.draft.keywords
    low = int(spot.schema.get("minContains", 1)) if since_2019 else 1
    high = spot.schema.get("maxContains") if since_2019 else None
    compiler.note(spot, "contains", "vectorised")
    node = compiler.cells(replace(spot.items(0, "contains"), every=False))
    yield Contains(node, low, None if high is None else int(high))


def _holds_objects(spot: Spot) -> bool:
    return kind_of(value_type(spot.type).value_type) not in (Kind.NULL, *_COMPARABLE)


def distinct(compiler: Compiler, spot: Spot) -> Iterator[Node]:
    """uniqueItems."""
    if spot.schema.get("uniqueItems") is not True:
        return
    kind = kind_of(value_type(spot.type).value_type)
    if kind is Kind.NULL:
        compiler.note(spot, "uniqueItems", "vectorised")
        yield ItemCount(0, 1)
    elif kind in _COMPARABLE:
        compiler.note(spot, "uniqueItems", "vectorised")
        yield Distinct()
    else:
        yield compiler.fall_back_on(
            spot, "uniqueItems", why="it compares items that are no scalars"
        )
