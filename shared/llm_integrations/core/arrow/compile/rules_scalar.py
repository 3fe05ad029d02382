"""Keywords that concern numbers, and those that concern text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llm_integrations.core.arrow.compile.compiler import Compiler, Spot
from llm_integrations.core.arrow.compile.kinds import Kind
from llm_integrations.core.arrow.compile.patterns import disagreement
from llm_integrations.core.arrow.compile.rules_any import MIXED_NUMBERS, numpy_dtype
from llm_integrations.core.arrow.kernels.byte_patterns import byte_pattern
from llm_integrations.core.arrow.kernels.fallback_nodes import Unless
from llm_integrations.core.arrow.kernels.formats import plain_format
from llm_integrations.core.arrow.kernels.multiple_of import (
    few_digits,
    float_multiples,
    integer_multiples,
)
from llm_integrations.core.arrow.kernels.nodes import Node, any_of
from llm_integrations.core.arrow.kernels.numbers import EXACT, Number, bounds
from llm_integrations.core.arrow.kernels.strings import Characters, Matches
from llm_integrations.core.jsonschema.drafts import CONTENT_KEYWORDS

__all__ = ["bounded", "content", "formatted", "matched", "measured", "multiples"]


@dataclass(frozen=True)
class _Limit:
    keywords: tuple[str, ...]
    low: bool
    number: Number
    strict: bool


def bounded(compiler: Compiler, spot: Spot) -> Iterator[Node]:
    """minimum, maximum and the exclusive ones."""
    left: list[_Limit] = []
    for limit in _limits(spot.schema):
        if _needs_engine(spot, limit.number):
            yield compiler.fall_back_on(spot, *limit.keywords, why=MIXED_NUMBERS)
        else:
            compiler.note(spot, limit.keywords[0], "vectorised")
            left.append(limit)
    lows = [limit for limit in left if limit.low]
    highs = [limit for limit in left if not limit.low]
    for index in range(max(len(lows), len(highs))):
        low = lows[index] if index < len(lows) else None
        high = highs[index] if index < len(highs) else None
        yield bounds(
            numpy_dtype(spot),
            low.number if low else None,
            high.number if high else None,
            strict_low=bool(low and low.strict),
            strict_high=bool(high and high.strict),
        )


def _limits(schema: Any) -> Iterator[_Limit]:
    for plain, exclusive, low in (
        ("minimum", "exclusiveMinimum", True),
        ("maximum", "exclusiveMaximum", False),
    ):
        strict = schema.get(exclusive)
        if isinstance(strict, bool):
            # Draft 4: the exclusive one only says how the plain one is meant.
            if plain in schema:
                yield _Limit((plain, exclusive), low, schema[plain], strict)
            continue
        if plain in schema:
            yield _Limit((plain,), low, schema[plain], strict=False)
        if strict is not None:
            yield _Limit((exclusive,), low, strict, strict=True)


def _needs_engine(spot: Spot, number: Number) -> bool:
    other = float if spot.kind is Kind.INTEGER else int
    return isinstance(number, other) and abs(number) >= EXACT


def multiples(compiler: Compiler, spot: Spot) -> Iterator[Node]:
    """multipleOf."""
    if "multipleOf" not in spot.schema:
        return
    step = spot.schema["multipleOf"]
    if spot.kind is Kind.INTEGER:
        compiler.note(spot, "multipleOf", "vectorised")
        yield integer_multiples(numpy_dtype(spot), step)
        return
    cheap = float_multiples(step)
    exact = compiler.fall_back_on(spot, "multipleOf", why=_few_digits_why(cheap is not None))
    yield exact if cheap is None else Unless(few_digits(step), cheap, exact)


def _few_digits_why(cheap: bool) -> str:
    return "only numbers of more than 15 digits" if cheap else "a step of more than 15 digits"


def measured(compiler: Compiler, spot: Spot) -> Iterator[Node]:
    """minLength and maxLength."""
    found = {word: spot.schema.get(word) for word in ("minLength", "maxLength")}
    for word, limit in found.items():
        if limit is not None:
            compiler.note(spot, word, "vectorised")
    low, high = (None if limit is None else int(limit) for limit in found.values())
    if low or high is not None:
        yield Characters(low or None, high)


def matched(compiler: Compiler, spot: Spot) -> Iterator[Node]:
    """pattern."""
    pattern = spot.schema.get("pattern")
    if pattern is None:
        return
    why = disagreement(pattern)
    if why is not None:
        yield compiler.fall_back_on(spot, "pattern", why=why)
        return
    compiler.note(spot, "pattern", "vectorised")
    yield byte_pattern(pattern) or Matches(pattern)


def formatted(compiler: Compiler, spot: Spot) -> Iterator[Node]:
    """format."""
    name = spot.schema.get("format")
    if name is None:
        return
    if not compiler.options.formats:
        compiler.note(spot, "format", "no effect", "formats are not asserted")
        return
    plain = plain_format(name)
    why = "formats are the engine's" if plain is None else "only where a plain test does not accept"
    exact = compiler.fall_back_on(spot, "format", why=why)
    yield exact if plain is None else any_of((plain, exact))


def content(compiler: Compiler, spot: Spot) -> Iterator[Node]:
    """contentEncoding and contentMediaType, where the draft asserts them."""
    words = sorted(CONTENT_KEYWORDS & compiler.keywords(spot))
    if words:
        yield compiler.fall_back_on(spot, *words, why="content is the engine's")
