"""Events on the wire: CloudEvents 1.0, structured JSON.

Written by hand rather than with the cloudevents package, which is in the tests as the reference;
docs/decisions/events.md says why.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NoReturn

from llm_integrations.core.errors import EventError
from llm_integrations.core.model.event import SchemaEvent, SchemaEventType

__all__ = [
    "CONTENT_TYPE",
    "from_cloudevent",
    "from_json",
    "read_shared",
    "to_cloudevent",
    "to_json",
]

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"

_DEEPEST: Final = 200
# An event this short, without escapes, is not too deep and holds no half of a pair of surrogates,
# which saves a walk through it.
_SHORT: Final = 2 * _DEEPEST + 160
_LONGEST_TEXT: Final = 4096  # characters of what becomes a key somewhere: a subject, a version
_LARGEST_NUMBER: Final = 2**63 - 1
_LARGEST_SHARED: Final = 4096  # bytes: a thousand of them are kept
_SOURCE: Final = "urn:llm-integrations"
_TYPE_OF: Final = {kind: f"io.llm-integrations.schema.{kind}.v1" for kind in SchemaEventType}
_KIND_OF: Final = {text: kind for kind, text in _TYPE_OF.items()}
# A registration that was refused has no id; who notices a deletion may not know it.
_MAY_LACK_ID: Final = (SchemaEventType.COMPATIBILITY_VIOLATED, SchemaEventType.DELETED)


def to_cloudevent(event: SchemaEvent) -> dict[str, Any]:
    """The event as a CloudEvent of JSON types."""
    return {
        "specversion": "1.0",
        "id": event.event_id,
        "source": str(event.metadata.get("registry") or _SOURCE)[:_LONGEST_TEXT],
        "type": _TYPE_OF[event.event_type],
        "subject": event.subject,
        "time": event.timestamp.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {
            "schema_id": event.schema_id,
            "namespace": event.namespace,
            "name": event.name,
            "version": event.version,
            "previous_version": event.previous_version,
            "metadata": dict(event.metadata),
        },
    }


def to_json(event: SchemaEvent) -> bytes:
    """The event as structured-mode JSON. EventError if it would be no JSON, no Unicode, or nothing
    that a reader takes."""
    try:
        document = to_cloudevent(event)
        text = json.dumps(document, separators=(",", ":"), allow_nan=False)
        if _may_be_odd(text):
            _check_values(json.loads(text))
        _read(document)
        return text.encode()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise EventError(
            f"the metadata of {event!s:.200} is not JSON: {type(error).__name__}"
        ) from None


def from_json(raw: bytes | bytearray | memoryview | str) -> SchemaEvent:
    """Read one event; fields that are not known are ignored, missing ones are an error.

    Raises:
        EventError: it is no JSON, no CloudEvent 1.0 or no schema event; says which part. Nothing
            else, whatever the bytes are.
    """
    try:
        text = str(raw.encode() if isinstance(raw, str) else raw, "utf-8")
        document = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise EventError(f"not JSON ({type(error).__name__})") from None
    if _may_be_odd(text):
        _check_values(document)
    return _read(document)


@lru_cache(maxsize=1024)
def _read_once(raw: bytes) -> SchemaEvent:
    return from_json(raw)


def read_shared(raw: bytes) -> SchemaEvent:
    """``from_json``, for what several subscriptions of this process receive: read once."""
    return _read_once(raw) if len(raw) <= _LARGEST_SHARED else from_json(raw)


def from_cloudevent(document: object) -> SchemaEvent:
    """Read one event from the decoded JSON of a CloudEvent. Raises EventError."""
    _check_values(document)
    return _read(document)


def _may_be_odd(text: str) -> bool:
    return "\\" in text or (len(text) > _SHORT and text.count("{") + text.count("[") > _DEEPEST)


def _check_values(document: object) -> None:
    """EventError for values that could be read, but not written again.

    That is half a pair of surrogates, an infinite number, what no JSON holds, and what is nested
    too deep for whoever writes it again.
    """
    level = [document]
    for _ in range(_DEEPEST):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below += value.keys()
                below += value.values()
            elif isinstance(value, list):
                below += value
            elif isinstance(value, str):
                if not _is_unicode(value):
                    raise EventError("the event holds text that is not valid Unicode")
            elif not isinstance(value, int | None) and not _is_finite(value):
                raise EventError("the event holds a value that is not JSON")
        if not below:
            return
        level = below
    raise EventError(f"the event is nested deeper than {_DEEPEST} levels")


def _is_unicode(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _is_finite(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _read(document: object) -> SchemaEvent:
    if not isinstance(document, dict) or document.get("specversion") != "1.0":
        raise EventError("not a CloudEvent with specversion 1.0")
    kind = _KIND_OF.get(_text(document, "type"))
    if kind is None:
        raise EventError("the CloudEvent's type is no schema event that we know")
    _text(document, "source")
    data = document.get("data")
    if not isinstance(data, dict):
        raise EventError("the CloudEvent has no data object")
    return SchemaEvent(
        kind,
        _schema_id(data, kind),
        _text(document, "subject"),
        _version(data, kind),
        _previous(data),
        _text(document, "id"),
        _time(document),
        _metadata(data),
    )


def _text(holder: Mapping[str, Any], name: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str) or not value:
        raise EventError(f"the event's {name} is missing or not text")
    if len(value) > _LONGEST_TEXT:
        raise EventError(f"the event's {name} is longer than {_LONGEST_TEXT} characters")
    return value


def _version(data: Mapping[str, Any], kind: SchemaEventType) -> str:
    if data.get("version") == "" and kind is SchemaEventType.COMPATIBILITY_VIOLATED:
        return ""  # the registry had not numbered it yet
    return _version_text(data, "version")


def _previous(data: Mapping[str, Any]) -> str | None:
    previous = data.get("previous_version")
    if previous is None or previous == "":
        return previous
    return _version_text(data, "previous_version")


def _version_text(data: Mapping[str, Any], name: str) -> str:
    version = data.get(name)
    if type(version) is int:  # a bool is none here
        if abs(version) > _LARGEST_NUMBER:
            raise EventError(f"the event's {name} is too large a number")
        return str(version)
    return _text(data, name)


def _schema_id(data: Mapping[str, Any], kind: SchemaEventType) -> int | str | None:
    if "schema_id" not in data:
        raise EventError("the event's schema_id is missing")
    value = data["schema_id"]
    if value is None and kind in _MAY_LACK_ID:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise EventError("the event's schema_id is neither a number nor text")
    if isinstance(value, int) and abs(value) > _LARGEST_NUMBER:
        raise EventError("the event's schema_id is too large a number")
    return value


def _time(document: Mapping[str, Any]) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(document, "time"))
        if moment.tzinfo is None:
            raise EventError("the event's time has no time zone")
        return moment.astimezone(UTC) if moment.tzinfo is not UTC else moment
    except (ValueError, OverflowError):  # OverflowError: in UTC it has no year of four digits
        raise EventError("the event's time is not RFC 3339") from None


def _metadata(data: Mapping[str, Any]) -> dict[str, Any]:
    metadata = data.get("metadata")
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise EventError("the event's metadata is not an object")
    return metadata


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _number(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text[:20])


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse, parse_float=_number)
