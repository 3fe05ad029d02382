"""SchemaEvent: its constructors, its view of the subject, its ids."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError
from datetime import UTC

import pytest

from llm_integrations.core.events import SchemaEvent, SchemaEventType, event_id_of
from llm_integrations.core.model.changes import (
    content_event,
    deleted_event,
    deprecated_event,
    refused_event,
)
from llm_integrations.core.model.schema import DEPRECATED, RegisteredSchema

URL = "http://registry.example:8081"


def schema(
    version: int = 1, *, state: str = "ACTIVE", owner: str | None = None
) -> RegisteredSchema:
    metadata = {} if owner is None else {"owner": owner}
    return RegisteredSchema(
        7, "com.example.user", version, {"type": "object"}, state=state, metadata=metadata
    )


def test_the_five_constructors_fill_the_fields_of_the_report() -> None:
    registered = SchemaEvent.registered("id-1", "com.example", "User", "1.0.0")
    assert registered.event_type is SchemaEventType.REGISTERED
    assert (registered.schema_id, registered.namespace, registered.name) == (
        "id-1",
        "com.example",
        "User",
    )
    assert (registered.subject, registered.version) == ("com.example.User", "1.0.0")
    assert registered.timestamp.tzinfo is UTC
    updated = SchemaEvent.updated(7, "com.example", "User", 2, previous_version=1)
    assert (updated.version, updated.previous_version) == ("2", "1")
    assert SchemaEvent.deprecated(7, "com.example", "User", 2).event_type == "deprecated"
    deleted = SchemaEvent.deleted(7, "com.example", "User", 2, permanent=True)
    assert deleted.metadata["permanent"] is True
    violated = SchemaEvent.compatibility_violated(None, "com.example", "User", 3, ["age: gone"])
    assert violated.schema_id is None
    assert violated.metadata["violations"] == ["age: gone"]


@pytest.mark.parametrize(
    ("subject", "namespace", "name"),
    [
        ("com.example.user", "com.example", "user"),
        ("user", "", "user"),
        ("orders-value", "", "orders-value"),
        ("a.b@c/d.e f", "a.b@c/d", "e f"),
    ],
)
def test_namespace_and_name_are_a_view_of_the_exact_subject(
    subject: str, namespace: str, name: str
) -> None:
    event = SchemaEvent.registered(1, namespace, name, 1)
    assert event.subject == subject
    assert (event.namespace, event.name) == (namespace, name)


def test_the_same_change_has_the_same_id_whoever_noticed_it() -> None:
    noticed = [content_event(URL, schema(2), previous=1) for _ in range(2)]
    assert noticed[0].event_id == noticed[1].event_id
    assert noticed[0].event_id == event_id_of(
        registry=URL,
        event_type=SchemaEventType.UPDATED,
        subject="com.example.user",
        version="2",
        fingerprint=schema().fingerprint,
        state="ACTIVE",
    )


def test_an_observer_that_cannot_tell_first_from_later_computes_the_same_id() -> None:
    assert content_event(URL, schema()).event_type == "registered"
    assert content_event(URL, schema(), previous=1).event_type == "updated"
    assert content_event(URL, schema()).event_id == content_event(URL, schema(), 1).event_id


def test_other_changes_have_other_ids() -> None:
    events = [
        content_event(URL, schema(1)),
        content_event(URL, schema(2)),
        content_event("http://other", schema(1)),
        content_event(URL, schema(1, state="DRAFT")),
        deprecated_event(URL, schema(1, state=DEPRECATED)),
        deleted_event(URL, "com.example.user", 1, permanent=False),
        deleted_event(URL, "com.example.user", 1, permanent=True),
        refused_event(URL, "com.example.user", None, fingerprint="f", violations=["age"]),
        refused_event(URL, "com.example.user", None, fingerprint="g", violations=["age"]),
    ]
    assert len({event.event_id for event in events}) == len(events)


def test_events_of_a_change_say_which_registry_which_content_and_whose() -> None:
    event = content_event(URL, schema(2, owner="team-a"), previous=1)
    assert event.metadata == {
        "registry": URL,
        "fingerprint": schema().fingerprint,
        "state": "ACTIVE",
        "owner": "team-a",
    }
    assert event.previous_version == "1"


def test_an_event_cannot_be_changed_and_can_be_pickled_and_hashed() -> None:
    event = SchemaEvent.registered(1, "ns", "user", 1, metadata={"owner": "a"})
    with pytest.raises(FrozenInstanceError):
        event.version = "2"  # type: ignore[misc]  # that it fails is the point
    assert pickle.loads(pickle.dumps(event)) == event
    assert len({event, pickle.loads(pickle.dumps(event))}) == 1
