"""Whether all texts that match some patterns match another, by derivatives of the patterns.

The two sides are followed through all texts at once, one character class at a time; there are
finitely many pairs of derivatives, and a limit on how many are looked at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from llm_integrations.core.evolution.model.answer import Answer
from llm_integrations.core.evolution.patterns.syntax import (
    Alternation,
    Assertion,
    CharacterClass,
    Concatenation,
    Group,
    Quantified,
    Ranges,
    Tree,
    UnreadablePattern,
    read_pattern,
)

__all__ = ["NO_TEXT", "Inclusion", "TextConstraints", "inclusion"]

_MOST_STATES: Final = 800
_MOST_REPEATS: Final = 80
_MOST_PARTS: Final = 600
_ALL: Final[Ranges] = ((0, 0x10FFFF),)


@dataclass(frozen=True, slots=True)
class TextConstraints:
    """What all texts of a set have in common.

    Attributes:
        patterns: each must match.
        least: characters at the least.
        most: characters at the most; None is any number.
    """

    patterns: tuple[str, ...] = ()
    least: int = 0
    most: int | None = None


NO_TEXT: Final = TextConstraints(("[]",))
"""What no text satisfies: a counterexample to it is any text of the other side."""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Whether all texts that satisfy some constraints satisfy others.

    Attributes:
        holds: unknown where a pattern is not read, or leads too far.
        counterexample: a text that satisfies only the former, if there is one.
    """

    holds: Answer
    counterexample: str | None = None


@lru_cache(maxsize=512)
def inclusion(premises: TextConstraints, goal: TextConstraints) -> Inclusion:
    """Compare two sets of texts; a counterexample is as short as any."""
    try:
        found = _search(_languages(premises), _languages(goal))
    except (UnreadablePattern, RecursionError):
        return Inclusion(Answer.UNKNOWN)
    return Inclusion(Answer.of(found is None), found)


# Languages: the empty one, the empty text, one character, and what is built of them.


@dataclass(frozen=True, slots=True)
class _EmptyLanguage:
    pass


@dataclass(frozen=True, slots=True)
class _EmptyText:
    pass


@dataclass(frozen=True, slots=True)
class _OneCharacter:
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class _Concatenation:
    first: _Language
    second: _Language


@dataclass(frozen=True, slots=True)
class _Union:
    parts: frozenset[_Language]


@dataclass(frozen=True, slots=True)
class _KleeneStar:
    part: _Language


_Language = _EmptyLanguage | _EmptyText | _OneCharacter | _Concatenation | _Union | _KleeneStar

_NOTHING: Final = _EmptyLanguage()
_EMPTY_TEXT: Final = _EmptyText()
_ANYTHING: Final = _KleeneStar(_OneCharacter(_ALL))


def _concatenation(first: _Language, second: _Language) -> _Language:
    if _NOTHING in (first, second):
        return _NOTHING
    if first == _EMPTY_TEXT:
        return second
    if second == _EMPTY_TEXT:
        return first
    if isinstance(first, _Concatenation):
        return _concatenation(first.first, _concatenation(first.second, second))
    return _Concatenation(first, second)


def _union(parts: Iterable[_Language]) -> _Language:
    flat: set[_Language] = set()
    for part in parts:
        flat |= part.parts if isinstance(part, _Union) else {part}
    flat.discard(_NOTHING)
    if _ANYTHING in flat:
        return _ANYTHING
    if len(flat) > 1:
        return _Union(frozenset(flat))
    return next(iter(flat), _NOTHING)


def _kleene_star(part: _Language) -> _Language:
    if part in (_NOTHING, _EMPTY_TEXT):
        return _EMPTY_TEXT
    return part if isinstance(part, _KleeneStar) else _KleeneStar(part)


# From the tree of a pattern to the language of all texts in which it has a match.


def _languages(text: TextConstraints) -> tuple[_Language, ...]:
    found = [_searched(read_pattern(pattern)) for pattern in text.patterns]
    if text.least or text.most is not None:
        found.append(_repeat(_OneCharacter(_ALL), text.least, text.most))
    for language in found:
        if sum(1 for _ in _parts(language)) > _MOST_PARTS:
            raise UnreadablePattern("too large")
    return tuple(found)


def _searched(tree: Tree) -> _Language:
    """``^`` and ``$`` count at the ends of the branches only; elsewhere they are not read."""
    branches = tree.parts if isinstance(tree, Alternation) else (tree,)
    return _union(_branch(branch) for branch in branches)


def _branch(tree: Tree) -> _Language:
    parts = list(tree.parts) if isinstance(tree, Concatenation) else [tree]
    start: _Language = _ANYTHING
    end: _Language = _ANYTHING
    while parts and parts[0] == Assertion("^"):
        start = _EMPTY_TEXT
        parts.pop(0)
    while parts and parts[-1] == Assertion("$"):
        end = _EMPTY_TEXT
        parts.pop()
    return _concatenation(start, _concatenation(_language(Concatenation(tuple(parts))), end))


def _language(tree: Tree) -> _Language:
    match tree:
        case CharacterClass(ranges=ranges, is_exact=True):
            return _OneCharacter(ranges) if ranges else _NOTHING
        case Concatenation(parts=parts):
            made: _Language = _EMPTY_TEXT
            for part in reversed(parts):
                made = _concatenation(_language(part), made)
            return made
        case Alternation(parts=parts):
            return _union(_language(part) for part in parts)
        case Quantified(part=part, least=least, most=most):
            return _repeat(_language(part), least, most)
        case Group(part=part):
            return _language(part)
    raise UnreadablePattern("lookaround, boundaries, backreferences and categories are not read")


def _repeat(part: _Language, least: int, most: int | None) -> _Language:
    if max(least, most or 0) > _MOST_REPEATS:
        raise UnreadablePattern("too many repeats")
    made: _Language = _kleene_star(part) if most is None else _EMPTY_TEXT
    for _ in range(0 if most is None else most - least):
        made = _union([_EMPTY_TEXT, _concatenation(part, made)])
    for _ in range(least):
        made = _concatenation(part, made)
    return made


def _parts(language: _Language) -> Iterator[_Language]:
    stack: list[_Language] = [language]
    while stack:
        current = stack.pop()
        yield current
        match current:
            case _Concatenation(first=first, second=second):
                stack += [first, second]
            case _Union(parts=parts):
                stack += parts
            case _KleeneStar(part=part):
                stack.append(part)


# Derivatives: what may follow after one character.


def _holds_empty_text(language: _Language) -> bool:
    match language:
        case _EmptyText() | _KleeneStar():
            return True
        case _Concatenation(first=first, second=second):
            return _holds_empty_text(first) and _holds_empty_text(second)
        case _Union(parts=parts):
            return any(map(_holds_empty_text, parts))
    return False


def _derivative(language: _Language, code: int) -> _Language:
    match language:
        case _OneCharacter(ranges=ranges):
            return _EMPTY_TEXT if any(low <= code <= high for low, high in ranges) else _NOTHING
        case _Concatenation(first=first, second=second):
            rest = _concatenation(_derivative(first, code), second)
            return _union([rest, _derivative(second, code)]) if _holds_empty_text(first) else rest
        case _Union(parts=parts):
            return _union(_derivative(part, code) for part in parts)
        case _KleeneStar(part=part):
            return _concatenation(_derivative(part, code), language)
    return _NOTHING


_State = tuple[tuple[_Language, ...], tuple[_Language, ...]]


def _search(premises: tuple[_Language, ...], goal: tuple[_Language, ...]) -> str | None:
    """Breadth first, so that the text found is the shortest."""
    classes = _representatives([*premises, *goal])
    start = (premises, goal)
    seen = {start}
    waiting: deque[tuple[_State, str]] = deque([(start, "")])
    while waiting:
        (left, right), text = waiting.popleft()
        if all(map(_holds_empty_text, left)) and not all(map(_holds_empty_text, right)):
            return text
        for code in classes:
            following = tuple(_derivative(part, code) for part in left)
            state = (following, tuple(_derivative(part, code) for part in right))
            if _NOTHING in following or state in seen:
                continue
            seen.add(state)
            if len(seen) > _MOST_STATES:
                raise UnreadablePattern("too many states")
            waiting.append((state, text + chr(code)))
    return None


def _representatives(languages: Iterable[_Language]) -> list[int]:
    """One character for each class that no pattern tells apart, plain ones where there are."""
    edges = {0}
    for language in languages:
        for part in _parts(language):
            if isinstance(part, _OneCharacter):
                edges.update(edge for low, high in part.ranges for edge in (low, high + 1))
    starts = sorted(edge for edge in edges if edge <= 0x10FFFF)
    chosen = []
    for start, end in zip(starts, [*starts[1:], 0x110000], strict=True):
        plain = next((code for code in _PLAIN if start <= code < end), None)
        # No text holds a lone surrogate.
        code = start if plain is None else plain
        if not 0xD800 <= code <= 0xDFFF or end > 0xE000:
            chosen.append(max(code, 0xE000) if 0xD800 <= code <= 0xDFFF else code)
    return sorted(chosen, key=lambda code: code not in _PLAIN)


_PLAIN: Final = [ord(c) for c in "aA0bB1-_. zZ9"]
