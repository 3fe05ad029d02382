"""A run's files on disk, by which a run that was cut off goes on where it was."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Generic, Protocol, TypeVar

from llm_integrations.core.files import atomic_write
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.datasets.run.counts import BlockCount, part_name

__all__ = ["J", "Parts"]


class _Judged(Protocol):
    @property
    def count(self) -> BlockCount: ...


J = TypeVar("J", bound=_Judged)
"""A judged block: JudgedBlock or JudgedLines."""


class Parts(ABC, Generic[J]):
    """One run's files in a folder: for each block its valid rows and, written last, its counts.

    Every file carries the run's name, so that runs share a folder without harm.

    Args:
        folder: made when the first block is written.
        run: the run's name, the same for the same rows judged by the same schema.
        quarantine: where the invalid rows go.
    """

    suffix: str

    def __init__(self, folder: Path, run: str, quarantine: Quarantine) -> None:
        self._folder = folder
        self._run = run
        self._quarantine = quarantine

    @abstractmethod
    def set_aside(self, found: J, part: str) -> None:
        """Write a block's invalid rows as the quarantine's part of this name."""

    @abstractmethod
    def write(self, found: J, stream: IO[bytes]) -> None:
        """Write a block's valid rows, or where they are."""

    @abstractmethod
    def opened(self, paths: Sequence[Path]) -> Any:
        """The valid rows from the files of all blocks: a Dataset, or a callable that opens one."""

    def resume(self) -> list[BlockCount]:
        """The counts of the blocks that an unfinished run wrote whole; a finished one starts over.

        A block whose rows were set aside counts only if they are still in the quarantine.
        """
        if self._done.exists():
            self._start_over()
        counts: list[BlockCount] = []
        held = {path.stem for path in self._quarantine.parts()}
        while (path := self.path(len(counts), "json")).exists():
            count = BlockCount.read(path)
            if count.invalid and path.stem not in held:
                break
            counts.append(count)
        return counts

    @contextmanager
    def writing(self) -> Iterator[Callable[[int, J], None]]:
        """Gives ``write(number, block)``, which writes in a thread; all is on disk on leaving.

        One block is written while the next is judged, and no more than one waits: memory is
        bounded, and blocks are complete in their order. That gains time because Arrow writes
        without the interpreter's lock.
        """
        with ThreadPoolExecutor(1, "llm-integrations-parts") as pool:
            under_way: list[Future[None]] = []

            def write(number: int, found: J) -> None:
                if under_way:
                    under_way.pop().result()
                under_way.append(pool.submit(self.write_block, number, found))

            yield write
            for future in under_way:
                future.result()

    def finish(self, blocks: int) -> Any:
        """Mark the run as complete; the valid rows, as by ``opened``, or None without a block."""
        if not blocks:
            return None
        with atomic_write(self._done, mode=0o600):
            return self.opened([self.path(number, self.suffix) for number in range(blocks)])

    def path(self, number: int, suffix: str) -> Path:
        return self._folder / f"{part_name(self._run, number)}.{suffix}"

    def write_block(self, number: int, found: J) -> None:
        """Write a block: invalid rows, valid ones, then the counts, which vouch for both."""
        self.set_aside(found, part_name(self._run, number))
        with atomic_write(self.path(number, self.suffix), mode=0o600) as stream:
            self.write(found, stream)
        found.count.write(self.path(number, "json"))

    def _start_over(self) -> None:
        """The completion mark goes first: after a crash in here the run counts as unfinished."""
        self._done.unlink(missing_ok=True)
        number = 0
        while (path := self.path(number, "json")).exists():
            path.unlink(missing_ok=True)
            number += 1

    @property
    def _done(self) -> Path:
        return self._folder / f"{self._run}.complete"
