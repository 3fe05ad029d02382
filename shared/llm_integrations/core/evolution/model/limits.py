"""What a comparison may cost, so that a hostile schema ends as "unknown" and not as an outage."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Clock", "Limits", "Undecidable", "check_size"]


class Undecidable(Exception):
    """Inner signal: the question was given up; the message is the reason that a report shows."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one comparison of two schemas.

    Proving and the search for instances may each take ``seconds``, so a comparison ends within
    about three times as long: the clock is read between steps, and the longest step, one question
    to the containment oracle, is kept short by bounds of its own.

    Attributes:
        seconds: wall time after which what is undecided stays unknown.
        nodes: JSON values in a schema, at the most.
        depth: nesting of a schema, at the most.
        steps: goals that the structural comparison looks at.
        samples: instances tried for one witness.
    """

    seconds: float = 2.0
    nodes: int = 50_000
    depth: int = 100
    steps: int = 50_000
    samples: int = 60


class Clock:
    """Counts steps and seconds against the limits."""

    __slots__ = ("_deadline", "_limits", "_steps")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._deadline = time.monotonic() + limits.seconds
        self._steps = 0

    @property
    def expired(self) -> bool:
        return time.monotonic() > self._deadline

    def step(self) -> None:
        """Count one step; raise Undecidable once there were too many or time is over."""
        self._steps += 1
        if self._steps > self._limits.steps:
            raise Undecidable(f"the comparison took more than {self._limits.steps:,} steps")
        if self._steps % 64 == 0:
            self.check()

    def check(self) -> None:
        if self.expired:
            raise Undecidable(f"the comparison took longer than {self._limits.seconds:g} s")


_CONTAINERS: Final = (dict, list, tuple)


def check_size(document: Any, limits: Limits) -> None:
    """Raise Undecidable for a document that is too large or too deep; never recurses."""
    stack = [(document, 1)]
    seen = 0
    while stack:
        value, depth = stack.pop()
        seen += 1
        if depth > limits.depth:
            raise Undecidable(f"the schema is nested deeper than {limits.depth} levels")
        if seen > limits.nodes:
            raise Undecidable(f"the schema holds more than {limits.nodes:,} values")
        if isinstance(value, _CONTAINERS):
            children = value.values() if isinstance(value, dict) else value
            stack.extend((child, depth + 1) for child in children)
