"""What to say where a name is not found: near ones, or what there is."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Final

from llm_integrations.core.errors import SchemaNotFound
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.registry.backend import RegistryBackend

__all__ = ["NearNames", "UnknownSubject", "shortened", "what_is_there"]

_SHOWN: Final = 5
_COMPARED: Final = 2_000  # names, so that a miss in a registry of any size stays cheap


_REMEMBERED: Final = 60.0  # seconds, so that many misses list a server's subjects once


class UnknownSubject(SchemaNotFound):
    """There is no version of a subject at all."""


class NearNames:
    """What a server has instead, for those who asked for what it has not.

    A miss costs the server a list of the subject's versions where an exact one was asked for, and
    one page of its subjects a minute.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._until = float("-inf")

    async def of(self, ref: SchemaRef, backend: RegistryBackend) -> str:
        """The rest of the sentence that says that it is not there."""
        if not ref.is_latest:
            try:
                there = await backend.versions(ref.subject)
            except SchemaNotFound:
                pass
            else:
                return f"; it has {shortened(map(str, there))}" if there else ""
        if time.monotonic() >= self._until:
            # Set first: a server that cannot list is not asked by each miss either.
            self._until = time.monotonic() + _REMEMBERED
            self._names = []
            self._names = (await backend.subjects_page()).found
        return "" if ref.subject in self._names else what_is_there(ref.subject, self._names)


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
