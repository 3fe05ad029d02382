"""Features as a JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from datasets import (
    ClassLabel,
    Features,
    Json,
    LargeList,
    List,
    Translation,
    TranslationVariableLanguages,
    Value,
)
from llm_integrations.core.jsonschema.pointer import to_pointer
from llm_integrations.datasets.features.losses import Losses

__all__ = ["INTEGERS", "object_schema", "schema_of"]

INTEGERS: Final[Mapping[str, tuple[int, int]]] = {
    f"{sign}int{bits}": (0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for sign in ("", "u")
    for bits in (8, 16, 32, 64)
}
"""The range of each integer type."""
_SIMPLE: Final[Mapping[str, dict[str, Any]]] = {
    "bool": {"type": "boolean"},
    "float64": {"type": "number"},
    "string": {"type": "string"},
    "null": {"type": "null"},
}
_INEXACT: Final[tuple[tuple[str, dict[str, Any], str], ...]] = (
    (r"float(16|32)", {"type": "number"}, "JSON has one kind of number; it comes back as float64"),
    (r"(large_string|string_view)", {"type": "string"}, "it comes back as string"),
    (r"timestamp\[\w+\]", {"type": "string"}, "date-time demands a zone; any text is allowed here"),
    (r"timestamp.*", {"type": "string", "format": "date-time"}, "it comes back as text"),
    (r"date(32|64)", {"type": "string", "format": "date"}, "it comes back as text"),
    (r"decimal.*", {"type": "number"}, "it comes back as float64"),
)


def object_schema(
    fields: Mapping[str, Any], path: str, losses: Losses, *, closed: bool = True
) -> dict[str, Any]:
    """An object with these fields and no others, none of them required."""
    properties = {
        name: schema_of(feature, path + to_pointer([name]), losses)
        for name, feature in fields.items()
    }
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    return {**schema, "additionalProperties": False} if closed else schema


def schema_of(feature: Any, path: str, losses: Losses) -> dict[str, Any]:
    """The schema of one feature; what it cannot say goes to ``losses``."""
    match feature:
        case Value():
            return _of_value(feature, path, losses)
        case ClassLabel():
            losses.add(path, "ClassLabel", "rows hold numbers; the names of the classes are lost")
            # What has no label is of class -1 for `datasets`.
            return {"type": "integer", "minimum": -1, "maximum": max(len(feature.names) - 1, 0)}
        case Json():
            return {}
        case List() | LargeList():
            return _of_list(feature, path, losses)
        case list():
            return {"type": "array", "items": schema_of(feature[0], f"{path}/*", losses)}
        case Features() | dict():
            return _of_struct(feature, path, losses)
    return _of_other(feature, path, losses)


def _of_value(feature: Any, path: str, losses: Losses) -> dict[str, Any]:
    dtype = str(feature.dtype)
    if dtype in _SIMPLE:
        return dict(_SIMPLE[dtype])
    if dtype in INTEGERS:
        low, high = INTEGERS[dtype]
        return {"type": "integer", "minimum": low, "maximum": high}
    for pattern, schema, why in _INEXACT:
        if re.fullmatch(pattern, dtype):
            losses.add(path, dtype, why)
            return dict(schema)
    losses.add(path, dtype, "JSON has no such type; anything is allowed here")
    return {}


def _of_list(feature: Any, path: str, losses: Losses) -> dict[str, Any]:
    schema = {"type": "array", "items": schema_of(feature.feature, f"{path}/*", losses)}
    if isinstance(feature, LargeList):
        losses.add(path, "LargeList", "it comes back as List")
    elif feature.length >= 0:
        schema |= {"minItems": feature.length, "maxItems": feature.length}
    return schema


def _of_struct(feature: Mapping[str, Any], path: str, losses: Losses) -> dict[str, Any]:
    if not feature:
        losses.add(path, "empty struct", "it comes back as Json")
        return {"type": "object"}
    return object_schema(feature, path, losses)


def _of_other(feature: Any, path: str, losses: Losses) -> dict[str, Any]:
    name = type(feature).__name__
    if isinstance(feature, Translation):
        losses.add(path, name, "it comes back as a struct of strings")
        return object_schema(dict.fromkeys(feature.languages, Value("string")), path, Losses())
    if isinstance(feature, TranslationVariableLanguages):
        losses.add(path, name, "it comes back as a struct of lists of strings")
        texts = List(Value("string"))
        return object_schema({"language": texts, "translation": texts}, path, Losses())
    if re.fullmatch(r"Array\dD", name):
        losses.add(path, name, "it comes back as lists of lists")
        return _of_array(tuple(feature.shape), Value(feature.dtype), path, losses)
    losses.add(path, name, "media have no JSON form; anything is allowed here")
    return {}


def _of_array(
    shape: tuple[int | None, ...], inner: Any, path: str, losses: Losses
) -> dict[str, Any]:
    if not shape:
        return schema_of(inner, path, losses)
    schema = {"type": "array", "items": _of_array(shape[1:], inner, f"{path}/*", losses)}
    return schema if shape[0] is None else {**schema, "minItems": shape[0], "maxItems": shape[0]}
