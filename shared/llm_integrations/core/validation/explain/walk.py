"""Walking through subschemas and values on a stack of its own, each pair of them once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from typing import Any, TypeAlias, TypeVar

from llm_integrations.core.jsonschema.location import SchemaLocation

__all__ = ["Pair", "Steps", "pair_key", "walk"]

T = TypeVar("T")
Pair: TypeAlias = tuple[SchemaLocation, Any]
Steps: TypeAlias = Generator[Pair, T, T]
"""What is found out about a pair. It yields the pairs that it depends on."""


def pair_key(location: SchemaLocation, value: Any) -> Hashable:
    """What a pair is remembered by: values are known by identity, so they must not change."""
    schema = location.schema
    return location if isinstance(schema, bool) else id(schema), id(value)


def walk(
    start: Pair,
    enter: Callable[[SchemaLocation, Any], Steps[T]],
    known: dict[Hashable, T],
    in_cycle: T,
) -> T:
    """What ``enter`` finds out about the first pair. Data may be nested deeper than calls can be.

    Args:
        known: what was found out before; more is added.
        in_cycle: the answer about a pair that depends on itself.
    """
    path: list[tuple[Hashable, Steps[T]]] = []
    entered: set[Hashable] = set()
    pair = start
    while True:
        key = pair_key(*pair)
        answer = in_cycle if key in entered else known.get(key)
        if answer is None:
            entered.add(key)
            path.append((key, enter(*pair)))
        while path:
            try:
                # A walk that has just been entered is started with None.
                pair = path[-1][1].send(answer)  # type: ignore[arg-type]
                break
            except StopIteration as end:
                key, _ = path.pop()
                entered.discard(key)
                answer = known[key] = end.value
        else:
            return known.get(key, in_cycle)
