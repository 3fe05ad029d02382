"""Text that matches a regular expression, for most expressions that schemas hold.

A reader of ECMA 262 syntax that is generous rather than exact: whoever asks checks the text with
the real engine, and tries again with other choices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

__all__ = ["sample_pattern"]

Pick = Callable[[Sequence[Any]], Any]
_Node = Callable[["_Draw"], str]

_DIGITS: Final = "0123456789"
_LOWER: Final = "abcdefghijklmnopqrstuvwxyz"
_UPPER: Final = _LOWER.upper()
_WORD: Final = _LOWER + _UPPER + _DIGITS + "_"
_SPACE: Final = " \t\n"
_PRINTABLE: Final = "".join(map(chr, range(32, 127)))
_POOL: Final = _WORD + " " + _PRINTABLE + "\t\né漢"
_CLASSES: Final = {"d": _DIGITS, "w": _WORD, "s": _SPACE}
_CONTROL: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_CATEGORIES: Final = {"L": "aAé", "Lu": "AÉ", "Ll": "aé", "N": "1", "Nd": "1", "P": ".", "Z": " "}
_MOST_REPEATS: Final = 3


class _Draw:
    """One drawing: how choices are made, and what the groups held."""

    def __init__(self, pick: Pick) -> None:
        self.pick = pick
        self.groups: dict[int, str] = {}


def sample_pattern(pattern: str, pick: Pick) -> str | None:
    """Text that probably matches; None when the pattern cannot be read.

    Args:
        pattern: an ECMA 262 regular expression.
        pick: makes each choice, from a list that is never empty.
    """
    try:
        return _Reader(pattern).read()(_Draw(pick))
    except (IndexError, ValueError, RecursionError):
        return None


class _Reader:
    """A recursive descent reader that turns a pattern into a function that draws text."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._groups = 0

    def read(self) -> _Node:
        node = self._alternatives()
        if self._at != len(self._text):
            raise ValueError("unbalanced")
        return node

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

    def _alternatives(self) -> _Node:
        branches = [self._sequence()]
        while self._take("|"):
            branches.append(self._sequence())
        if len(branches) == 1:
            return branches[0]
        return lambda draw: str(draw.pick(branches)(draw))

    def _sequence(self) -> _Node:
        parts: list[_Node] = []
        while self._at < len(self._text) and not self._peek("|") and not self._peek(")"):
            parts.append(self._quantified(self._atom()))
        return lambda draw: "".join([part(draw) for part in parts])

    def _quantified(self, node: _Node) -> _Node:
        bounds = self._bounds()
        if bounds is None:
            return node
        self._take("?")
        low, high = bounds
        most = low + _MOST_REPEATS if high is None else min(high, low + _MOST_REPEATS)
        counts = sorted({max(low, 1), low, most} & set(range(low, most + 1)), key=lambda n: n == 0)
        if high is not None and high - low > _MOST_REPEATS:
            counts.append(high)
        return lambda draw: "".join([node(draw) for _ in range(draw.pick(counts))])

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

    def _atom(self) -> _Node:
        character = self._next()
        if character == "(":
            return self._group()
        if character == "[":
            return _one_of(self._class())
        if character == "\\":
            return self._escape()
        if character in "^$":
            return lambda _: ""
        if character == ".":
            return _one_of(_POOL)
        return lambda _: character

    def _group(self) -> _Node:
        if self._take("?:"):
            return self._closed()
        if self._take("?=") or self._take("?!") or self._take("?<=") or self._take("?<!"):
            self._closed()
            return lambda _: ""
        if self._take("?<"):
            self._until(">")
        self._groups += 1
        number, inner = self._groups, self._closed()

        def remember(draw: _Draw) -> str:
            draw.groups[number] = inner(draw)
            return draw.groups[number]

        return remember

    def _closed(self) -> _Node:
        inner = self._alternatives()
        if not self._take(")"):
            raise ValueError("a group is not closed")
        return inner

    def _escape(self) -> _Node:
        character = self._text[self._at]
        if character in "bB":
            self._at += 1
            return lambda _: ""
        if character in "123456789":
            self._at += 1
            return lambda draw: draw.groups.get(int(character), "")
        return _one_of(self._escaped())

    def _escaped(self) -> str:
        """The characters that an escape stands for."""
        character = self._next()
        if character.lower() in _CLASSES:
            known = _CLASSES[character.lower()]
            return known if character.islower() else "".join(c for c in _POOL if c not in known)
        if character in "pP" and self._take("{"):
            known = _CATEGORIES.get(self._until("}").rpartition("=")[2], "a1")
            return known if character == "p" else "".join(c for c in _POOL if c not in known)
        if character in "xu":
            return self._code(character)
        if character == "c":
            return chr(ord(self._next()) % 32)
        return _CONTROL.get(character, character)

    def _code(self, kind: str) -> str:
        if self._take("{"):
            return chr(int(self._until("}"), 16))
        length = 2 if kind == "x" else 4
        digits, self._at = self._text[self._at : self._at + length], self._at + length
        return chr(int(digits, 16))

    def _class(self) -> str:
        refused = self._take("^")
        found = ""
        while not self._take("]"):
            found += self._range()
        if not refused:
            return found
        return "".join(c for c in _POOL if c not in found)

    def _range(self) -> str:
        first = self._escaped() if self._take("\\") else self._next()
        ends_here = not self._peek("-") or self._text[self._at + 1] == "]"
        if len(first) != 1 or ends_here:
            return first
        self._at += 1
        last = self._escaped() if self._take("\\") else self._next()
        if len(last) != 1:
            return first + "-" + last
        middle = (ord(first) + ord(last)) // 2
        return "".join(dict.fromkeys([first, last, chr(middle), *_some_between(first, last)]))


def _some_between(first: str, last: str) -> list[str]:
    return [chr(code) for code in range(ord(first), min(ord(last), ord(first) + 128) + 1)]


def _one_of(characters: str) -> _Node:
    if not characters:
        raise ValueError("an empty class matches nothing")
    options = list(characters)
    return lambda draw: str(draw.pick(options))
