"""Regular expressions that are a plain sequence of ASCII classes with repeats."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["Piece", "pieces"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text: that many characters (None: no limit) out of these ASCII characters."""

    allowed: frozenset[int]
    least: int
    most: int | None


_DIGITS: Final = frozenset(range(48, 58))
_WORDS: Final = _DIGITS | frozenset(range(65, 91)) | frozenset(range(97, 123)) | {95}
_CONTROLS: Final = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
_SIMPLE = re.compile(
    r"(?P<class>\[[^\[\]\\&~^-](?:[^\[\]\\&~]|\\[^DWsSbB])*\])"
    r"|\\(?P<escape>[dwtnrfv^$\\.*+?()\[\]{}|/-])"
    r"|(?P<char>[^\\\[\](){}|*+?^$.])",
    re.DOTALL,
)
_TIMES = re.compile(r"(?P<sign>[*+?])|\{(?P<least>[0-9]+)(?P<comma>,(?P<most>[0-9]*))?\}|")


def pieces(pattern: str) -> tuple[Piece, ...] | None:
    """``^…$`` as a sequence of ASCII classes with repeats; None when it is something else."""
    if len(pattern) < 2 or pattern[0] != "^" or pattern[-1] != "$" or pattern.endswith("\\$"):
        return None
    found, position, end = [], 1, len(pattern) - 1
    while position < end:
        unit = _SIMPLE.match(pattern, position, end)
        allowed = None if unit is None else _allowed(unit)
        if unit is None or allowed is None:
            return None
        times = _TIMES.match(pattern, unit.end(), end)
        assert times is not None  # noqa: S101 - the expression matches the empty text
        found.append(Piece(allowed, *_repeats(times)))
        position = times.end()
    return tuple(found)


def _repeats(times: re.Match[str]) -> tuple[int, int | None]:
    if times["sign"]:
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}[times["sign"]]
    if times["least"] is None:
        return 1, 1
    least = int(times["least"])
    if times["comma"] is None:
        return least, least
    return least, int(times["most"]) if times["most"] else None


def _allowed(unit: re.Match[str]) -> frozenset[int] | None:
    if unit["class"]:
        return _class(unit["class"][1:-1])
    if unit["escape"]:
        return _escape(unit["escape"])
    return frozenset([ord(unit["char"])]) if unit["char"].isascii() else None


def _escape(letter: str) -> frozenset[int]:
    if letter in "dw":
        return _DIGITS if letter == "d" else _WORDS
    return frozenset([_CONTROLS.get(letter, ord(letter))])


def _class(body: str) -> frozenset[int] | None:
    if not body.isascii():
        return None
    allowed: set[int] = set()
    parts = re.findall(r"(\\.|[^\\])(?:-(\\.|[^\\]))?", body, re.DOTALL)
    for first, last in parts:
        if not last:
            allowed |= _member(first)
        elif first in ("\\d", "\\w") or last in ("\\d", "\\w") or "-" in (first, last):
            return None
        else:
            allowed.update(range(min(_member(first)), max(_member(last)) + 1))
    return frozenset(allowed)


def _member(text: str) -> frozenset[int]:
    return _escape(text[1]) if text[0] == "\\" else frozenset([ord(text)])
