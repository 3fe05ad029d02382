"""Reading the regular expressions of schemas (ECMA 262) into trees."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

__all__ = [
    "Alternation",
    "Assertion",
    "Backreference",
    "CharacterClass",
    "Concatenation",
    "Group",
    "Quantified",
    "Ranges",
    "Tree",
    "UnreadablePattern",
    "compiled_size",
    "exact_texts",
    "invert",
    "read_pattern",
    "unite",
]

Ranges = tuple[tuple[int, int], ...]
"""Code points, as ascending ranges that do not touch; both ends belong to a range."""

LAST: Final = 0x10FFFF
_SYNTAX: Final = re.compile(r"[\\^$.*+?()\[\]{}|/]")
_ESCAPE: Final = r"\\\g<0>"


@dataclass(frozen=True, slots=True)
class CharacterClass:
    """One character out of a set; ``is_exact`` false where the set is only a sample of it."""

    ranges: Ranges
    is_exact: bool = True


@dataclass(frozen=True, slots=True)
class Concatenation:
    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Alternation:
    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Quantified:
    """``most`` None is without end."""

    part: Tree
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Group:
    number: int
    part: Tree


@dataclass(frozen=True, slots=True)
class Backreference:
    """What a group held, once more."""

    number: int


@dataclass(frozen=True, slots=True)
class Assertion:
    """Something without width: ``^``, ``$``, a word boundary (``b``) or lookaround (``look``)."""

    kind: str


Tree = CharacterClass | Concatenation | Alternation | Quantified | Group | Backreference | Assertion


class UnreadablePattern(ValueError):
    """The pattern has syntax that is not read here."""


def unite(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The union of ranges in their one form."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def invert(ranges: Ranges) -> Ranges:
    """All other code points."""
    found, start = [], 0
    for low, high in ranges:
        if low > start:
            found.append((start, low - 1))
        start = high + 1
    return (*found, (start, LAST)) if start <= LAST else tuple(found)


def _of(*texts: str) -> Ranges:
    return unite((ord(text[0]), ord(text[-1])) for text in texts)


_DIGIT: Final = _of("09")
_WORD: Final = _of("09", "AZ", "_", "az")
_SPACE: Final = unite(
    [
        (0x09, 0x0D),
        (0x20, 0x20),
        (0xA0, 0xA0),
        (0x1680, 0x1680),
        (0x2000, 0x200A),
        (0x2028, 0x2029),
        (0x202F, 0x202F),
        (0x205F, 0x205F),
        (0x3000, 0x3000),
        (0xFEFF, 0xFEFF),
    ]
)
_LINE_ENDS: Final = unite([(0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029)])
_CLASSES: Final = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_CONTROL: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_CATEGORIES: Final = {"L": "aAé", "Lu": "AÉ", "Ll": "aé", "N": "1", "Nd": "1", "P": ".", "Z": " "}


def read_pattern(pattern: str) -> Tree:
    """The tree of a pattern. UnreadablePattern for syntax that is not known here."""
    try:
        return _Reader(pattern).read()
    except (IndexError, ValueError, RecursionError):
        raise UnreadablePattern(pattern) from None


def exact_texts(texts: Iterable[str]) -> str:
    """The pattern that these texts match, and no other."""
    return f"^(?:{'|'.join(_SYNTAX.sub(_ESCAPE, text) for text in texts)})$"


@lru_cache(maxsize=1_000)
def compiled_size(pattern: str) -> int:
    """About how many characters a pattern has with its repeats written out."""
    try:
        return _size(read_pattern(pattern))
    except (UnreadablePattern, RecursionError):
        return len(pattern)


def _size(tree: Tree) -> int:
    match tree:
        case Concatenation(parts=parts) | Alternation(parts=parts):
            return sum(map(_size, parts))
        case Quantified(part=part, least=least, most=most):
            return _size(part) * max(least, most or 1, 1)
        case Group(part=part):
            return _size(part)
    return 1


class _Reader:
    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._groups = 0

    def read(self) -> Tree:
        tree = self._alternatives()
        if self._at != len(self._text):
            raise UnreadablePattern("unbalanced")
        return tree

    def _peek(self, text: str) -> bool:
        return self._text.startswith(text, self._at)

    def _take(self, text: str) -> bool:
        found = self._peek(text)
        self._at += len(text) if found else 0
        return found

    def _next(self) -> str:
        character = self._text[self._at]
        self._at += 1
        return character

    def _until(self, end: str) -> str:
        stop = self._text.index(end, self._at)
        text, self._at = self._text[self._at : stop], stop + len(end)
        return text

    def _alternatives(self) -> Tree:
        branches = [self._sequence()]
        while self._take("|"):
            branches.append(self._sequence())
        return branches[0] if len(branches) == 1 else Alternation(tuple(branches))

    def _sequence(self) -> Tree:
        parts: list[Tree] = []
        while self._at < len(self._text) and not self._peek("|") and not self._peek(")"):
            parts.append(self._quantified(self._atom()))
        return parts[0] if len(parts) == 1 else Concatenation(tuple(parts))

    def _quantified(self, tree: Tree) -> Tree:
        bounds = self._bounds()
        if bounds is None:
            return tree
        self._take("?")  # lazy: the same texts match
        return Quantified(tree, *bounds)

    def _bounds(self) -> tuple[int, int | None] | None:
        if self._take("*"):
            return 0, None
        if self._take("+"):
            return 1, None
        if self._take("?"):
            return 0, 1
        if not self._peek("{") or not self._text[self._at + 1 : self._at + 2].isdigit():
            return None
        self._at += 1
        low, comma, high = self._until("}").partition(",")
        if not comma:
            return int(low), int(low)
        return int(low), int(high) if high else None

    def _atom(self) -> Tree:
        character = self._next()
        match character:
            case "(":
                return self._group()
            case "[":
                return self._class()
            case "\\":
                return self._escape()
            case "^" | "$":
                return Assertion(character)
            case ".":
                return CharacterClass(invert(_LINE_ENDS))
        return CharacterClass(_of(character))

    def _group(self) -> Tree:
        if self._take("?:"):
            return self._closed()
        if any(self._take(look) for look in ("?=", "?!", "?<=", "?<!")):
            self._closed()
            return Assertion("look")
        if self._take("?<"):
            self._until(">")
        self._groups += 1
        number = self._groups
        return Group(number, self._closed())

    def _closed(self) -> Tree:
        inner = self._alternatives()
        if not self._take(")"):
            raise UnreadablePattern("a group is not closed")
        return inner

    def _escape(self) -> Tree:
        character = self._text[self._at]
        if character in "bB":
            self._at += 1
            return Assertion("b")
        if character in "123456789":
            self._at += 1
            return Backreference(int(character))
        return self._escaped()

    def _escaped(self) -> CharacterClass:
        character = self._next()
        if character.lower() in _CLASSES:
            known = _CLASSES[character.lower()]
            return CharacterClass(known if character.islower() else invert(known))
        if character in "pP" and self._take("{"):
            known = _of(*_CATEGORIES.get(self._until("}").rpartition("=")[2], "a1"))
            return CharacterClass(known if character == "p" else invert(known), is_exact=False)
        if character in "xu":
            return CharacterClass(_of(self._code(character)))
        if character == "c":
            return CharacterClass(_of(chr(ord(self._next()) % 32)))
        return CharacterClass(_of(_CONTROL.get(character, character)))

    def _code(self, kind: str) -> str:
        if self._take("{"):
            return chr(int(self._until("}"), 16))
        length = 2 if kind == "x" else 4
        digits, self._at = self._text[self._at : self._at + length], self._at + length
        return chr(int(digits, 16))

    def _class(self) -> CharacterClass:
        refused = self._take("^")
        found: list[tuple[int, int]] = []
        is_exact = True
        while not self._take("]"):
            chars = self._range()
            found += chars.ranges
            is_exact = is_exact and chars.is_exact
        ranges = unite(found)
        return CharacterClass(invert(ranges) if refused else ranges, is_exact)

    def _range(self) -> CharacterClass:
        first = self._member()
        ends_here = not self._peek("-") or self._text[self._at + 1] == "]"
        if ends_here or not _is_single(first):
            return first
        self._at += 1
        last = self._member()
        if not _is_single(last):
            return CharacterClass(unite([*first.ranges, *_of("-"), *last.ranges]), last.is_exact)
        return CharacterClass(((first.ranges[0][0], last.ranges[0][0]),))

    def _member(self) -> CharacterClass:
        if not self._take("\\"):
            return CharacterClass(_of(self._next()))
        if self._take("b"):
            return CharacterClass(_of("\b"))
        return self._escaped()


def _is_single(chars: CharacterClass) -> bool:
    return len(chars.ranges) == 1 and chars.ranges[0][0] == chars.ranges[0][1]
