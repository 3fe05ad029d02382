"""Making an instance that satisfies several nodes at once, where that is not too hard.

Instances are probably valid; callers check them with a validator.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final

from llm_integrations.core.evolution.model.answer import Answer
from llm_integrations.core.evolution.normal_form.nodes import Node
from llm_integrations.core.evolution.patterns.samples import Pick, sample_pattern
from llm_integrations.core.evolution.proof.constraints import Constraints
from llm_integrations.core.evolution.proof.prover import Prover
from llm_integrations.core.evolution.sampling.arrays import ArraySampler
from llm_integrations.core.evolution.sampling.children import DEEPEST, NoSample
from llm_integrations.core.evolution.sampling.choices import Chooser, Minimal, Wavering
from llm_integrations.core.evolution.sampling.negation import (
    AS_FRACTION,
    LEAVES,
    NegationContext,
    negations,
)
from llm_integrations.core.evolution.sampling.objects import FRESH_NAMES, ObjectSampler
from llm_integrations.core.evolution.sampling.scalars import (
    fractions,
    integers,
    is_plain,
    plainly_fits,
    strings,
)
from llm_integrations.core.evolution.sampling.size import InstanceSize, TooLarge
from llm_integrations.core.evolution.sampling.unions import UnionChoices, may_hold_of_object

__all__ = ["NoSample", "Sampler"]

_MOST_ROUNDS: Final = 60
_MOST_REPAIRS: Final = 24
_MOST_EXCLUDED: Final = 20
_MOST_NODES: Final = 150
_ALTERNATIVES: Final = frozenset({"anyOf", "oneOf", "if", "not"})
_TRIES: Final = 40
_ORDER: Final = ("object", "array", "string", "integer", "fraction", "boolean", "null")
_NONE: Final = object()


class Sampler:
    """Makes instances of the nodes that a prover knows about."""

    def __init__(self, prover: Prover) -> None:
        self._workspace = prover.workspace
        self._oracle = prover.oracle
        self._children = prover.children
        self._prover = prover
        self._budget = prover.workspace.budget
        self._objects = ObjectSampler(self._children, self._workspace, self.sample)
        self._arrays = ArraySampler(self._children, self.sample)
        self._unions = UnionChoices(prover)
        self._smallest: dict[frozenset[int], tuple[Any, int]] = {}
        self._size = InstanceSize()

    def attempts(self, premises: Sequence[Node], chooser: Chooser, count: int) -> Iterator[Any]:
        """Instances by the chooser, then by choices that differ from it more and more."""
        for seed in range(count):
            self._budget.spend()
            draw = chooser if seed == 0 else Wavering(chooser, seed, seed / count)
            try:
                yield self.sample(premises, draw)
            except (NoSample, RecursionError):  # the latter: choices within choices without end
                continue

    def sample(self, premises: Sequence[Node], chooser: Chooser, depth: int = 0) -> Any:
        """One instance by the chooser's choices. NoSample when they lead to none."""
        if depth > DEEPEST:
            raise NoSample
        if depth == 0:
            self._size = InstanceSize()
        if type(chooser) is not Minimal:
            return self._sample(premises, chooser, depth)
        # The smallest instance of the same nodes is always the same.
        key = frozenset(map(id, premises))
        if key in self._smallest:
            known, size = self._smallest[key]
            self._size.add(size)
            if known is _NONE:
                raise NoSample
            return copy.deepcopy(known)
        before = self._size.counted
        self._smallest[key] = (_NONE, 1)
        try:
            made = self._sample(premises, chooser, depth)
        except TooLarge:
            del self._smallest[key]
            raise
        self._smallest[key] = (made, self._size.counted - before)
        return made

    def _sample(self, premises: Sequence[Node], chooser: Chooser, depth: int) -> Any:
        self._budget.spend()
        constraints = self._without_alternatives(premises, chooser)
        if constraints.impossible:
            raise NoSample
        if constraints.values is not None:
            return self._fitting(
                self._ordered(self._written(constraints.values, constraints), chooser), constraints
            )
        if chooser.likes_examples:
            for value in self._offered(constraints):
                self._size.add_value(value)
                return value
        kinds = [kind for kind in _ORDER if kind in constraints.kinds]
        first = chooser.pick(kinds)
        for kind in (first, *(kind for kind in kinds if kind != first)):
            try:
                return self._of_kind(kind, constraints, chooser, depth)
            except NoSample:
                continue
        raise NoSample

    def counted_pick(self, chooser: Chooser) -> Pick:
        """The chooser's choices, counted: a text takes one for each of its characters."""

        def pick(options: Sequence[Any]) -> Any:
            self._budget.spend()
            return chooser.pick(options)

        return pick

    def _ordered(self, values: list[Any], chooser: Chooser) -> list[Any]:
        return [chooser.pick(values), *values] if values else []

    def _of_kind(self, kind: str, constraints: Constraints, chooser: Chooser, depth: int) -> Any:
        match kind:
            case "object":
                return self._object(constraints, chooser, depth)
            case "array":
                self._size.add(1)
                return self._arrays.make(constraints, chooser, depth)
            case "string":
                return self._fitting(strings(constraints, self.counted_pick(chooser)), constraints)
            case "integer":
                return self._fitting(integers(constraints, chooser.pick), constraints)
            case "fraction":
                return self._fitting(fractions(constraints, chooser.pick), constraints)
            case "boolean":
                return self._fitting(self._ordered([True, False], chooser), constraints)
        return self._fitting([None], constraints)

    def _object(self, constraints: Constraints, chooser: Chooser, depth: int) -> dict[str, Any]:
        made = self._any_object(constraints, chooser, depth)
        for _ in range(_MOST_REPAIRS):
            wrong = self._unions.wrong(constraints, made)
            if not wrong:
                return made
            constraints, made = self._repaired(wrong, constraints, chooser, depth)
        raise NoSample

    def _any_object(self, constraints: Constraints, chooser: Chooser, depth: int) -> dict[str, Any]:
        self._size.add(1)
        made = self._objects.make(constraints, chooser, depth)
        for name in made:
            self._size.add_text(name)
        return made

    def _repaired(
        self, wrong: list[Node], constraints: Constraints, chooser: Chooser, depth: int
    ) -> tuple[Constraints, dict[str, Any]]:
        """An object that fails branches besides, all of them or one, and what it was made by."""
        singly = ([way] for way in self._ways_to_fail(wrong[0], constraints, chooser))
        for ways in chain([self._failing_each(wrong, constraints, chooser)], singly):
            try:
                nodes = [*constraints.nodes, *ways]
                narrowed = self._without_alternatives(nodes, chooser, steered=True)
                if "object" in narrowed.kinds:
                    return narrowed, self._any_object(narrowed, chooser, depth)
            except NoSample:
                continue
        raise NoSample

    def _failing_each(
        self, wrong: list[Node], constraints: Constraints, chooser: Chooser
    ) -> list[Node]:
        """One way for each branch to fail, as far as can be told branch by branch."""
        found = []
        for branch in wrong:
            ways = self._negations(branch, constraints, chooser)
            possible = [way for way in ways if may_hold_of_object(way, constraints)]
            found += [chooser.pick(possible)] if possible else []
        return found

    def _offered(self, constraints: Constraints) -> Iterator[Any]:
        """Valid values that the schemas themselves offer."""
        for node in constraints.nodes:
            schema = self._workspace.written(node)
            examples = schema.get("examples")
            offered = list(examples) if isinstance(examples, list) else []
            offered += [schema["default"]] if "default" in schema else []
            yield from (value for value in offered if self._fits(value, constraints))

    def _written(self, values: list[Any], constraints: Constraints) -> list[Any]:
        """The values, whole numbers as 1.0 where that is what is asked for."""
        if not any(AS_FRACTION in node for node in constraints.nodes):
            return values
        return [float(v) if type(v) is int and abs(v) < 2**53 else v for v in values]

    def _fitting(self, candidates: Iterable[Any], constraints: Constraints) -> Any:
        wants_fraction = any(AS_FRACTION in node for node in constraints.nodes)
        for tried, value in enumerate(candidates):
            if tried > _TRIES:
                break
            if self._fits(value, constraints) and (not wants_fraction or isinstance(value, float)):
                self._size.add_value(value)
                return value
        raise NoSample

    def _fits(self, value: Any, constraints: Constraints) -> bool:
        self._budget.spend(len(constraints.nodes))
        # What a reference means is among the nodes itself.
        return all(
            self._fits_node(value, node)
            for node in constraints.nodes
            if len(node) != 1 or "$ref" not in node
        )

    def _fits_node(self, value: Any, node: Node) -> bool:
        if is_plain(node, value):
            return plainly_fits(node, value)
        # What draft 2020-12 cannot say, and so its negation, is for the final check to judge.
        if self._workspace.has_unenforced(node):
            return True
        return self._oracle.is_valid(node, value) is not Answer.NO

    def _without_alternatives(
        self, premises: Sequence[Node], chooser: Chooser, *, steered: bool = False
    ) -> Constraints:
        """The constraints that remain once the chooser decided between all alternatives."""
        chosen = list(premises)
        done: set[int] = set()
        met: set[int] = set()
        for _ in range(_MOST_ROUNDS):
            constraints = Constraints(chosen, self._workspace)
            if len(constraints.nodes) > _MOST_NODES:
                raise NoSample
            before = len(chosen)
            if not steered:
                chosen.extend(self._unions.steering(constraints, chooser, met))
            if len(chosen) == before:
                chosen.extend(self._choices(constraints, chooser, done))
            if len(chosen) == before:
                return constraints
        raise NoSample

    def _choices(
        self, constraints: Constraints, chooser: Chooser, done: set[int]
    ) -> Sequence[Node]:
        """What the chooser decides next; each node is asked once."""
        left = [node for node in constraints.nodes if id(node) not in done]
        waiting = [node for node in left if self._unions.refused_branches(node)]
        later = set(map(id, waiting))
        chosen: list[Node] = []
        # By the tag that is known then, one branch of a refused union is left to fail.
        for nodes in ([node for node in left if id(node) not in later], waiting):
            for node in nodes if not chosen else ():
                done.add(id(node))
                chosen.extend(self._decided(node, constraints, chooser))
        return chosen or list(self._unions.tagged(constraints))

    def _decided(self, node: Node, constraints: Constraints, chooser: Chooser) -> Iterator[Node]:
        if not node.keys() & _ALTERNATIVES:
            return
        if node.get("anyOf"):
            yield self._branch(node["anyOf"], constraints, chooser)
        if node.get("oneOf"):
            branch = self._branch(node["oneOf"], constraints, chooser)
            yield branch
            yield from self._excluded(branch, node["oneOf"])
        if "if" in node:
            holds = chooser.pick([True, False])
            yield node["if"] if holds else self._workspace.negation(node["if"])
            yield node.get("then" if holds else "else", {})
        if "not" in node:
            refused = self._workspace.resolved(node["not"])
            branches = self._unions.refused_branches(node)
            if branches:
                yield from self._unions.failing(branches, constraints)
            elif self._unions.is_refused(refused, constraints):
                return
            elif len(refused) != 1 or not refused.keys() <= LEAVES:
                yield self._negated(refused, constraints, chooser)

    def _branch(self, branches: list[Node], constraints: Constraints, chooser: Chooser) -> Node:
        """A branch to satisfy: one that is demanded anyway, or one that can be satisfied."""
        held = {id(node) for node in constraints.nodes}
        demanded = [b for b in branches if id(self._workspace.resolved(b)) in held or id(b) in held]
        if demanded:
            return demanded[0]
        apart = self._prover.unions.possible(branches, constraints)
        plainly_empty: list[Node] = []
        for branch in self._satisfiable(branches if apart is None else apart, constraints, chooser):
            if not self._prover.is_plainly_empty([*constraints.nodes, branch]):
                return branch
            plainly_empty.append(branch)
        if not plainly_empty:
            raise NoSample
        return chooser.pick(plainly_empty)

    def _excluded(self, branch: Node, branches: list[Node]) -> list[Node]:
        """Negations of the other branches of a oneOf, except where the chosen one refuses them."""
        if self._prover.unions.of(branches) is not None:
            return []
        others = [other for other in branches if other is not branch][:_MOST_EXCLUDED]
        return [
            self._workspace.negation(other)
            for other in others
            if not self._prover.is_plainly_empty([branch, other])
        ]

    def _satisfiable(
        self, nodes: Sequence[Node], constraints: Constraints, chooser: Chooser
    ) -> Iterator[Node]:
        """The nodes that the constraints do not plainly contradict, as the chooser picks them; of
        many mostly the first is all that is looked at."""
        left = list(nodes)
        while left:
            node = chooser.pick(left)
            left = [other for other in left if other is not node]
            if not Constraints([*constraints.nodes, node], self._workspace).impossible:
                yield node

    def _negated(self, refused: Node, constraints: Constraints, chooser: Chooser) -> Node:
        """One of the nodes that a value satisfies to fail the refused one."""
        for node in self._ways_to_fail(refused, constraints, chooser):
            return node
        raise NoSample

    def _ways_to_fail(
        self, refused: Node, constraints: Constraints, chooser: Chooser
    ) -> Iterator[Node]:
        found = self._negations(refused, constraints, chooser)
        return self._satisfiable(found, constraints, chooser)

    def _negations(self, refused: Node, constraints: Constraints, chooser: Chooser) -> list[Node]:
        def names(keyword: str, about: Node | str) -> list[str]:
            return self._names_for(keyword, about, constraints, chooser)

        found = []
        for node in negations(refused, NegationContext(names, self._workspace.negation)):
            self._budget.spend()
            found.append(self._workspace.add(node))
        return found

    def _names_for(
        self, keyword: str, about: Node | str, constraints: Constraints, chooser: Chooser
    ) -> list[str]:
        """Names of properties by which an object can fail a keyword; none for what is no object,
        as the name itself that one is being made for."""
        if "object" not in constraints.kinds:
            return []
        known = sorted(self._children.names(constraints))
        patterns = [p for node in constraints.nodes for p in node.get("patternProperties", ())]
        drawn = [sample_pattern(pattern, self.counted_pick(chooser)) for pattern in patterns]
        names = [*known, *(name for name in drawn if name is not None), *FRESH_NAMES]
        if isinstance(about, str):
            own = [sample_pattern(about, self.counted_pick(chooser)) for _ in range(3)]
            # The names drawn may have schemas of their own, under which nothing fails.
            around = [f"{a}{own[0]}{b}" for a, b in (("x", ""), ("", "x"), ("", "1")) if own[0]]
            names = [*(name for name in own if name is not None), *names, *around]
            return [
                name
                for name in dict.fromkeys(names)
                if self._oracle.matches(about, name) is Answer.YES
            ]
        if keyword == "propertyNames":
            names += self._text_that_fails(about, chooser)
            fails = [n for n in names if self._oracle.is_valid(about, n) is Answer.NO]
            return list(dict.fromkeys(fails))
        declared = about.get("properties", ())
        covered = about.get("patternProperties", ())
        return [
            name
            for name in dict.fromkeys(names)
            if name not in declared and not self._children.matching(covered, name)
        ]

    def _text_that_fails(self, node: Node, chooser: Chooser) -> list[str]:
        refused = self._workspace.add({"type": ["string"], "not": node})
        try:
            return [self.sample([refused], chooser, DEEPEST - 2)]
        except NoSample:
            return []
