"""Names with ``*`` in them."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["Patterns"]


class Patterns:
    """Matches a name against exact names and names with ``*`` for any text."""

    def __init__(self, patterns: Iterable[str]) -> None:
        given = tuple(patterns)
        self._exact = frozenset(p for p in given if "*" not in p)
        self._wild = re.compile("|".join(_regex(p) for p in given if "*" in p) or "(?!)", re.DOTALL)

    def match(self, name: str) -> bool:
        return name in self._exact or self._wild.fullmatch(name) is not None


def _regex(pattern: str) -> str:
    """Each part stands where it comes first, and no other place is tried: linear in the name."""
    first, *middle, last = map(re.escape, pattern.split("*"))
    return first + "".join(f"(?>.*?{part})" for part in middle) + f".*{last}"
