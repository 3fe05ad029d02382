"""Nodes that judge structs, lists, maps and dictionary-encoded columns by their parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from llm_integrations.core.arrow.kernels.cells import Cells
from llm_integrations.core.arrow.kernels.masks import Mask, both, collapse, either, expand
from llm_integrations.core.arrow.kernels.nodes import ALWAYS, Leaf, Node, Path
from llm_integrations.core.arrow.pyarrow_modules import pa, types

__all__ = [
    "Contains",
    "Distinct",
    "EachEntry",
    "EachItem",
    "Encoded",
    "EntryCount",
    "ItemCount",
    "Member",
    "MemberCount",
]


class _Over(Node):
    """Judges by a node on a part."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.rowwise = node.rowwise
        self.weight = 1 + node.weight


class Member(_Over):
    """One field of a struct."""

    def __init__(self, index: int, node: Node) -> None:
        super().__init__(node)
        self.index = index

    @property
    def is_single(self) -> bool:
        return self.node.is_single

    def run(self, cells: Cells, need: Mask) -> Mask:
        return self.node.run(cells.member(self.index), need)

    def finite(self) -> frozenset[Path]:
        return frozenset((self.index, *path) for path in self.node.finite())

    def parts(self) -> Iterable[Node]:
        return [Member(self.index, part) for part in self.node.parts()]


class MemberCount(Node):
    """``minProperties`` and ``maxProperties``, given a node for each member that may be missing."""

    def __init__(self, presences: Sequence[Node], sure: int, low: int, high: int | None) -> None:
        self.presences = tuple(presences)
        self.sure = sure
        self.low = low
        self.high = high
        self.weight = 1 + sum(node.weight for node in presences)

    def run(self, cells: Cells, need: Mask) -> Mask:
        count = np.full(cells.length, self.sure, np.int32)
        for presence in self.presences:
            count += expand(presence.run(cells, need), cells.length)
        return _between(count, self.low, self.high)


@dataclass(frozen=True)
class ItemCount(Leaf):
    low: int
    high: int | None

    @property
    def is_single(self) -> bool:
        return self.low <= 0 or self.high is None

    def judge(self, cells: Cells) -> Mask:
        return _between(cells.sizes, self.low, self.high)

    def parts(self) -> Iterable[Node]:
        return (self,) if self.is_single else (ItemCount(self.low, None), ItemCount(0, self.high))


def _between(counts: npt.NDArray[Any], low: int, high: int | None) -> Mask:
    if not len(counts):
        return True
    enough = True if low <= 0 or int(counts.min()) >= low else collapse(counts >= low)
    few = True if high is None or int(counts.max()) <= high else collapse(counts <= high)
    return both(enough, few)


class _Items(_Over):
    """Judges by the items at positions from ``first`` on, before ``last`` (None: to the end)."""

    def __init__(self, node: Node, first: int = 0, last: int | None = None) -> None:
        super().__init__(node)
        self.first = first
        self.last = last

    def _among(self, cells: Cells) -> Mask:
        """Which items stand at these positions."""
        if self.first == 0 and self.last is None:
            return True
        place = np.arange(cells.items.length) - np.repeat(cells.item_starts[:-1], cells.sizes)
        chosen = place >= self.first
        return collapse(chosen if self.last is None else chosen & (place < self.last))

    def _need(self, cells: Cells, need: Mask, among: Mask) -> Mask:
        if not self.rowwise:
            return among
        every = need if isinstance(need, bool) else np.repeat(need, cells.sizes)
        return both(every, among)

    def _verdicts(self, cells: Cells, need: Mask, among: Mask) -> Mask:
        return self.node.run(cells.items, self._need(cells, need, among))


class EachItem(_Items):
    """Every item at these positions is valid."""

    def run(self, cells: Cells, need: Mask) -> Mask:
        among = self._among(cells)
        if among is False or not cells.items.length:
            return True
        verdicts = self._verdicts(cells, need, among)
        if verdicts is True:
            return True
        bad = both(among, ~expand(verdicts, cells.items.length))
        return _without(cells, np.flatnonzero(expand(bad, cells.items.length)))

    def finite(self) -> frozenset[Path]:
        if self.first or self.last is not None:
            return frozenset()
        return frozenset(("*", *path) for path in self.node.finite())


class EachEntry(EachItem):
    """Every value whose key is one of these is valid.

    Args:
        keys: judges keys.
        node: judges values.
    """

    def __init__(self, keys: Node, node: Node) -> None:
        super().__init__(node)
        self.keys = keys
        self.weight += keys.weight

    def _among(self, cells: Cells) -> Mask:
        return self.keys.run(cells.keys, True)

    def finite(self) -> frozenset[Path]:
        return frozenset()


class EntryCount(Node):
    """From ``low`` to ``high`` keys are among these.

    Args:
        keys: judges keys.
        kept: judges keys: under which a null counts as a value.
    """

    def __init__(self, keys: Node, kept: Node, low: int, high: int | None) -> None:
        self.keys = keys
        self.kept = kept
        self.low = low
        self.high = high
        self.weight = 1 + keys.weight + kept.weight

    def run(self, cells: Cells, need: Mask) -> Mask:  # noqa: ARG002 - the others' signature
        items = cells.items
        there = self.keys.run(cells.keys, True) if items.length else True
        if items.null_count and self.kept != ALWAYS:
            there = both(there, either(items.valid, self.kept.run(cells.keys, True)))
        if there is True:
            return _between(cells.sizes, self.low, self.high)
        entries = np.flatnonzero(expand(there, items.length))
        owners = np.searchsorted(cells.item_starts, entries, "right") - 1
        return _between(np.bincount(owners, minlength=cells.length), self.low, self.high)


def _without(cells: Cells, items: npt.NDArray[np.intp]) -> Mask:
    """Every list but those that hold one of these items."""
    if not len(items):
        return True
    verdict = np.ones(cells.length, np.bool_)
    verdict[np.searchsorted(cells.item_starts, items, "right") - 1] = False
    return verdict


class Contains(_Items):
    """From ``low`` to ``high`` items are valid."""

    def __init__(self, node: Node, low: int, high: int | None) -> None:
        super().__init__(node)
        self.low = low
        self.high = high

    def run(self, cells: Cells, need: Mask) -> Mask:
        items = cells.items
        verdicts = expand(self._verdicts(cells, need, True) if items.length else True, items.length)
        owners = np.searchsorted(cells.item_starts, np.flatnonzero(verdicts), "right") - 1
        return _between(np.bincount(owners, minlength=cells.length), self.low, self.high)


class Distinct(Leaf):
    """``uniqueItems`` of booleans, numbers and texts. Null is a value like another here."""

    def judge(self, cells: Cells) -> Mask:
        items = cells.items
        if items.length < 2 or int(cells.sizes.max()) < 2:
            return True
        codes = _codes(items)
        owners = np.repeat(np.arange(cells.length), cells.sizes)
        keys = owners * (int(codes.max()) + 1) + codes
        order = np.argsort(keys, kind="stable")
        again = np.flatnonzero(keys[order][1:] == keys[order][:-1])
        return _without(cells, order[1:][again])


def _codes(items: Cells) -> npt.NDArray[np.int64]:
    if types.is_dictionary(items.array.type):
        return _codes(Cells(items.array.dictionary_decode()))
    array = items.array
    if types.is_floating(array.type):
        # Adding 0 makes -0.0 the same as 0.0, which it is in JSON.
        array = pa.array(items.numbers + 0, mask=~items.valid if items.null_count else None)
    encoded = array.dictionary_encode(null_encoding="encode")
    return np.asarray(encoded.indices).astype(np.int64)


class Encoded(_Over):
    """A dictionary-encoded column: each distinct value is judged once.

    Args:
        node: judges values, nulls among them included.
    """

    def run(self, cells: Cells, need: Mask) -> Mask:
        if cells.dictionary.length > cells.length:
            return self.node.run(Cells(cells.array.dictionary_decode()), need)
        if not cells.dictionary.length:
            return True
        verdict = self.node.run(cells.dictionary, True)
        return verdict if isinstance(verdict, bool) else collapse(verdict[cells.codes])

    @property
    def is_single(self) -> bool:
        return self.node.is_single

    def parts(self) -> Iterable[Node]:
        return [Encoded(part) for part in self.node.parts()]

    def finite(self) -> frozenset[Path]:
        return self.node.finite()
