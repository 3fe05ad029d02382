"""Walking two schemas side by side: the frame; what is compared lives in ``compare_*``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from llm_integrations.core.evolution.differences.steps import Step, where_text
from llm_integrations.core.evolution.model.change import Change, ChangeKind, Direction
from llm_integrations.core.evolution.model.limits import Undecidable
from llm_integrations.core.evolution.normal_form.nodes import Node, same
from llm_integrations.core.evolution.proof.prover import Prover

__all__ = ["Finding", "Pair", "Walk", "Way"]

_DEEPEST: Final = 60


@dataclass(frozen=True, slots=True)
class Pair:
    """An old and a new node for the same place in the data.

    Attributes:
        old: the old node, and ``new`` the new one.
        old_given: all that holds for old data there, ``old`` included.
        new_given: all that holds for new data there.
        steps: how to get there in an instance.
    """

    old: Node
    new: Node
    old_given: tuple[Node, ...]
    new_given: tuple[Node, ...]
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """How data can show a difference: by satisfying a node at a place.

    Attributes:
        node: what the reader refuses and the writer may allow.
        steps: the place in the instance.
    """

    node: Node
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A change, and how to make an instance that shows it.

    Attributes:
        change: what differs.
        steps: the place in the instance.
        backward: how old data shows it to new readers; None where it breaks no old data.
        forward: how new data shows it to old readers.
    """

    change: Change
    steps: tuple[Step, ...]
    backward: Way | None = None
    forward: Way | None = None

    def way(self, direction: Direction) -> Way | None:
        return self.backward if direction == "backward" else self.forward


class Walk:
    """Collects the differences of a pair of schemas.

    Args:
        prover: decides whom a difference breaks.
        safe: directions in which the whole is known to be compatible, so that nothing breaks.
        comparers: what is compared at each pair.
    """

    def __init__(
        self,
        prover: Prover,
        safe: frozenset[Direction],
        comparers: Sequence[Callable[[Walk, Pair], None]],
    ) -> None:
        self.prover = prover
        self.workspace = prover.workspace
        self.findings: list[Finding] = []
        self._safe = safe
        self._comparers = comparers
        self._seen: set[tuple[int, int, bool]] = set()
        self._depth = 0
        self._together = 0

    def compare(self, pair: Pair) -> None:
        """Compare two nodes, and what is inside of them; each pair of nodes once."""
        self._compare_references(pair)
        pair = replace(
            pair, old=self.workspace.behind(pair.old), new=self.workspace.behind(pair.new)
        )
        # What is inside of a combination is judged together with it, so it counts apart.
        key = (id(pair.old), id(pair.new), self._together > 0)
        if key in self._seen:
            return
        self._seen.add(key)
        if self._depth > _DEEPEST:
            raise Undecidable(f"the schemas nest more than {_DEEPEST} levels")
        self._depth += 1
        for comparer in self._comparers:
            comparer(self, pair)
        self._depth -= 1

    def is_unchanged(self, old: Node, new: Node) -> bool:
        """Whether two nodes without references were written alike: nothing to compare inside."""
        return (
            same(old, new) and same(self.raw(old), self.raw(new)) and not self.workspace.refers(new)
        )

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is compared meanwhile will be judged as one with its neighbours."""
        self._together += 1
        try:
            yield
        finally:
            self._together -= 1

    def _compare_references(self, pair: Pair) -> None:
        old, new = self._reference(pair.old), self._reference(pair.new)
        if old != new and old is not None and new is not None:
            kind = ChangeKind.REFERENCE_CHANGED
            self.note(pair, kind, "$ref", old, new, None, None)

    def _reference(self, node: Node) -> str | None:
        place = self.workspace.place(node)
        schema = place.schema if place is not None else None
        return schema.get("$ref") if isinstance(schema, dict) else None

    def implies(self, given: Sequence[Node], goal: Node) -> bool:
        """Whether the goal certainly holds; giving up counts as no."""
        if self.prover.expired:
            return False
        try:
            return self.prover.proves(given, goal)
        except (Undecidable, RecursionError):
            return False

    def report(
        self,
        pair: Pair,
        kind: ChangeKind,
        keyword: str,
        old: Any = None,
        new: Any = None,
        *,
        new_goal: Node | None = None,
        old_goal: Node | None = None,
        rest: str = "",
        where: tuple[Step, ...] = (),
    ) -> None:
        """Note a difference.

        Args:
            pair: where.
            kind: what.
            keyword: the keyword that differs.
            old: what stood there, and ``new`` what stands there.
            new_goal: what new readers demand of old data because of it.
            old_goal: what old readers demand of new data because of it.
            rest: what the JSON Pointer has after the keyword.
            where: steps to the place in the data, from the pair's.
        """
        backward = self._way("backward", pair.old_given, new_goal)
        forward = self._way("forward", pair.new_given, old_goal)
        self.note(pair, kind, keyword, old, new, backward, forward, rest=rest, where=where)

    def note(
        self,
        pair: Pair,
        kind: ChangeKind,
        keyword: str,
        old: Any,
        new: Any,
        backward: Node | None,
        forward: Node | None,
        *,
        rest: str = "",
        where: tuple[Step, ...] = (),
    ) -> None:
        """Note a difference whose ways to show are known."""
        backward = None if "backward" in self._safe else backward
        forward = None if "forward" in self._safe else forward
        in_old = new is None and old is not None
        change = Change(
            path=self.pointer(pair.old if in_old else pair.new, keyword, rest),
            kind=kind,
            old=old,
            new=new,
            breaks_backward=backward is not None,
            breaks_forward=forward is not None,
            where=where_text(pair.steps + where),
            keyword=keyword,
            side="old" if in_old else "new",
        )
        ways = [None if node is None else Way(node, pair.steps) for node in (backward, forward)]
        self.findings.append(Finding(change, pair.steps, *ways))

    def _way(self, direction: Direction, given: Sequence[Node], goal: Node | None) -> Node | None:
        if goal is None or direction in self._safe:
            return None
        goal = self.workspace.add(goal)
        return None if self.implies(given, goal) else self.workspace.negation(goal)

    def pointer(self, node: Node, keyword: str, rest: str = "") -> str:
        """Where a keyword of a node is written, as a JSON Pointer into its own document."""
        place = self.workspace.place(node)
        if place is None:
            return ""
        written = _as_written(keyword, place.schema)
        suffix = "" if written is None else f"/{written}{rest}"
        pointer = place.pointer + suffix
        return f"{place.document}#{pointer}" if place.document else pointer

    def raw(self, node: Node) -> Any:
        """A node as people wrote it."""
        place = self.workspace.place(node)
        return node if place is None else place.schema

    def mark(self) -> int:
        """A point to which ``since`` goes back."""
        return len(self.findings)

    def set_ways(self, mark: int, pair: Pair, direction: Direction, node: Node | None) -> None:
        """Say for all findings since the mark how they break somebody: together, at the pair.

        ``node`` None says that they do not.
        """
        way = None if node is None or direction in self._safe else Way(node, pair.steps)
        for index in range(mark, len(self.findings)):
            finding = self.findings[index]
            if finding.change.is_documentation:
                continue
            if direction == "backward":
                change = replace(finding.change, breaks_backward=way is not None)
                self.findings[index] = replace(finding, change=change, backward=way)
            else:
                change = replace(finding.change, breaks_forward=way is not None)
                self.findings[index] = replace(finding, change=change, forward=way)


_SPELLINGS: Final = {
    "enum": ("enum", "const"),
    "prefixItems": ("prefixItems", "items"),
    "items": ("items", "additionalItems", "unevaluatedItems"),
    "additionalProperties": ("additionalProperties", "unevaluatedProperties"),
    "dependentRequired": ("dependentRequired", "dependencies"),
    "dependentSchemas": ("dependentSchemas", "dependencies"),
    "exclusiveMinimum": ("exclusiveMinimum", "minimum"),
    "exclusiveMaximum": ("exclusiveMaximum", "maximum"),
}


def _as_written(keyword: str, schema: Any) -> str | None:
    """The keyword as the author spelled it; None when the schema has none of that kind."""
    if not isinstance(schema, dict):
        return None
    for spelling in _SPELLINGS.get(keyword, (keyword,)):
        # Draft 4 has flags of this name, beside the bound that they are about.
        if spelling in schema and not (spelling.startswith("excl") and schema[spelling] is True):
            return spelling
    return None
