"""Registering through a client: what breaks is refused with a proof, and what changed is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import EventError, IncompatibleSchema
from llm_integrations.core.events import SchemaEvent, SchemaEventType
from llm_integrations.core.model.schema import SchemaReference
from llm_integrations.core.registry import Registry, SchemaRef, connect
from tests.support.confluent_server import ConfluentServer

V1 = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
}
OPTIONAL = {**V1, "properties": {"name": {"type": "string"}, "mail": {"type": "string"}}}
BREAKING = {**OPTIONAL, "required": ["name", "mail"]}


class Listening:
    """A bus that keeps what is published."""

    def __init__(self) -> None:
        self.events: list[SchemaEvent] = []
        self.down = False

    async def publish(self, event: Any) -> None:
        if self.down:
            raise EventError("the broker is away")
        self.events.append(event)

    def kinds(self) -> list[tuple[str, str, str | None]]:
        return [(str(e.event_type), e.version, e.previous_version) for e in self.events]


@pytest.fixture
def bus() -> Listening:
    return Listening()


@pytest.fixture(params=["memory", "file"])
def registry(request: pytest.FixtureRequest, tmp_path: Path, bus: Listening) -> Iterator[Registry]:
    url = "memory://" if request.param == "memory" else str(tmp_path / "schemas")
    with connect(url, bus=bus) as client:
        yield client


def test_what_breaks_old_data_is_refused_with_a_witness(registry: Registry) -> None:
    registry.register("user", V1)
    with pytest.raises(IncompatibleSchema, match="BACKWARD") as caught:
        registry.register("user", BREAKING)
    assert caught.value.report is not None
    [violation] = caught.value.report.violations
    assert registry.validate("user@1", violation.witness)
    assert "mail" not in violation.witness
    assert registry.versions("user") == [1]


def test_an_optional_property_is_welcome(registry: Registry) -> None:
    registry.register("user", V1)
    assert registry.register("user", OPTIONAL).version == 2


def test_the_subjects_level_decides(registry: Registry) -> None:
    registry.register("user", OPTIONAL, compatibility="NONE")
    assert registry.register("user", BREAKING).version == 2
    registry.set_compatibility("FORWARD", "user")
    with pytest.raises(IncompatibleSchema, match="FORWARD"):
        registry.register("user", {"type": "object"})


def test_asking_changes_nothing_and_is_strict_unless_told_otherwise(registry: Registry) -> None:
    registry.register("user", V1)
    assert not registry.check_compatibility("user", BREAKING)
    strict = registry.check_compatibility("user", OPTIONAL)
    assert (strict.policy, bool(strict)) == ("strict", False)
    assert registry.check_compatibility("user", OPTIONAL, policy="lenient")
    assert registry.check_compatibility("user", BREAKING, "NONE")
    assert registry.check_compatibility("nobody", V1)
    assert registry.versions("user") == [1]


def test_references_count_as_what_they_mean(registry: Registry) -> None:
    registry.register("mail", {"type": "string", "maxLength": 9}, compatibility="NONE")
    registry.register("mail", {"type": "string", "maxLength": 3})
    body = {"type": "object", "properties": {"mail": {"$ref": "mail.json"}}}

    def using(version: int) -> tuple[SchemaReference, ...]:
        return (SchemaReference("mail.json", "mail", version),)

    registry.register("user", body, references=using(1))
    with pytest.raises(IncompatibleSchema):
        registry.register("user", {**body, "title": "User"}, references=using(2))
    assert registry.register("user", {**body, "title": "U"}, references=using(1)).version == 2


def test_schemas_are_compared_as_the_registry_judges() -> None:
    ahead = {"type": "string", "pattern": "^(?=a)a*$"}
    with connect("memory://", validation=ValidationOptions(regex="bounded")) as registry:
        registry.register("word", ahead)
        assert registry.register("word", {**ahead, "title": "Word"}).version == 2


def test_every_change_is_published_once_it_is_there(registry: Registry, bus: Listening) -> None:
    registry.register("user", V1, metadata={"owner": "team-a"})
    registry.register("user", OPTIONAL)
    registry.deprecate("user@1")
    registry.delete("user@1")
    registry.delete_subject("user")
    assert bus.kinds() == [
        ("registered", "1", None),
        ("updated", "2", "1"),
        ("deprecated", "1", None),
        ("deleted", "1", None),
        ("deleted", "2", None),
    ]
    assert bus.events[0].metadata["owner"] == "team-a"
    assert len({event.event_id for event in bus.events}) == 5


def test_a_refusal_is_published_with_its_reasons(registry: Registry, bus: Listening) -> None:
    registry.register("user", V1)
    with pytest.raises(IncompatibleSchema):
        registry.register("user", BREAKING)
    event = bus.events[-1]
    assert event.event_type is SchemaEventType.COMPATIBILITY_VIOLATED
    assert event.schema_id is None
    assert "mail" in event.metadata["violations"][0]


def test_registering_again_after_the_broker_was_away_publishes_the_same_event(
    registry: Registry, bus: Listening
) -> None:
    bus.down = True
    with pytest.raises(EventError, match="registering it again publishes it"):
        registry.register("user", V1)
    bus.down = False
    registry.register("user", V1)
    registry.register("user", V1)
    first, second = bus.events
    assert first.event_id == second.event_id
    assert first.version == "1"


async def test_the_same_from_a_coroutine(registry: Registry, bus: Listening) -> None:
    await registry.aio.register("user", V1)
    with pytest.raises(IncompatibleSchema):
        await registry.aio.register("user", BREAKING)
    assert not await registry.aio.check_compatibility("user", BREAKING)
    assert len(bus.events) == 2


async def test_two_writers_at_once_cannot_slip_past_each_other(registry: Registry) -> None:
    """Each is compatible with version 1, but not with the other."""
    registry.register("user", {"type": "object"})
    one = {"properties": {"a": {"type": "string"}}, "type": "object"}
    other = {"properties": {"a": {"type": "integer"}}, "type": "object"}
    results = await asyncio.gather(
        registry.aio.register("user", one),
        registry.aio.register("user", other),
        return_exceptions=True,
    )
    assert [isinstance(result, IncompatibleSchema) for result in results].count(True) == 1
    assert await registry.aio.versions("user") == [1, 2]
    assert registry.get(SchemaRef("user", 1)).body == {"type": "object"}


def test_a_server_that_sees_less_than_we_do_is_outvoted_and_the_difference_shown() -> None:
    with ConfluentServer() as server, connect(server.url) as registry:
        registry.register("user", V1)
        seen = registry.check_compatibility("user", {**V1, "maxProperties": 0})
        assert not seen
        assert seen.violations
        assert any("the registry accepts it" in note for note in seen.notes)
        assert registry.check_compatibility("user", OPTIONAL)
        # Whoever names a policy asks us alone.
        named = registry.check_compatibility("user", {**V1, "maxProperties": 0}, policy="lenient")
        assert named.notes == ()


def test_what_the_server_refuses_is_refused(bus: Listening) -> None:
    with ConfluentServer() as server, connect(server.url, bus=bus) as registry:
        registry.register("user", V1)
        other = {**V1, "properties": {"name": {"type": "integer"}}}
        assert not registry.check_compatibility("user", other)
        with pytest.raises(IncompatibleSchema):
            registry.register("user", other)
    assert [str(event.event_type) for event in bus.events] == [
        "registered",
        "compatibility_violated",
    ]
