"""What to say where a name is not found: near ones, or what there is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Final

from llm_integrations.core.errors import SchemaNotFound

__all__ = ["UnknownSubject", "shortened", "what_is_there"]

_SHOWN: Final = 5
_COMPARED: Final = 2_000  # names, so that a miss in a registry of any size stays cheap


class UnknownSubject(SchemaNotFound):
    """There is no version of a subject at all."""


def what_is_there(subject: str, names: Sequence[str]) -> str:
    """The rest of a sentence that says that a subject is not there."""
    if not names:
        return ", which holds no schema yet"
    wanted = subject.casefold()
    likely = (n for n in names if abs(len(n) - len(subject)) <= 3 or wanted in n.casefold())
    spelled = {name.casefold(): name for name in islice(likely, _COMPARED)}
    near = [spelled[n] for n in get_close_matches(wanted, spelled, _SHOWN)]
    near = near or [name for low, name in spelled.items() if wanted in low][:_SHOWN]
    if near:
        return f"; is {' or '.join(map(repr, near))} meant?"
    return f"; it has {shortened(map(repr, names))}"


def shortened(names: Iterable[str]) -> str:
    """The first and the last of many names."""
    every = list(names)
    if len(every) <= 2 * _SHOWN:
        return ", ".join(every)
    return f"{', '.join(every[:_SHOWN])}, … {', '.join(every[-_SHOWN:])} ({len(every)})"
