"""Holds: benchmarks that may not run until they are pinned again, in a file beside the lock."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
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
    """

    benchmark: str
    event_id: str
    reason: str
    comparable: bool


class Holds:
    """A small JSON file, written in one step."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, benchmark: str) -> list[Hold]:
        return [hold for hold in self._read() if hold.benchmark == benchmark]

    def add(self, *new: Hold) -> None:
        holds = self._read()
        known = {(hold.benchmark, hold.event_id) for hold in holds}
        added = [hold for hold in new if (hold.benchmark, hold.event_id) not in known]
        if added:
            self._write(holds + added)

    def clear(self, benchmark: str) -> None:
        holds = self._read()
        kept = [hold for hold in holds if hold.benchmark != benchmark]
        if len(kept) != len(holds):
            self._write(kept)

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
