"""The walk from a value that is invalid into the parts that make it so.

The engine lists the errors of all branches of a union, and in each those of all branches of the
unions inside: of a union that contains itself, exponentially many in the depth of the data. Here
each subschema is asked for its verdict on each value once, and only what fails is looked into. Of
several branches those are looked into whose type fits, and whose tag does if there is one (a
property with ``const`` or ``enum``). Every step is counted, and a limit ends the walk.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, Final, TypeAlias

from jsonschema_rs import ValidationError

from llm_integrations.core.validation.explain.failure import (
    Branch,
    ErrorList,
    Failure,
    Findings,
    Kind,
)
from llm_integrations.core.validation.explain.location import SchemaLocation
from llm_integrations.core.validation.explain.plan import Plan
from llm_integrations.core.validation.explain.subschemas import Subschemas

__all__ = ["Descent"]

_VALUES_PER_STEP: Final = 32
"""Values that the engine judges in the time of one step of ours."""

_STEPS_PER_VALUE: Final = 4
_MOST_ABOUT_A_NAME: Final = 8
_TEXT: Final = 64
"""Characters that count as one value more."""

_Walk: TypeAlias = Generator[tuple[SchemaLocation, Any], Findings, Findings]
_NOTHING: Final = Findings()


class Descent:
    """One walk over one value.

    Args:
        subschemas: what to judge by.
        value: JSON types. Its parts are known by identity, so it must not change meanwhile.
        max_steps: how far to go, besides a few steps for each value in the data.
    """

    def __init__(self, subschemas: Subschemas, value: Any, max_steps: int) -> None:
        self._subschemas = subschemas
        self._value = value
        self._sizes = _sizes(value)
        self.steps = 0
        self._most = max_steps + _STEPS_PER_VALUE * self._size(value)
        self._verdicts: dict[tuple[int, int], bool] = {}
        self._findings: dict[tuple[int, int], Findings] = {}

    @property
    def is_cut(self) -> bool:
        """Whether the limit was reached."""
        return self.steps > self._most

    def errors(self, most: int) -> ErrorList:
        """What is wrong with a value that is invalid."""
        findings = self._run(self._subschemas.top)
        return ErrorList(list(islice(findings.failures(), most)), findings.number, self.is_cut)

    def _run(self, top: SchemaLocation) -> Findings:
        """Walks on a stack of its own: data may be nested deeper than Python's calls."""
        key = (id(top.schema), id(self._value))
        path: list[tuple[tuple[int, int], _Walk]] = [(key, self._look_into(top, self._value))]
        entered = {key}
        found: Any = None
        while path:
            try:
                location, value = path[-1][1].send(found)
            except StopIteration as end:
                found = end.value
                done, _ = path.pop()
                entered.discard(done)
                self._findings[done] = found
                continue
            key = (id(location.schema), id(value))
            found = self._findings.get(key)
            if found is None and key in entered:
                found = _NOTHING  # A reference that leads to itself says nothing more.
            elif found is None:
                entered.add(key)
                path.append((key, self._look_into(location, value)))
        return found if isinstance(found, Findings) else _NOTHING

    def _size(self, value: Any) -> int:
        return self._sizes.get(id(value), 1)

    def _accepts(self, location: SchemaLocation, value: Any) -> bool:
        """The verdict, asked for once. Beyond the limit everything passes."""
        if isinstance(location.schema, bool):
            return location.schema
        key = (id(location.schema), id(value))
        known = self._verdicts.get(key)
        if known is None:
            self.steps += 1 + self._size(value) // _VALUES_PER_STEP
            known = self.is_cut or self._subschemas.accepts(location, value)
            self._verdicts[key] = known
        return known

    def _look_into(self, location: SchemaLocation, value: Any) -> _Walk:
        """What is wrong with a value by a subschema that refuses it."""
        found = Findings()
        self.steps += 1
        if isinstance(location.schema, bool) or self.is_cut:
            name = "falseSchema" if isinstance(location.schema, bool) else "max_steps"
            found.add(_failure(location, Kind(name), value))
            return found
        plan = self._subschemas.plan(location)
        for failure in self._assertions(plan, value):
            found.add(failure)
        yield from self._of_members(plan, value, found)
        yield from self._of_itself(plan, value, found)
        if not found.number:
            self._leftovers(plan, value, found)
        return found

    def _of_members(self, plan: Plan, value: Any, found: Findings) -> _Walk:
        """What is wrong with members, and with which of them there are."""
        for step, part, inside in self._members(plan, value):
            if not self._accepts(part, inside):
                found.include(step, (yield part, inside))
        if type(value) is dict:
            yield from self._names(plan, value, found)
        elif type(value) is list:
            self._number_of_items(plan, value, found)
        return found

    def _of_itself(self, plan: Plan, value: Any, found: Findings) -> _Walk:
        """What subschemas about the value itself refuse, in the engine's order of keywords."""
        for part in self._before_unions(plan, value):
            if not self._accepts(part, value):
                found.include((), (yield part, value))
        for keyword, branches in plan.unions:
            yield from self._union(plan, keyword, branches, value, found)
        if plan.excluded is not None and not self.is_cut and self._accepts(plan.excluded, value):
            found.add(_failure(plan.location, Kind("not"), value, "not"))
        for part in self._after_unions(plan, value):
            if not self._accepts(part, value):
                found.include((), (yield part, value))
        return found

    def _assertions(self, plan: Plan, value: Any) -> Iterator[Failure]:
        """What keywords without subschemas refuse."""
        location, judge, seen = plan.location, plan.scalar, value
        if type(value) is dict:
            judge, seen = plan.outline, dict.fromkeys(value)
        elif type(value) is list:
            judge, seen = plan.outline, [None] * len(value)
        if judge is not None:
            self.steps += len(seen) if seen is not value else 1
            for error in judge.iter_errors(seen):
                yield _failure(location, _kind(error), value, *error.schema_path)
        if seen is not value:
            for keyword, whole in plan.whole:
                self.steps += self._size(value) // _VALUES_PER_STEP
                if not whole.is_valid(value):
                    yield _failure(location, Kind(keyword, plan.said[keyword]), value, keyword)

    def _members(
        self, plan: Plan, value: Any
    ) -> Iterator[tuple[tuple[str | int], SchemaLocation, Any]]:
        """Every subschema that has to accept a member of the value, with the step that leads to
        that member."""
        if type(value) is dict:
            for name, member in value.items():
                for part in self._of_property(plan, name):
                    yield (name,), part, member
        elif type(value) is list:
            for index, (part, item) in enumerate(zip(plan.prefix, value, strict=False)):
                yield (index,), part, item
            if plan.items is not None:
                for index in range(len(plan.prefix), len(value)):
                    yield (index,), plan.items, value[index]

    def _before_unions(self, plan: Plan, value: Any) -> Iterator[SchemaLocation]:
        """Subschemas that have to accept the value itself; the engine asks them first."""
        if type(value) is dict:
            yield from (part for name, part in plan.dependents.items() if name in value)
        yield from plan.all_of

    def _after_unions(self, plan: Plan, value: Any) -> Iterator[SchemaLocation]:
        """Those that it asks last."""
        if plan.condition is not None:
            test, then, otherwise = plan.condition
            part = then if self._accepts(test, value) else otherwise
            if part is not None:
                yield part
        yield from plan.references

    def _of_property(self, plan: Plan, name: str) -> Iterator[SchemaLocation]:
        self.steps += len(plan.patterns)
        matching = [part for pattern, part in plan.patterns if pattern.is_valid(name)]
        if name in plan.properties:
            yield plan.properties[name]
        elif not matching and plan.others is not None and plan.others.schema is not False:
            yield plan.others
        yield from matching

    def _names(self, plan: Plan, value: dict[str, Any], found: Findings) -> _Walk:
        """What is wrong with the names of properties."""
        for name in value if plan.names is not None else ():
            if plan.names is not None and not self._accepts(plan.names, name):
                wrong = yield plan.names, name
                for failure in islice(wrong.failures(), _MOST_ABOUT_A_NAME):
                    kind = Kind("propertyNames", failure)
                    found.add(replace(failure, kind=kind, instance=value, instance_path=()))
        if plan.others is not None and plan.others.schema is False:
            unexpected = [n for n in value if not any(True for _ in self._of_property(plan, n))]
            if unexpected:
                kind = Kind("additionalProperties", unexpected, unexpected)
                found.add(_failure(plan.location, kind, value, "additionalProperties"))
        return found

    def _union(
        self, plan: Plan, keyword: str, branches: list[SchemaLocation], value: Any, found: Findings
    ) -> _Walk:
        """Whether too few or too many of the alternatives fit."""
        if keyword == "anyOf" and plan.is_only_a_union and not found.number:
            fits = [False] * len(branches)  # Or the value would have been accepted.
        else:
            fits = [self._accepts(branch, value) for branch in branches]
        if not any(fits):
            told = yield from self._branches(branches, value)
            found.add(_failure(plan.location, Kind(keyword, told), value, keyword))
        elif keyword == "oneOf" and sum(fits) > 1 and not self.is_cut:
            told = [Branch(fits=fit) for fit in fits]
            found.add(_failure(plan.location, Kind(keyword, told), value, keyword))
        return found

    def _branches(
        self, branches: list[SchemaLocation], value: Any
    ) -> Generator[tuple[SchemaLocation, Any], Findings, list[Branch]]:
        """The alternatives that all refuse a value, with the distance of those meant perhaps."""
        refusals = [self._refusal(branch, value) for branch in branches]
        meant = [not types and not tagged for types, tagged in refusals]
        if not any(meant):
            meant = [not types for types, _ in refusals]
        told = []
        for branch, (types, _), is_meant in zip(branches, refusals, meant, strict=True):
            if is_meant:
                below = yield branch, value
                told.append(Branch(False, (), below.number, next(below.failures(), None)))
            else:
                told.append(Branch(refused=types))
        return told

    def _refusal(self, branch: SchemaLocation, value: Any) -> tuple[list[str], bool]:
        """The types that a branch wants instead, and whether the value has another one's tag."""
        outline = type(value)() if isinstance(value, dict | list) else value
        types: list[str] = []
        tagged = False
        waiting = [branch]
        seen: set[int] = set()
        while waiting:
            location = waiting.pop()
            if isinstance(location.schema, bool) or id(location.schema) in seen:
                continue
            seen.add(id(location.schema))
            self.steps += 1
            plan = self._subschemas.plan(location)
            if not types and plan.types is not None and not plan.types[1].is_valid(outline):
                types = plan.types[0]
            if type(value) is dict:
                there = (name for name in plan.tags if name in value)
                tagged = tagged or any(
                    not self._accepts(plan.properties[name], value[name]) for name in there
                )
            waiting += plan.all_of + plan.references
        return types, tagged

    def _number_of_items(self, plan: Plan, value: list[Any], found: Findings) -> None:
        """Whether there are items too many or too few of a kind."""
        location, said = plan.location, plan.said
        if plan.is_closed and len(value) > len(plan.prefix):
            kind = Kind("additionalItems", len(plan.prefix))
            found.add(_failure(location, kind, value, "additionalItems"))
        if plan.contains is None:
            return
        number = sum(self._accepts(plan.contains, item) for item in value)
        least, most = said.get("minContains"), said.get("maxContains")
        if self.is_cut:
            return
        if number < (1 if least is None else least):
            words = (word for word in ("minContains", "maxContains") if word in said)
            word = next(words, "contains")
            found.add(_failure(location, Kind("contains"), value, word))
        elif most is not None and number > most:
            found.add(_failure(location, Kind("contains"), value, "maxContains"))

    def _leftovers(self, plan: Plan, value: Any, found: Findings) -> None:
        """What only shows once everything else has passed, as ``unevaluatedProperties``."""
        location = plan.location
        if self.is_cut:
            found.add(_failure(location, Kind("max_steps"), value))
        elif plan.unresolved is None:
            # No union fails any more, so the engine's own list is short.
            self.steps += self._size(value) // _VALUES_PER_STEP
            for error in self._subschemas.errors(location, value):
                path = tuple(error.instance_path[1:])
                failure = _failure(location, _kind(error), value)
                found.add(replace(failure, instance_path=path, schema_path=error.schema_path))
        if not found.number:
            word = plan.unresolved or next(reversed(plan.said), "false")
            found.add(_failure(location, Kind(word), value, word))


def _kind(error: ValidationError) -> Kind:
    kind = error.kind
    return Kind(kind.name, getattr(kind, "value", None), getattr(kind, "unexpected", None))


def _failure(location: SchemaLocation, kind: Kind, value: Any, *steps: str | int) -> Failure:
    return Failure(kind, value, (), (*location.steps, *steps), f"{location.base}#")


def _sizes(value: Any) -> dict[int, int]:
    """How many values each container, and each long text, counts as."""
    sizes: dict[int, int] = {}
    waiting: list[tuple[Any, bool]] = [(value, False)]
    while waiting:
        item, is_done = waiting.pop()
        members: Iterable[Any]
        if type(item) is str:
            if len(item) > _TEXT:
                sizes[id(item)] = 1 + len(item) // _TEXT
            continue
        if type(item) is dict:
            members = item.values()
        elif type(item) is list:
            members = item
        else:
            continue
        if is_done:
            sizes[id(item)] = 1 + sum(sizes.get(id(member), 1) for member in members)
        elif id(item) not in sizes:
            sizes[id(item)] = 1
            waiting.append((item, True))
            waiting.extend((member, False) for member in members)
    return sizes
