"""Lines that are certainly valid: judged while they are read, without making a row of each.

Many schemas can be said in types, by which msgspec reads faster than without any. What it reads so
satisfies the schema. What it does not read is judged as any other line.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, Union

from llm_integrations.core.validation import Validator

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


class CertainRows:
    """Finds lines that are certainly valid. Gives up where too few of them are.

    Args:
        decode_lines: reads lines by the types; raises for what is not certain.
        refused: what it raises.
    """

    def __init__(
        self, decode_lines: Callable[[Any], list[Any]], refused: tuple[type[Exception], ...]
    ) -> None:
        self._decode_lines = decode_lines
        self._refused = refused
        self._credit = _CREDIT

    def hold(self, lines: bytes | memoryview, number: int) -> bool:
        """Whether so many lines, each of which looks like one object, are all certainly valid."""
        if not self._credit:
            return False
        try:
            found = len(self._decode_lines(lines)) == number
        except self._refused:
            found = False
        self._credit = min(_CREDIT, self._credit + 1) if found else self._credit - 1
        return found


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
    root = {key: value for key, value in body.items() if key not in ("$schema", "$id")}
    try:
        kind = _Types(root, msgspec).of(root)
        decoder = msgspec.json.Decoder(kind)
    except (_NotCertain, TypeError, ValueError, RecursionError):
        return None
    refused = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)
    return CertainRows(decoder.decode_lines, refused)


class _NotCertain(Exception):
    """No type says what a schema says."""


class _Types:
    """A schema as a type whose values all satisfy it; others may do so as well."""

    def __init__(self, root: Mapping[str, Any], msgspec: Any) -> None:
        self._root = root
        self._msgspec = msgspec
        self._open: set[str] = set()

    def of(self, schema: Any) -> Any:
        if not isinstance(schema, dict):
            raise _NotCertain
        words = {word: value for word, value in schema.items() if word not in _SILENT}
        match words:
            case {"$ref": str(name), **rest} if not rest:
                return self._target(name)
            case {"anyOf": list(branches), **rest} if not rest:
                return Union[tuple(map(self.of, branches))]  # noqa: UP007 - they are not known here
            case {"enum": list(options), **rest}:
                return self._listed(options, rest)
            case {"const": option, **rest}:
                return self._listed([option], rest)
            case {"type": list(names), **rest}:
                kinds = [self._of_type(name, _about(name, rest)) for name in names]
                if set(rest) - set().union(*map(_concerned, names)):
                    raise _NotCertain
                return Union[tuple(kinds)]  # noqa: UP007 - as above
            case {"type": str(name), **rest}:
                return self._of_type(name, rest)
        raise _NotCertain

    def _target(self, reference: str) -> Any:
        _, _, pointer = reference.partition("#/")
        where, _, name = pointer.partition("/")
        known = where in ("$defs", "definitions") and not set("/~%") & set(name)
        if reference != f"#/{where}/{name}" or not known or name in self._open:
            raise _NotCertain
        self._open.add(name)
        found = self.of(self._root.get(where, {}).get(name))
        self._open.discard(name)
        return found

    def _listed(self, options: list[Any], rest: Mapping[str, Any]) -> Any:
        """Texts are what they are; of numbers there are several forms."""
        if rest not in ({}, {"type": "string"}) or not all(type(o) is str for o in options):
            raise _NotCertain
        return Literal[tuple(options)]

    def _of_type(self, name: str, words: Mapping[str, Any]) -> Any:
        if set(words) - _concerned(name):
            raise _NotCertain
        match name:
            case "null":
                return None
            case "boolean":
                return bool
            case "string":
                return self._bounded(str, words, minLength="min_length", maxLength="max_length")
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
                kind = types.GenericAlias(list, (self.of(words.get("items")),))
                return self._bounded(kind, words, minItems="min_length", maxItems="max_length")
            case "object":
                return self._object(words)
        raise _NotCertain

    def _bounded(self, kind: Any, words: Mapping[str, Any], **names: str) -> Any:
        bounds = {names[word]: value for word, value in words.items() if word in names}
        for value in bounds.values():
            if type(value) not in (int, float) or abs(value) > _LARGEST:
                raise _NotCertain
            if kind is not float and type(value) is not int:
                raise _NotCertain
        if {"ge", "gt"} <= set(bounds) or {"le", "lt"} <= set(bounds):
            raise _NotCertain
        return Annotated[kind, self._msgspec.Meta(**bounds)] if bounds else kind

    def _object(self, words: Mapping[str, Any]) -> Any:
        """Of declared properties alone: what else a line holds would not be looked at."""
        properties = words.get("properties", {})
        required = words.get("required", [])
        if not properties or not set(required) <= set(properties):
            raise _NotCertain
        fields: list[Any] = []
        for index, (name, schema) in enumerate(properties.items()):
            field = (f"f{index}", self.of(schema))
            fields.append(field if name in required else (*field, None))
        return self._msgspec.defstruct(
            "Row",
            sorted(fields, key=len),
            rename={f"f{index}": name for index, name in enumerate(properties)},
            forbid_unknown_fields=True,
            gc=False,
        )


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
