"""Holds: benchmarks that may not run until they are pinned again.

They are in a file beside the lock and local to where events are heard: whoever commits the lock
moves it for all, and their copy has no holds.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.files import atomic_write

__all__ = ["Hold", "Holds"]


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a benchmark must not run before it is pinned again.

    Attributes:
        benchmark: which one.
        event_id: the change that caused it; the same change holds once.
        reason: for people.
        comparable: whether past results remain comparable with those by the new schema.
        lifted: whether it was looked at: the same change, told again, holds nothing.
    """

    benchmark: str
    event_id: str
    reason: str
    comparable: bool
    lifted: bool = False


class Holds:
    """A small JSON file, written in one step."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, benchmark: str) -> list[Hold]:
        return [hold for hold in self._read() if hold.benchmark == benchmark and not hold.lifted]

    def add(self, *new: Hold) -> None:
        holds = self._read()
        known = {(hold.benchmark, hold.event_id) for hold in holds}
        added = [hold for hold in new if (hold.benchmark, hold.event_id) not in known]
        if added:
            self._write(holds + added)

    def lift(self, benchmark: str) -> None:
        self._change(
            [replace(h, lifted=h.lifted or h.benchmark == benchmark) for h in self._read()]
        )

    def forget(self, benchmark: str) -> None:
        self._change([hold for hold in self._read() if hold.benchmark != benchmark])

    def _change(self, holds: list[Hold]) -> None:
        if holds != self._read():
            self._write(holds)

    def _read(self) -> list[Hold]:
        try:
            return [Hold(**entry) for entry in json.loads(self._path.read_text("utf-8"))]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"{self._path} cannot be read ({type(error).__name__}); "
                "remove it once you have checked the pins"
            ) from None

    def _write(self, holds: list[Hold]) -> None:
        with atomic_write(self._path) as stream:
            text = json.dumps([asdict(hold) for hold in holds], indent=2)
            stream.write(text.encode() + b"\n")
