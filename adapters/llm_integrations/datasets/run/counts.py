"""The counts of one block, kept on disk so that an unfinished run can go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from llm_integrations.core.files import atomic_write

__all__ = ["BlockCount", "part_name"]


@dataclass(frozen=True, slots=True)
class BlockCount:
    """How many rows a block had, how many were invalid, and why."""

    total: int
    invalid: int
    reasons: Mapping[str, int]

    def write(self, path: Path) -> None:
        with atomic_write(path, mode=0o600) as stream:
            stream.write(json.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, path: Path) -> BlockCount:
        return cls(**json.loads(path.read_bytes()))


def part_name(run: str, number: int) -> str:
    """The name of a block's files, in the run's folder and in the quarantine.

    A block judged again after a crash has the same name, so that it sets nothing aside twice.
    """
    return f"{run}-{number:06d}"
