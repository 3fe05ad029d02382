"""Lines of a file, some megabytes at a time, and what each of them says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from llm_integrations.core.arrow.pyarrow_modules import pa
from llm_integrations.core.tables.json_line import NoRow, decode_lines, read_row

__all__ = [
    "CUTTING",
    "DecodedLines",
    "Edges",
    "LineBlock",
    "Settles",
    "blocks_of_lines",
    "decoded_lines",
    "places_of_lines",
]

Edges = npt.NDArray[np.int64]

CUTTING: Final = 2
"""Another number wherever files are cut into other blocks: no run may go on with those."""
_BYTES: Final = 12 << 20
_PIECE: Final = 1 << 18
_CHUNK: Final = 1 << 15
"""Bytes of lines whose values are in memory at once: what fits into a processor's caches."""
_FEW: Final = 4
"""A closer look at a line by itself takes as long as at so many among others."""
_HEAD: Final = 1 << 13
_FEW_ENDS: Final = 16
_END, _RETURN, _OPEN, _CLOSE = b"\n\r{}"


@dataclass(frozen=True, repr=False)
class LineBlock:
    """Whole lines of a file.

    Attributes:
        data: their bytes; the file's last line may lack its end.
        start: where they begin in the file, in bytes.
        first: the number of the first of them in the file, from 0.
        size: of ``data``.
        lines: how many they are; None if that was not counted.
        known_ends: ``ends``, if they were looked for before.
    """

    data: bytes | memoryview
    start: int
    first: int
    size: int
    lines: int | None = field(default=None, compare=False)
    known_ends: Edges | None = field(default=None, compare=False)

    @cached_property
    def ends(self) -> Edges:
        """Behind which byte of ``data`` each line ends."""
        if self.known_ends is not None:
            return self.known_ends
        data = np.frombuffer(self.data, np.uint8)
        pieces = range(0, len(data), _PIECE)
        found = [_ends(data[at : at + _PIECE]) + at for at in pieces]
        if len(data) and data[-1] != _END:
            found.append(np.array([len(data)]))
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    @cached_property
    def starts(self) -> Edges:
        return np.concatenate([np.zeros(1, np.int64), self.ends[:-1]])

    @cached_property
    def is_utf8(self) -> bool:
        # Arrow is several times as fast as Python, on megabytes.
        offsets = pa.py_buffer(np.array([0, self.size], np.int64))
        data = pa.py_buffer(self.data)
        whole = pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, data])
        try:
            whole.cast(pa.large_string())
        except pa.ArrowInvalid:
            return False
        return True

    def line(self, number: int) -> bytes:
        """One line, by its number in the block."""
        return bytes(self.data[self.starts[number] : self.ends[number]])

    def between(self, first: int, last: int) -> bytes | memoryview:
        """The lines from one number on, before another."""
        return self.data[int(self.starts[first]) : int(self.ends[last - 1])]

    def place(self) -> LineBlock:
        """The block without its data, for another process to ``read``."""
        return replace(self, data=b"", lines=len(self), known_ends=None)

    def read(self, path: Path) -> LineBlock:
        with path.open("rb") as stream:
            stream.seek(self.start)
            return replace(self, data=memoryview(stream.read(self.size)), lines=None)

    def __len__(self) -> int:
        return len(self.ends) if self.lines is None else self.lines


def _ends(data: npt.NDArray[np.uint8]) -> Edges:
    if np.count_nonzero(data[:_HEAD] == _END) > _FEW_ENDS:
        return np.flatnonzero(data == _END) + 1
    # Of long lines it is faster to look for one end after the other.
    text, end = data.tobytes(), 0
    found: list[int] = []
    while end := text.find(b"\n", end) + 1:
        found.append(end)
    return np.array(found, np.int64)


def blocks_of_lines(path: Path, most: int) -> Iterator[LineBlock]:
    """All lines of a file, in blocks of so many lines or some megabytes; the same each time."""
    return _blocks(path, most, lambda stream, size: stream.read(size), None)


def places_of_lines(path: Path, most: int) -> Iterator[LineBlock]:
    """The same blocks without their data: lines are counted, and no memory is taken for them."""
    held = bytearray()

    def read(stream: IO[bytes], size: int) -> bytearray:
        nonlocal held
        held = held if len(held) == size else bytearray(size)
        number = stream.readinto(held)  # type: ignore[attr-defined]  # as files have it
        return held if number == size else held[:number]

    return (block.place() for block in _blocks(path, most, read, _counted))


def _counted(data: memoryview) -> int:
    """The number of lines."""
    whole = np.frombuffer(data, np.uint8)
    pieces = range(0, len(whole), _PIECE)
    ends = sum(int(np.count_nonzero(whole[at : at + _PIECE] == _END)) for at in pieces)
    return ends + (data[-1] != _END)


def _blocks(
    path: Path,
    most: int,
    read: Callable[[IO[bytes], int], bytes | bytearray],
    count: Callable[[memoryview], int] | None,
) -> Iterator[LineBlock]:
    start = first = 0
    with path.open("rb") as stream:
        while data := _whole_lines(stream, start, read):
            number = None if count is None else count(data)
            for block in _cut(LineBlock(data, start, first, len(data), number), most):
                yield block
                first += len(block)
            start += len(data)


def _whole_lines(
    stream: IO[bytes], start: int, read: Callable[[IO[bytes], int], bytes | bytearray]
) -> memoryview:
    """Some megabytes of lines from here on. What follows them is read again, not copied."""
    size = _BYTES
    while True:
        stream.seek(start)
        data = read(stream, size)
        whole = data.rfind(b"\n") + 1
        if whole or len(data) < size:
            return memoryview(data)[: whole if len(data) == size else None]
        size *= 2


def _cut(block: LineBlock, most: int) -> Iterator[LineBlock]:
    if len(block) <= most:
        yield block
        return
    start = 0
    for first in range(0, len(block), most):
        ends = block.ends[first : first + most]
        end = int(ends[-1])
        data, place = block.data[start:end], block.start + start
        yield LineBlock(data, place, block.first + first, len(data), len(ends), ends - start)
        start = end


@dataclass(frozen=True, slots=True, repr=False)
class DecodedLines:
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


class Settles(Protocol):
    """Tells of lines that look like objects which need no closer look."""

    def hold(self, lines: bytes | memoryview, number: int, *, is_utf8: bool) -> bool:
        """Whether none of so many lines does."""
        ...

    def doubtful(self, lines: Sequence[bytes | memoryview], *, is_utf8: bool) -> list[int]:
        """Which of the lines do."""
        ...


def decoded_lines(block: LineBlock, settles: Settles | None = None) -> Iterator[DecodedLines]:
    """The lines of a block, a few at a time.

    Args:
        settles: tells of lines that are left out.
    """
    if not len(block):
        return
    chunks = (block.ends - 1) // _CHUNK
    firsts = np.flatnonzero(np.diff(chunks, prepend=-1))
    whole = np.logical_and.reduceat(_look_whole(block), firsts).tolist()
    edges = [*firsts.tolist(), len(block)]
    for number, looks_whole in enumerate(whole):
        first, last = edges[number : number + 2]
        if settles is None or not looks_whole:
            yield _decoded(block, first, last, looks_whole=looks_whole)
        elif not settles.hold(block.between(first, last), last - first, is_utf8=block.is_utf8):
            yield from _doubtful(block, first, last, settles)


def _doubtful(block: LineBlock, first: int, last: int, settles: Settles) -> Iterator[DecodedLines]:
    """The lines that need a closer look; one after the other where that are few."""
    each = bytes(block.between(first, last)).split(b"\n")[: last - first]
    numbers = settles.doubtful(each, is_utf8=block.is_utf8)
    if _FEW * len(numbers) > last - first:
        yield _decoded(block, first, last, looks_whole=True)
        return
    for number in numbers:
        yield _decoded(block, first + number, first + number + 1, looks_whole=True)


def _decoded(block: LineBlock, first: int, last: int, *, looks_whole: bool) -> DecodedLines:
    rows = decode_lines(block.between(first, last)) if looks_whole else None
    if rows is not None and len(rows) == last - first:
        return DecodedLines(first, rows, True)
    each = map(block.line, range(first, last))
    return DecodedLines(first, list(map(_decoded_line, each)), False)


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


def _decoded_line(line: bytes) -> Any:
    if not line.strip():
        return None
    try:
        return read_row(line)
    except NoRow as error:
        return error
