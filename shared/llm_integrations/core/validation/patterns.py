"""The patterns of a schema, and how large they may be compiled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llm_integrations.core.jsonschema.documents import Documents

__all__ = ["patterns_of", "size_limit"]

_NAMED_BY: Final = ("pattern", "patternProperties")

_LARGEST: Final = 10 * 2**20
"""Bytes of a compiled pattern that the engine takes anyway."""

_SEARCHED: Final = 2_500_000
"""Bytes up to which a pattern is searched for without a table, if it asks for no edge of a word."""

_TABLES: Final = 2**28
"""Bytes that all tables may take together: one holds each group for each state of its pattern, and
comes to 0.7 bytes for each group and byte of the compiled pattern, as measured."""

_FEW: Final = 4
"""Groups whose table is small, as most patterns have them."""


def patterns_of(documents: Documents) -> Iterator[str]:
    """Every pattern in the documents, and what may be one."""
    if documents.keywords.isdisjoint(_NAMED_BY):
        return
    for node in documents.objects():
        if isinstance(pattern := node.get("pattern"), str):
            yield pattern
        if isinstance(by_pattern := node.get("patternProperties"), dict):
            yield from by_pattern


def size_limit(documents: Documents) -> int:
    """Bytes that each pattern may take compiled, so that no text makes a match take more memory
    than the schema is worth: groups of a few hundred, repeated, would take gigabytes."""
    found = set(patterns_of(documents))
    share = _TABLES / max(1, sum(_groups(pattern) > _FEW for pattern in found))
    return min((_size_limit(pattern, share) for pattern in found), default=_LARGEST)


def _groups(pattern: str) -> int:
    """At most so many, the whole match included."""
    return pattern.count("(") - pattern.count("(?:") + 1


def _size_limit(pattern: str, share: float) -> int:
    least = 0 if r"\b" in pattern or r"\B" in pattern else _SEARCHED
    return min(_LARGEST, max(least, int(share / 0.7 / _groups(pattern))))
