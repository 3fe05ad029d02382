"""Which regular expressions mean the same to RE2 and to the row-wise engine.

Only a subset that we know to agree is let through: literals, ASCII classes, ``\\d \\D \\w \\W``,
groups, alternatives, anchors and plain repeats. Everything else goes to the engine.
"""

from __future__ import annotations

import re
from typing import Final

from llm_integrations.core.arrow.pyarrow_modules import pa, pc

__all__ = ["disagreement"]

_MOST_REPEATS: Final = 1000

_TOKEN = re.compile(
    r"(?P<group>\((?:\?:)?)(?!\?)|(?P<close>\))|(?P<bar>\|)|(?P<anchor>[\^$])"
    r"|(?P<class>\[\^?(?:[^\[\]\\&~^-]|\\[dDwWtnrfv\^$\\.*+?()\[\]{}|/-])"
    r"(?:[^\[\]\\&~]|\\[dDwWtnrfv\^$\\.*+?()\[\]{}|/-])*\])"
    r"|(?P<escape>\\[dDwWtnrfv\^$\\.*+?()\[\]{}|/-])"
    r"|(?P<repeat>(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\??)"
    r"|(?P<char>[^\\\[\](){}|*+?^$])",
    re.DOTALL,
)
_REPEATABLE: Final = frozenset(["close", "class", "escape", "char"])


def disagreement(pattern: str) -> str | None:
    """Why this pattern is not left to RE2; None when both agree on it."""
    position, last = 0, ""
    while position < len(pattern):
        token = _TOKEN.match(pattern, position)
        if token is None:
            return f"{pattern[position : position + 8]!r} may mean something else to RE2"
        kind = str(token.lastgroup)
        if kind == "repeat":
            if last not in _REPEATABLE:
                return "a repeat of a repeat or of an anchor"
            if _most(token[0]) > _MOST_REPEATS:
                return f"a repeat over {_MOST_REPEATS}"
        if kind == "class" and re.search(r"--|\\[dDwW]-|-\\[dDwW]", token[0]):
            return "a range in a class that ends in a class"
        last, position = kind, token.end()
    return _refusal(pattern)


def _most(repeat: str) -> int:
    return max((int(number) for number in re.findall("[0-9]+", repeat)), default=0)


def _refusal(pattern: str) -> str | None:
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid:
        return "RE2 does not compile it"
    return None
