"""What every module is on the event side: five operations, with and without an event loop."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from llm_integrations.core.errors import (
    ConfigurationError,
    RegistryError,
    RegistryUnavailable,
    SchemaNotFound,
)
from llm_integrations.core.integration import LLMModuleIntegration
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.registry import Registry, SchemaRef, connect
from tests.support.clients import OBJECT, Connect, connected, server
from tests.support.registry_server import RegistryServer, answering

__all__ = ["connected", "server"]

AGE = {"type": "object", "required": ["age"], "properties": {"age": {"type": "integer"}}}
UNKNOWN = "00000000-0000-0000-0000-000000000000"


class Sixth(LLMModuleIntegration):
    """A module of somebody's own."""

    def __init__(self, registry: Registry | str | None = None) -> None:
        super().__init__(registry)
        self.handled: list[SchemaEvent] = []

    @property
    def name(self) -> str:
        return "sixth"

    async def handle_schema_event(self, event: SchemaEvent) -> None:
        await asyncio.sleep(0)
        if event.event_type == "deleted":
            raise ZeroDivisionError
        self.handled.append(event)


@pytest.fixture
def integration() -> Sixth:
    integration = Sixth(connect("memory://"))
    integration.registry.register("user", AGE)
    return integration


def test_the_two_that_only_a_module_knows_have_to_be_written() -> None:
    with pytest.raises(TypeError, match="handle_schema_event"):
        LLMModuleIntegration("memory://")  # type: ignore[abstract]  # the point of the test


def test_it_is_work_that_one_of_a_group_does_unless_it_says_otherwise(integration: Sixth) -> None:
    assert integration.delivery == "work"


async def test_data_is_judged_by_id_by_reference_and_by_the_bare_subject(
    integration: Sixth,
) -> None:
    schema = await integration.get_schema("user@latest")
    for wanted in (schema.id, "user@1", "user v1", "user", SchemaRef("user", 1)):
        assert await integration.get_schema(wanted) == schema
        assert await integration.validate_data(wanted, {"age": 3})
        report = await integration.validate_data(wanted, {"age": "three"})
        assert not report.is_valid
        assert report.errors[0].path == "/age"
        assert report.schema == "user@1"


async def test_an_integer_is_an_id(server: RegistryServer, connected: Connect) -> None:
    server.add("user", AGE)
    integration = Sixth(connected())
    assert (await integration.get_schema(101)).body == AGE
    assert not await integration.validate_data(101, {})
    assert server.count("/schemas/ids/101") > 0


async def test_what_does_not_exist_is_an_error_and_no_verdict(integration: Sixth) -> None:
    for wanted in ("nobody", "user@7", UNKNOWN):
        with pytest.raises(SchemaNotFound):
            await integration.validate_data(wanted, {})


async def test_without_a_registry_there_is_no_verdict(
    server: RegistryServer, connected: Connect
) -> None:
    server.fault = answering(503, {})
    integration = Sixth(connected())
    with pytest.raises(RegistryUnavailable):
        await integration.validate_data("user", {})


async def test_health_is_false_while_the_registry_does_not_answer(
    server: RegistryServer, connected: Connect
) -> None:
    integration = Sixth(connected())
    assert await integration.health_check()
    server.kill()
    health = await integration.health_check()
    assert not health
    assert "cannot connect" in health.detail["error"]


async def test_a_hot_schema_is_judged_by_without_leaving_the_callers_loop(
    integration: Sixth,
) -> None:
    await integration.validate_data("user", {"age": 3})
    with pytest.raises(StopIteration):  # it never suspends
        integration.validate_data("user", {"age": 3}).send(None)


def test_all_of_it_without_an_event_loop(integration: Sixth) -> None:
    event = SchemaEvent.registered("id", "", "user", 1)
    integration.sync.handle_schema_event(event)
    assert integration.handled == [event]
    assert integration.sync.get_schema("user").version == 1
    assert integration.sync.validate_data("user", {"age": 3})
    assert not integration.sync.validate_data("user", {})
    assert integration.sync.health_check()


def test_what_a_handler_raises_arrives(integration: Sixth) -> None:
    with pytest.raises(ZeroDivisionError):
        integration.sync.handle_schema_event(SchemaEvent.deleted("id", "", "user", 1))


async def test_the_view_without_a_loop_works_beside_one_but_not_within_itself(
    integration: Sixth,
) -> None:
    assert integration.sync.get_schema("user").version == 1

    async def within() -> None:
        integration.sync.get_schema("user")

    with pytest.raises(RegistryError, match="use await"):
        integration.registry.run(within())


def test_it_takes_a_client_a_url_or_the_environments(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    registry = connect("memory://")
    assert Sixth(registry).registry is registry
    assert Sixth(str(tmp_path)).registry.url.startswith("file://")
    monkeypatch.delenv("LLM_INTEGRATIONS_REGISTRY_URL", raising=False)
    with pytest.raises(ConfigurationError):
        Sixth()
    monkeypatch.setenv("LLM_INTEGRATIONS_REGISTRY_URL", str(tmp_path))
    assert Sixth().registry is Sixth(str(tmp_path)).registry


def test_it_is_made_for_more_than_one_schema(integration: Sixth) -> None:
    integration.registry.register("other", OBJECT)
    assert integration.sync.validate_data("other", {})
    assert not integration.sync.validate_data("user", {})
