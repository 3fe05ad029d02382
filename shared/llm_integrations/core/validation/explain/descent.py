"""The walk from a value that is invalid into the parts that make it so.

The engine lists the errors of all branches of a union, and in each those of all branches of the
unions inside: of a union that contains itself, exponentially many in the depth of the data. Here
each subschema is asked for its verdict on each value once, and only what fails is looked into. Of
several branches those are looked into whose type fits, and whose tag does if there is one (a
property with ``const`` or ``enum``). Every step is counted, and a limit ends the walk.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, Final, TypeAlias

from jsonschema_rs import ValidationError

from llm_integrations.core.jsonschema.location import SchemaLocation
from llm_integrations.core.validation.explain.failure import (
    Branch,
    ErrorList,
    Failure,
    Findings,
    Kind,
)
from llm_integrations.core.validation.explain.places import place_of
from llm_integrations.core.validation.explain.plan import Plan, outline_of
from llm_integrations.core.validation.explain.subschemas import Subschemas, Verdict
from llm_integrations.core.validation.explain.walk import Pair, Steps, pair_key, walk

__all__ = ["Descent"]

_VALUES_PER_STEP: Final = 128
"""Values that the engine judges in the time of one step of ours."""

_STEPS_PER_VALUE: Final = 4
_MOST_ABOUT_A_NAME: Final = 8
_ENOUGH: Final = 1_000
"""Failures of one value's members after which the others are not looked at."""

_TEXT: Final = 256
"""Characters that count as one value more."""

_Walk: TypeAlias = Steps[Findings]


class Descent:
    """One walk over one value.

    Args:
        subschemas: what to judge by.
        verdict: whether one of them accepts a value.
        value: JSON types. Its parts are known by identity, so it must not change meanwhile.
        max_steps: how far to go, besides a few steps for each value in the data.
    """

    def __init__(
        self, subschemas: Subschemas, verdict: Verdict, value: Any, max_steps: int
    ) -> None:
        self._subschemas = subschemas
        self._verdict = verdict
        self._value = value
        self._sizes = _sizes(value)
        self.steps = 0
        self._most = max_steps + _STEPS_PER_VALUE * self._size(value)
        self._enough = _ENOUGH
        self._has_enough = False
        self._verdicts: dict[Hashable, bool] = {}
        self._findings: dict[Hashable, Findings] = {}

    @property
    def is_cut(self) -> bool:
        """Whether the limit was reached."""
        return self.steps > self._most

    def errors(self, most: int) -> ErrorList:
        """What is wrong with a value that is invalid."""
        self._enough = max(most, _ENOUGH)
        start = self._subschemas.top, self._value
        findings = walk(start, self._look_into, self._findings, Findings(leads_back=True))
        if not findings.number:
            self._leftovers(self._subschemas.plan(start[0]), self._value, findings)
        is_cut = self.is_cut or self._has_enough
        return ErrorList(list(islice(findings.failures(), most)), findings.number, is_cut)

    def _size(self, value: Any) -> int:
        return self._sizes.get(id(value), 1)

    def _accepts(self, location: SchemaLocation, value: Any) -> bool:
        """The verdict, asked for once. Beyond the limit everything passes."""
        if isinstance(location.schema, bool):
            return location.schema
        key = pair_key(location, value)
        known = self._verdicts.get(key)
        if known is None:
            self.steps += 1 + self._size(value) // _VALUES_PER_STEP
            known = self.is_cut or self._verdict(location, value)
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
        if not (found.number or found.leads_back):
            self._leftovers(plan, value, found)
        return found

    def _of_members(self, plan: Plan, value: Any, found: Findings) -> _Walk:
        """What is wrong with members, and with which of them there are."""
        for step, part, inside in plan.members(value):
            if not self._accepts(part, inside):
                found.include(step, (yield part, inside))
                if self._is_enough(found):
                    break
        if type(value) is dict:
            yield from self._names(plan, value, found)
        elif type(value) is list:
            self._number_of_items(plan, value, found)
        return found

    def _is_enough(self, found: Findings) -> bool:
        """Whether a value is so wrong that nobody reads the rest."""
        self._has_enough = self._has_enough or found.number >= self._enough
        return found.number >= self._enough

    def _of_itself(self, plan: Plan, value: Any, found: Findings) -> _Walk:
        """What subschemas about the value itself refuse, in the engine's order of keywords."""
        for part in plan.before_unions(value):
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
        location, outline = plan.location, outline_of(value, plan.stated)
        is_container = outline is not value
        judge = plan.outline if is_container else plan.scalar
        self.steps += len(outline) if is_container else 1
        for error in judge.iter_errors(outline) if judge is not None else ():
            yield _failure(location, _kind(error), value, *error.schema_path)
        for keyword, whole in plan.whole if is_container else plan.long_enum:
            self.steps += self._size(value) // _VALUES_PER_STEP
            if not whole.is_valid(value):
                yield _failure(location, Kind(keyword, plan.keywords[keyword]), value, keyword)

    def _after_unions(self, plan: Plan, value: Any) -> Iterator[SchemaLocation]:
        """Those that it asks last."""
        if plan.condition is not None:
            test, then, otherwise = plan.condition
            part = then if self._accepts(test, value) else otherwise
            if part is not None:
                yield part
        yield from plan.references

    def _names(self, plan: Plan, value: dict[str, Any], found: Findings) -> _Walk:
        """What is wrong with the names of properties."""
        for name in value if plan.names is not None else ():
            if plan.names is not None and not self._accepts(plan.names, name):
                wrong = yield plan.names, name
                for failure in islice(wrong.failures(), _MOST_ABOUT_A_NAME):
                    kind = Kind("propertyNames", failure)
                    found.add(replace(failure, kind=kind, instance=value, instance_path=()))
                if self._is_enough(found):
                    break
        if unexpected := plan.unexpected(value):
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
    ) -> Generator[Pair, Findings, list[Branch]]:
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
        if plan.has_items_too_many(value):
            kind = Kind("additionalItems", len(plan.prefix))
            found.add(_failure(plan.location, kind, value, "additionalItems"))
        if plan.contains is not None:
            number = sum(self._accepts(plan.contains, item) for item in value)
            keyword = plan.contains_too_few_or_many(number)
            if keyword is not None and not self.is_cut:
                found.add(_failure(plan.location, Kind("contains"), value, keyword))

    def _leftovers(self, plan: Plan, value: Any, found: Findings) -> None:
        """What only shows once everything else has passed, as ``unevaluatedProperties``."""
        location = plan.location
        if self.is_cut:
            found.add(_failure(location, Kind("max_steps"), value))
        elif plan.is_gathering and plan.unresolved is None:
            # No union fails any more, so the engine's own list is short.
            self.steps += self._size(value) // _VALUES_PER_STEP
            for error in self._subschemas.errors(location, value):
                path = tuple(place_of(error, value, 1)[0])
                failure = _failure(location, _kind(error), value)
                found.add(replace(failure, instance_path=path, schema_path=error.schema_path))
        if not found.number:
            word = plan.unresolved or next(reversed(plan.keywords), "false")
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
