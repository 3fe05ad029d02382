"""Lines of a file, some megabytes at a time, and what each of them says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llm_integrations.core.tables.json_line import NoRow, decode_lines, read_row

__all__ = ["Edges", "LineBlock", "SaidLines", "blocks_of_lines", "said_by"]

Edges = npt.NDArray[np.int64]

_BYTES: Final = 1 << 23
_CHUNK: Final = 1 << 15
"""Bytes of lines whose values are in memory at once: what fits into a processor's caches."""
_END, _RETURN, _OPEN, _CLOSE = b"\n\r{}"


@dataclass(frozen=True, repr=False)
class LineBlock:
    """Whole lines of a file.

    Attributes:
        data: their bytes; the file's last line may lack its end.
        start: where they begin in the file, in bytes.
        first: the number of the first of them in the file, from 0.
        size: of ``data``.
    """

    data: bytes
    start: int
    first: int
    size: int

    @cached_property
    def ends(self) -> Edges:
        """Behind which byte of ``data`` each line ends."""
        ends = np.flatnonzero(np.frombuffer(self.data, np.uint8) == _END) + 1
        if self.data and self.data[-1] != _END:
            ends = np.append(ends, len(self.data))
        return ends

    @cached_property
    def starts(self) -> Edges:
        return np.concatenate([np.zeros(1, np.int64), self.ends[:-1]])

    def line(self, number: int) -> bytes:
        """One line, by its number in the block."""
        return self.data[self.starts[number] : self.ends[number]]

    def place(self) -> LineBlock:
        """The block without its data, for another process to ``read``."""
        return replace(self, data=b"")

    def read(self, path: Path) -> LineBlock:
        with path.open("rb") as stream:
            stream.seek(self.start)
            return replace(self, data=stream.read(self.size))

    def __len__(self) -> int:
        return len(self.ends)


def blocks_of_lines(path: Path, most: int) -> Iterator[LineBlock]:
    """All lines of a file, in blocks of so many lines or some megabytes; the same each time."""
    start = first = 0
    with path.open("rb", buffering=1 << 16) as stream:
        while data := stream.read(_BYTES):
            if data[-1] != _END:
                data += stream.readline()
            for block in _cut(LineBlock(data, start, first, len(data)), most):
                yield block
                first += len(block)
            start += len(data)


def _cut(block: LineBlock, most: int) -> Iterator[LineBlock]:
    if len(block) <= most:
        yield block
        return
    start = 0
    for first in range(0, len(block), most):
        end = int(block.ends[min(first + most, len(block)) - 1])
        data = block.data[start:end]
        yield LineBlock(data, block.start + start, block.first + first, len(data))
        start = end


@dataclass(frozen=True, slots=True, repr=False)
class SaidLines:
    """What some lines of a block say.

    Attributes:
        first: the number of the first of them in the block.
        rows: for each a dict; NoRow for what is no row, None for a blank line.
        exact: whether each row is JSON types, finite numbers and Unicode text, and its line a text
            that says so.
    """

    first: int
    rows: Sequence[Any]
    exact: bool


def said_by(block: LineBlock) -> Iterator[SaidLines]:
    """All lines of a block, a few at a time."""
    if not len(block):
        return
    chunks = (block.ends - 1) // _CHUNK
    firsts = np.flatnonzero(np.diff(chunks, prepend=-1))
    whole = np.logical_and.reduceat(_look_whole(block), firsts).tolist()
    edges = [*firsts.tolist(), len(block)]
    places = [*block.starts[firsts].tolist(), len(block.data)]
    for number, looks_whole in enumerate(whole):
        first, last = edges[number : number + 2]
        start, end = places[number : number + 2]
        rows = decode_lines(block.data[start:end]) if looks_whole else None
        if rows is not None and len(rows) == last - first:
            yield SaidLines(first, rows, True)
        else:
            lines = map(block.line, range(first, last))
            yield SaidLines(first, list(map(_said_by_one, lines)), False)


def _look_whole(block: LineBlock) -> npt.NDArray[np.bool_]:
    """Which lines begin with ``{`` and end with ``}``.

    Where all lines of several do, no value reaches over their ends: behind a ``}`` that ends no
    row there would have to be a comma or another bracket. So if they hold as many values as there
    are lines, each holds one.
    """
    data = np.frombuffer(block.data, np.uint8)
    last = block.ends - 1
    last = last - (data[last] == _END)
    last = last - (data[last] == _RETURN)
    whole: npt.NDArray[np.bool_] = (data[block.starts] == _OPEN) & (data[last] == _CLOSE)
    return whole


def _said_by_one(line: bytes) -> Any:
    if not line.strip():
        return None
    try:
        return read_row(line)
    except NoRow as error:
        return error
