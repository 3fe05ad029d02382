"""Measuring and reporting: medians of repeated runs, peers in the same run, ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Row", "Section", "median_seconds"]


def median_seconds(
    call: Callable[[], object], *, number: int | None = None, repeats: int = 7
) -> float:
    """Median over ``repeats`` of the mean seconds per call of ``number`` calls.

    ``number`` None is chosen so that one repeat lasts about 50 ms.
    """
    call()
    if number is None:
        started = time.perf_counter()
        call()
        number = max(1, min(1_000_000, int(0.05 / max(time.perf_counter() - started, 1e-8))))
    samples = []
    for _ in range(repeats):
        started = time.perf_counter()
        for _ in range(number):
            call()
        samples.append((time.perf_counter() - started) / number)
    return statistics.median(samples)


@dataclass(frozen=True)
class Row:
    """One line of a table: what was measured, ours, the peer's, their ratio, and the aim.

    ``met`` None means that there is no aim to meet.
    """

    what: str
    ours: str
    peer: str = ""
    ratio: str = ""
    aim: str = ""
    met: bool | None = None


@dataclass
class Section:
    """One table of RESULTS.md, with an introduction that says what ran and how."""

    title: str
    intro: str = ""
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        self.rows.append(row)
        print(f"  {row.what}: {row.ours} {row.peer} {row.ratio}", flush=True)

    def to_markdown(self) -> str:
        lines = [f"## {self.title}", ""]
        if self.intro:
            lines += [self.intro, ""]
        lines += ["| what | ours | peer | ratio | aim | met |", "|---|---|---|---|---|---|"]
        for row in self.rows:
            met = {True: "yes", False: "**no**", None: ""}[row.met]
            cells = (row.what, row.ours, row.peer, row.ratio, row.aim, met)
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join([*lines, ""])
