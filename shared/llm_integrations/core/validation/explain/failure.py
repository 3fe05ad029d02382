"""What is wrong with a value, before it is put into words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, TypeAlias

from jsonschema_rs import ValidationError

__all__ = ["MANY", "Branch", "ErrorList", "Failure", "Findings", "Kind"]

MANY: Final = 10**9
"""Counting ends here: parts that are shared can stand for exponentially many failures."""

_Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """Which rule was broken, as ``kind`` of the engine's errors says it.

    Attributes:
        name: the keyword, or ``falseSchema``.
        value: what the schema demands, or a list of Branch for ``anyOf`` and ``oneOf``.
        unexpected: names of properties that are not allowed.
    """

    name: str
    value: Any = None
    unexpected: list[str] | None = None

    def as_dict(self) -> dict[str, Any]:
        """What names properties, as the engine's errors have it."""
        return {
            "property": self.value if self.name == "required" else None,
            "unexpected": self.unexpected,
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that is wrong, with the attributes of the engine's ValidationError.

    Attributes:
        kind: which rule was broken.
        instance: the value that breaks it; no copy.
        instance_path: where that value is in the data.
        schema_path: where the keyword is in its document.
        absolute_keyword_location: the URI of that document, ``#`` and the pointer.
    """

    kind: Kind
    instance: Any
    instance_path: Sequence[str | int]
    schema_path: Sequence[str | int]
    absolute_keyword_location: str

    @property
    def message(self) -> str:
        """In general terms; a Describer says more."""
        return f"does not satisfy {self.kind.name!r}"


@dataclass(slots=True)
class Findings:
    """What is wrong with one value by one subschema; shared by all that lead there.

    Attributes:
        parts: failures of the value itself, and findings about it or about one of its members,
            with the step that leads there.
        number: how many failures that are in all.
        leads_back: whether it follows from what is being looked into already, by a reference of a
            subschema to itself about the same value.
    """

    parts: list[Failure | tuple[_Path, Findings]] = field(default_factory=list)
    number: int = 0
    leads_back: bool = False

    def add(self, failure: Failure) -> None:
        self.parts.append(failure)
        self.number += 1

    def include(self, step: _Path, below: Findings) -> None:
        self.leads_back = self.leads_back or below.leads_back
        if below.number:
            self.parts.append((step, below))
            self.number = min(MANY, self.number + below.number)

    def failures(self) -> Iterator[Failure]:
        """One after another, with their paths from here."""
        waiting: list[tuple[_Path, Iterator[Failure | tuple[_Path, Findings]]]]
        waiting = [((), iter(self.parts))]
        while waiting:
            path, parts = waiting[-1]
            part = next(parts, None)
            if part is None:
                waiting.pop()
            elif isinstance(part, Failure):
                yield replace(part, instance_path=(*path, *part.instance_path)) if path else part
            else:
                step, below = part
                waiting.append(((*path, *step), iter(below.parts)))


@dataclass(frozen=True, slots=True)
class Branch:
    """One alternative of ``anyOf`` or ``oneOf``, about a value that it was judged by.

    Attributes:
        fits: whether the value is valid by it.
        refused: the types it wants instead of the value's own; empty if that fits.
        distance: how far the value is from being valid; the least is reported.
        first: what is wrong first; None where no distance was measured.
    """

    fits: bool = False
    refused: Sequence[str] = ()
    distance: int = 0
    first: Failure | None = None


class ErrorList(NamedTuple):  # a dataclass takes a µs more, for every invalid value
    """The errors of one value.

    Attributes:
        errors: the first of them.
        number: how many there are; none for a valid value.
        is_cut: whether looking for them was given up, so that there may be more.
    """

    errors: Sequence[Failure | ValidationError] = ()
    number: int = 0
    is_cut: bool = False
