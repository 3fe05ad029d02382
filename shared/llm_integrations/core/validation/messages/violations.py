"""Violations in words that hold no data: only the schema's own words and JSON type names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any, Final, TypeAlias

from jsonschema_rs import ValidationError

from llm_integrations.core.jsonschema.documents import BASE_URI, Documents
from llm_integrations.core.jsonschema.pointer import to_pointer
from llm_integrations.core.validation.explain.failure import Failure
from llm_integrations.core.validation.explain.places import Path, place_in_schema, place_of
from llm_integrations.core.validation.messages.wording import (
    BY_SCHEMA_ALONE,
    RULES,
    json_type,
    listed,
    shorten,
    with_article,
)
from llm_integrations.core.validation.report import Violation

__all__ = ["UNDECLARED", "Describer"]

UNDECLARED: Final = "*"
"""Stands in a path for a property name that the schema does not know: such a name is data."""

_Key: TypeAlias = tuple[object, ...]
_Error: TypeAlias = ValidationError | Failure
_About: TypeAlias = tuple[_Error, Any]
"""An error, and the value that it is about."""

_Union: TypeAlias = tuple[list[int], list[Sequence[str]], list[tuple[int, _Error]]]
"""A value by ``anyOf`` or ``oneOf``: the numbers of the branches that it fits; for each branch, the
types that it wants instead; and of those that may be meant the number of errors and the first."""

_BETWEEN: Final = object()

_KEPT: Final = 4096
_QUOTED: Final = 4
_OWN_KINDS: Final = frozenset({"dependencies", "dependentRequired", "maxContains", "minContains"})
_APPLICATORS: Final = frozenset(
    {"additionalProperties", "allOf", "anyOf", "dependentSchemas", "else", "items", "oneOf"}
    | {"patternProperties", "prefixItems", "properties", "propertyNames", "then"}
)


@dataclass(frozen=True, slots=True)
class Describer:
    """Words one schema's violations.

    The engine's own messages quote the data, and name its undeclared properties, whatever is
    masked. These do so with ``show_values`` only, and then shortened.

    Attributes:
        documents: what the schema itself says; no other property name is shown.
        show_values: whether data may be quoted.
    """

    documents: Documents
    show_values: bool = False
    _known: dict[_Key, Violation] = field(default_factory=dict, compare=False, repr=False)

    def violation(self, error: _Error, data: Any) -> Violation:
        """One of the engine's errors about ``data``."""
        path, value = place_of(error, data)
        key = None if self.show_values else self._key(error, path, value)
        if key is None:
            return self._worded(error, path, value)
        known = self._known.get(key)
        if known is None:
            known = self._worded(error, path, value)
            if len(self._known) < _KEPT:
                self._known[key] = known
        return known

    def _key(self, error: _Error, path: Path, value: Any) -> _Key | None:
        """What the words about an error follow from, where that is not the data itself.

        What is remembered holds no name that the schema does not know: it could be any data, and
        of any length.
        """
        kind, words = error.kind, self.documents.words
        name = kind.name
        if name in BY_SCHEMA_ALONE:
            says: object = None
        elif name == "required":
            says = kind.value
        elif name == "type":
            says = type(value)
        else:
            return None
        shown = [s if s in words or isinstance(s, int) else UNDECLARED for s in path]
        return name, says, error.absolute_keyword_location, *shown, _BETWEEN, *error.schema_path

    def _worded(self, error: _Error, path: Path, value: Any) -> Violation:
        return Violation(
            path=self.path(path),
            message=self.message(error, value),
            keyword=_keyword(error),
            schema_path=self._schema_path(error),
        )

    def path(self, segments: Iterable[str | int]) -> str:
        """A JSON Pointer into the data."""
        return to_pointer(map(self._shown, segments))

    def message(self, error: _Error, value: Any) -> str:
        """What is wrong with the value that an error is about."""
        texts: list[str] = []
        ends: list[str] = []
        nearest: _About | None = error, value
        while nearest is not None:
            error, value = nearest
            text, nearest = self._told(error, value)
            texts.append(text)
            # Values in the middle of a long way down would be quoted within each other.
            if self.show_values and (len(ends) < _QUOTED or nearest is None):
                ends.append(self._quoted(error, value))
        return "".join(texts + ends[::-1])

    def _told(self, error: _Error, value: Any) -> tuple[str, _About | None]:
        """What is wrong; of several alternatives, with the error that completes the sentence."""
        kind = error.kind.name
        if kind == "propertyNames":
            wrong = error.kind.value
            return f"has a property whose name {self.message(wrong, wrong.instance)}", None
        if kind in ("anyOf", "oneOf"):
            return self._alternatives(error, value)
        if rule := RULES.get(_keyword(error)) or RULES.get(kind):
            return rule(error, value), None
        return f"does not satisfy {_keyword(error)!r}", None

    def _shown(self, segment: str | int) -> str | int:
        known = self.show_values or isinstance(segment, int) or segment in self.documents.words
        return segment if known else UNDECLARED

    def _schema_path(self, error: _Error) -> str:
        """A JSON Pointer; inside a referenced schema it follows that schema's name and ``#``."""
        document, _, _ = (error.absolute_keyword_location or "").partition("#")
        name = document.removeprefix(BASE_URI)
        body = self.documents.named.get(name, self.documents.root)
        pointer = to_pointer(place_in_schema(error.schema_path, body))
        return f"{name}#{pointer}" if name else pointer

    def _quoted(self, error: _Error, value: Any) -> str:
        if unexpected := getattr(error.kind, "unexpected", None):
            return f": {listed(unexpected)}"
        return "" if error.kind.name == "required" else f" (got {shorten(value)})"

    def _alternatives(self, error: _Error, value: Any) -> tuple[str, _About | None]:
        fitting, refused, told = (
            _of_failure(error) if isinstance(error, Failure) else _of_engine(error)
        )
        if fitting:
            numbers = " and ".join(map(str, fitting))
            return f"fits several of {len(refused)} alternatives: numbers {numbers}", None
        if all(refused):
            wanted = dict.fromkeys([with_article(name) for types in refused for name in types])
            return f"is {json_type(value)}, not {' or '.join(wanted)}", None
        if not told:
            return f"fits none of {len(refused)} alternatives", None
        # Most likely the branch was meant whose type fits and where least is wrong.
        _, nearest = min(told, key=itemgetter(0))
        path, there = place_of(nearest, value, len(error.instance_path))
        where = self.path(path) or "it"
        text = f"fits none of {len(refused)} alternatives; by the nearest, {where} "
        return text, (nearest, there)


def _of_engine(error: ValidationError) -> _Union:
    here, branches = error.instance_path, error.kind.value
    refused: list[Sequence[str]] = [_refused_types(errors, here) for errors in branches]
    meant = [number for number, types in enumerate(refused) if not types]
    if len(meant) > 1:
        meant = [n for n in meant if not _has_other_tag(branches[n], here)] or meant
    fitting = [number for number, errors in enumerate(branches) if not errors]
    return fitting, refused, [(len(branches[n]), branches[n][0]) for n in meant if branches[n]]


def _of_failure(error: Failure) -> _Union:
    branches = error.kind.value
    here = error.instance_path
    told = [
        # Its path begins where the union is, and others begin where the data does.
        (b.distance, replace(b.first, instance_path=(*here, *b.first.instance_path)))
        for b in branches
        if b.first is not None
    ]
    return [n for n, b in enumerate(branches) if b.fits], [b.refused for b in branches], told


def _refused_types(failures: Sequence[ValidationError], path: list[str | int]) -> list[str]:
    """The types that an alternative wanted instead of the value's own."""
    for failure in failures:
        if failure.kind.name == "type" and failure.instance_path == path:
            return list(failure.kind.value)
    return []


def _has_other_tag(failures: Sequence[ValidationError], path: list[str | int]) -> bool:
    """Whether the value has another alternative's tag, as the walk over large values sees it."""
    return any(
        failure.kind.name in ("const", "enum")
        and len(failure.instance_path) == len(path) + 1
        and isinstance(failure.instance_path[-1], str)
        and failure.instance_path[:-1] == path
        for failure in failures
    )


def _keyword(error: _Error) -> str:
    """The keyword as the schema has it: the engine names some after another, or after none."""
    *_, last = error.schema_path or [""]
    if last in _OWN_KINDS:
        return str(last)
    if error.kind.name == "falseSchema":
        applied = (s for s in reversed(error.schema_path) if s in _APPLICATORS)
        return str(next(applied, "false"))
    return error.kind.name
