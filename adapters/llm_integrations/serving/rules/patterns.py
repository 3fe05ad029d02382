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
        wild = ["".join(".*" if c == "*" else re.escape(c) for c in p) for p in given if "*" in p]
        self._wild = re.compile("|".join(wild), re.DOTALL) if wild else None

    def match(self, name: str) -> bool:
        if name in self._exact:
            return True
        return self._wild is not None and self._wild.fullmatch(name) is not None
