"""Events as CloudEvents 1.0, checked against the cloudevents package."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from llm_integrations.core.errors import EventError
from llm_integrations.core.events import SchemaEvent
from llm_integrations.core.events.cloudevents import (
    from_cloudevent,
    from_json,
    to_cloudevent,
    to_json,
)
from llm_integrations.core.model.event import SchemaEventType

EVENTS = [
    SchemaEvent.registered("id-1", "com.example", "User", "1.0.0"),
    SchemaEvent.updated(7, "com.example", "User", 2, 1, metadata={"owner": "a", "tags": ["x"]}),
    SchemaEvent.deprecated(7, "", "User", 2),
    SchemaEvent.deleted(None, "", "User", 2, permanent=True),
    SchemaEvent.compatibility_violated(None, "", "User", "", ["age: gone"]),
]


def document() -> dict[str, Any]:
    return json.loads(to_json(EVENTS[1]))  # type: ignore[no-any-return]  # JSON of our own


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: str(e.event_type))
def test_what_was_written_is_read_back_equal(event: SchemaEvent) -> None:
    assert from_json(to_json(event)) == event


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: str(e.event_type))
def test_the_cloudevents_package_reads_what_we_write(event: SchemaEvent) -> None:
    read = JSONFormat().read(CloudEvent, to_json(event))
    assert read.get_id() == event.event_id
    assert read.get_subject() == event.subject
    assert read.get_type() == f"io.llm-integrations.schema.{event.event_type}.v1"
    assert read.get_time() == event.timestamp


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: str(e.event_type))
def test_we_read_what_the_cloudevents_package_writes(event: SchemaEvent) -> None:
    attributes = to_cloudevent(event)
    data = attributes.pop("data")
    attributes["time"] = event.timestamp
    attributes["traceparent"] = "00-abc"
    assert from_json(JSONFormat().write(CloudEvent(attributes, data))) == event


def test_the_source_is_the_registry_where_it_is_known() -> None:
    known = SchemaEvent.registered(1, "", "u", 1, metadata={"registry": "http://r:8081"})
    assert to_cloudevent(known)["source"] == "http://r:8081"
    assert to_cloudevent(EVENTS[0])["source"] == "urn:llm-integrations"


def test_unknown_fields_are_ignored() -> None:
    more = document()
    more["traceparent"] = "00-abc"
    more["data"]["added_in_v9"] = {"x": 1}
    assert from_json(json.dumps(more)) == EVENTS[1]


@pytest.mark.parametrize(
    "missing", ["specversion", "id", "source", "type", "subject", "time", "data"]
)
def test_a_missing_attribute_is_an_error_that_names_it(missing: str) -> None:
    less = document()
    del less[missing]
    with pytest.raises(EventError, match=missing):
        from_json(json.dumps(less))


@pytest.mark.parametrize("missing", ["schema_id", "version"])
def test_a_missing_field_of_the_event_is_an_error_that_names_it(missing: str) -> None:
    less = document()
    del less["data"][missing]
    with pytest.raises(EventError, match=missing):
        from_json(json.dumps(less))


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("specversion", "0.3"),
        ("type", "com.example.other"),
        ("type", "io.llm-integrations.schema.updated.v2"),
        ("id", ""),
        ("id", 3),
        ("time", "yesterday"),
        ("time", "2026-01-01T00:00:00"),
        ("subject", ""),
        ("subject", "lone surrogate \ud800"),
        ("data", []),
    ],
)
def test_an_attribute_of_the_wrong_kind_is_an_error(where: str, value: object) -> None:
    with pytest.raises(EventError):
        from_json(json.dumps({**document(), where: value}))


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("schema_id", None),
        ("schema_id", True),
        ("schema_id", 1.5),
        ("version", ""),
        ("version", None),
        ("version", False),
        ("metadata", "text"),
    ],
)
def test_a_field_of_the_wrong_kind_is_an_error(where: str, value: object) -> None:
    wrong = document()
    wrong["data"][where] = value
    with pytest.raises(EventError):
        from_json(json.dumps(wrong))


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"3", b"null", b"\xff\xfe", b"{", b'{"specversion":"1.0","x":NaN}', b"[" * 99_999],
    ids=["empty", "list", "number", "null", "not utf-8", "truncated", "NaN", "deep"],
)
def test_bytes_that_are_no_event_are_an_event_error(raw: bytes) -> None:
    with pytest.raises(EventError):
        from_json(raw)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(raw: bytes) -> None:
    with pytest.raises(EventError):
        from_json(raw)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {
            "specversion": st.just("1.0"),
            "id": json_values,
            "source": json_values,
            "type": st.just("io.llm-integrations.schema.updated.v1") | json_values,
            "subject": json_values,
            "time": st.just("2026-01-01T00:00:00Z") | json_values,
            "data": st.dictionaries(
                st.sampled_from(["schema_id", "version", "metadata", "previous_version"]),
                json_values,
            )
            | json_values,
        }
    )
)
def test_any_json_is_an_event_or_an_event_error(body: dict[str, Any]) -> None:
    try:
        event = from_json(json.dumps(body))
    except EventError:
        return
    assert from_json(to_json(event)) == event


def test_metadata_that_is_not_json_is_an_event_error_when_written() -> None:
    for bad in (float("nan"), object(), {1, 2}):
        with pytest.raises(EventError, match="metadata"):
            to_json(SchemaEvent.registered(1, "", "u", 1, metadata={"x": bad}))


def test_times_of_other_zones_become_utc() -> None:
    event = from_json(json.dumps({**document(), "time": "2026-01-01T02:00:00+02:00"}))
    assert event.timestamp == datetime(2026, 1, 1, tzinfo=UTC)
    assert event.timestamp.tzinfo is UTC


HUGE = "9" * 4000
DEEP: dict[str, Any] = {}
for _ in range(300):
    DEEP = {"a": [DEEP]}


@pytest.mark.parametrize(
    "time",
    [
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59.999999-00:01",
        "99999-01-01T00:00:00Z",
        "2026-01-01T00:00:00+99:99",
        "\ud800",
    ],
)
def test_a_time_that_utc_has_no_name_for_is_an_event_error(time: str) -> None:
    with pytest.raises(EventError, match=r"time|Unicode"):
        from_json(json.dumps({**document(), "time": time}))


@pytest.mark.parametrize("where", ["id", "source", "type", "subject", "time"])
@pytest.mark.parametrize(
    "value",
    ["\udfff", "x\ud800y", 3, 1.5, None, True, [], {}, "", "x" * 5_000_000],
    ids=lambda value: ascii(value)[:20],
)
def test_no_attribute_is_read_that_could_not_be_kept(where: str, value: object) -> None:
    with pytest.raises(EventError):
        from_json(json.dumps({**document(), where: value}))


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("version", "\ud800"),
        ("version", [DEEP]),
        ("version", int(HUGE)),
        ("previous_version", "\ud800"),
        ("previous_version", 1.5),
        ("previous_version", [1]),
        ("previous_version", DEEP),
        ("previous_version", -int(HUGE)),
        ("schema_id", "\udc00"),
        ("schema_id", int(HUGE)),
        ("metadata", {"owner": "\ud800"}),
        ("metadata", {"\ud800": "owner"}),
        ("metadata", {"violations": ["a", ["\ud800"]]}),
        ("metadata", DEEP),
        ("version", "1" * 5_000_000),
    ],
    ids=lambda value: ascii(value)[:20] if isinstance(value, str) else type(value).__name__,
)
def test_no_field_is_read_that_could_not_be_kept(where: str, value: object) -> None:
    wrong = document()
    wrong["data"][where] = value
    with pytest.raises(EventError):
        from_json(json.dumps(wrong))
    with pytest.raises(EventError):
        from_cloudevent(wrong)


@pytest.mark.parametrize(
    "number", ["1e400", "-1e999", "Infinity", "-Infinity", "NaN", "9" * 5000], ids=len
)
def test_numbers_that_cannot_be_written_again_are_an_event_error(number: str) -> None:
    text = json.dumps(document()).replace('"metadata": {', f'"metadata": {{"x": {number}, ')
    with pytest.raises(EventError, match="not JSON"):
        from_json(text)


def test_text_beyond_the_basic_plane_is_read_and_written() -> None:
    event = SchemaEvent.registered(1, "", "\U0001f600", 1, metadata={"\U0001f600": ["\ud7ff"]})
    assert from_json(to_json(event)) == event


def test_a_registry_of_any_name_is_read_back() -> None:
    event = SchemaEvent.registered(1, "", "a", 1, metadata={"registry": "r" * 5000})
    assert from_json(to_json(event)) == event


@pytest.mark.parametrize("metadata", [{"x": "\ud800"}, {"\ud800": 1}, DEEP])
def test_what_no_reader_takes_is_not_written(metadata: dict[str, Any]) -> None:
    with pytest.raises(EventError):
        to_json(SchemaEvent.registered(1, "", "u", 1, metadata=metadata))


@pytest.mark.parametrize(
    ("number", "subject", "version"),
    [
        (10**40, "u", "1"),
        (None, "u", "1"),
        (1, "u" * 5000, "1"),
        (1, "u", "1" * 5000),
        (1, "", "1"),
        (1, "u", ""),
    ],
)
def test_an_event_that_no_reader_takes_is_not_written(
    number: int | None, subject: str, version: str
) -> None:
    with pytest.raises(EventError, match="the event's"):
        to_json(SchemaEvent(SchemaEventType.REGISTERED, number, subject, version))


def test_half_a_pair_of_surrogates_in_a_subject_is_our_error() -> None:
    with pytest.raises(EventError, match="Unicode"):
        SchemaEvent.registered(1, "", "\ud800", 1)


wild_text = st.text(st.characters(), max_size=8) | st.sampled_from(["\ud800", "x" * 5000])
wild_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | wild_text
    | st.sampled_from([10**400, -(10**400), "9999-12-31T23:59:59-14:00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(wild_text, inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
def test_a_record_with_anything_in_its_place_is_an_event_that_round_trips_or_refused(
    data: st.DataObject,
) -> None:
    record = document()
    for _ in range(data.draw(st.integers(1, 3))):
        holder = data.draw(st.sampled_from([record, record["data"]]))
        if isinstance(holder, dict) and holder:
            holder[data.draw(st.sampled_from(sorted(holder)))] = data.draw(wild_values)
        if not isinstance(record["data"], dict):
            break
    for as_text in (True, False):
        try:
            event = from_json(json.dumps(record)) if as_text else from_cloudevent(record)
        except EventError:
            continue
        assert from_json(to_json(event)) == event


@given(st.binary(max_size=30), st.integers(0, 10_000))
def test_a_record_with_bytes_out_of_place_is_an_event_or_refused(put: bytes, at: int) -> None:
    raw = to_json(EVENTS[1])
    at %= len(raw)
    try:
        event = from_json(raw[:at] + put + raw[at + len(put) :])
    except EventError:
        return
    assert from_json(to_json(event)) == event
