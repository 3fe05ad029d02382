"""Lines that are certainly valid: judged while they are read, without making a row of each.

Many schemas can be said in types, by which msgspec reads faster than without any. What it reads so
satisfies the schema. What it does not read is judged as any other line.

Texts are most of a chat, and making Python's of their bytes is most of the time. So where any text
will do, msgspec only looks for its end, which tells that its escapes are right; that it is a text,
its first byte tells, and whether it is UTF-8 is found out for many lines at once.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from struct import Struct
from typing import Annotated, Any, Final, Literal, TypeAlias, Union

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.validation import Validator, compile_validator

__all__ = ["CertainRows", "certain_rows"]

_SILENT: Final = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"}
    | {"$comment", "$defs", "definitions"}
)
_DRAFTS: Final = frozenset(
    f"http{secure}://json-schema.org/{name}/schema{end}"
    for secure in ("", "s")
    for name in ("draft-06", "draft-07", "draft/2019-09", "draft/2020-12")
    for end in ("", "#")
)
_LARGEST: Final = 2**53 - 1
"""Bounds up to here are compared exactly, whatever number of JSON they meet."""
_CREDIT: Final = 8
_DIRTY: Final = 2
"""Where so many batches in a row held a doubtful line, reading the next whole would be in vain."""

Lines: TypeAlias = bytes | memoryview
_Check: TypeAlias = Callable[[Iterable[Any]], bool]
"""Whether all of some values that were read by a type are certainly what the type stands for."""


class CertainRows:
    """Finds lines that are certainly valid. Gives up where too few of them are.

    Args:
        decoder: reads lines by the types; raises for what is not certain.
        check: looks at what was read, where the types leave something open.
        refused: what the decoder raises.
    """

    def __init__(
        self, decoder: Any, check: _Check | None, refused: tuple[type[Exception], ...]
    ) -> None:
        self._decoder = decoder
        self._check = check
        self._refused = refused
        self._credit = _CREDIT
        self._dirty = 0

    @property
    def is_useful(self) -> bool:
        return self._credit > 0

    def hold(self, lines: Lines, number: int, *, is_utf8: bool = False) -> bool:
        """Whether so many lines, each of which looks like one object, are all certainly valid.

        Args:
            is_utf8: whether it is known that they are.
        """
        if not self._credit:
            return False
        found = self._dirty < _DIRTY and self._reads(lines, number, is_utf8 or lines)
        self._credit = min(_CREDIT, self._credit + 1) if found else self._credit - 1
        self._dirty = 0 if found else self._dirty
        return found

    def _reads(self, lines: Lines, number: int, text: Lines | Literal[True]) -> bool:
        try:
            rows = self._decoder.decode_lines(lines)
        except self._refused:
            return False
        return len(rows) == number and self._pass(rows, text)

    def doubtful(self, lines: Sequence[Lines], *, is_utf8: bool = False) -> list[int]:
        """Which of the lines are not certain; for those that ``hold`` has refused together."""
        if not self._credit:
            return list(range(len(lines)))
        rows: list[Any] = []
        found: list[int] = []
        left = map(self._decoder.decode, lines)
        while len(rows) + len(found) < len(lines):
            try:
                rows.extend(left)
            except self._refused:  # what was read before stays in the list
                found.append(len(rows) + len(found))
        if not is_utf8 or not self._pass(rows, True):
            read = sorted(set(range(len(lines))) - set(found))
            each = zip(read, rows, strict=True)
            found += [n for n, row in each if not self._pass([row], is_utf8 or lines[n])]
        self._dirty = self._dirty + 1 if found else 0
        if 2 * len(found) <= len(lines):
            self._credit += 1
        return sorted(found)

    def _pass(self, rows: list[Any], text: Lines | Literal[True]) -> bool:
        """Whether the check finds nothing.

        Args:
            text: what the rows were read from; True if it is known to be UTF-8.
        """
        return self._check is None or (self._check(rows) and (text is True or _is_utf8(text)))


def certain_rows(validator: Validator) -> CertainRows | None:
    """None where msgspec is not installed, or the schema cannot be said in types."""
    try:
        import msgspec
    except ImportError:
        return None
    body, options = validator.body, validator.options
    if not isinstance(body, dict) or options.nulls != "strict":
        return None
    if body.get("$schema", "http://json-schema.org/draft-07/schema") not in _DRAFTS:
        return None
    try:
        types_of = _Types(body, options, msgspec)
        kind = types_of.of(types_of.root)
        decoder = msgspec.json.Decoder(kind.type)
    except (_NotCertain, TypeError, ValueError, RecursionError):
        return None
    refused = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)
    return CertainRows(decoder, kind.check, refused)


def _is_utf8(lines: Lines) -> bool:
    try:
        str(lines, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


class _NotCertain(Exception):
    """No type says what a schema says."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What stands for a schema.

    Attributes:
        type: a type whose values all satisfy the schema, if the check says so too.
        check: None where the type says it all.
        default: what stands for a missing value.
    """

    type: Any
    check: _Check | None = None
    default: Any = None


class _Types:
    """A schema as a type whose values all satisfy it; others may do so as well."""

    def __init__(self, body: Mapping[str, Any], options: ValidationOptions, msgspec: Any) -> None:
        self.root = {key: word for key, word in body.items() if key not in ("$schema", "$id")}
        self._draft = {key: word for key, word in body.items() if key == "$schema"}
        self._options = options
        self._msgspec = msgspec
        self._open: set[str] = set()
        self._within_union = False

    def of(self, schema: Any) -> _Kind:
        if not isinstance(schema, dict):
            raise _NotCertain
        words = {word: value for word, value in schema.items() if word not in _SILENT}
        match words:
            case {"$ref": str(name), **rest} if not rest:
                return self._target(name)
            case {"anyOf": list(branches), **rest} if not rest:
                return self._union(branches)
            case {"enum": list(options), **rest}:
                return self._listed(options, rest)
            case {"const": option, **rest}:
                return self._listed([option], rest)
            case {"type": list(names), **rest}:
                if set(rest) - set().union(*map(_concerned, names)):
                    return self._scalar(names, rest)
                return self._union([{"type": name, **_about(name, rest)} for name in names])
            case {"type": str(name), **rest}:
                return self._of_type(name, rest)
        raise _NotCertain

    def _union(self, branches: Sequence[Any]) -> _Kind:
        """Nothing is left open in it, for a value does not say which branch it is of."""
        before, self._within_union = self._within_union, True
        kinds = [self.of(branch).type for branch in branches]
        self._within_union = before
        return _Kind(Union[tuple(kinds)])  # noqa: UP007 - they are not known here

    def _target(self, reference: str) -> _Kind:
        _, _, pointer = reference.partition("#/")
        where, _, name = pointer.partition("/")
        known = where in ("$defs", "definitions") and not set("/~%") & set(name)
        if reference != f"#/{where}/{name}" or not known or name in self._open:
            raise _NotCertain
        self._open.add(name)
        found = self.of(self.root.get(where, {}).get(name))
        self._open.discard(name)
        return found

    def _listed(self, options: list[Any], rest: Mapping[str, Any]) -> _Kind:
        """Texts are what they are; of numbers there are several forms."""
        if rest not in ({}, {"type": "string"}) or not all(type(o) is str for o in options):
            raise _NotCertain
        return _Kind(Literal[tuple(options)])

    def _of_type(self, name: str, words: Mapping[str, Any]) -> _Kind:
        if set(words) - _concerned(name):
            return self._scalar([name], words)
        match name:
            case "null":
                return _Kind(None)
            case "boolean":
                return _Kind(bool)
            case "string":
                return self._text(words)
            case "integer" | "number":
                return self._bounded(
                    int if name == "integer" else float,
                    words,
                    minimum="ge",
                    maximum="le",
                    exclusiveMinimum="gt",
                    exclusiveMaximum="lt",
                )
            case "array":
                return self._array(words)
            case "object":
                return self._object(words)
        raise _NotCertain

    def _scalar(self, names: Sequence[str], words: Mapping[str, Any]) -> _Kind:
        """What no type says, the engine does: it is asked once about all values of a column."""
        said = _BY_ENGINE.union(*map(_concerned, names))
        if self._within_union or set(names) - set(_SCALARS) or set(words) - said:
            raise _NotCertain
        if self._options.regex != "linear":
            raise _NotCertain  # a limit that is hit is no verdict
        column = {"type": "array", "items": {"type": list(names), **words}, **self._draft}
        kinds = tuple(_SCALARS[name] for name in names)
        fits = compile_validator(column, options=self._options).compile().fast
        return _Kind(Union[kinds], lambda values: fits(list(values)))  # noqa: UP007 - they are not known here

    def _text(self, words: Mapping[str, Any]) -> _Kind:
        bounded = self._bounded(str, words, minLength="min_length", maxLength="max_length")
        least = words.get("minLength", 0)
        if self._within_union or "maxLength" in words or least > 1:
            return bounded
        check = _are_no_empty_texts if least > 0 else _are_texts
        return _Kind(self._msgspec.Raw, check, self._msgspec.Raw(b'"-"'))

    def _array(self, words: Mapping[str, Any]) -> _Kind:
        items = self.of(words.get("items"))
        kind = types.GenericAlias(list, (items.type,))
        found = self._bounded(kind, words, minItems="min_length", maxItems="max_length")
        return _Kind(found.type, items.check and _each_item(items.check))

    def _bounded(self, kind: Any, words: Mapping[str, Any], **names: str) -> _Kind:
        bounds = {names[word]: value for word, value in words.items() if word in names}
        for value in bounds.values():
            if type(value) not in (int, float) or abs(value) > _LARGEST:
                raise _NotCertain
            if kind is not float and type(value) is not int:
                raise _NotCertain
        if {"ge", "gt"} <= set(bounds) or {"le", "lt"} <= set(bounds):
            raise _NotCertain
        return _Kind(Annotated[kind, self._msgspec.Meta(**bounds)] if bounds else kind)

    def _object(self, words: Mapping[str, Any]) -> _Kind:
        """Of declared properties alone: what else a line holds would not be looked at."""
        properties = words.get("properties", {})
        required = words.get("required", [])
        if not properties or not set(required) <= set(properties):
            raise _NotCertain
        kinds = {name: self.of(schema) for name, schema in properties.items()}
        names = {name: f"f{index}" for index, name in enumerate(properties)}
        fields: list[Any] = []
        checks: list[tuple[str, _Check]] = []
        for name, kind in kinds.items():
            field: tuple[Any, ...] = (names[name], kind.type)
            check = kind.check
            if name not in required:
                field = (*field, kind.default)
                check = _each_there(check) if check and kind.default is None else check
            fields.append(field)
            checks += [(names[name], check)] if check else []
        found = self._msgspec.defstruct(
            "Row",
            sorted(fields, key=len),
            rename={field: name for name, field in names.items()},
            forbid_unknown_fields=True,
            gc=False,
        )
        return _Kind(found, _each_member(checks) if checks else None)


def _are_texts(values: Iterable[Any]) -> bool:
    return _QUOTES.issuperset(map(_first_byte, values))


def _are_no_empty_texts(values: Iterable[Any]) -> bool:
    values = list(values)
    return _are_texts(values) and _QUOTES_TWICE.isdisjoint(map(_two_bytes, values))


def _each_item(check: _Check) -> _Check:
    return lambda values: check(chain.from_iterable(values))


def _each_there(check: _Check) -> _Check:
    return lambda values: check(value for value in values if value is not None)


def _each_member(checks: Sequence[tuple[str, _Check]]) -> _Check:
    parts = [(attrgetter(name), check) for name, check in checks]

    def passes(values: Iterable[Any]) -> bool:
        rows = list(values) if len(parts) > 1 else values
        return all(check(map(get, rows)) for get, check in parts)

    return passes


# What a memoryview tells as well, in a third of the time.
_first_byte: Final = Struct("c").unpack_from
_two_bytes: Final = Struct("2s").unpack_from
_QUOTES: Final = frozenset({(b'"',)})
_QUOTES_TWICE: Final = frozenset({(b'""',)})
_SCALARS: Final = {"string": str, "integer": int, "boolean": bool, "null": None}
_BY_ENGINE: Final = frozenset({"pattern", "format", "multipleOf"})
_NUMBERS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_CONCERNED: Final[Mapping[str, frozenset[str]]] = {
    "string": frozenset({"minLength", "maxLength"}),
    "integer": _NUMBERS,
    "number": _NUMBERS,
    "array": frozenset({"items", "minItems", "maxItems"}),
    "object": frozenset({"properties", "required", "additionalProperties"}),
}


def _concerned(name: str) -> frozenset[str]:
    """The keywords that speak of values of a type, and can be said in types."""
    return _CONCERNED.get(name, frozenset())


def _about(name: str, words: Mapping[str, Any]) -> dict[str, Any]:
    return {word: value for word, value in words.items() if word in _concerned(name)}
