"""Keywords that concern values of every type: ``type``, ``enum``, ``const`` and combinations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np

from llm_integrations.core.arrow.compile.compiler import Compiler, Spot
from llm_integrations.core.arrow.compile.kinds import Kind, value_type
from llm_integrations.core.arrow.kernels.nodes import (
    ALWAYS,
    NEVER,
    REFUSED,
    Constant,
    Node,
    all_of,
    any_of,
    not_,
    one_of,
    when,
)
from llm_integrations.core.arrow.kernels.numbers import EXACT, Booleans, Whole, one_of_numbers
from llm_integrations.core.arrow.kernels.strings import one_of_texts

__all__ = ["MIXED_NUMBERS", "combined", "listed", "numpy_dtype", "typed"]

MIXED_NUMBERS: Final = "it compares numbers beyond 2**53 of two kinds"


def numpy_dtype(spot: Spot) -> np.dtype[Any]:
    """The dtype that a numeric column is compared in: half floats as float32."""
    dtype = np.dtype(value_type(spot.type).to_pandas_dtype())
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def typed(compiler: Compiler, spot: Spot) -> Iterator[Node]:
    """``type``: the column's type decides, but for floats that may have to be whole."""
    if "type" not in spot.schema:
        return
    wanted = spot.schema["type"]
    names = {wanted} if isinstance(wanted, str) else set(wanted)
    if spot.kind is Kind.FLOAT and "integer" in names and "number" not in names:
        compiler.note(spot, "type", "vectorised")
        yield REFUSED if compiler.draft.strict_integer else Whole()
        return
    held = {spot.kind.json_type} | ({"number"} if spot.kind is Kind.INTEGER else set())
    fits = bool(held & names)
    verdict = "every value" if fits else "no value"
    compiler.note(spot, "type", "decided", f"{spot.type}: {verdict} has the type")
    yield ALWAYS if fits else REFUSED


def listed(compiler: Compiler, spot: Spot) -> Iterator[Node]:
    """``enum`` and ``const``."""
    for keyword in ("enum", "const"):
        if keyword in compiler.keywords(spot):
            options = spot.schema[keyword] if keyword == "enum" else [spot.schema[keyword]]
            node = _one_of(compiler, spot, keyword, options)
            yield REFUSED if node == NEVER else node


def _one_of(compiler: Compiler, spot: Spot, keyword: str, options: list[Any]) -> Node:
    if spot.kind in (Kind.ARRAY, Kind.OBJECT, Kind.MAP):
        if any(isinstance(option, list | dict) for option in options):
            return compiler.fall_back_on(spot, keyword, why="it compares whole lists or objects")
        compiler.note(spot, keyword, "decided", f"no option is an {spot.kind.json_type}")
        return NEVER
    if _needs_engine(spot.kind, options):
        return compiler.fall_back_on(
            spot, keyword, why="it compares numbers beyond 2**53 of two kinds"
        )
    compiler.note(spot, keyword, "vectorised")
    match spot.kind:
        case Kind.NULL:
            return Constant(None in options)
        case Kind.BOOLEAN:
            held = [option for option in options if isinstance(option, bool)]
            return Booleans(true=True in held, false=False in held)
        case Kind.STRING:
            return one_of_texts([option for option in options if isinstance(option, str)])
        case _:
            return one_of_numbers(numpy_dtype(spot), _numbers(options))


def _numbers(options: list[Any]) -> list[int | float]:
    return [
        option
        for option in options
        if isinstance(option, int | float) and not isinstance(option, bool)
    ]


def _needs_engine(kind: Kind, options: list[Any]) -> bool:
    """Whether an integer and a float have to be compared where not every integer is a float."""
    if kind not in (Kind.INTEGER, Kind.FLOAT):
        return False
    other = float if kind is Kind.INTEGER else int
    return any(isinstance(n, other) and abs(n) >= EXACT for n in _numbers(options))


def combined(compiler: Compiler, spot: Spot) -> Iterable[Node]:
    """allOf, anyOf, oneOf, not, if/then/else as the algebra of masks."""
    words = compiler.keywords(spot)
    for keyword in sorted(words & {"allOf", "anyOf", "oneOf", "not", "if"}):
        compiler.note(spot, keyword, "vectorised")
    if "allOf" in words:
        yield all_of(compiler.values(part) for part in _each(spot, "allOf", every=spot.every))
    if "anyOf" in words:
        yield any_of([compiler.values(part) for part in _each(spot, "anyOf", every=False)])
    if "oneOf" in words:
        yield one_of([compiler.values(part) for part in _each(spot, "oneOf", every=False)])
    if "not" in words:
        yield not_(compiler.values(spot.at("not", every=False)))
    if "if" in words:
        yield when(*(_branch(compiler, spot, word) for word in ("if", "then", "else")))


def _each(spot: Spot, keyword: str, *, every: bool) -> Iterator[Spot]:
    for index in range(len(spot.schema[keyword])):
        yield spot.at(keyword, index, every=every)


def _branch(compiler: Compiler, spot: Spot, keyword: str) -> Node:
    if keyword not in spot.schema:
        return ALWAYS
    return compiler.values(spot.at(keyword, every=False))
