"""What one block of a run held."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from llm_integrations.core.files import atomic_write

__all__ = ["BlockCount", "part_name"]


@dataclass(frozen=True, slots=True)
class BlockCount:
    """What one block held."""

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
    """What the files of a run's block are called, here and in the quarantine.

    A block that is done again after a crash has the same name, so that it sets nothing aside twice.
    """
    return f"{run}-{number:06d}"
