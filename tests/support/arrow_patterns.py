"""Random regular expressions of the kind that people write, and texts to try them on."""

from __future__ import annotations

import random
from typing import Final

__all__ = ["TEXTS", "random_pattern"]

_LITERALS: Final = [*"abcA0_-é日😀 /,:@!\"'<=~#%&;`", "\\.", "\\$", "\\/", "\\\\", "\\-", "\\+"]
_CLASSES: Final = [
    "[a-c]",
    "[^a-c]",
    "[0-9A-F]",
    "[abc_-]",
    "[^\\d]",
    "[\\w.]",
    "[\\W]",
    "[^\\W]",
    "[é-ü]",
    "[a\\]b]",
    "[\\-a]",
    "[.$^]",
    "[\\t\\n]",
    "\\d",
    "\\D",
    "\\w",
    "\\W",
    "\\s",
    ".",
    "[^\\n]",
    "[a-zA-Z0-9]",
    "[ -~]",
    "[!-/]",
    "[\\\\]",
    "[日]",
]
_REPEATS: Final = ["*", "+", "?", "{2}", "{0,2}", "{1,}", "*?", "+?", "??", "{2,3}?"]


def _texts() -> list[str]:
    rng = random.Random(3)
    wide = [*"abcAZ09_-. \n\r\t$^/\\][éß日😀", "\u2028", "\x00", "\x7f", "\u0130", "\u212a", "ſ"]
    found = ["".join(rng.choices(wide, k=rng.randint(0, 6))) for _ in range(200)]
    return found + ["".join(rng.choices("abcA0_-.", k=rng.randint(0, 5))) for _ in range(300)]


TEXTS: Final = _texts()


def random_pattern(rng: random.Random) -> str:
    if rng.random() < 0.4:
        return _sequence_of_classes(rng)
    start = "^" if rng.random() < 0.5 else ""
    return start + _alternatives(rng, 2) + ("$" if rng.random() < 0.5 else "")


def _sequence_of_classes(rng: random.Random) -> str:
    """``^…$`` without groups, which identifiers and codes have."""
    units = []
    for _ in range(rng.randint(1, 4)):
        unit = rng.choice(
            ["[a-c]", "[0-9A-F]", "\\d", "\\w", "a", "-", "\\.", "[a-zA-Z0-9]", "[.$_]"]
        )
        units.append(unit + rng.choice(["", "", "", "{2}", "+", "*", "?", "{1,2}"]))
    return f"^{''.join(units)}$"


def _alternatives(rng: random.Random, depth: int) -> str:
    return "|".join(_sequence(rng, depth) for _ in range(1 if rng.random() < 0.7 else 2))


def _sequence(rng: random.Random, depth: int) -> str:
    units = []
    for _ in range(rng.randint(0 if rng.random() < 0.1 else 1, 4)):
        repeat = rng.choice(_REPEATS) if rng.random() < 0.35 else ""
        units.append(_unit(rng, depth) + repeat)
    return "".join(units)


def _unit(rng: random.Random, depth: int) -> str:
    draw = rng.random()
    if draw < 0.45:
        return str(rng.choice(_LITERALS))
    if draw < 0.8 or depth == 0:
        return str(rng.choice(_CLASSES))
    start = rng.choice(("(", "(?:"))
    return f"{start}{_alternatives(rng, depth - 1)})"
