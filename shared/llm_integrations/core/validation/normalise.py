"""Python objects as JSON types, for what the engine refuses to look at.

Iterative, with every call of an object's own code caught: however deep, cyclic or odd the
object, nothing is raised. The forms:

- tuples, named tuples, sets, ranges, deques, arrays and series of numpy, torch and the like: array
- mappings, dataclasses, attrs classes, msgspec structs, pydantic models (and with them LangChain
  messages and LlamaIndex nodes, by alias, as pydantic would write them): object
- datetime, date, time, numpy.datetime64: ISO 8601 text; timedelta: ISO 8601 duration
- UUID, paths, IP addresses: text; an enum: its value; NaT and pandas.NA: null
- a key that is no text: what ``json.dumps`` makes of it
- text with a lone surrogate: the same with U+FFFD in its place, as long as before

NaN, infinity and two keys of the same text are problems: they are no JSON wherever they stand.
What has no JSON form at all (bytes: text or base64 would be a guess; a function; an object that
contains itself) is a problem only where the schema looks at it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from typing import Any, Final

from llm_integrations.core.validation.convert import NO_JSON, NoJson, convert, key_text

__all__ = ["ENGINE_DEPTH", "Conversion", "Normalised", "Normaliser", "Problem", "normalise"]

ENGINE_DEPTH: Final = 250
"""Levels of a value that the engine can quote in an error; no schema is nested as deep."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_STEPS = 16
"""Conversions tried on one object (a model that gives a mapping that gives …)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a value is no JSON, and where it stands."""

    path: tuple[str | int, ...]
    message: str
    keyword: str = "type"


@dataclass(slots=True)
class Normalised:
    """JSON types, with what stood in the way.

    Attributes:
        value: dicts, lists, text, numbers, booleans and None; a problem's value is None in it, an
            opaque one NO_JSON.
        problems: what makes the data invalid whatever the schema says.
        opaque: what makes it invalid if the schema looks there.
    """

    value: Any = None
    problems: list[Problem] = field(default_factory=list)
    opaque: list[Problem] = field(default_factory=list)

    def without_opaque(self) -> Normalised:
        """The same with every opaque value as a problem."""
        holder = [self.value]
        for problem in self.opaque:
            inside: Any = holder
            *way, last = (0, *problem.path)
            for key in way:
                inside = inside[key]
            inside[last] = None
        return Normalised(holder[0], self.problems + self.opaque)


def normalise(value: Any, max_depth: int | None = None) -> Normalised:
    """Bring a Python object to JSON types.

    Args:
        value: anything.
        max_depth: containers nested deeper are a problem, and taken as empty; None takes those as
            empty that lie deeper than a schema without recursion can look.
    """
    return Normaliser(max_depth).run(value)


@dataclass(slots=True)
class Conversion:
    """A value that waits for its JSON form: the container and key that receive it, its parent."""

    raw: Any
    target: Any
    key: Any
    parent: Conversion | None
    depth: int

    def path(self) -> tuple[str | int, ...]:
        segments = []
        conversion = self
        while conversion.parent is not None:
            segments.append(conversion.key)
            conversion = conversion.parent
        return tuple(reversed(segments))

    def stands_in(self, raw: Any) -> bool:
        conversion = self.parent
        while conversion is not None:
            if conversion.raw is raw:
                return True
            conversion = conversion.parent
        return False


class Normaliser:
    """Brings one value to JSON types, container by container.

    ``step``, ``text``, ``number``, ``mapping``, ``opaque`` and ``too_deep`` are there to be
    overridden by who keeps more of a value than a verdict on it needs.
    """

    def __init__(self, max_depth: int | None) -> None:
        self.max_depth = max_depth
        self.is_too_deep = False
        self.result = Normalised()
        self.waiting: deque[Conversion] = deque()

    def run(self, value: Any) -> Normalised:
        holder = [None]
        self.waiting.append(Conversion(value, holder, 0, None, 0))
        while self.waiting:
            conversion = self.waiting.popleft()
            try:
                conversion.target[conversion.key] = self.form(conversion)
            except NoJson as reason:
                conversion.target[conversion.key] = self.opaque(conversion, reason)
        self.result.value = holder[0]
        return self.result

    def form(self, conversion: Conversion) -> Any:
        value = conversion.raw
        for _ in range(_STEPS):
            kind = type(value)
            if kind is str:
                return self.text(value)
            if kind is int or kind is bool or value is None:
                return value
            if kind is float or kind is Decimal:
                return self.number(value, conversion)
            if kind is dict or kind is list or kind is tuple:
                return self.container(value, conversion)
            value = self.step(value, conversion)
        raise NoJson("an object without an end")

    def step(self, value: Any, _conversion: Conversion) -> Any:
        """The value one step nearer to JSON types, as ``convert``."""
        return convert(value)

    def text(self, value: str) -> str:
        return encodable(value)

    def opaque(self, conversion: Conversion, reason: NoJson) -> Any:
        """What stands where there is no JSON form."""
        self.result.opaque.append(Problem(conversion.path(), f"is {reason}"))
        return NO_JSON

    def number(self, value: float | Decimal, conversion: Conversion) -> float | Decimal | None:
        if value.is_finite() if isinstance(value, Decimal) else isfinite(value):
            return value
        self.problem(conversion, "is NaN or infinite, which no JSON number is")
        return None

    def container(self, value: Any, conversion: Conversion) -> Any:
        if conversion.stands_in(conversion.raw):
            raise NoJson("an object that contains itself")
        if conversion.depth >= (self.max_depth or ENGINE_DEPTH):
            return self.too_deep(value, conversion)
        return (
            self.mapping(value, conversion)
            if type(value) is dict
            else self.sequence(value, conversion)
        )

    def too_deep(self, value: Any, _conversion: Conversion) -> Any:
        if self.max_depth is not None and not self.is_too_deep:
            self.is_too_deep = True
            text = f"is nested deeper than {self.max_depth} levels"
            self.result.problems.append(Problem((), text, "max_depth"))
        return type(value)()

    def mapping(self, value: dict[Any, Any], conversion: Conversion) -> dict[str, Any]:
        form: dict[str, Any] = {}
        # All the keys first: one that has no text makes the whole mapping opaque.
        names = [
            key if type(key) is str and key.isascii() else self.text(key_text(key)) for key in value
        ]
        for name, item in zip(names, list(value.values()), strict=True):
            if name in form:
                self.problem(conversion, "has two keys that are written alike in JSON")
            form[name] = None
            self.enter(item, form, name, conversion)
        return form

    def sequence(self, value: Iterable[Any], conversion: Conversion) -> list[Any]:
        items = list(value)
        form: list[Any] = [None] * len(items)
        for position, item in enumerate(items):
            self.enter(item, form, position, conversion)
        return form

    def enter(self, item: Any, form: Any, key: str | int, conversion: Conversion) -> None:
        kind = type(item)
        if kind is str:
            form[key] = item if item.isascii() else self.text(item)
        elif kind is int or kind is bool or item is None or (kind is float and isfinite(item)):
            form[key] = item
        else:
            self.waiting.append(Conversion(item, form, key, conversion, conversion.depth + 1))

    def problem(self, conversion: Conversion, message: str, keyword: str = "type") -> None:
        self.result.problems.append(Problem(conversion.path(), message, keyword))


def encodable(text: str) -> str:
    """The text, with U+FFFD for each lone surrogate: JSON may hold those, but no UTF-8 can."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    return text
