"""Any Python value as JSON text and back, so that a schema judges it as it judged the original.

The text is what the normaliser makes of the value. What JSON cannot say stands beside it, by JSON
Pointer, in the words of JSON Schema where it has them: ``{"/photo": {"contentEncoding":
"base64"}}``. Such a place holds bytes again when it is read, or an image, a number, a mapping whose
keys are no text. What has no JSON form at all becomes an ``Unwritable``, which schemas refuse; what
lies deeper than any reader can go is left out, and its place says "cut".
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from io import BytesIO
from math import isfinite
from typing import Any, Final, TypeAlias
from uuid import UUID

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.jsonschema.pointer import from_pointer, to_pointer
from llm_integrations.core.reprs import never_raises
from llm_integrations.core.validation.convert import NoJson, convert, key_text
from llm_integrations.core.validation.normalise import Conversion, Normaliser
from llm_integrations.core.validation.plain import is_shallow_json

__all__ = ["Encodings", "Unwritable", "read", "write", "write_row"]

Encodings: TypeAlias = Mapping[str, Mapping[str, str]]

_LEVELS: Final = 500
"""Containers in one another that are written: ``json.loads`` reads them on any stack."""
_DIGITS: Final = 4000
"""Of an integer; Python reads 4,300 from text at the most."""
_PNG: Final = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
"""Modes of PIL images that PNG keeps as they are; TIFF keeps the others."""


class Unwritable:
    """Stands for a Python object that has no JSON form; schemas refuse it as they refused that.

    No dataclass, for those do have a JSON form.
    """

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unwritable) and other.kind == self.kind

    def __hash__(self) -> int:
        return hash(self.kind)

    @never_raises
    def __repr__(self) -> str:
        return f"Unwritable({self.kind!r})"


def write(value: Any) -> tuple[str, Encodings]:
    """The value as JSON text, with what the text cannot say. Never raises."""
    try:
        if is_shallow_json(value):
            return _text(value), {}
    except Exception:  # noqa: BLE001 - an object's own code may run here
        return _written(value)
    return _written(value)


def write_row(row: Any) -> tuple[str, Encodings]:
    """``write`` for the rows of a table, whose keys are text: dates cost nothing there."""
    try:
        return _text(row), {}
    except (TypeError, ValueError, RecursionError):
        return _written(row)


def read(text: str, encodings: Encodings) -> Any:
    """The value that was written. LLMIntegrationsError if text and encodings do not match."""
    try:
        holder = [json.loads(text)]
        # The deepest first: a mapping is rebuilt from parts that must be decoded by then.
        for pointer in sorted(encodings, key=lambda pointer: -pointer.count("/")):
            target, key = _find(holder, pointer)
            encoding = encodings[pointer]
            target[key] = _READERS[_name(encoding)](target[key], encoding)
    except Exception as error:  # noqa: BLE001 - readers of images raise what they like
        kind = type(error).__name__
        raise LLMIntegrationsError(f"a quarantined record cannot be read ({kind})") from None
    return holder[0]


def _plain(value: Any) -> Any:
    if isinstance(value, date | time | timedelta | UUID):
        return convert(value)
    raise TypeError


# One encoder for all calls: ``json.dumps`` makes a new one whenever it gets options.
_text: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_plain).encode


def _written(value: Any) -> tuple[str, Encodings]:
    for levels in (_LEVELS, _LEVELS // 4):
        writer = _Writer(levels)
        try:
            return _text(writer.run(value).value), writer.encodings
        except RecursionError:
            continue
    return "null", {"": {"type": "object", "kind": type(value).__name__}}


class _Writer(Normaliser):
    """Brings a value to JSON types and notes what they cannot say."""

    def __init__(self, max_depth: int) -> None:
        super().__init__(max_depth)
        self.encodings: dict[str, dict[str, str]] = {}

    def note(self, conversion: Conversion, form: Any, **encoding: str) -> Any:
        self.encodings[to_pointer(conversion.path())] = encoding
        return form

    def form(self, conversion: Conversion) -> Any:
        if _is_huge(conversion.raw):
            return self.note(conversion, hex(conversion.raw), type="integer")
        return super().form(conversion)

    def enter(self, item: Any, form: Any, key: str | int, conversion: Conversion) -> None:
        if _is_huge(item):
            self.waiting.append(Conversion(item, form, key, conversion, conversion.depth + 1))
        else:
            super().enter(item, form, key, conversion)

    def step(self, value: Any, conversion: Conversion) -> Any:
        try:
            if isinstance(value, bytes | bytearray | memoryview):
                text = b64encode(bytes(value)).decode("ascii")
                return self.note(conversion, text, contentEncoding="base64")
            if isinstance(value, set | frozenset):
                # Sorted, since a set's order, and with it the record's id, differs in each process.
                return sorted(value, key=repr)
            if type(value).__module__.startswith("PIL.") and hasattr(value, "save"):
                return self.image(value, conversion)
        except Exception as error:  # the object's own code failed
            raise NoJson("an object that cannot be read") from error
        return super().step(value, conversion)

    def image(self, value: Any, conversion: Conversion) -> Any:
        """A PIL image with every pixel as it is."""
        form, stream = "PNG" if value.mode in _PNG else "TIFF", BytesIO()
        value.save(stream, format=form)
        text, media = b64encode(stream.getvalue()).decode("ascii"), f"image/{form.lower()}"
        return self.note(conversion, text, contentEncoding="base64", contentMediaType=media)

    def text(self, value: str) -> str:
        return value

    def number(self, value: float | Decimal, conversion: Conversion) -> Any:
        if isinstance(value, Decimal):
            return self.note(conversion, _nearest(value), type="number", decimal=str(value))
        return value if isfinite(value) else self.note(conversion, repr(value), type="number")

    def mapping(self, value: dict[Any, Any], conversion: Conversion) -> Any:
        try:
            names = {key_text(key) for key in value}
        except NoJson:
            names = set()
        if len(names) == len(value):
            return super().mapping(value, conversion)
        pairs = [[key, item] for key, item in value.items()]
        return self.note(conversion, self.sequence(pairs, conversion), type="mapping")

    def too_deep(self, value: Any, conversion: Conversion) -> Any:
        return self.note(conversion, type(value)(), type="cut")

    def opaque(self, conversion: Conversion, reason: NoJson) -> Any:  # noqa: ARG002 - the base's signature
        raw = conversion.raw
        kind = raw.kind if isinstance(raw, Unwritable) else type(raw).__name__
        return self.note(conversion, f"<{kind}>", type="object", kind=kind)


def _is_huge(value: Any) -> bool:
    return type(value) is int and value.bit_length() > _DIGITS * 3


def _nearest(value: Decimal) -> int | float | str:
    """The number that readers of JSON see for a Decimal; text where it has none."""
    if not value.is_finite():
        return str(value)
    if value == value.to_integral_value() and value.adjusted() < _DIGITS:
        return int(value)
    return number if isfinite(number := float(value)) else str(value)


def _find(holder: list[Any], pointer: str) -> tuple[Any, Any]:
    target: Any = holder
    key: Any = 0
    for name in from_pointer(pointer):
        target = target[key]
        key = int(name) if isinstance(target, list) else name
    return target, key


def _name(encoding: Mapping[str, str]) -> str:
    if "contentMediaType" in encoding:
        return "image"
    return encoding.get("contentEncoding") or encoding["type"]


def _read_image(text: str, _encoding: Mapping[str, str]) -> Any:
    from PIL import Image

    image = Image.open(BytesIO(b64decode(text)))
    image.load()
    return image


def _read_number(form: Any, encoding: Mapping[str, str]) -> Any:
    return Decimal(encoding["decimal"]) if "decimal" in encoding else float(form)


def _key(key: Any) -> Any:
    """A key as it can stand in a dict: tuples were written as lists."""
    if isinstance(key, list):
        return tuple(_key(part) for part in key)
    return Unwritable("dict") if isinstance(key, dict) else key


_READERS: Final[dict[str, Callable[[Any, Mapping[str, str]], Any]]] = {
    "base64": lambda text, _: b64decode(text),
    "image": _read_image,
    "integer": lambda text, _: int(text, 16),
    "number": _read_number,
    "mapping": lambda pairs, _: {_key(key): item for key, item in pairs},
    "cut": lambda form, _: form,
    "object": lambda _, encoding: Unwritable(encoding["kind"]),
}
