"""One column of one batch, with views of its buffers that are made once and shared."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from llm_integrations.core.arrow.kernels.masks import Bits
from llm_integrations.core.arrow.pyarrow_modules import pa, pc, types

__all__ = ["Cells", "Numbers"]

Numbers: TypeAlias = npt.NDArray[Any]
"""Of whatever dtype the column has."""

_ASCII_END = 128

T = TypeVar("T")


class Cells:
    """The elements of one Arrow array. Not for sharing between threads.

    What stands under a null is undefined in every view; whoever combines verdicts masks it out.

    Args:
        array: an Arrow array, not chunked, neither of views nor of runs.
    """

    def __init__(self, array: Any) -> None:
        self.array = array.cast(pa.float32()) if types.is_float16(array.type) else array
        self.length = len(array)
        self.null_count: int = self.array.null_count
        self._members: dict[int, Cells] = {}
        self._once: dict[int, Any] = {}

    @cached_property
    def valid(self) -> Bits:
        """Where there is a value. Only worth asking if ``null_count`` is not 0."""
        return _bits(self.array.is_valid())

    @cached_property
    def numbers(self) -> Numbers:
        """Integers and floats in their own dtype."""
        dtype = np.dtype(self.array.type.to_pandas_dtype())
        found: Numbers = self._buffer(1, dtype)[self.array.offset :][: self.length]
        return found

    @cached_property
    def booleans(self) -> Bits:
        return _bits(self.array)

    @cached_property
    def offsets(self) -> Numbers:
        """Where each string or list starts in ``data`` or ``items``; one longer than the cells."""
        if types.is_fixed_size_list(self.array.type):
            step = int(self.array.type.list_size)
            edges: Numbers = np.arange(self.length + 1, dtype=np.int64) * step
            return edges
        wide = types.is_large_string(self.array.type) or types.is_large_list(self.array.type)
        whole = self._buffer(1, np.dtype(np.int64 if wide else np.int32))
        found: Numbers = whole[self.array.offset :][: self.length + 1]
        return found

    @cached_property
    def sizes(self) -> Numbers:
        """Bytes of each string, or items of each list or map."""
        return np.diff(self.offsets)

    @cached_property
    def data(self) -> npt.NDArray[np.uint8]:
        """The bytes of all strings, from the first cell's to the last one's."""
        whole = self._buffer(2, np.dtype(np.uint8))
        return whole[int(self.offsets[0]) : int(self.offsets[-1])]

    @cached_property
    def starts(self) -> Numbers:
        """Where each string starts in ``data``."""
        found: Numbers = self.offsets[:-1] - self.offsets[0]
        return found

    @cached_property
    def characters(self) -> Numbers:
        """Code points of each string."""
        if not self.data.size or int(self.data.max()) < _ASCII_END:
            return self.sizes
        lengths = pc.utf8_length(self.array)
        return np.asarray(lengths.fill_null(0) if self.null_count else lengths)

    @cached_property
    def items(self) -> Cells:
        """The items of all lists, or the values of all maps, one after the other; ``offsets``
        count from 0 of these."""
        array = self.array
        if types.is_fixed_size_list(array.type):
            size = array.type.list_size
            return Cells(array.values.slice(array.offset * size, self.length * size))
        return self._between_edges(array.items if types.is_map(array.type) else array.values)

    @cached_property
    def keys(self) -> Cells:
        """The keys of all maps, one after the other, as their ``items``."""
        return self._between_edges(self.array.keys)

    def _between_edges(self, array: Any) -> Cells:
        first, last = int(self.offsets[0]), int(self.offsets[-1])
        return Cells(array.slice(first, last - first))

    @cached_property
    def item_starts(self) -> Numbers:
        """Where each list starts in ``items``, and at last where the last one ends."""
        found: Numbers = self.offsets - self.offsets[0]
        return found

    def member(self, index: int) -> Cells:
        """One field of a struct."""
        if index not in self._members:
            self._members[index] = Cells(self.array.field(index))
        return self._members[index]

    @cached_property
    def dictionary(self) -> Cells:
        """The distinct values of a dictionary-encoded column."""
        return Cells(self.array.dictionary)

    @cached_property
    def codes(self) -> Numbers:
        """For each cell, which entry of the dictionary; 0 under a null."""
        indices = Cells(self.array.indices)
        if not self.null_count:
            return indices.numbers
        return np.where(self.valid, indices.numbers, 0)

    def once(self, what: object, find: Callable[[], T]) -> T:
        """What was found out about these cells for this object, found out once."""
        if id(what) not in self._once:
            self._once[id(what)] = find()
        found: T = self._once[id(what)]
        return found

    def values(self, wanted: npt.NDArray[np.intp] | None = None) -> list[Any]:
        """As Python sees them, of all cells or of those at these positions."""
        array = self.array if wanted is None else self.array.take(pa.array(wanted))
        found: list[Any] = array.to_pylist()
        return found

    def _buffer(self, index: int, dtype: np.dtype[Any]) -> Numbers:
        buffer = self.array.buffers()[index]
        if buffer is None or buffer.size == 0:
            return np.zeros(self.array.offset + self.length + 1, dtype)
        return np.frombuffer(buffer, dtype, count=buffer.size // dtype.itemsize)


def _bits(array: Any) -> Bits:
    """A BooleanArray as one byte per element; what stands under a null is undefined."""
    buffer = array.buffers()[1]
    if buffer is None:
        return np.zeros(len(array), np.bool_)
    first = array.offset // 8
    packed = np.frombuffer(buffer, np.uint8)[first : (array.offset + len(array) + 7) // 8]
    start = array.offset - first * 8
    loose = np.unpackbits(packed, bitorder="little")[start : start + len(array)]
    return loose.view(np.bool_)
