"""How far a long run is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Final, Protocol, TypeAlias, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    track,
)

__all__ = ["ShowProgress", "progress_of", "tracked"]

T = TypeVar("T")

ShowProgress = Annotated[
    bool | None,
    typer.Option(
        "--progress/--no-progress",
        help="Say on stderr how far it is; otherwise on terminals only.",
        show_default=False,
    ),
]
_SHARE: Final = 200
"""Steps in which a bar grows: a call for each record would take longer than judging it."""
_SECONDS: Final = 10.0
"""Between two lines where there is no terminal."""


class Counts(Protocol):
    @property
    def seen(self) -> int: ...
    @property
    def valid(self) -> int: ...


Advance: TypeAlias = Callable[[int], None]
"""Told how many bytes, or rows, were judged."""


@contextmanager
def progress_of(
    name: str, total: int | None, counts: Counts, shown: bool | None
) -> Iterator[Advance]:
    """Gives what is told of each piece of work.

    Args:
        total: bytes or rows, all told; None if nobody knows.
        counts: of the records so far.
        shown: None shows a bar on a terminal and nothing elsewhere.
    """
    console = Console(stderr=True)
    if shown is False or (shown is None and not console.is_terminal):
        yield lambda _amount: None
    elif console.is_terminal:
        with _bar(console) as bar:
            task = bar.add_task(escape(name), total=total, told="")
            yield _Steps(total, lambda done: bar.update(task, completed=done, told=_told(counts)))
    else:
        yield _Steps(total, _Lines(console, name, total, counts))


def tracked(items: Sequence[T], text: str = "Working...") -> Iterable[T]:
    """The items, with a bar on a terminal, and elsewhere without a line."""
    console = Console(stderr=True)
    return track(items, text, console=console, transient=True, disable=not console.is_terminal)


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    told = TextColumn("{task.fields[told]}")
    return Progress(*columns, told, TimeRemainingColumn(), console=console, transient=True)


class _Steps:
    """Tells of work once there is some of it."""

    def __init__(self, total: int | None, tell: Callable[[int], None]) -> None:
        self._step = (total or 0) // _SHARE
        self._tell = tell
        self._done = 0
        self._next = 0

    def __call__(self, amount: int) -> None:
        self._done += amount
        if self._done >= self._next:
            self._next = self._done + self._step
            self._tell(self._done)


class _Lines:
    """Writes a line every ten seconds."""

    def __init__(self, console: Console, name: str, total: int | None, counts: Counts) -> None:
        self._console = console
        self._name = name
        self._total = total
        self._counts = counts
        self._next = time.monotonic() + _SECONDS

    def __call__(self, done: int) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SECONDS
        share = f" {done / self._total:.0%}," if self._total else ""
        text = f"{self._name}:{share} {_told(self._counts)}"
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _told(counts: Counts) -> str:
    return f"{counts.seen:,} records, {counts.seen - counts.valid:,} not valid"
