"""One step from a Python object towards JSON types. Knows frameworks by their shape alone."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import math
import numbers
import uuid
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Final

__all__ = ["NO_JSON", "NoJson", "convert", "key_text"]


class NoJson(Exception):
    """Internal: an object has no JSON form. The message says what it is, without its content."""


class _NoJsonValue:
    """Stands where a value has no JSON form; the engine refuses it if it looks there."""

    def __repr__(self) -> str:
        return "NO_JSON"


NO_JSON: Final = _NoJsonValue()


def convert(value: Any) -> Any:
    """The same thing one step nearer to JSON: a scalar, a dict, a list, or what is converted next.

    Raises:
        NoJson: there is no JSON form, or the object's own code failed at giving it.
    """
    try:
        for recognised, form in _FORMS:
            if isinstance(value, recognised):
                return form(value)
        return _by_shape(value)
    except NoJson:
        raise
    except Exception as error:
        raise NoJson(f"{_kind(value)} that can be had") from error


def key_text(key: Any) -> str:
    """A mapping's key as ``json.dumps`` would write it; NoJson if it refuses."""
    if isinstance(key, Enum):
        return key_text(key.value)
    if isinstance(key, str):
        return str.__str__(key)
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, int):
        return int.__repr__(key)
    if isinstance(key, float) and math.isfinite(key):
        return float.__repr__(key)
    raise NoJson(f"a mapping with a key that is {_kind(key)}")


def _by_shape(value: Any) -> Any:
    """Forms that belong to classes which are not imported here. Looks at the class, not at the
    object, since some objects claim to have every attribute."""
    kind = type(value)
    for mark, form in _SHAPES:
        if hasattr(kind, mark):
            return form(value)
    if kind.__name__ == "NAType":
        return None
    if isinstance(value, numbers.Real):
        return int(value) if isinstance(value, numbers.Integral) else float(value)
    raise NoJson(_kind(value))


def _kind(value: Any) -> str:
    return f"a Python object of type {type(value).__name__}, which has no JSON form"


def _bytes(_: Any) -> Any:
    raise NoJson("raw bytes (decode them, or write them as base64 text)")


def _duration(value: timedelta) -> Any:
    if value != value:
        return None
    sign, value = ("-", -value) if value < timedelta() else ("", value)
    below = value.microseconds * 1000 + getattr(value, "nanoseconds", 0)  # pandas has them
    seconds = value.seconds + Decimal(below) / 10**9
    days = f"{value.days}D" if value.days else ""
    return f"{sign}P{days}T{seconds.normalize():f}S" if seconds or not days else f"{sign}P{days}"


def _dataclass(value: Any) -> Any:
    if isinstance(value, type):
        raise NoJson("a class")
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}


def _model(value: Any) -> Any:
    """A pydantic model as pydantic would write it, by alias."""
    try:
        return value.model_dump(mode="json", by_alias=True, warnings=False)
    except Exception:  # noqa: BLE001 - a field that has no JSON form: the others still have one
        return {name: getattr(value, name) for name in type(value).model_fields}


def _struct(value: Any) -> Any:
    """A msgspec Struct as msgspec would write it: tagged, by its written names, without UNSET."""
    try:
        import msgspec

        return msgspec.to_builtins(value, str_keys=True, enc_hook=convert)
    except Exception:  # noqa: BLE001 - a field that has no JSON form: the others still have one
        return _fields_of_struct(value)


def _fields_of_struct(value: Any) -> dict[str, Any]:
    kind = type(value)
    names = zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True)
    fields = {written: getattr(value, name) for written, name in names}
    config = getattr(kind, "__struct_config__", None)
    tag = getattr(config, "tag", None)
    return fields if config is None or tag is None else {config.tag_field: tag, **fields}


def _scalar_or_array(value: Any) -> Any:
    """numpy and its like: datetimes as text (``item`` makes integers of nanoseconds)."""
    if type(value).__module__ == "numpy" and value.dtype.kind in "Mm":
        return _without_nat(value.astype(str).tolist())
    return value.tolist() if hasattr(type(value), "tolist") else list(value)


def _without_nat(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nat(item) for item in value]
    return None if value == "NaT" else value


_FORMS: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (Enum, lambda value: value.value),
    (str, str.__str__),
    (bytes | bytearray | memoryview, _bytes),
    (bool, bool),
    (int, int.__int__),
    (float, float.__float__),
    (Decimal, Decimal),
    # pandas.NaT is a datetime that does not even equal itself.
    (datetime, lambda value: value.isoformat() if value == value else None),
    (date | time, lambda value: value.isoformat()),
    (timedelta, _duration),
    (uuid.UUID | PurePath, str),
    (ipaddress.IPv4Address | ipaddress.IPv6Address, str),
    (ipaddress.IPv4Network | ipaddress.IPv6Network, str),
    (Mapping, lambda value: dict(value.items())),
    (Sequence | AbstractSet, list),
)
_SHAPES: Final[tuple[tuple[str, Callable[[Any], Any]], ...]] = (
    ("model_dump", _model),
    ("__fields_set__", lambda model: json.loads(model.json(by_alias=True))),
    ("__dataclass_fields__", _dataclass),
    ("__attrs_attrs__", lambda v: {f.name: getattr(v, f.name) for f in type(v).__attrs_attrs__}),
    ("__struct_fields__", _struct),
    ("dtype", _scalar_or_array),
    ("tolist", lambda value: value.tolist()),
    ("to_pylist", lambda value: value.to_pylist()),
    ("as_py", lambda value: value.as_py()),
)
