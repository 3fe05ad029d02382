"""A run's files for a JSONL source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from datasets import Dataset
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.tables.line_types import line_blocks
from llm_integrations.datasets.run.line_dataset import dataset_of_blocks
from llm_integrations.datasets.run.lines import JudgedLines
from llm_integrations.datasets.run.parts import Parts
from llm_integrations.datasets.run.sources import LineSource

__all__ = ["LineParts"]


class LineParts(Parts[JudgedLines]):
    """Keeps where the valid lines are in the file, as a filtered Dataset keeps indices.

    Args:
        folder: made when the first block is written.
        run: the run's name, the same for the same lines judged by the same schema.
        quarantine: where the invalid lines go.
        source: the file.
        copies: keep copies of the lines as JSONL files, not places.
    """

    def __init__(
        self, folder: Path, run: str, quarantine: Quarantine, source: LineSource, *, copies: bool
    ) -> None:
        super().__init__(folder, run, quarantine)
        self.suffix = "jsonl" if copies else "npy"
        self._copies = copies
        self._source = source
        self._identity = source.identity

    def set_aside(self, found: JudgedLines, part: str) -> None:
        self._quarantine.add_columns(found.aside, part=part)

    def write(self, found: JudgedLines, stream: IO[bytes]) -> None:
        if self._copies:
            stream.writelines(found.valid)
        else:
            np.save(stream, found.spans + found.block.start, allow_pickle=False)

    def opened(self, paths: Sequence[Path]) -> Callable[[], Dataset]:
        blocks: Callable[[], Iterator[bytes]] = (
            partial(line_blocks, paths)
            if self._copies
            else _ValidLines(self._source, self._identity, tuple(paths))
        )
        return partial(dataset_of_blocks, blocks, self._folder / f"{self._run}.arrow")


@dataclass(frozen=True)
class _ValidLines:
    """Reads the valid lines out of the file; each block's as one bytes object.

    Attributes:
        identity: the file's identity when it was judged.
        parts: the files that hold the spans of each block's valid lines.
    """

    source: LineSource
    identity: str
    parts: tuple[Path, ...]

    def __call__(self) -> Iterator[bytes]:
        if self.source.identity != self.identity:
            raise ConfigurationError(
                f"{self.source.path} has changed since it was judged: judge it again, or give "
                "`output`, which takes a copy of the valid lines"
            )
        with self.source.path.open("rb") as stream:
            for part in self.parts:
                spans = np.load(part, allow_pickle=False).tolist()
                yield b"".join(_piece(stream, start, end) for start, end in spans)


def _piece(stream: IO[bytes], start: int, end: int) -> bytes:
    stream.seek(start)
    piece = stream.read(end - start)
    return piece if piece.endswith(b"\n") else piece + b"\n"
