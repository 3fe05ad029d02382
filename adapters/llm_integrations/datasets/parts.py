"""What a run keeps of its blocks, on disk, so that a run that was cut off goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from datasets import Dataset, concatenate_datasets
from llm_integrations.core.files import atomic_write
from llm_integrations.datasets.blocks import BlockCount, BlockJudge, Examined

__all__ = ["Parts"]


class Parts:
    """One run's files in a folder: for each block what is kept (Arrow) and, last, its counts.

    Every file carries the run's name, so that runs share a folder without harm.

    Args:
        folder: made when the first block is written.
        judge: of the run; its quarantine is where the other rows are.
        keep: what is kept of a block.
    """

    def __init__(
        self, folder: Path, judge: BlockJudge, keep: Callable[[Examined], pa.Table]
    ) -> None:
        self._folder = folder
        self._judge = judge
        self._keep = keep

    def resume(self) -> list[BlockCount]:
        """The counts of the blocks that an unfinished run wrote whole; a finished one starts over.

        A block whose rows were set aside counts only if they are still in the quarantine.
        """
        if self._done.exists():
            self._start_over()
        counts: list[BlockCount] = []
        held = {path.stem for path in self._judge.quarantine.parts()}
        while (path := self._path(len(counts), "json")).exists():
            count = BlockCount.read(path)
            if count.invalid and self._judge.part(len(counts)) not in held:
                break
            counts.append(count)
        return counts

    @contextmanager
    def writing(self) -> Iterator[Callable[[int, Examined], None]]:
        """A ``write`` that returns while the block is still being settled; all are on leaving.

        One block is written while the next is judged, and no more than one waits: memory is
        bounded, and blocks are whole in their order. Writing leaves the interpreter's lock alone,
        or judging would stand still meanwhile.
        """
        with ThreadPoolExecutor(1, "llm-integrations-parts") as pool:
            under_way: list[Future[None]] = []

            def write(number: int, found: Examined) -> None:
                if under_way:
                    under_way.pop().result()
                under_way.append(pool.submit(self._settle, number, found))

            yield write
            for future in under_way:
                future.result()

    def finish(self, blocks: int) -> Dataset | None:
        """What was kept, memory-mapped; None if there was no block at all."""
        if not blocks:
            return None
        with atomic_write(self._done, mode=0o600):
            parts = [Dataset.from_file(str(self._path(n, "arrow"))) for n in range(blocks)]
        return concatenate_datasets(parts) if len(parts) > 1 else parts[0]

    def _settle(self, number: int, found: Examined) -> None:
        """The quarantine first: counts that are there say that its rows are."""
        self._judge.set_aside(found, self._judge.part(number))
        kept = self._keep(found)
        with (
            atomic_write(self._path(number, "arrow"), mode=0o600) as stream,
            pa.ipc.new_stream(stream, kept.schema) as writer,
        ):
            writer.write_table(kept)
        found.count.write(self._path(number, "json"))

    def _start_over(self) -> None:
        """The mark goes first: after a crash in here the counts that are left still hold."""
        self._done.unlink(missing_ok=True)
        number = 0
        while (path := self._path(number, "json")).exists():
            path.unlink(missing_ok=True)
            number += 1

    @property
    def _done(self) -> Path:
        return self._folder / f"{self._judge.run}.complete"

    def _path(self, number: int, suffix: str) -> Path:
        return self._folder / f"{self._judge.part(number)}.{suffix}"
