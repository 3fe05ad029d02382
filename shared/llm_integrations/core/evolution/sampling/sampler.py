"""Making an instance that satisfies several nodes at once, where that is not too hard.

What comes out is probably right; whoever asks checks it with a validator.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from llm_integrations.core.evolution.model.limits import Clock
from llm_integrations.core.evolution.normal_form.nodes import Node
from llm_integrations.core.evolution.patterns.samples import sample_pattern
from llm_integrations.core.evolution.proof.constraints import Facts
from llm_integrations.core.evolution.proof.prover import Prover
from llm_integrations.core.evolution.sampling.arrays import ArraySampler
from llm_integrations.core.evolution.sampling.choices import Chooser, Minimal, Wavering
from llm_integrations.core.evolution.sampling.negation import AS_FRACTION, LEAVES, ways_to_fail
from llm_integrations.core.evolution.sampling.objects import FRESH_NAMES, ObjectSampler
from llm_integrations.core.evolution.sampling.parts import DEEPEST, NoSample
from llm_integrations.core.evolution.sampling.place_hints import PlaceHints
from llm_integrations.core.evolution.sampling.scalars import (
    PLAIN,
    fractions,
    integers,
    plainly_fits,
    strings,
)

__all__ = ["NoSample", "Sampler"]

_MOST_OPEN: Final = 60
_MOST_EXCLUDED: Final = 20
_MOST_NODES: Final = 150
_OPEN: Final = frozenset({"anyOf", "oneOf", "if", "not"})
_TRIES: Final = 40
_ORDER: Final = ("object", "array", "string", "integer", "fraction", "boolean", "null")
_NONE: Final = object()


class Sampler:
    """Makes instances of the nodes that a prover knows about."""

    def __init__(self, prover: Prover, clock: Clock) -> None:
        self._workspace = prover.workspace
        self._engine = prover.engine
        self._parts = prover.parts
        self._prover = prover
        self._clock = clock
        self._objects = ObjectSampler(self._parts, self._workspace, self.sample)
        self._arrays = ArraySampler(self._parts, self.sample)
        self._smallest: dict[frozenset[int], Any] = {}

    @property
    def expired(self) -> bool:
        return self._clock.expired

    def attempts(self, given: Sequence[Node], chooser: Chooser, count: int) -> Iterator[Any]:
        """Instances by the chooser, then by choices that differ from it more and more."""
        for seed in range(count):
            self._clock.check()
            draw = chooser if seed == 0 else Wavering(chooser, seed, seed / count)
            try:
                yield self.sample(given, draw)
            except NoSample:
                continue

    def sample(self, given: Sequence[Node], chooser: Chooser, depth: int = 0) -> Any:
        """One instance by the chooser's choices. NoSample when they lead to none."""
        if depth > DEEPEST:
            raise NoSample
        if type(chooser) is not Minimal:
            return self._sample(given, chooser, depth)
        # The smallest instance of the same nodes is always the same.
        key = frozenset(map(id, given))
        if key not in self._smallest:
            self._smallest[key] = _NONE
            self._smallest[key] = self._sample(given, chooser, depth)
        if self._smallest[key] is _NONE:
            raise NoSample
        return copy.deepcopy(self._smallest[key])

    def _sample(self, given: Sequence[Node], chooser: Chooser, depth: int) -> Any:
        self._clock.step()
        facts = self._opened(given, chooser)
        if facts.impossible:
            raise NoSample
        if facts.values is not None:
            return self._fitting(self._ordered(self._spelled(facts.values, facts), chooser), facts)
        if chooser.likes_examples:
            for value in self._offered(facts):
                return value
        kinds = [kind for kind in _ORDER if kind in facts.kinds]
        first = chooser.pick(kinds)
        for kind in (first, *(kind for kind in kinds if kind != first)):
            try:
                return self._of_kind(kind, facts, chooser, depth)
            except NoSample:
                continue
        raise NoSample

    def _ordered(self, values: list[Any], chooser: Chooser) -> list[Any]:
        first = chooser.pick(values) if values else None
        return [first, *values] if values else []

    def _of_kind(self, kind: str, facts: Facts, chooser: Chooser, depth: int) -> Any:
        match kind:
            case "object":
                return self._objects.make(facts, chooser, depth)
            case "array":
                return self._arrays.make(facts, chooser, depth)
            case "string":
                return self._fitting(strings(facts, chooser.pick), facts)
            case "integer":
                return self._fitting(integers(facts, chooser.pick), facts)
            case "fraction":
                return self._fitting(fractions(facts, chooser.pick), facts)
            case "boolean":
                return self._fitting(self._ordered([True, False], chooser), facts)
        return self._fitting([None], facts)

    def _offered(self, facts: Facts) -> Iterator[Any]:
        """Valid values that the schemas themselves offer."""
        for node in facts.nodes:
            place = self._workspace.place(node)
            schema = place.schema if place is not None else None
            if isinstance(schema, dict):
                examples = schema.get("examples")
                offered = list(examples) if isinstance(examples, list) else []
                offered += [schema["default"]] if "default" in schema else []
                yield from (value for value in offered if self._fits(value, facts))

    def _spelled(self, values: list[Any], facts: Facts) -> list[Any]:
        """The values, whole numbers as 1.0 where that is what is asked for."""
        if not any(AS_FRACTION in node for node in facts.nodes):
            return values
        return [float(v) if type(v) is int and abs(v) < 2**53 else v for v in values]

    def _fitting(self, candidates: Iterable[Any], facts: Facts) -> Any:
        wants_fraction = any(AS_FRACTION in node for node in facts.nodes)
        for tried, value in enumerate(candidates):
            if tried > _TRIES:
                break
            if self._fits(value, facts) and (not wants_fraction or isinstance(value, float)):
                return value
        raise NoSample

    def _fits(self, value: Any, facts: Facts) -> bool:
        return all(self._fits_node(value, node) for node in facts.nodes)

    def _fits_node(self, value: Any, node: Node) -> bool:
        if node.keys() <= PLAIN:
            return plainly_fits(node, value)
        # What draft 2020-12 cannot say, and so its negation, is for the final check to judge.
        if self._workspace.has_unenforced(node):
            return True
        return self._engine.is_valid(node, value) is not False

    # Opening: decide between alternatives until only facts remain.

    def _opened(self, given: Sequence[Node], chooser: Chooser) -> Facts:
        chosen = list(given)
        done: set[int] = set()
        for _ in range(_MOST_OPEN):
            facts = Facts(chosen, self._workspace)
            if len(facts.nodes) > _MOST_NODES:
                raise NoSample
            before = len(chosen)
            for node in facts.nodes:
                if id(node) not in done:
                    done.add(id(node))
                    chosen.extend(self._decided(node, facts, chooser))
            if len(chosen) == before:
                return facts
            self._clock.check()
        raise NoSample

    def _decided(self, node: Node, facts: Facts, chooser: Chooser) -> Iterator[Node]:
        if not node.keys() & _OPEN:
            return
        if node.get("anyOf"):
            yield self._branch(node["anyOf"], facts, chooser)
        if node.get("oneOf"):
            branch = self._branch(node["oneOf"], facts, chooser)
            yield branch
            yield from self._excluded(branch, node["oneOf"])
        if "if" in node:
            holds = chooser.pick([True, False])
            yield node["if"] if holds else self._workspace.negation(node["if"])
            yield node.get("then" if holds else "else", {})
        if "not" in node:
            refused = self._workspace.behind(node["not"])
            if len(refused) != 1 or not refused.keys() <= LEAVES:
                yield self._way(refused, facts, chooser)

    def _branch(self, branches: list[Node], facts: Facts, chooser: Chooser) -> Node:
        """A branch to satisfy: one that is demanded anyway, or one that can be satisfied."""
        held = {id(node) for node in facts.nodes}
        demanded = [b for b in branches if id(self._workspace.behind(b)) in held or id(b) in held]
        if demanded:
            return demanded[0]
        hopeful = self._hopeful(branches, facts)
        possible = [b for b in hopeful if not self._prover.is_blatant([*facts.nodes, b])]
        return chooser.pick(possible or hopeful)

    def _excluded(self, branch: Node, branches: list[Node]) -> list[Node]:
        """The other branches of a oneOf must fail, where that does not go without saying."""
        others = [other for other in branches if other is not branch][:_MOST_EXCLUDED]
        return [
            self._workspace.negation(other)
            for other in others
            if not self._prover.is_blatant([branch, other])
        ]

    def _hopeful(self, branches: list[Node], facts: Facts) -> list[Node]:
        """The branches that the facts do not rule out at first sight."""
        hopeful = [
            branch
            for branch in branches
            if not Facts([*facts.nodes, branch], self._workspace).impossible
        ]
        if not hopeful:
            raise NoSample
        return hopeful

    def _way(self, refused: Node, facts: Facts, chooser: Chooser) -> Node:
        hints = PlaceHints(self._workspace.negation, self._names_for, facts, chooser)
        ways = [self._workspace.add(way) for way in ways_to_fail(refused, hints)]
        if not ways:
            raise NoSample
        return chooser.pick(self._hopeful(ways, facts))

    def _names_for(
        self, keyword: str, about: Node | str, facts: Facts, chooser: Chooser
    ) -> list[str]:
        """Names of properties by which an object can fail a keyword."""
        known = sorted(self._parts.names(facts))
        patterns = [p for node in facts.nodes for p in node.get("patternProperties", ())]
        drawn = [sample_pattern(pattern, chooser.pick) for pattern in patterns]
        names = [*known, *(name for name in drawn if name is not None), *FRESH_NAMES]
        if isinstance(about, str):
            own = [sample_pattern(about, chooser.pick) for _ in range(3)]
            names = [name for name in own if name is not None] + names
            return [name for name in dict.fromkeys(names) if self._engine.matches(about, name)]
        if keyword == "propertyNames":
            names += self._text_that_fails(about, chooser)
            fails = [n for n in names if self._engine.is_valid(about, n) is False]
            return list(dict.fromkeys(fails))
        declared = about.get("properties", ())
        covered = about.get("patternProperties", ())
        return [
            name
            for name in dict.fromkeys(names)
            if name not in declared and not self._parts.matching(covered, name)
        ]

    def _text_that_fails(self, node: Node, chooser: Chooser) -> list[str]:
        refused = self._workspace.add({"type": ["string"], "not": node})
        try:
            return [self.sample([refused], chooser, DEEPEST - 2)]
        except NoSample:
            return []
