"""The valid rows on disk, block by block, so that a run that was cut off goes on where it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow as pa

from datasets import Dataset, concatenate_datasets
from llm_integrations.core.files import atomic_write
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.datasets.blocks import BlockCount, BlockJudge, Examined

__all__ = ["Parts"]

_DONE: Final = "complete"


class Parts:
    """A folder of one run: for each block the valid rows (Arrow) and, written last, its counts."""

    def __init__(self, folder: Path, quarantine: Quarantine) -> None:
        self._folder = folder
        self._quarantine = quarantine

    def resume(self, part_name: str) -> list[BlockCount]:
        """The counts of the blocks that an unfinished run wrote whole; a finished one starts over.

        A block whose rows were set aside counts only if they are still in the quarantine.
        """
        if (self._folder / _DONE).exists():
            shutil.rmtree(self._folder)
        counts: list[BlockCount] = []
        held = {path.stem for path in self._quarantine.parts()}
        while (path := self._path(len(counts), "json")).exists():
            count = BlockCount.read(path)
            if count.invalid and f"{part_name}-{len(counts):06d}" not in held:
                break
            counts.append(count)
        return counts

    @contextmanager
    def writing(self) -> Iterator[Callable[[int, Examined, BlockJudge], None]]:
        """A ``write`` that returns while the block is still being settled; all are on leaving.

        One block is written while the next is judged, and no more than one waits: memory is
        bounded, and blocks are whole in their order.
        """
        with ThreadPoolExecutor(1, "llm-integrations-parts") as pool:
            under_way: list[Future[None]] = []

            def write(number: int, found: Examined, judge: BlockJudge) -> None:
                if under_way:
                    under_way.pop().result()
                under_way.append(pool.submit(self._settle, number, found, judge))

            yield write
            for future in under_way:
                future.result()

    def _settle(self, number: int, found: Examined, judge: BlockJudge) -> None:
        """The quarantine first: counts that are there say that its rows are."""
        self.write(number, judge.settle(found, number), found.count)

    def write(self, number: int, table: pa.Table, count: BlockCount) -> None:
        with (
            atomic_write(self._path(number, "arrow"), mode=0o600) as stream,
            pa.ipc.new_stream(stream, table.schema) as writer,
        ):
            writer.write_table(table)
        count.write(self._path(number, "json"))

    def finish(self, blocks: int) -> Dataset | None:
        """The valid rows, memory-mapped; None if there was no block at all."""
        if not blocks:
            return None
        with atomic_write(self._folder / _DONE, mode=0o600):
            parts = list(self._datasets(blocks))
        return concatenate_datasets(parts) if len(parts) > 1 else parts[0]

    def _datasets(self, blocks: int) -> Iterator[Dataset]:
        for number in range(blocks):
            yield Dataset.from_file(str(self._path(number, "arrow")))

    def _path(self, number: int, suffix: str) -> Path:
        return self._folder / f"valid-{number:06d}.{suffix}"
