"""What a plan is made of: nodes that judge the elements of one column, and their algebra.

A node says for each element whether it is valid, whatever it says under a null: `Nullable` decides
about those. Nodes hold no state, so that batches can run on several threads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from llm_integrations.core.arrow.kernels.cells import Cells
from llm_integrations.core.arrow.kernels.masks import Mask, both, either, exactly_one, inverse

__all__ = [
    "ALWAYS",
    "NEVER",
    "REFUSED",
    "Constant",
    "Leaf",
    "Node",
    "Nullable",
    "Path",
    "all_of",
    "any_of",
    "not_",
    "one_of",
    "when",
]

_MOST: Final = 1_000
"""Parts of a refusal that are kept: references that fan out would multiply them."""

Path = tuple[int | str, ...]
"""From a column down to a part of it: indices of struct fields, and ``*`` for a list's items."""


class Node(ABC):
    """Judges the elements of one column.

    Attributes:
        rowwise: whether it, or a node below it, calls the engine with single values. Such a node
            looks only at the elements whose verdict is still needed.
        weight: how many nodes one run visits.
    """

    rowwise: bool = False
    weight: int = 1

    @abstractmethod
    def run(self, cells: Cells, need: Mask) -> Mask:
        """Whether each element is valid; where ``need`` is false any answer will do."""

    def finite(self) -> frozenset[Path]:
        """The parts that are certainly finite numbers in an element that this node accepts."""
        return frozenset()

    @property
    def is_single(self) -> bool:
        """Whether all finite elements that it refuses violate the same keyword in the same way."""
        return False

    def parts(self) -> Iterable[Node]:
        """Nodes that together say what this one says, each for as few reasons as it can."""
        return (self,)


class Leaf(Node):
    """Judges all elements at once, since that costs less than finding out which are needed."""

    @property
    def is_single(self) -> bool:
        return True

    def run(self, cells: Cells, need: Mask) -> Mask:  # noqa: ARG002 - the others' signature
        return self.judge(cells)

    @abstractmethod
    def judge(self, cells: Cells) -> Mask:
        """Whether each element is valid."""


@dataclass(frozen=True)
class Constant(Leaf):
    """The same verdict for every element.

    Attributes:
        because: the parts, one of which refuses all; others may refuse some besides. Empty where it
            is not known, or where the verdict is its own reason.
        refuses: whether it violates one keyword, in the same way each time.
    """

    verdict: bool
    because: tuple[Node, ...] = field(default=(), compare=False)
    refuses: bool = field(default=False, compare=False)

    @property
    def is_single(self) -> bool:
        return self.refuses

    def parts(self) -> Iterable[Node]:
        return self.because or (self,)

    def judge(self, cells: Cells) -> Mask:  # noqa: ARG002 - the others' signature
        return self.verdict


ALWAYS = Constant(verdict=True)
NEVER = Constant(verdict=False)
REFUSED = Constant(verdict=False, refuses=True)


class _Combined(Node):
    def __init__(self, nodes: Sequence[Node]) -> None:
        # What costs a call per value comes last, when few elements are left to ask about.
        self.nodes = sorted(nodes, key=lambda node: node.rowwise)
        self.rowwise = any(node.rowwise for node in nodes)
        self.weight = 1 + sum(node.weight for node in nodes)


class _AllOf(_Combined):
    def run(self, cells: Cells, need: Mask) -> Mask:
        verdict: Mask = True
        for node in self.nodes:
            wanted = both(need, verdict) if node.rowwise else need
            verdict = both(verdict, node.run(cells, wanted))
            if verdict is False:
                break
        return verdict

    def finite(self) -> frozenset[Path]:
        return frozenset().union(*(node.finite() for node in self.nodes))

    def parts(self) -> Iterable[Node]:
        return [part for node in self.nodes for part in node.parts()]


class _AnyOf(_Combined):
    def run(self, cells: Cells, need: Mask) -> Mask:
        verdict: Mask = False
        for node in self.nodes:
            wanted = both(need, inverse(verdict)) if node.rowwise else need
            verdict = either(verdict, node.run(cells, wanted))
            if verdict is True:
                break
        return verdict

    def finite(self) -> frozenset[Path]:
        first, *rest = (node.finite() for node in self.nodes)
        return first.intersection(*rest)


class _OneOf(_Combined):
    def run(self, cells: Cells, need: Mask) -> Mask:
        return exactly_one(node.run(cells, need) for node in self.nodes)


class _Not(_Combined):
    def run(self, cells: Cells, need: Mask) -> Mask:
        return inverse(self.nodes[0].run(cells, need))


class _When(_Combined):
    def __init__(self, condition: Node, then: Node, otherwise: Node) -> None:
        super().__init__((condition, then, otherwise))
        self.branches = (condition, then, otherwise)

    def run(self, cells: Cells, need: Mask) -> Mask:
        condition, then, otherwise = self.branches
        holds = condition.run(cells, need)
        fails = inverse(holds)
        yes = False if holds is False else then.run(cells, both(need, holds))
        no = False if fails is False else otherwise.run(cells, both(need, fails))
        return either(both(holds, yes), both(fails, no))


@dataclass(frozen=True)
class Nullable(Node):
    """The verdict of a node on values, and the schema's one verdict on null."""

    node: Node
    null_is_valid: bool

    def __post_init__(self) -> None:
        object.__setattr__(self, "rowwise", self.node.rowwise)
        object.__setattr__(self, "weight", self.node.weight)

    def run(self, cells: Cells, need: Mask) -> Mask:
        if cells.null_count == 0:
            return self.node.run(cells, need)
        if cells.null_count == cells.length:
            return self.null_is_valid
        wanted = both(need, cells.valid) if self.node.rowwise else need
        verdict = self.node.run(cells, wanted)
        if self.null_is_valid:
            return either(verdict, inverse(cells.valid))
        return both(verdict, cells.valid)

    def finite(self) -> frozenset[Path]:
        return self.node.finite()

    @property
    def is_single(self) -> bool:
        return self.node.is_single if self.null_is_valid else self.node == ALWAYS

    def parts(self) -> Iterable[Node]:
        if self.node == ALWAYS:
            return (self,)
        values: Iterable[Node] = [Nullable(part, null_is_valid=True) for part in self.node.parts()]
        return values if self.null_is_valid else [Nullable(ALWAYS, null_is_valid=False), *values]


def _flat(nodes: Iterable[Node], kind: type[_Combined]) -> Iterable[Node]:
    """Without nesting, and each node once: references that fan out lead to the same ones."""
    found: dict[int, Node] = {}
    for node in nodes:
        for part in node.nodes if type(node) is kind else (node,):
            found[id(part)] = part
    return found.values()


def _without(nodes: Iterable[Node], useless: Constant) -> list[Node]:
    return [node for node in nodes if node != useless]


def all_of(nodes: Iterable[Node]) -> Node:
    kept = _without(_flat(nodes, _AllOf), ALWAYS)
    if NEVER in kept:
        parts = tuple(part for node in kept for part in node.parts())
        return Constant(verdict=False, because=parts if len(parts) <= _MOST else ())
    return _AllOf(kept) if len(kept) > 1 else (kept[0] if kept else ALWAYS)


def any_of(nodes: Iterable[Node]) -> Node:
    kept = _without(_flat(nodes, _AnyOf), NEVER)
    if ALWAYS in kept:
        return ALWAYS
    return _AnyOf(kept) if len(kept) > 1 else (kept[0] if kept else NEVER)


def not_(node: Node) -> Node:
    if isinstance(node, Constant):
        return Constant(verdict=not node.verdict)
    return node.nodes[0] if isinstance(node, _Not) else _Not([node])


def one_of(nodes: Iterable[Node]) -> Node:
    kept = _without(nodes, NEVER)
    sure = [node for node in kept if node == ALWAYS]
    if len(sure) > 1 or not kept:
        return NEVER
    if sure:
        return all_of(not_(node) for node in kept if node is not sure[0])
    return _OneOf(kept) if len(kept) > 1 else kept[0]


def when(condition: Node, then: Node, otherwise: Node) -> Node:
    if isinstance(condition, Constant):
        return then if condition.verdict else otherwise
    return ALWAYS if then == otherwise == ALWAYS else _When(condition, then, otherwise)
