"""Text that matches a regular expression, for most expressions that schemas hold.

Generous rather than exact: callers check the text with a validator, and try again with
other choices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

from llm_integrations.core.evolution.patterns.syntax import (
    Alternation,
    Assertion,
    Backreference,
    CharacterClass,
    Concatenation,
    Group,
    Quantified,
    Ranges,
    Tree,
    UnreadablePattern,
    read_pattern,
)

__all__ = ["Pick", "sample_pattern"]

Pick = Callable[[Sequence[Any]], Any]
"""Makes a choice, from options that are never empty."""

_NICE: Final = "aAb1_0z9Z -.B2xyé漢\t\n"
_MOST_REPEATS: Final = 3
_MOST_DRAWN: Final = 5_000
"""Parts of a pattern that a text is drawn from, counted each time."""

_MOST_RANGES: Final = 100


def sample_pattern(pattern: str, pick: Pick) -> str | None:
    """Text that probably matches; None when the pattern cannot be read, or asks for a long text."""
    try:
        return _Drawing(pick).draw(read_pattern(pattern))
    except (UnreadablePattern, RecursionError):
        return None


class _Drawing:
    """One text in the making."""

    def __init__(self, pick: Pick) -> None:
        self._pick = pick
        self._groups: dict[int, str] = {}
        self._left = _MOST_DRAWN

    def draw(self, tree: Tree) -> str:
        self._left -= 1
        if self._left < 0:
            raise UnreadablePattern("the text is too long")
        match tree:
            case CharacterClass(ranges=ranges):
                return str(self._pick(_characters(ranges[:_MOST_RANGES])))
            case Concatenation(parts=parts):
                return "".join([self.draw(part) for part in parts])
            case Alternation(parts=parts):
                return self.draw(self._pick(parts))
            case Quantified(part=part, least=least, most=most):
                count = self._pick(_counts(least, most))
                return "".join([self.draw(part) for _ in range(count)])
            case Group(number=number, part=part):
                self._groups[number] = self.draw(part)
                return self._groups[number]
            case Backreference(number=number):
                self._left -= len(self._groups.get(number, ""))
                return self._groups.get(number, "")
            case Assertion():
                return ""


def _counts(least: int, most: int | None) -> list[int]:
    """How often to repeat: once or as often as needed first, never at all last."""
    some = least + _MOST_REPEATS if most is None else min(most, least + _MOST_REPEATS)
    counts = sorted({max(least, 1), least, some} & set(range(least, some + 1)), key=_none_last)
    return [*counts, most] if most is not None and most > some else counts


def _none_last(count: int) -> tuple[bool, int]:
    return count == 0, count


@lru_cache(maxsize=256)
def _characters(ranges: Ranges) -> Sequence[str]:
    """Some characters of a set, the plain ones first."""
    if not ranges:
        raise UnreadablePattern("an empty class matches nothing")
    nice = [c for c in _NICE if any(low <= ord(c) <= high for low, high in ranges)]
    ends = [chr(code) for low, high in ranges for code in (low, high) if not _is_odd(code)]
    ends.sort(key=lambda c: not c.isalnum())
    return list(dict.fromkeys([*nice, *ends])) or [chr(ranges[0][0])]


def _is_odd(code: int) -> bool:
    """Surrogates and the last planes, which are no text to show."""
    return code >= 0xD800
