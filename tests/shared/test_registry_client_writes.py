"""Registering, deprecating, deleting; and that a client reads what it has written."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_integrations.core.errors import (
    InvalidReference,
    InvalidSchema,
    RegistryError,
    SchemaNotFound,
    Unsupported,
)
from llm_integrations.core.registry import AsyncRegistry, Registry, connect
from tests.support.clients import OBJECT, Connect, connected, server
from tests.support.registry_server import Exchange, RegistryServer

__all__ = ["connected", "server"]

ARRAY = {"type": "array"}


@pytest.fixture(params=["memory", "file", "confluent"])
def registry(
    request: pytest.FixtureRequest, server: RegistryServer, tmp_path: Path
) -> Iterator[Registry]:
    urls = {"memory": "memory://", "file": str(tmp_path), "confluent": server.url}
    with connect(urls[request.param]) as made:
        made.set_compatibility("NONE")
        yield made


def test_what_was_registered_is_latest_at_once(registry: Registry) -> None:
    registry.register("s", OBJECT)
    assert registry.get("s").version == 1
    registry.register("s", ARRAY)
    assert registry.get("s").version == 2, "and no old copy is served first"
    assert registry.get("s@1").body == OBJECT
    assert registry.versions("s") == [1, 2]
    assert registry.validate("s", [])


def test_what_was_unknown_is_known_once_registered(registry: Registry) -> None:
    for reference in ("s", "s@1"):
        with pytest.raises(SchemaNotFound):
            registry.get(reference)
    registry.register("s", OBJECT)
    assert registry.get("s").version == registry.get("s@1").version == 1


def test_equal_content_returns_the_version_that_has_it(registry: Registry) -> None:
    registry.register("s", OBJECT)
    registry.register("s", ARRAY)
    assert registry.get("s").version == 2
    assert registry.register("s", OBJECT).version == 1
    assert registry.get("s").version == 2, "an older version does not become latest"
    assert registry.lookup("s", OBJECT).version == 1


def test_what_was_deleted_is_gone_at_once(registry: Registry) -> None:
    registry.register("s", OBJECT)
    registry.register("s", ARRAY)
    for reference in ("s", "s@1", "s@2"):
        registry.get(reference)
    registry.delete("s@2")
    assert registry.get("s").version == 1
    with pytest.raises(SchemaNotFound):
        registry.get("s@2")
    assert registry.delete_subject("s") == [1]
    with pytest.raises(SchemaNotFound):
        registry.get("s")


def test_the_latest_of_all_subjects(registry: Registry) -> None:
    assert registry.latest() == {}
    registry.register("s", OBJECT)
    registry.register("s", ARRAY)
    registry.register("t", OBJECT)
    found = registry.latest()
    assert {subject: schema.version for subject, schema in found.items()} == {"s": 2, "t": 1}


def test_what_nothing_could_be_judged_by_is_refused_before_it_is_sent(registry: Registry) -> None:
    for body in ({"type": "nonsense"}, {"$ref": "#/nowhere"}, {"pattern": "(?<=x)y"}):
        with pytest.raises(InvalidSchema):
            registry.register("s", body)
    assert registry.subjects() == []


def test_exact_versions_only_are_deprecated_and_deleted(registry: Registry) -> None:
    registry.register("s", OBJECT)
    for reference in ("s", "s@latest"):
        with pytest.raises(InvalidReference, match="exact"):
            registry.delete(reference)
        with pytest.raises(InvalidReference, match="exact"):
            registry.deprecate(reference)


def test_deprecating_shows_at_once(tmp_path: Path) -> None:
    registry = connect(tmp_path)
    registry.register("s", OBJECT)
    assert registry.get("s").state == "ACTIVE"
    assert registry.deprecate("s@1").state == "DEPRECATED"
    assert registry.get("s").state == registry.get("s@1").state == "DEPRECATED"


def test_what_a_registry_cannot_do_is_said(connected: Connect, server: RegistryServer) -> None:
    server.add("s", OBJECT)
    with pytest.raises(Unsupported):
        connected().deprecate("s@1")


@pytest.mark.parametrize("subject", ["", " s", "a\nb"])
def test_a_subject_that_cannot_be_referred_to_is_refused(registry: Registry, subject: str) -> None:
    with pytest.raises(InvalidReference):
        registry.register(subject, OBJECT)
    with pytest.raises(InvalidReference):
        registry.versions(subject)


@pytest.mark.parametrize("wrong", [None, 5, 5.0, [], {}, b"s"])
def test_a_reference_is_text(registry: Registry, wrong: Any) -> None:
    with pytest.raises(InvalidReference):
        registry.get(wrong)
    with pytest.raises(InvalidReference):
        asyncio.run(registry.aio.validator(wrong))


@pytest.mark.parametrize("wrong", [None, 5.0, [], True])
def test_an_id_is_an_integer_or_text(registry: Registry, wrong: Any) -> None:
    with pytest.raises(InvalidReference):
        registry.get_by_id(wrong)


def test_an_id_finds_what_a_reference_finds(registry: Registry) -> None:
    schema = registry.register("s", OBJECT)
    assert registry.find(schema.id).ref == registry.find("s").ref == registry.find(schema.ref).ref


def test_writing_needs_no_cached_latest_to_be_right(
    server: RegistryServer, connected: Connect
) -> None:
    """Another client may have written a later version since our copy went stale."""
    server.add("s", OBJECT)
    registry = connected()
    registry.get("s")
    server.add("s", {"title": "theirs"})
    registry.invalidate("s")
    registry.register("s", {"title": "ours"})
    server.add("s", {"title": "theirs again"})
    assert registry.get("s").version == 4


def test_a_deletion_whose_answer_was_lost_has_happened(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    server.add("s", ARRAY)

    async def lose(exchange: Exchange) -> None:
        server.fault = None
        server._answer(exchange)
        exchange.writer.transport.abort()

    registry = connected()
    server.fault = lose
    registry.delete("s@2")
    server.fault = lose
    registry.delete_subject("s")
    assert registry.subjects() == []


def test_both_faces_have_the_same_operations() -> None:
    def operations(face: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(member).parameters)
            for name, member in inspect.getmembers(face, inspect.isfunction)
            if not name.startswith("_")
        }

    sync, aio = operations(Registry), operations(AsyncRegistry)
    assert sync.pop("run")
    assert sync == aio


async def test_the_async_face_does_all_of_it(tmp_path: Path) -> None:
    async with connect(tmp_path).aio as registry:
        schema = await registry.register("s", OBJECT, metadata={"owner": "team-a"})
        assert (await registry.find(schema.id)).owner == "team-a"
        assert await registry.get_by_id(schema.id) == schema
        assert (await registry.lookup("s", OBJECT)).ref == schema.ref
        await registry.set_compatibility("NONE", "s")
        assert await registry.get_compatibility("s") == "NONE"
        assert await registry.get_compatibility() == "BACKWARD"
        await registry.register("s", ARRAY)
        assert await registry.versions("s") == [1, 2]
        assert registry.peek("s@2") is not None
        assert (await registry.deprecate("s@1")).state == "DEPRECATED"
        registry.invalidate()
        await registry.delete("s@2")
        assert await registry.versions("s", deleted=True) == [1, 2]
        assert set(await registry.latest()) == {"s"}
        assert await registry.subjects() == ["s"]
        assert await registry.health()
        await registry.delete_subject("s", permanent=True)
        with pytest.raises(RegistryError):
            await registry.versions("s")
