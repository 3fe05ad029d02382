"""A run's files for a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import pyarrow as pa

from datasets import Dataset, concatenate_datasets
from llm_integrations.datasets.run.blocks import BlockJudge, JudgedBlock
from llm_integrations.datasets.run.parts import Parts

__all__ = ["TableParts"]


class TableParts(Parts[JudgedBlock]):
    """Keeps an Arrow file for each block.

    Args:
        folder: made when the first block is written.
        judge: the run's judge.
        keep: gives what is written of a judged block.
    """

    suffix = "arrow"

    def __init__(
        self, folder: Path, judge: BlockJudge, keep: Callable[[JudgedBlock], pa.Table]
    ) -> None:
        super().__init__(folder, judge.run, judge.quarantine)
        self._judge = judge
        self._keep = keep

    def set_aside(self, found: JudgedBlock, part: str) -> None:
        self._judge.set_aside(found, part)

    def write(self, found: JudgedBlock, stream: IO[bytes]) -> None:
        kept = self._keep(found)
        with pa.ipc.new_stream(stream, kept.schema) as writer:
            writer.write_table(kept)

    def opened(self, paths: Sequence[Path]) -> Dataset:
        parts = [Dataset.from_file(str(path)) for path in paths]
        return concatenate_datasets(parts) if len(parts) > 1 else parts[0]
