"""Whether all texts that match some patterns match another, by derivatives of the patterns.

The two sides are followed through all texts at once, one character class at a time; there are
finitely many pairs of derivatives, and a limit on how many are looked at.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
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
_MOST_STEPS: Final = 100_000
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
        steps: how much work it was to find out.
    """

    holds: Answer
    counterexample: str | None = None
    steps: int = 0


@lru_cache(maxsize=512)
def inclusion(premises: TextConstraints, goal: TextConstraints) -> Inclusion:
    """Compare two sets of texts; a counterexample is as short as any."""
    algebra = _Algebra()
    try:
        found = _search(algebra, algebra.languages(premises), algebra.languages(goal))
    except (UnreadablePattern, RecursionError):
        return Inclusion(Answer.UNKNOWN, steps=algebra.steps)
    return Inclusion(Answer.of(found is None), found, algebra.steps)


# The algebra of languages: none, the empty text, one character, and what is built of them.


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


class _Algebra:
    """Builds languages and their derivatives, each in its simplest form, and counts the steps."""

    def __init__(self) -> None:
        self.steps = 0

    def count(self) -> None:
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise UnreadablePattern("too many steps")

    def concatenation(self, first: _Language, second: _Language) -> _Language:
        self.count()
        if first == _NOTHING or second == _NOTHING:
            return _NOTHING
        if first == _EMPTY_TEXT:
            return second
        if second == _EMPTY_TEXT:
            return first
        if isinstance(first, _Concatenation):
            return self.concatenation(first.first, self.concatenation(first.second, second))
        return _Concatenation(first, second)

    def union(self, parts: Iterable[_Language]) -> _Language:
        flat: set[_Language] = set()
        for part in parts:
            self.count()
            flat |= part.parts if isinstance(part, _Union) else {part}
        flat.discard(_NOTHING)
        if _ANYTHING in flat:
            return _ANYTHING
        if len(flat) > 1:
            return _Union(frozenset(flat))
        return next(iter(flat), _NOTHING)

    # From the tree of a pattern to the language of all texts in which it has a match.

    def languages(self, text: TextConstraints) -> tuple[_Language, ...]:
        found = [self._searched(read_pattern(pattern)) for pattern in text.patterns]
        if text.least or text.most is not None:
            found.append(self._repeat(_OneCharacter(_ALL), text.least, text.most))
        for language in found:
            if sum(1 for _ in _parts(language)) > _MOST_PARTS:
                raise UnreadablePattern("too large")
        return tuple(found)

    def _searched(self, tree: Tree) -> _Language:
        """``^`` and ``$`` count at the ends of the branches only; elsewhere they are not read."""
        branches = tree.parts if isinstance(tree, Alternation) else (tree,)
        return self.union(self._branch(branch) for branch in branches)

    def _branch(self, tree: Tree) -> _Language:
        parts = list(tree.parts) if isinstance(tree, Concatenation) else [tree]
        start: _Language = _ANYTHING
        end: _Language = _ANYTHING
        while parts and parts[0] == Assertion("^"):
            start = _EMPTY_TEXT
            parts.pop(0)
        while parts and parts[-1] == Assertion("$"):
            end = _EMPTY_TEXT
            parts.pop()
        body = self._language(Concatenation(tuple(parts)))
        return self.concatenation(start, self.concatenation(body, end))

    def _language(self, tree: Tree) -> _Language:
        match tree:
            case CharacterClass(ranges=ranges, is_exact=True):
                return _OneCharacter(ranges) if ranges else _NOTHING
            case Concatenation(parts=parts):
                made: _Language = _EMPTY_TEXT
                for part in reversed(parts):
                    made = self.concatenation(self._language(part), made)
                return made
            case Alternation(parts=parts):
                return self.union(self._language(part) for part in parts)
            case Quantified(part=part, least=least, most=most):
                return self._repeat(self._language(part), least, most)
            case Group(part=part):
                return self._language(part)
        raise UnreadablePattern("lookaround, boundaries, backreferences, categories are not read")

    def _repeat(self, part: _Language, least: int, most: int | None) -> _Language:
        if max(least, most or 0) > _MOST_REPEATS:
            raise UnreadablePattern("too many repeats")
        made: _Language = _kleene_star(part) if most is None else _EMPTY_TEXT
        for _ in range(0 if most is None else most - least):
            made = self.union([_EMPTY_TEXT, self.concatenation(part, made)])
        for _ in range(least):
            made = self.concatenation(part, made)
        return made

    def derivative(self, language: _Language, code: int) -> _Language:
        """What may follow in a text after one character."""
        self.count()
        match language:
            case _OneCharacter(ranges=ranges):
                at = bisect_right(ranges, code, key=itemgetter(0)) - 1
                return _EMPTY_TEXT if at >= 0 and code <= ranges[at][1] else _NOTHING
            case _Concatenation(first=first, second=second):
                rest = self.concatenation(self.derivative(first, code), second)
                if not _holds_empty_text(first):
                    return rest
                return self.union([rest, self.derivative(second, code)])
            case _Union(parts=parts):
                return self.union(self.derivative(part, code) for part in parts)
            case _KleeneStar(part=part):
                return self.concatenation(self.derivative(part, code), language)
        return _NOTHING


def _kleene_star(part: _Language) -> _Language:
    if part in (_NOTHING, _EMPTY_TEXT):
        return _EMPTY_TEXT
    return part if isinstance(part, _KleeneStar) else _KleeneStar(part)


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


def _holds_empty_text(language: _Language) -> bool:
    match language:
        case _EmptyText() | _KleeneStar():
            return True
        case _Concatenation(first=first, second=second):
            return _holds_empty_text(first) and _holds_empty_text(second)
        case _Union(parts=parts):
            return any(map(_holds_empty_text, parts))
    return False


_State = tuple[tuple[_Language, ...], tuple[_Language, ...]]


def _search(
    algebra: _Algebra, premises: tuple[_Language, ...], goal: tuple[_Language, ...]
) -> str | None:
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
            following = tuple(algebra.derivative(part, code) for part in left)
            state = (following, tuple(algebra.derivative(part, code) for part in right))
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
