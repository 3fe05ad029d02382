"""Schemas that refer to each other across documents: legal, judged, and nobody's client stops."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from llm_integrations.core.config import CacheOptions
from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.model.schema import RegisteredSchema, SchemaReference
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.registry.references import MAX_REFERENCED, collect_references
from tests.support.registry_server import registry_server

Schemas: TypeAlias = dict[str, tuple[Any, list[str]]]
"""The body of each subject, and the subjects that it refers to by their own names."""

IMPATIENT = 10.0  # seconds; a loop that does not end would take for ever


def holding(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


N = {"type": "integer"}
CYCLES: dict[str, tuple[Schemas, Any, Any]] = {
    "two": (
        {"a": (holding(b={"$ref": "b"}), ["b"]), "b": (holding(a={"$ref": "a"}, n=N), ["a"])},
        {"b": {"n": 1, "a": {"b": {"n": 2}}}},
        {"b": {"n": 1, "a": {"b": {"n": "2"}}}},
    ),
    "three, through a list": (
        {
            "a": (holding(b={"$ref": "b"}), ["b"]),
            "b": (holding(c={"$ref": "c"}), ["c"]),
            "c": (holding(n=N, a={"type": "array", "items": {"$ref": "a"}}), ["a"]),
        },
        {"b": {"c": {"a": [{"b": {"c": {"n": 1}}}]}}},
        {"b": {"c": {"a": [{"b": {"c": {"n": "1"}}}]}}},
    ),
    "itself": (
        {"a": (holding(a={"$ref": "a"}, n=N), ["a"])},
        {"a": {"a": {"n": 1}}},
        {"a": {"a": {"n": None}}},
    ),
    "by pointers": (
        {
            "a": ({"$defs": {"x": {"$ref": "b#/$defs/y"}}, "$ref": "#/$defs/x"}, ["b"]),
            "b": (
                {"$defs": {"y": {"anyOf": [N, {"type": "array", "items": {"$ref": "a"}}]}}},
                ["a"],
            ),
        },
        [[1, [2]]],
        [[1, ["2"]]],
    ),
    "each under an id": (
        {
            "a": ({"$id": "https://x.example/a", **holding(b={"$ref": "b"})}, ["b"]),
            "b": ({"$id": "https://x.example/b", **holding(a={"$ref": "a"}, n=N)}, ["a"]),
        },
        {"b": {"a": {"b": {"n": 1}}}},
        {"b": {"a": {"b": {"n": "1"}}}},
    ),
    "beside one that comes back by two ways": (
        {
            "a": (holding(b={"$ref": "b"}, c={"$ref": "c"}), ["b", "c"]),
            "b": (holding(c={"$ref": "c"}, a={"$ref": "a"}), ["c", "a"]),
            "c": (holding(b={"$ref": "b"}, n=N), ["b"]),
        },
        {"b": {"c": {"n": 1}}, "c": {"b": {"a": {"c": {"n": 1}}}}},
        {"b": {"c": {"n": 1}}, "c": {"b": {"a": {"c": {"n": "1"}}}}},
    ),
}

Open: TypeAlias = Callable[[Schemas], Registry]


@pytest.fixture(params=["folder", "http", "memory"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    with ExitStack() as stack:

        def folder(schemas: Schemas) -> Registry:
            for subject, (body, others) in schemas.items():
                references = [{"name": o, "subject": o, "version": 1} for o in others]
                (tmp_path / subject).mkdir()
                (tmp_path / subject / "1.json").write_text(json.dumps(body))
                sidecar = {"versions": {"1": {"references": references}}}
                (tmp_path / subject / "meta.json").write_text(json.dumps(sidecar))
            return stack.enter_context(connect(tmp_path))

        def http(schemas: Schemas) -> Registry:
            server = stack.enter_context(registry_server())
            for subject, (body, others) in schemas.items():
                references = [{"name": o, "subject": o, "version": 1} for o in others]
                server.add(subject, body, references)
            return stack.enter_context(connect(server.url))

        def memory(schemas: Schemas) -> Registry:
            """Where what is referred to must be there before, a cycle closes over latest."""
            registry = stack.enter_context(connect("memory://"))
            for subject in schemas:
                anything = {"$defs": {"x": True, "y": True}}
                registry.register(subject, anything, compatibility="NONE")
            for subject, (body, others) in schemas.items():
                latest = [SchemaReference(other, other, "latest") for other in others]
                registry.register(subject, body, references=latest)
            return registry

        yield {"folder": folder, "http": http, "memory": memory}[request.param]


@pytest.mark.parametrize("shape", CYCLES)
async def test_a_cycle_compiles_and_judges_and_other_clients_go_on(
    opened: Open, shape: str
) -> None:
    schemas, valid, invalid = CYCLES[shape]
    registry = opened(schemas)
    for subject in schemas:
        await registry.aio.get(subject)
        await registry.aio.get(f"{subject}@{(await registry.aio.get(subject)).version}")
    async with asyncio.timeout(IMPATIENT):
        with connect("memory://") as other:
            validator, written = await asyncio.gather(
                registry.aio.validator("a"), other.aio.register("t", True)
            )
    assert written.version == 1
    assert validator.is_valid(valid)
    assert validator.validate(valid)
    assert not validator.validate(invalid)


@pytest.mark.parametrize("subject", ["a", "b"])
async def test_copies_that_are_fetched_again_do_not_wait_for_each_other(subject: str) -> None:
    """Each is compiled before it replaces its copy, and needs the other for that."""
    cache = CacheOptions(ttl=0.0, stale_while_revalidate=0.0, stale_ttl=0.0)
    with connect("memory://", cache=cache) as registry:
        for name in ("a", "b"):
            registry.register(name, True, compatibility="NONE")
        for name, other in (("a", "b"), ("b", "a")):
            body = holding(other={"$ref": other}, n=N)
            latest = [SchemaReference(other, other, "latest")]
            registry.register(name, body, references=latest)
        async with asyncio.timeout(IMPATIENT / 2):
            for _ in range(3):
                validators = [registry.aio.validator(name) for name in ("a", "b", subject)]
                for validator in await asyncio.gather(*validators):
                    assert not validator.is_valid({"other": {"other": {"n": "1"}}})


async def test_a_cycle_of_ids_can_be_registered_again_and_compared(tmp_path: Path) -> None:
    with connect(tmp_path) as registry:
        registry.register("a", {"$id": "https://x.example/a", **holding()})
        to_a = [SchemaReference("a", "a", "latest")]
        body = {"$id": "https://x.example/b", **holding(a={"$ref": "a"}, n=N)}
        registry.register("b", body, references=to_a)
        closing = {"$id": "https://x.example/a", **holding(b={"$ref": "b"})}
        to_b = [SchemaReference("b", "b", "latest")]
        registry.register("a", closing, references=to_b)
        assert not registry.validate("a", {"b": {"a": {"b": {"n": "1"}}}})
        found = registry.register("b", {**body, "title": "again"}, references=to_a)
        assert found.version == 2


async def test_collecting_what_is_all_in_the_cache_lets_others_run() -> None:
    schemas = {
        str(i): RegisteredSchema(
            i, str(i), 1, True, (SchemaReference(str((i + 1) % 100), str((i + 1) % 100), 1),)
        )
        for i in range(100)
    }
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def get(ref: Any) -> RegisteredSchema:
        return schemas[ref.subject]

    counting = asyncio.create_task(count())
    found = await collect_references([SchemaReference("0", "0", 1)], get)
    counting.cancel()
    assert len(found) == 100
    assert turns >= 100


async def test_one_schema_that_lists_references_without_end_is_refused_at_once() -> None:
    asked: list[Any] = []

    async def get(ref: Any) -> RegisteredSchema:
        asked.append(ref)
        return RegisteredSchema(1, "s", 1, True)

    many = [SchemaReference("s", "s", 1)] * (MAX_REFERENCED + 1)
    with pytest.raises(InvalidSchema, match=str(MAX_REFERENCED)):
        await collect_references(many, get)
    assert not asked
