"""What a comparison may cost, so that a hostile schema ends as "unknown" and not as an outage."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Budget", "Limits", "Undecidable", "check_size"]


class Undecidable(Exception):
    """Inner signal: the question was given up; the message is the reason that a report shows."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one comparison of two schemas.

    A comparison has phases: reading, proving, listing the differences, the search for instances
    and, for a guide, the plan. Each may take ``steps``. What is still open when they run out stays
    unknown, and the report says so. Steps are pieces of work of about the same size, counted in
    every loop that grows with the schemas, so that the same comparison ends at the same place,
    however busy the machine is; a step takes a few microseconds. Processor time is no more than a
    net for what happens inside of other libraries, far beyond what the steps take.

    Attributes:
        seconds: processor time of this thread for proving, the search or the plan, at the most.
        nodes: JSON values in a schema, at the most.
        depth: nesting of a schema, at the most.
        steps: steps of a phase, at the most.
        samples: instances tried for one witness.
    """

    seconds: float = 30.0
    nodes: int = 50_000
    depth: int = 100
    steps: int = 250_000
    samples: int = 60


class Budget:
    """Counts the steps and seconds of a phase against the limits.

    Attributes:
        limits: what may be spent in each phase.
        spent: the steps of all phases so far.
    """

    __slots__ = ("_deadline", "_end", "_next_look", "limits", "spent")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.spent = 0
        self._deadline = math.inf
        self._end = limits.steps
        self._next_look = 0

    def start_phase(self) -> None:
        """Let a phase have all that the limits allow; before the first, only steps count."""
        self._deadline = time.thread_time() + self.limits.seconds
        self._end = self.spent + self.limits.steps
        self._next_look = self.spent

    @property
    def exhausted(self) -> bool:
        return self.spent > self._end or time.thread_time() > self._deadline

    def spend(self, steps: int = 1) -> None:
        """Count some steps; raise Undecidable once there were too many or time is over."""
        self.spent += steps
        if self.spent > self._next_look:
            self._look()

    def _look(self) -> None:
        if self.spent > self._end:
            self.spent = self._end + 1  # what costs more than is left is not begun
            raise Undecidable(f"the comparison took more than {self.limits.steps:,} steps")
        if time.thread_time() > self._deadline:
            raise Undecidable(
                f"the comparison took more than {self.limits.seconds:g} s of processor time"
            )
        self._next_look = min(self.spent + _STEPS_BETWEEN_LOOKS, self._end)


_STEPS_BETWEEN_LOOKS: Final = 500

_CONTAINERS: Final = (dict, list, tuple)


def check_size(document: Any, limits: Limits) -> None:
    """Raise Undecidable for a document that is too large or too deep; never recurses."""
    level, depth, seen = [document], 1, 1
    while level:
        if depth > limits.depth:
            raise Undecidable(f"the schema is nested deeper than {limits.depth} levels")
        below: list[Any] = []
        for value in level:
            if isinstance(value, _CONTAINERS):
                seen += len(value)
                if seen > limits.nodes:
                    raise Undecidable(f"the schema holds more than {limits.nodes:,} values")
                below += value.values() if isinstance(value, dict) else value
        level = below
        depth += 1
