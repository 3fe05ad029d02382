"""Nodes that judge text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from llm_integrations.core.arrow.kernels.cells import Cells
from llm_integrations.core.arrow.kernels.masks import Bits, Mask, collapse
from llm_integrations.core.arrow.kernels.nodes import NEVER, Leaf, Node
from llm_integrations.core.arrow.pyarrow_modules import pa, pc

__all__ = ["Characters", "Matches", "one_of_texts"]

_WIDEST = 4
"""Bytes of one code point at the most, in UTF-8."""

_FEW_BYTES = 64


@dataclass(frozen=True)
class Characters(Leaf):
    """``minLength`` and ``maxLength``, in code points. None is no bound.

    Counting bytes decides most columns, since a code point has one to four of them.
    """

    low: int | None
    high: int | None

    @property
    def is_single(self) -> bool:
        return self.low is None or self.high is None

    def parts(self) -> Iterable[Node]:
        if self.is_single:
            return (self,)
        return (Characters(self.low, None), Characters(None, self.high))

    def judge(self, cells: Cells) -> Mask:
        if not cells.length:
            return True
        if self._sure(int(cells.sizes.min()), int(cells.sizes.max())):
            return True
        lengths = cells.characters
        if self.low is None:
            return collapse(lengths <= self.high)
        if self.high is None:
            return collapse(lengths >= self.low)
        return collapse(np.logical_and(lengths >= self.low, lengths <= self.high))

    def _sure(self, fewest: int, most: int) -> bool:
        enough = self.low is None or fewest > _WIDEST * (self.low - 1)
        return enough and (self.high is None or most <= self.high)


class _OneOf(Leaf):
    def __init__(self, texts: list[str]) -> None:
        self.texts = pa.array(texts, pa.string())
        self.wide = pa.array(texts, pa.large_string())

    def judge(self, cells: Cells) -> Mask:
        same = self.texts if cells.array.type == self.texts.type else self.wide
        return collapse(_loose(pc.is_in(cells.array, value_set=same)))


class _OneOfFew(Leaf):
    """Compares the first bytes of all cells, the second ones and so on: a third of the cost of
    hashing each text."""

    def __init__(self, texts: list[bytes]) -> None:
        self.texts = texts
        self.longest = max(map(len, texts))

    def judge(self, cells: Cells) -> Mask:
        verdict = np.zeros(cells.length, np.bool_)
        # Behind the end of a shorter text stands something else, which its size rules out.
        data = cells.data if cells.data.size else np.zeros(1, np.uint8)
        places = [data.take(cells.starts + at, mode="clip") for at in range(self.longest)]
        for text in self.texts:
            same = cells.sizes == len(text)
            for place, byte in zip(places, text, strict=False):
                same &= place == byte
            verdict |= same
        return collapse(verdict)


def one_of_texts(texts: list[str]) -> Node:
    """Equal to one of the texts."""
    if not texts:
        return NEVER
    written = [text.encode() for text in texts]
    if sum(map(len, written)) <= _FEW_BYTES:
        return _OneOfFew(written)
    return _OneOf(texts)


class Matches(Leaf):
    """A regular expression, by RE2. Only for patterns on which RE2 and the engine agree."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    def judge(self, cells: Cells) -> Mask:
        return collapse(_loose(pc.match_substring_regex(cells.array, self.pattern)))


def _loose(array: Any) -> Bits:
    """A BooleanArray as a mask; false under nulls."""
    return np.asarray(array.fill_null(False) if array.null_count else array)
