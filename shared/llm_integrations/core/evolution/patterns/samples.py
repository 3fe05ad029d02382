"""Text that matches a regular expression, for most expressions that schemas hold.

Generous rather than exact: callers check the text with a validator, and try again with
other choices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def sample_pattern(pattern: str, pick: Pick) -> str | None:
    """Text that probably matches; None when the pattern cannot be read."""
    try:
        return _draw(read_pattern(pattern), pick, {})
    except (UnreadablePattern, RecursionError):
        return None


def _draw(tree: Tree, pick: Pick, groups: dict[int, str]) -> str:
    match tree:
        case CharacterClass(ranges=ranges):
            return str(pick(_characters(ranges)))
        case Concatenation(parts=parts):
            return "".join([_draw(part, pick, groups) for part in parts])
        case Alternation(parts=parts):
            return _draw(pick(parts), pick, groups)
        case Quantified(part=part, least=least, most=most):
            return "".join([_draw(part, pick, groups) for _ in range(pick(_counts(least, most)))])
        case Group(number=number, part=part):
            groups[number] = _draw(part, pick, groups)
            return groups[number]
        case Backreference(number=number):
            return groups.get(number, "")
        case Assertion():
            return ""


def _counts(least: int, most: int | None) -> list[int]:
    """How often to repeat: once or as often as needed first, never at all last."""
    some = least + _MOST_REPEATS if most is None else min(most, least + _MOST_REPEATS)
    counts = sorted({max(least, 1), least, some} & set(range(least, some + 1)), key=_none_last)
    return [*counts, most] if most is not None and most > some else counts


def _none_last(count: int) -> tuple[bool, int]:
    return count == 0, count


def _characters(ranges: Ranges) -> list[str]:
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
