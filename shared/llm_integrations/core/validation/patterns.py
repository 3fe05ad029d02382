"""The patterns of a schema, and how much memory they may take."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from math import prod
from typing import Final

import jsonschema_rs

from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.validation.engine_faults import is_fault

__all__ = ["BACKTRACK_LIMIT", "PatternLimits", "compiled_bytes", "limits_of", "patterns_of"]

BACKTRACK_LIMIT: Final = 10_000
"""Steps of one hard pattern on one text before it is given up (about 0.2 ms)."""

_NAMED_BY: Final = ("pattern", "patternProperties")

_LARGEST: Final = 10 * 2**20
"""Bytes of a compiled pattern that the engine takes anyway."""

_TOGETHER: Final = 2**29
"""Bytes that all patterns of a schema may take while texts are searched."""

_SEARCHED: Final = 2_500_000
"""Bytes up to which a pattern is searched for without a table, if it asks for no edge of a word."""

_ENGINES: Final = 4
_TABLE: Final = 1.2
"""Bytes for each byte of a compiled pattern, as measured: of what searches, in both directions, and
of a table for each group, which holds it for each state."""

_STATES: Final = 2**21, 2**27
"""Bytes in which the engine may keep states that it has met: of one pattern, and of all."""

_CHARACTER: Final = 2_000
"""Bytes that a character of a pattern compiles to, at the most; classes of Unicode take 45,000."""

_CLASS: Final = re.compile(r"\\p", re.IGNORECASE)
_REPEATED: Final = 30
_REPEATS: Final = re.compile(r"\{(?:\d*,)?(\d+),?\}")
_SIZES: Final[tuple[int, ...]] = (*(2**power for power in range(10, 24)), _LARGEST)
_SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class PatternLimits:
    """How large the engine lets patterns become, of which there are so many together."""

    number: int

    @property
    def linear(self) -> jsonschema_rs.RegexOptions:
        """For patterns that run in linear time."""
        return jsonschema_rs.RegexOptions(_LARGEST, self.states)

    @property
    def bounded(self) -> jsonschema_rs.FancyRegexOptions:
        """For all patterns."""
        return jsonschema_rs.FancyRegexOptions(BACKTRACK_LIMIT, _LARGEST, self.states)

    @property
    def states(self) -> int:
        """Bytes in which the engine may keep states of each pattern."""
        one, all_of_them = _STATES
        return min(one, all_of_them // max(1, self.number))


def patterns_of(documents: Documents) -> Iterator[str]:
    """Every pattern in the documents, and what may be one."""
    if documents.keywords.isdisjoint(_NAMED_BY):
        return
    for node in documents.objects():
        if isinstance(pattern := node.get("pattern"), str):
            yield pattern
        if isinstance(by_pattern := node.get("patternProperties"), dict):
            yield from by_pattern


def limits_of(documents: Documents) -> PatternLimits:
    """The limits of the patterns in the documents.

    Raises:
        InvalidSchema: together they would take more memory than a schema is worth, once some text
            is judged: a hundred, or one whose hundreds of groups are repeated, take gigabytes.
    """
    patterns = dict.fromkeys(patterns_of(documents))
    _check(patterns)
    return PatternLimits(len(patterns))


def _check(patterns: Collection[str]) -> None:
    left: float = _TOGETHER
    if sum(_taken(pattern, _at_most(pattern)) for pattern in patterns) <= left:
        return
    for pattern in patterns:
        left -= _taken(pattern, compiled_bytes(pattern))
        if left < 0:
            raise InvalidSchema(
                f"the pattern {pattern[:_SHOWN]!r} needs too much space, or all patterns do "
                "together (huge repeats, classes of Unicode, hundreds of groups that (?:…) could "
                "be)"
            )


def compiled_bytes(pattern: str) -> int:
    """About what a pattern takes compiled, a third more or less; of one that the engine refuses, or
    that does not run in linear time, what it takes at the most."""
    return _bytes_of_short(pattern) if len(pattern) <= _SHOWN else _bytes_of_long(pattern)


def _measured(pattern: str) -> int:
    for size in _SIZES:
        options = jsonschema_rs.RegexOptions(size)
        try:
            jsonschema_rs.validator_for({"pattern": pattern}, offline=True, pattern_options=options)
        except BaseException as error:
            if not is_fault(error):
                raise
        else:
            return size * 3 // 4
    return min(_LARGEST, _at_most(pattern))


# Both schemas of a comparison are asked about all their patterns several times.
_bytes_of_short: Final = lru_cache(maxsize=50_000)(_measured)
_bytes_of_long: Final = lru_cache(maxsize=2_000)(_measured)


def _at_most(pattern: str) -> int:
    repeats = (int(times.lstrip("0")[:6] or 1) for times in _REPEATS.findall(pattern))
    # A few are beyond any limit, and the product of all would take long.
    repeated = prod(islice((times for times in repeats if times > 1), _REPEATED))
    return repeated * (len(pattern) * _CHARACTER + len(_CLASS.findall(pattern)) * 45_000)


def _taken(pattern: str, size: int) -> float:
    size = min(size, _LARGEST)
    has_table = size > _SEARCHED or r"\b" in pattern or r"\B" in pattern
    groups = pattern.count("(") - pattern.count("(?:") + 1
    return size * (_ENGINES + _TABLE * groups * has_table)
