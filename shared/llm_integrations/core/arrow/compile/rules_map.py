"""Keywords that concern objects, on maps: what their keys are is known from the data alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from llm_integrations.core.arrow.compile.compiler import Compiler, Spot
from llm_integrations.core.arrow.compile.kinds import ColumnType
from llm_integrations.core.arrow.compile.null_policy import STRICT
from llm_integrations.core.arrow.kernels.fallback_nodes import FallbackNode
from llm_integrations.core.arrow.kernels.nested import EachEntry, EntryCount
from llm_integrations.core.arrow.kernels.nodes import ALWAYS, Node, all_of, any_of, not_
from llm_integrations.core.arrow.kernels.strings import one_of_texts
from llm_integrations.core.arrow.pyarrow_modules import pa

__all__ = ["described", "describing", "has_key", "numbered", "required"]


def describing(compiler: Compiler, spot: Spot, name: str) -> Iterator[tuple[str, ...]]:
    """Which subschemas judge a member."""
    described = False
    if name in spot.schema.get("properties", {}):
        described = True
        yield "properties", name
    for pattern in spot.schema.get("patternProperties", {}):
        if compiler.validators.matches(pattern, name):
            described = True
            yield "patternProperties", pattern
    if not described and "additionalProperties" in spot.schema:
        yield ("additionalProperties",)


def _required_somewhere(spot: Spot) -> frozenset[str]:
    shape = spot.nulls.shape
    return frozenset() if shape is None else shape.required | shape.undecided


def _kept(spot: Spot) -> Node:
    """The keys under which a null is a value."""
    if spot.nulls.shape is None:
        return ALWAYS
    names = sorted(_required_somewhere(spot))
    return one_of_texts([name for name in names if not spot.nulls.drops(name)])


def has_key(spot: Spot, name: str) -> Node:
    """Whether a map has this key."""
    return EntryCount(one_of_texts([name]), _kept(spot), 1, None)


def required(compiler: Compiler, spot: Spot) -> Iterator[Node]:
    """required."""
    if spot.schema.get("required"):
        compiler.note(spot, "required", "vectorised")
        yield all_of(has_key(spot, name) for name in spot.schema["required"])


def numbered(compiler: Compiler, spot: Spot) -> Iterator[Node]:
    """minProperties and maxProperties."""
    low, high = spot.schema.get("minProperties"), spot.schema.get("maxProperties")
    for word, limit in (("minProperties", low), ("maxProperties", high)):
        if limit is not None:
            compiler.note(spot, word, "vectorised")
    if low or high is not None:
        yield EntryCount(ALWAYS, _kept(spot), int(low or 0), None if high is None else int(high))


def described(compiler: Compiler, spot: Spot) -> Iterator[Node]:
    """properties, patternProperties, additionalProperties and propertyNames."""
    for word in ("properties", "patternProperties", "additionalProperties"):
        if word in spot.schema:
            compiler.note(spot, word, "vectorised")
    named = sorted({*spot.schema.get("properties", ()), *_required_somewhere(spot)})
    for name in named:
        for steps in describing(compiler, spot, name):
            below = spot.member(name, spot.entries().type, *steps)
            yield _entries(compiler, one_of_texts([name]), below, dropped=spot.nulls.drops(name))
    others = not_(one_of_texts(named))
    yield from _unnamed(compiler, spot, others)
    if "propertyNames" in compiler.keywords(spot):
        keys = ColumnType(pa.string())
        at = replace(spot.at("propertyNames"), of=keys, nulls=STRICT)
        unfit = not_(compiler.values(at))
        compiler.note(spot, "propertyNames", "vectorised")
        yield EntryCount(unfit, _kept(spot), 0, 0)


def _unnamed(compiler: Compiler, spot: Spot, others: Node) -> Iterator[Node]:
    """What holds of the values under keys that no keyword names."""
    dropped = spot.nulls.shape is not None
    patterns: list[Node] = []
    for pattern in spot.schema.get("patternProperties", {}):
        matches = FallbackNode(partial(compiler.validators.matches, pattern))
        patterns.append(matches)
        below = spot.entries("patternProperties", pattern)
        yield _entries(compiler, all_of((others, matches)), below, dropped=dropped)
    if "additionalProperties" in spot.schema:
        rest = all_of((others, not_(any_of(patterns))))
        yield _entries(compiler, rest, spot.entries("additionalProperties"), dropped=dropped)


def _entries(compiler: Compiler, keys: Node, below: Spot, *, dropped: bool) -> Node:
    node = compiler.cells(below, null_is_valid=True if dropped else None)
    return ALWAYS if node == ALWAYS else EachEntry(keys, node)
