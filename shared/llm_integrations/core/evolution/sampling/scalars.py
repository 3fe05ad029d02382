"""Candidates for strings and numbers; callers check them and take what fits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from llm_integrations.core.evolution.normal_form.nodes import Node
from llm_integrations.core.evolution.patterns.languages import NO_TEXT, TextConstraints
from llm_integrations.core.evolution.patterns.samples import Pick, sample_pattern
from llm_integrations.core.evolution.proof.constraints import (
    NUMERIC,
    Constraints,
    kind_of,
    kinds_of,
)

__all__ = ["fractions", "integers", "is_plain", "plainly_fits", "strings"]

_FORMATS: Final[dict[str, tuple[str, ...]]] = {
    "date": ("2026-01-31", "1999-12-31"),
    "time": ("09:30:00Z", "23:59:60Z", "00:00:00.5+01:00"),
    "date-time": ("2026-01-31T09:30:00Z", "1999-12-31T23:59:59.999+01:00"),
    "duration": ("P1D", "PT15M", "P3Y6M4DT12H30M5S"),
    "email": ("ada@example.com", "x.y+z@sub.example.org"),
    "idn-email": ("ada@example.com", "用户@例子.广告"),
    "hostname": ("example.com", "a", "xn--bcher-kva.example"),
    "idn-hostname": ("example.com", "bücher.example"),
    "ipv4": ("192.0.2.1", "0.0.0.0"),  # noqa: S104 - sample text, nothing binds to it
    "ipv6": ("2001:db8::1", "::", "::ffff:192.0.2.1"),
    "uri": ("https://example.com/path?query=1", "urn:example:a"),
    "uri-reference": ("/path?query=1", "https://example.com/", ""),
    "iri": ("https://example.com/é", "https://example.com/"),
    "iri-reference": ("/é", ""),
    "uri-template": ("https://example.com/{id}", ""),
    "uuid": ("123e4567-e89b-42d3-a456-426614174000", "00000000-0000-0000-0000-000000000000"),
    "json-pointer": ("/items/0", ""),
    "relative-json-pointer": ("0", "1/items"),
    "regex": ("^a+$", ""),
}
_WORDS: Final = ("text", "a", "", "A", "0", "1", " ", "-1", "é", "a b", "漢字", "a-b_c.d", "x" * 40)
_MOST_LENGTH: Final = 5_000


_PLAIN: Final = frozenset({"type", "minLength", "maxLength", "minimum", "maximum"})
"""Keywords that need no validator to judge a string or a number."""

_PLAIN_FOR_SCALARS: Final = (
    _PLAIN
    | {"enum", "required", "minProperties", "maxProperties", "dependentRequired"}
    | {"properties", "patternProperties", "additionalProperties", "unevaluatedProperties"}
    | {"propertyNames", "dependentSchemas", "prefixItems", "items", "unevaluatedItems"}
    | {"minItems", "maxItems", "uniqueItems", "contains", "minContains", "maxContains"}
)
"""Most of these judge nothing but objects and arrays."""

_MOST_COMPARED: Final = 100
"""Values of ``enum`` that are gone through for one text; more take longer than a step should."""


def is_plain(node: Node, value: Any) -> bool:
    """Whether a node needs no validator to judge a value."""
    if isinstance(value, dict | list | tuple):
        return node.keys() <= _PLAIN
    if "enum" in node and (len(node["enum"]) > _MOST_COMPARED or not isinstance(value, str)):
        # Python takes 1 for True; texts are equal in Python where they are as JSON.
        return False
    return node.keys() <= _PLAIN_FOR_SCALARS


def plainly_fits(node: Node, value: Any) -> bool:
    """The verdict of a node that is plain for the value."""
    kind = kind_of(value)
    if "type" in node and kind not in kinds_of(node["type"]):
        return False
    if kind == "string":
        if "enum" in node and value not in node["enum"]:
            return False
        return bool(node.get("minLength", 0) <= len(value) <= node.get("maxLength", math.inf))
    if kind in NUMERIC:
        return bool(node.get("minimum", -math.inf) <= value <= node.get("maximum", math.inf))
    return True


def strings(constraints: Constraints, pick: Pick) -> Iterator[str]:
    """Strings that probably satisfy the constraints, the nicest first."""
    for base in _bases(constraints, pick):
        yield base
        fitted = _fit(base, constraints)
        if fitted is not None and fitted != base:
            yield fitted


def _bases(constraints: Constraints, pick: Pick) -> Iterator[str]:
    yield from _by_language(constraints)
    for name in sorted(constraints.formats):
        yield from _FORMATS.get(name, ())
    for pattern in sorted(constraints.patterns):
        for _ in range(4):
            yield from _drawn(pattern, pick)
    if not constraints.patterns and not constraints.formats:
        yield pick(_WORDS)
        yield from _WORDS
    yield from _near_misses(constraints.negated, pick)
    for pattern in sorted(constraints.patterns):
        for sample in _drawn(pattern, pick):
            yield from (f"{sample}x", f"x{sample}", sample[:-1], sample * 2)
    yield from _WORDS


def _by_language(constraints: Constraints) -> Iterator[str]:
    """Texts that satisfy several patterns, or fail one, found by calculation."""
    refused = [node["pattern"] for node in constraints.negated if "pattern" in node]
    goals = [TextConstraints((pattern,)) for pattern in refused] or [NO_TEXT] * (
        len(constraints.patterns) > 1
    )
    for goal in goals:
        found = constraints.inclusion(goal).counterexample
        if found is not None:
            yield found


def _drawn(pattern: str, pick: Pick) -> list[str]:
    sample = sample_pattern(pattern, pick)
    return [] if sample is None else [sample]


def _near_misses(negated: Iterable[Node], pick: Pick) -> Iterator[str]:
    """Texts that differ a little from those that must not occur."""
    for node in negated:
        for base in (
            *_FORMATS.get(node.get("format", ""), ()),
            *(_drawn(node["pattern"], pick) if "pattern" in node else ()),
            *(value for value in node.get("enum", ()) if isinstance(value, str)),
        ):
            yield from (f"{base}!", f"!{base}", base[:-1], f"{base} ", base.upper(), base.lower())


def _fit(base: str, constraints: Constraints) -> str | None:
    """The text cut or padded to the length that is asked for."""
    least = int(constraints.count("minLength", 0))
    most = constraints.count("maxLength", math.inf)
    if least > _MOST_LENGTH:
        return None
    if len(base) > most:
        return base[: int(most)]
    return base + (base[-1:] or "a") * (least - len(base)) if len(base) < least else base


def integers(constraints: Constraints, pick: Pick) -> Iterator[Any]:
    """Whole numbers that probably satisfy the constraints, the nicest first."""
    low, high = constraints.integer_bounds()
    step = _whole_step(constraints.multiples)
    near = [1, 0, 2, 10, -1, 7, 100, -3, 1_000_001]
    if low is not None:
        near = [low, low + 1, low + 2, *near]
    if high is not None:
        near = [*near, high, high - 1]
    candidates = [_round(value, step) for value in near]
    yield pick(candidates)
    yield from candidates
    if low is not None:
        yield from (_round(low, step) + step * i for i in range(6))
    # The same number written as a fraction: draft 4 tells the two apart.
    yield from (float(value) for value in candidates[:3] if abs(value) < 2**53)


def _whole_step(multiples: Iterable[Any]) -> int:
    step = 1
    for multiple in multiples:
        step = math.lcm(step, Fraction(str(multiple)).numerator)
        if step > 10**30:
            return 1
    return step


def _round(value: int, step: int) -> int:
    return -(-value // step) * step


def fractions(constraints: Constraints, pick: Pick) -> Iterator[Any]:
    """Numbers that are not whole and probably satisfy the constraints."""
    low = None if constraints.lower is None else float(constraints.lower[0])
    high = None if constraints.upper is None else float(constraints.upper[0])
    near = [0.5, 1.5, -0.5, 0.25, 2.75, 1e-3, 100.125]
    if low is not None:
        near = [low + 0.5, low + 0.25, low, *near]
    if high is not None:
        near = [*near, high - 0.5, high - 0.25, high]
    if low is not None and high is not None and high > low:
        near = [low + (high - low) / 2, low + (high - low) / 3, *near]
    for multiple in constraints.multiples:
        near = [*(_times(multiple, value) for value in near), float(multiple), *near]
    near = [value for value in near if math.isfinite(value)]
    yield pick(near)
    yield from near


def _times(multiple: Any, value: float) -> float:
    """The multiple nearest to a value, exact in decimals."""
    unit = Decimal(str(multiple))
    if not unit or not math.isfinite(value) or abs(value) > 1e15 or abs(unit) < Decimal("1e-15"):
        return value
    return float(unit * round(Decimal(str(value)) / unit))
