"""Whether all texts that match some patterns match another, by derivatives of the patterns.

The two sides are followed through all texts at once, one character class at a time; there are
finitely many pairs of derivatives, and a limit on how many are looked at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from llm_integrations.core.evolution.patterns.syntax import (
    Chars,
    Choice,
    Group,
    Mark,
    Ranges,
    Repeat,
    Sequence,
    Tree,
    UnreadablePattern,
    read_pattern,
)

__all__ = ["NO_TEXT", "Text", "counterexample"]

_MOST_STATES: Final = 800
_MOST_REPEATS: Final = 80
_MOST_PARTS: Final = 600
_ALL: Final[Ranges] = ((0, 0x10FFFF),)


@dataclass(frozen=True, slots=True)
class Text:
    """Texts by what is known of them.

    Attributes:
        patterns: each must match.
        least: characters at the least.
        most: characters at the most; None is any number.
    """

    patterns: tuple[str, ...] = ()
    least: int = 0
    most: int | None = None


NO_TEXT: Final = Text(("[]",))
"""What no text satisfies: a counterexample to it is any text of the other side."""


@lru_cache(maxsize=512)
def counterexample(given: Text, goal: Text) -> str | Literal[False] | None:
    """A text of ``given`` that is none of ``goal``; None when there is none; False: not known."""
    try:
        left, right = _languages(given), _languages(goal)
        return _search(left, right)
    except (UnreadablePattern, RecursionError):
        return False


# Languages: the empty one, the empty text, one character, and what is built of them.


@dataclass(frozen=True, slots=True)
class _Empty:
    pass


@dataclass(frozen=True, slots=True)
class _Done:
    pass


@dataclass(frozen=True, slots=True)
class _One:
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class _Then:
    first: _Language
    second: _Language


@dataclass(frozen=True, slots=True)
class _Any:
    parts: frozenset[_Language]


@dataclass(frozen=True, slots=True)
class _Star:
    part: _Language


_Language = _Empty | _Done | _One | _Then | _Any | _Star

_EMPTY: Final = _Empty()
_DONE: Final = _Done()
_ANYTHING: Final = _Star(_One(_ALL))


def _then(first: _Language, second: _Language) -> _Language:
    if _EMPTY in (first, second):
        return _EMPTY
    if first == _DONE:
        return second
    if second == _DONE:
        return first
    if isinstance(first, _Then):
        return _then(first.first, _then(first.second, second))
    return _Then(first, second)


def _any(parts: Iterable[_Language]) -> _Language:
    flat: set[_Language] = set()
    for part in parts:
        flat |= part.parts if isinstance(part, _Any) else {part}
    flat.discard(_EMPTY)
    if _ANYTHING in flat:
        return _ANYTHING
    if len(flat) > 1:
        return _Any(frozenset(flat))
    return next(iter(flat), _EMPTY)


def _star(part: _Language) -> _Language:
    if part in (_EMPTY, _DONE):
        return _DONE
    return part if isinstance(part, _Star) else _Star(part)


# From the tree of a pattern to the language of all texts in which it has a match.


def _languages(text: Text) -> tuple[_Language, ...]:
    found = [_searched(read_pattern(pattern)) for pattern in text.patterns]
    if text.least or text.most is not None:
        found.append(_repeat(_One(_ALL), text.least, text.most))
    for language in found:
        if sum(1 for _ in _parts(language)) > _MOST_PARTS:
            raise UnreadablePattern("too large")
    return tuple(found)


def _searched(tree: Tree) -> _Language:
    """``^`` and ``$`` count at the ends of the branches only; elsewhere they are not read."""
    branches = tree.parts if isinstance(tree, Choice) else (tree,)
    return _any(_branch(branch) for branch in branches)


def _branch(tree: Tree) -> _Language:
    parts = list(tree.parts) if isinstance(tree, Sequence) else [tree]
    start: _Language = _ANYTHING
    end: _Language = _ANYTHING
    while parts and parts[0] == Mark("^"):
        start = _DONE
        parts.pop(0)
    while parts and parts[-1] == Mark("$"):
        end = _DONE
        parts.pop()
    return _then(start, _then(_language(Sequence(tuple(parts))), end))


def _language(tree: Tree) -> _Language:
    match tree:
        case Chars(ranges=ranges, is_exact=True):
            return _One(ranges) if ranges else _EMPTY
        case Sequence(parts=parts):
            made: _Language = _DONE
            for part in reversed(parts):
                made = _then(_language(part), made)
            return made
        case Choice(parts=parts):
            return _any(_language(part) for part in parts)
        case Repeat(part=part, least=least, most=most):
            return _repeat(_language(part), least, most)
        case Group(part=part):
            return _language(part)
    raise UnreadablePattern("lookaround, boundaries, backreferences and categories are not read")


def _repeat(part: _Language, least: int, most: int | None) -> _Language:
    if max(least, most or 0) > _MOST_REPEATS:
        raise UnreadablePattern("too many repeats")
    made: _Language = _star(part) if most is None else _DONE
    for _ in range(0 if most is None else most - least):
        made = _any([_DONE, _then(part, made)])
    for _ in range(least):
        made = _then(part, made)
    return made


def _parts(language: _Language) -> Iterator[_Language]:
    stack: list[_Language] = [language]
    while stack:
        current = stack.pop()
        yield current
        match current:
            case _Then(first=first, second=second):
                stack += [first, second]
            case _Any(parts=parts):
                stack += parts
            case _Star(part=part):
                stack.append(part)


# Derivatives: what may follow after one character.


def _may_end(language: _Language) -> bool:
    match language:
        case _Done() | _Star():
            return True
        case _Then(first=first, second=second):
            return _may_end(first) and _may_end(second)
        case _Any(parts=parts):
            return any(map(_may_end, parts))
    return False


def _after(language: _Language, code: int) -> _Language:
    match language:
        case _One(ranges=ranges):
            return _DONE if any(low <= code <= high for low, high in ranges) else _EMPTY
        case _Then(first=first, second=second):
            rest = _then(_after(first, code), second)
            return _any([rest, _after(second, code)]) if _may_end(first) else rest
        case _Any(parts=parts):
            return _any(_after(part, code) for part in parts)
        case _Star(part=part):
            return _then(_after(part, code), language)
    return _EMPTY


_State = tuple[tuple[_Language, ...], tuple[_Language, ...]]


def _search(given: tuple[_Language, ...], goal: tuple[_Language, ...]) -> str | None:
    """Breadth first, so that the text found is the shortest."""
    classes = _representatives([*given, *goal])
    start = (given, goal)
    seen = {start}
    waiting: deque[tuple[_State, str]] = deque([(start, "")])
    while waiting:
        (left, right), text = waiting.popleft()
        if all(map(_may_end, left)) and not all(map(_may_end, right)):
            return text
        for code in classes:
            following = tuple(_after(part, code) for part in left)
            state = (following, tuple(_after(part, code) for part in right))
            if _EMPTY in following or state in seen:
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
            if isinstance(part, _One):
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
