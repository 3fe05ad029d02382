"""Which branches of unions a value is to satisfy or to fail.

Where a tag may be left out, as one with a default, several branches may hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from llm_integrations.core.evolution.model.answer import Answer
from llm_integrations.core.evolution.normal_form.nodes import Node, is_false
from llm_integrations.core.evolution.proof.constraints import Constraints
from llm_integrations.core.evolution.proof.prover import Prover
from llm_integrations.core.evolution.proof.successive_unions import form_of
from llm_integrations.core.evolution.proof.tagged_unions import TaggedUnion
from llm_integrations.core.evolution.sampling.children import NoSample
from llm_integrations.core.evolution.sampling.choices import Chooser

__all__ = ["UnionChoices", "may_hold_of_object"]


class UnionChoices:
    """Chooses for a sampler, and says what is wrong with the objects that it makes."""

    def __init__(self, prover: Prover) -> None:
        self._prover = prover
        self._workspace = prover.workspace
        self._unions = prover.unions

    def steering(self, constraints: Constraints, chooser: Chooser, met: set[int]) -> Iterator[Node]:
        """What decides whether the tags of refused unions are left out, once for each of them."""
        for node in constraints.nodes:
            if "not" in node and id(node) not in met:
                met.add(id(node))
                refused = self._workspace.resolved(node["not"])
                if len(refused) == 1:
                    yield from self._steered(refused, constraints, chooser)

    def refused_branches(self, node: Node) -> list[Node]:
        """The branches of a union that is all that is refused, where a tag tells them apart."""
        refused = self._workspace.resolved(node["not"]) if "not" in node else {}
        branches = _branches(refused) if len(refused) == 1 else []
        return branches if branches and self._unions.of(branches) is not None else []

    def failing(self, branches: list[Node], constraints: Constraints) -> Iterator[Node]:
        """What a value must be like to fail every branch of such a union: by its tag, most of them.
        Without the tag, what holds is seen in what is made."""
        for branch in self._unions.possible(branches, constraints) or ():
            yield self._workspace.negation(branch)

    def _steered(self, refused: Node, constraints: Constraints, chooser: Chooser) -> Iterator[Node]:
        """What else to demand of a value that a union is to refuse, where its tag is optional.

        Either the tag is there; or it is not, and a branch holds that the union of the writing
        side lacks (then two may hold), or a branch of that union which this one lacks.
        """
        union = self._union(refused)
        twin = self._twin(refused) if union is None else None
        if twin is not None and chooser.pick([True, False]):
            yield twin
        if union is None or not self._unions.may_lack(union, constraints):
            return
        if not self._unions.lacks(union, constraints):
            if chooser.pick([True, False]):
                yield self._workspace.having(union.name)
                return
            yield self._workspace.lacking(union.name)
        written = self._written(union, constraints)
        yield from self._changed(refused, written, union.name, constraints, chooser)

    def _twin(self, refused: Node) -> Node | None:
        """A branch that stands twice in a oneOf, so that no value of it is allowed."""
        branches = [self._workspace.resolved(node) for node in refused.get("oneOf", ())]
        counted = Counter(form_of(self._workspace, node) for node in branches)
        return next((b for b in branches if counted[form_of(self._workspace, b)] > 1), None)

    def is_refused(self, refused: Node, constraints: Constraints) -> bool:
        """Whether what is demanded stands twice in a oneOf that is to refuse it."""
        twin = self._twin(refused)
        return twin is not None and any(node is twin for node in constraints.nodes)

    def _union(self, node: Node) -> TaggedUnion | None:
        branches = _branches(node)
        return self._unions.of(branches) if branches else None

    def _written(self, union: TaggedUnion, constraints: Constraints) -> Node:
        """The union of the writing side that has the same tag."""
        for node in constraints.nodes:
            other = self._union(node)
            if other is not None and other.name == union.name:
                return node
        return {}

    def _changed(
        self, refused: Node, written: Node, tag: str, constraints: Constraints, chooser: Chooser
    ) -> Iterator[Node]:
        plans = [(node, written, refused) for node in self._only_in(written, refused, tag)]
        if "oneOf" in refused:
            # What two branches of an anyOf allow is refused even if both are as they were.
            before = written if "oneOf" in written else {}
            plans += [(node, refused, written) for node in self._only_in(refused, before, tag)]
        held = set(map(id, constraints.nodes))
        plans = [p for p in plans if id(self._workspace.resolved(p[0])) in held] or plans
        at = self._possible([plan[0] for plan in plans], constraints, chooser)
        node, own, other = next(plan for plan in plans if plan[0] is at)
        yield node
        if own is refused:
            others = _branches(other if "oneOf" in other else refused)
            same = node, self._counterpart(node, own, other)
            others = [branch for branch in others if not any(branch is b for b in same)]
            yield self._possible(others, constraints, chooser, node)

    def _only_in(self, union: Node, other: Node, tag: str) -> list[Node]:
        """The branches that another union lacks; of those that are alike without tag, the rest."""
        left = Counter(form_of(self._workspace, node, tag) for node in _branches(other))
        left.subtract(form_of(self._workspace, node, tag) for node in reversed(_branches(union)))
        found = []
        for node in reversed(_branches(union)):
            form = form_of(self._workspace, node, tag)
            if left[form] < 0:
                left[form] += 1
                found.append(node)
        return found

    def _possible(
        self, nodes: Sequence[Node], constraints: Constraints, chooser: Chooser, *others: Node
    ) -> Node:
        """A node that the constraints do not plainly contradict."""
        left = list(nodes)
        while left:
            node = chooser.pick(left)
            if not self._prover.is_plainly_empty([*constraints.nodes, *others, node]):
                return node
            left = [other for other in left if other is not node]
        raise NoSample

    def _counterpart(self, node: Node, own: Node, other: Node) -> Node | None:
        """The branch of another union that has the tag of a branch."""
        unions = self._union(own), self._union(other)
        if unions[0] is None or unions[1] is None:
            return None
        key = next((key for key, at in unions[0].by_value.items() if at is node), "")
        return unions[1].by_value.get(key)

    def tagged(self, constraints: Constraints) -> Iterator[Node]:
        """That the tag is there, where nothing says that it is or is not."""
        for node in constraints.nodes:
            union = self._union(node) if "oneOf" in node else None
            if union is None or not self._unions.may_lack(union, constraints):
                continue
            if not self._unions.lacks(union, constraints):
                yield self._workspace.having(union.name)

    def wrong(self, constraints: Constraints, made: dict[str, Any]) -> list[Node]:
        """The branches that an object without the tag must fail and does not. NoSample where the
        object cannot be mended."""
        demanded = set(map(id, constraints.nodes))
        found: list[Node] = []
        for node in constraints.nodes:
            refused = self._workspace.resolved(node["not"]) if "not" in node else {}
            if "oneOf" in node:
                holding = self._holding(node, made)
                if len(holding) > 1:
                    found += [branch for branch in holding if id(branch) not in demanded]
            elif len(refused) == 1:
                holding = self._holding(refused, made)
                if len(holding) == 1 or "anyOf" in refused:
                    if any(id(branch) in demanded for branch in holding):
                        raise NoSample
                    found += holding
        return found

    def _holding(self, union: Node, made: dict[str, Any]) -> list[Node]:
        """The branches that hold of an object without the tag; none where it has one."""
        told = self._union(union)
        if told is None or told.required or told.name in made:
            return []
        is_valid = self._prover.oracle.is_valid
        resolved = map(self._workspace.resolved, _branches(union))
        return [node for node in resolved if is_valid(node, made) is Answer.YES]


def _branches(union: Node) -> list[Node]:
    found: list[Node] = union.get("oneOf") or union.get("anyOf") or []
    return found


def may_hold_of_object(node: Node, constraints: Constraints) -> bool:
    """Whether nothing about its type or its properties' presence speaks against a node."""
    absent = {name for name, child in node.get("properties", {}).items() if is_false(child)}
    return (
        "object" in node.get("type", ("object",))
        and absent.isdisjoint(constraints.required)
        and not constraints.refuses_one_of(node.get("required", ()))
    )
