"""Making an instance that satisfies several nodes at once, where that is not too hard.

What comes out is probably right; whoever asks checks it with a validator.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from llm_integrations.core.evolution.choices import Chooser, Full, Minimal, Randomly, Wavering
from llm_integrations.core.evolution.facts import Facts
from llm_integrations.core.evolution.limits import Clock
from llm_integrations.core.evolution.nodes import Node, is_false, json_key
from llm_integrations.core.evolution.place_hints import PlaceHints
from llm_integrations.core.evolution.prover import Prover
from llm_integrations.core.evolution.regex_samples import sample_pattern
from llm_integrations.core.evolution.scalars import (
    PLAIN,
    fractions,
    integers,
    plainly_fits,
    strings,
)
from llm_integrations.core.evolution.ways import AS_FRACTION, LEAVES, ways_to_fail

__all__ = ["NoSample", "Sampler"]

_DEEPEST: Final = 24
_MOST_ITEMS: Final = 300
_MOST_OPTIONAL: Final = 100
_MOST_AT_RANDOM: Final = 8
_MOST_OPEN: Final = 60
_MOST_EXCLUDED: Final = 20
_MOST_NODES: Final = 150
_OPEN: Final = frozenset({"anyOf", "oneOf", "if", "not"})
_TRIES: Final = 40
_FRESH: Final = ("extra", "other", "x", "_1", "Extra-Name", "a", "b", "é")
_ORDER: Final = ("object", "array", "string", "integer", "fraction", "boolean", "null")
_NONE: Final = object()


class NoSample(Exception):
    """Inner signal: these choices lead to no instance."""


class Sampler:
    """Makes instances of the nodes that a prover knows about."""

    def __init__(self, prover: Prover, clock: Clock) -> None:
        self._workspace = prover.workspace
        self._engine = prover.engine
        self._parts = prover.parts
        self._prover = prover
        self._clock = clock
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
        if depth > _DEEPEST:
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
                return self._object(facts, chooser, depth)
            case "array":
                return self._array(facts, chooser, depth)
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
            schema = place.value if place is not None else None
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
        names = [*known, *(name for name in drawn if name is not None), *_FRESH]
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
            return [self.sample([refused], chooser, _DEEPEST - 2)]
        except NoSample:
            return []

    # Objects and arrays.

    def _object(self, facts: Facts, chooser: Chooser, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name in self._wanted(facts, chooser, depth):
            nodes = self._parts.property_nodes(facts, name)
            try:
                made[name] = self._part(nodes, chooser, depth)
            except NoSample:
                if name in facts.required:
                    raise
        self._fill(made, facts, chooser, depth)
        if len(made) > facts.count("maxProperties", len(made)):
            raise NoSample
        return made

    def _wanted(self, facts: Facts, chooser: Chooser, depth: int) -> list[str]:
        """The names to give values to: what is required, and some of what is not."""
        room = facts.count("maxProperties", 1_000) - len(facts.required)
        room = min(room, _MOST_OPTIONAL if isinstance(chooser, Full) else _MOST_AT_RANDOM)
        declared = dict.fromkeys(n for node in facts.nodes for n in node.get("properties", ()))
        wanted = dict.fromkeys(n for n in declared if n in facts.required)
        wanted.update(dict.fromkeys(sorted(facts.required)))
        for name in declared:
            if name not in wanted and room > 0 and chooser.includes(depth):
                wanted[name] = None
                room -= 1
        ordered = [name for name in declared if name in wanted]
        return ordered + [name for name in wanted if name not in declared]

    def _fill(self, made: dict[str, Any], facts: Facts, chooser: Chooser, depth: int) -> None:
        """Properties that nobody declares, as many as are needed, and now and then one more."""
        least = int(facts.count("minProperties", 0))
        is_map = not made and any(
            node.get("patternProperties") or node.get("additionalProperties")
            for node in facts.nodes
        )
        wanted = max(least - len(made), int((is_map or not made) and chooser.includes(depth)))
        wanted = max(wanted, int(isinstance(chooser, Randomly) and chooser.includes(depth + 2)))
        if wanted > _MOST_ITEMS:
            raise NoSample
        for name in self._further_names(facts, wanted, chooser):
            if wanted > 0 and name not in made:
                try:
                    nodes = self._parts.property_nodes(facts, name)
                    made[name] = self._part(nodes, chooser, depth)
                    wanted -= 1
                except NoSample:
                    continue
        if len(made) < least:
            raise NoSample

    def _further_names(self, facts: Facts, wanted: int, chooser: Chooser) -> Iterator[str]:
        if wanted <= 0:
            return
        for node in facts.nodes:
            for pattern in node.get("patternProperties", ()):
                for _ in range(wanted + 1):
                    drawn = sample_pattern(pattern, chooser.pick)
                    if drawn is not None:
                        yield drawn
            if "propertyNames" in node:
                yield from self._names_by(node["propertyNames"], wanted, chooser)
        yield from sorted(self._parts.names(facts))
        yield from _FRESH
        yield from (f"extra{i}" for i in range(wanted))

    def _names_by(self, node: Node, wanted: int, chooser: Chooser) -> Iterator[str]:
        string = self._workspace.add({"type": ["string"]})
        for seed in range(wanted + 2):
            draw = chooser if seed == 0 else Randomly(seed)
            try:
                yield self.sample([string, node], draw, _DEEPEST - 2)
            except NoSample:
                continue

    def _part(self, nodes: list[Node], chooser: Chooser, depth: int) -> Any:
        if any(is_false(node) for node in nodes):
            raise NoSample
        return self.sample(nodes, chooser, depth + 1)

    def _array(self, facts: Facts, chooser: Chooser, depth: int) -> list[Any]:
        length, demands = self._plan(facts, chooser, depth)
        made: list[Any] = []
        repeats = any(node.get("uniqueItems") for node in facts.negated)
        for index in range(length):
            nodes = self._parts.item_nodes(facts, index) + demands.get(index, [])
            if repeats and made and index == length - 1:
                made.append(made[0])
            else:
                made.append(self._item(nodes, made, facts.unique, chooser, depth))
        return made

    def _plan(
        self, facts: Facts, chooser: Chooser, depth: int
    ) -> tuple[int, dict[int, list[Node]]]:
        """How long the array is, and which items must be what it contains."""
        contained = [
            node["contains"]
            for node in facts.nodes
            if "contains" in node
            for _ in range(min(node.get("minContains", 1), _MOST_ITEMS))
        ]
        least = max(int(facts.count("minItems", 0)), len(contained))
        repeats = any(node.get("uniqueItems") for node in facts.negated)
        if repeats:
            least = max(least, 2)
        most = facts.count("maxItems", least + 3)
        if least > _MOST_ITEMS or least > most:
            raise NoSample
        grown = least
        if chooser.includes(depth):
            grown = int(min(most, chooser.pick([max(least, 1), least, least + 1, least + 2])))
        while grown > least and self._ends(facts, grown):
            grown -= 1
        first = 0 if repeats else grown - len(contained)
        return grown, {first + i: [node] for i, node in enumerate(contained)}

    def _ends(self, facts: Facts, length: int) -> bool:
        return any(is_false(node) for node in self._parts.item_nodes(facts, length - 1))

    def _item(
        self, nodes: list[Node], made: list[Any], unique: bool, chooser: Chooser, depth: int
    ) -> Any:
        value = self._part(nodes, chooser, depth)
        if not unique:
            return value
        taken = {json_key(item) for item in made}
        for seed in range(_TRIES):
            if json_key(value) not in taken:
                return value
            value = self._part(nodes, Randomly(f"{seed} {len(made)}"), depth)
        raise NoSample
