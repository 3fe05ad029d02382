"""The JSON in a text that holds more: what a rule lets be left out before judging."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Final

from llm_integrations.serving.shapes.jsontext import read_json

__all__ = ["extracted"]

_THOUGHT: Final = re.compile(r"\s*<(think|thinking|reasoning)>.*?</\1>", re.DOTALL)
_THOUGHT_ENDS: Final = re.compile(r"[^{\[]*?</think>", re.DOTALL)
_FENCE: Final = re.compile(r"^[ \t]*```[\w+-]*[ \t]*\r?\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)
_OPENING: Final = re.compile(r"[{\[]")
_MOST_TRIES: Final = 50
_DECODER: Final = json.JSONDecoder()


def extracted(text: str, ways: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """The part of a text to judge, and by which of the ways it was found.

    A text that is JSON is left as it is.
    """
    used: list[str] = []
    for way, find in _WAYS.items():
        if way in ways and not _is_json(text):
            found = find(text)
            if found is not None:
                text = found
                used.append(way)
    return text, tuple(used)


def _is_json(text: str) -> bool:
    try:
        read_json(text)
    except (ValueError, RecursionError):
        return False
    return True


def _after_thought(text: str) -> str | None:
    """What comes after a model's thoughts; some templates begin them before the answer does."""
    match = _THOUGHT.match(text) or _THOUGHT_ENDS.match(text)
    return None if match is None else text[match.end() :].strip()


def _in_fences(text: str) -> str | None:
    match = _FENCE.search(text)
    return None if match is None else match[1].strip()


def _first_json(text: str) -> str | None:
    for tries, opening in enumerate(_OPENING.finditer(text)):
        if tries == _MOST_TRIES:
            return None
        try:
            _, end = _DECODER.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            continue
        return text[opening.start() : end]
    return None


_WAYS: Final[Mapping[str, Callable[[str], str | None]]] = {
    "think": _after_thought,
    "fences": _in_fences,
    "first_json": _first_json,
}
"""In the order in which they are tried."""
