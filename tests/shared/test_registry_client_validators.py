"""Validators of registered schemas: compiled once, references resolved, hot without waiting."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import (
    InvalidSchema,
    RegistryUnavailable,
    SchemaNotFound,
    SchemaValidationError,
)
from llm_integrations.core.model.schema import JsonSchema, RegisteredSchema
from llm_integrations.core.registry import Registry, SchemaReference, connect
from llm_integrations.core.registry.references import MAX_REFERENCED, collect_references
from tests.support.clients import OBJECT, Connect, connected, server
from tests.support.patience import until
from tests.support.registry_server import RegistryServer, answering

__all__ = ["connected", "server"]

ADDRESS = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}
PERSON = {"type": "object", "properties": {"home": {"$ref": "address.json"}}}


def refers(name: str, subject: str, version: int = 1) -> dict[str, Any]:
    return {"name": name, "subject": subject, "version": version}


def test_a_validator_judges_by_the_version_in_force(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", {"type": "integer"})
    registry = connected()
    validator = registry.validator("s@latest")
    assert (validator.subject, validator.reference) == ("s", "s@1")
    assert validator.is_valid(3)
    assert not registry.validate("s", "text")
    with pytest.raises(SchemaValidationError):
        registry.validator("s").check("text")


def test_it_is_compiled_once_per_schema_and_options(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected()
    validator = registry.validator("s")
    assert registry.validator("s@latest") is validator
    assert registry.validator("s@1") is validator, "another reference to the same schema"
    assert registry.validator_for(registry.get("s")) is validator
    loose = ValidationOptions(formats=False)
    other = registry.validator("s", options=loose)
    assert other is not validator
    assert registry.validator("s", options=ValidationOptions(formats=False)) is other


async def test_the_async_face_shares_them(server: RegistryServer, connected: Connect) -> None:
    server.add("s", OBJECT)
    registry = connected()
    validator = await registry.aio.validator("s")
    assert registry.validator("s") is validator
    assert await registry.aio.validator_for(await registry.aio.get("s")) is validator
    assert await registry.aio.validate("s", {})


def test_the_options_of_connect_are_the_default(server: RegistryServer, connected: Connect) -> None:
    server.add("s", {"type": "string", "format": "date"})
    assert not connected().validate("s", "no date")
    loose = connected(validation=ValidationOptions(formats=False))
    assert loose.validate("s", "no date")
    assert not loose.validator("s", options=ValidationOptions()).is_valid("no date")


def test_a_ready_one_needs_no_waiting_or_there_is_none(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected()
    assert registry.ready_validator("s") is None
    assert not server.requests
    validator = registry.validator("s")
    assert registry.ready_validator("s") is registry.aio.ready_validator("s") is validator
    registry.invalidate("s")
    server.fault = answering(503, {})
    assert registry.ready_validator("s") is None, "the next reader waits for a new copy"
    until(lambda: registry.ready_validator("s") is validator)
    assert len(server.requests) > 1


class TestReferences:
    def test_they_are_resolved_through_the_registry(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("address", ADDRESS)
        server.add("person", PERSON, [refers("address.json", "address")])
        registry = connected()
        assert registry.validate("person", {"home": {"city": "Ulm"}})
        assert not registry.validate("person", {"home": {}})
        assert server.count("/subjects/address/versions/1") == 1

    def test_those_of_references_too(self, server: RegistryServer, connected: Connect) -> None:
        server.add("city", {"type": "string", "minLength": 2})
        server.add(
            "address",
            {"type": "object", "properties": {"city": {"$ref": "city.json"}}},
            [refers("city.json", "city")],
        )
        server.add("person", PERSON, [refers("address.json", "address")])
        registry = connected()
        assert registry.validate("person", {"home": {"city": "Ulm"}})
        assert not registry.validate("person", {"home": {"city": "U"}})

    def test_a_cycle_ends(self, server: RegistryServer, connected: Connect) -> None:
        server.add(
            "a",
            {"type": "object", "properties": {"b": {"$ref": "b.json"}}},
            [refers("b.json", "b")],
        )
        server.add(
            "b",
            {"type": "object", "required": ["n"], "properties": {"a": {"$ref": "a.json"}}},
            [refers("a.json", "a")],
        )
        registry = connected()
        assert registry.validate("a", {"b": {"n": 1, "a": {}}})
        assert not registry.validate("a", {"b": {"n": 1, "a": {"b": {}}}})

    def test_a_missing_one_is_an_error(self, server: RegistryServer, connected: Connect) -> None:
        server.add("person", PERSON, [refers("address.json", "address")])
        with pytest.raises(SchemaNotFound, match="address"):
            connected().validator("person")

    def test_an_unresolved_one_is_an_error_and_no_request(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("person", {"$ref": f"{server.url}/schemas/1"})
        with pytest.raises(InvalidSchema):
            connected().validator("person")
        assert server.count("/schemas/1") == 0

    async def test_one_name_for_two_schemas_is_an_error(self) -> None:
        schemas = {
            "a": RegisteredSchema(1, "a", 1, {}, (SchemaReference("x", "c", 1),)),
            "b": RegisteredSchema(2, "b", 1, {}, (SchemaReference("x", "c", 2),)),
            "c": RegisteredSchema(3, "c", 1, {}),
        }

        async def get(ref: Any) -> RegisteredSchema:
            return schemas[ref.subject]

        both = [SchemaReference("a", "a", 1), SchemaReference("b", "b", 1)]
        with pytest.raises(InvalidSchema, match="'x' is referred to as"):
            await collect_references(both, get)

    async def test_there_is_a_limit(self) -> None:
        async def get(ref: Any) -> RegisteredSchema:
            number = int(ref.subject) + 1
            return RegisteredSchema(number, ref.subject, 1, {}, (following(number),))

        def following(number: int) -> SchemaReference:
            return SchemaReference(f"{number}.json", str(number), 1)

        with pytest.raises(InvalidSchema, match=str(MAX_REFERENCED)):
            await collect_references([following(0)], get)

    def test_a_registration_is_checked_with_its_references(self) -> None:
        registry = connect("memory://")
        registry.register("address", ADDRESS)
        registry.register(
            "person", PERSON, references=[SchemaReference("address.json", "address", 1)]
        )
        assert not registry.validate("person", {"home": {}})
        with pytest.raises(InvalidSchema):
            registry.register("orphan", PERSON)
        assert registry.subjects() == ["address", "person"]


class TestRefreshing:
    """A hot ``validator()`` waits neither for the registry nor for the compiler."""

    def renew(self, server: RegistryServer, registry: Registry, body: JsonSchema) -> None:
        old = registry.get("s")
        server.add("s", body)
        registry.invalidate("s")
        registry.validator("s")
        until(lambda: registry.peek("s") is not old)

    def test_the_new_versions_validator_is_there_when_it_takes_over(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", {"type": "integer"})
        registry = connected()
        options = ValidationOptions(formats=False)
        registry.validator("s")
        registry.validator("s", options=options)
        self.renew(server, registry, {"type": "string"})
        entry = registry._service.cache.peek("s@latest")
        assert entry is not None
        assert set(entry.validators) == {None, options}
        assert registry.validator("s").is_valid("text")

    def test_an_unchanged_schema_keeps_its_validator(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected()
        validator, old = registry.validator("s"), registry.get("s")
        registry.invalidate("s")
        registry.get("s")
        until(lambda: registry.peek("s") is not old)
        assert registry.validator("s") is validator

    def test_while_its_references_cannot_be_had_the_old_one_stays(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", {"type": "integer"})
        server.add("address", ADDRESS)
        registry = connected()
        validator = registry.validator("s")
        server.add("s", PERSON, [refers("address.json", "address")])

        async def no_address(exchange: Any) -> None:
            if "address" in exchange.path:
                await exchange.reply(503, {})
            else:
                await exchange.reply(*server._answer(exchange))

        server.fault = no_address
        registry.invalidate("s")
        assert registry.validator("s") is validator
        until(lambda: server.count("/subjects/address") == 2)
        assert registry.validator("s") is validator
        server.fault = None
        registry.invalidate("s")
        registry.validator("s")
        until(lambda: registry.validator("s").reference == "s@2")

    def test_a_new_version_that_does_not_compile_changes_nothing(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected()
        validator = registry.validator("s")
        server.add("s", {"type": "nonsense"})
        registry.invalidate("s")
        registry.validator("s")
        until(lambda: "rejected" in registry.health().detail)
        assert registry.validator("s") is validator
        with pytest.raises(InvalidSchema):
            registry.validator("s@2")


def test_without_a_copy_and_without_a_registry_there_is_no_validator(
    server: RegistryServer, connected: Connect
) -> None:
    server.fault = answering(503, {})
    with pytest.raises(RegistryUnavailable):
        connected().validator("s")


async def test_cancelling_who_asked_first_does_not_stop_the_compiling(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    server.hold()
    registry = connected(timeout=5.0)
    first = asyncio.create_task(registry.aio.validator("s"))
    second = asyncio.create_task(registry.aio.validator("s"))
    await asyncio.sleep(0.05)
    first.cancel()
    server.let_go()
    assert (await second).is_valid({})
