"""The event loop that all clients share: whatever one of them does, it goes on for the others."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_integrations.core.concurrency.heavy import in_thread
from llm_integrations.core.config import RetryOptions, TLSOptions
from llm_integrations.core.errors import RegistryUnavailable
from llm_integrations.core.registry import connect
from llm_integrations.core.registry.pending import IO
from tests.support.clients import OBJECT, Connect, connected, server
from tests.support.registry_server import RegistryServer

__all__ = ["connected", "server"]

LARGE: dict[str, Any] = {
    "type": "object",
    "properties": {f"property-{n}": {"type": "string", "title": "t" * 100} for n in range(2000)},
}


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[bool]]:
    """Of every call of a function: whether it ran on the shared loop."""

    def watch(path: str) -> list[bool]:
        module, _, name = path.rpartition(".")
        found: list[bool] = []
        work = getattr(__import__(module, fromlist=[name]), name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            found.append(IO.is_current)
            return work(*args, **kwargs)

        monkeypatch.setattr(path, watched)
        return found

    return watch


@pytest.mark.parametrize(
    "work",
    [
        "llm_integrations.core.registry.confluent.reads.read_schema",
        "llm_integrations.core.model.schema.fingerprint_of",
        "llm_integrations.core.registry.cache.validators._compile",
    ],
)
async def test_large_schemas_are_read_hashed_and_compiled_elsewhere(
    server: RegistryServer, connected: Connect, threads: Callable[[str], list[bool]], work: str
) -> None:
    server.add("part", LARGE)
    reference = {"name": "part.json", "subject": "part", "version": 1}
    server.add("s", {**LARGE, "$ref": "part.json"}, [reference])
    found = threads(work)
    registry = connected().aio
    assert not (await registry.validator("s")).is_valid({"property-1": 1})
    server.add("s", LARGE)
    registry.invalidate("s")
    await registry.validator("s")
    assert found
    assert not any(found)


async def test_a_memory_registry_is_searched_elsewhere(
    threads: Callable[[str], list[bool]],
) -> None:
    found = threads("llm_integrations.core.registry.local.backend.fingerprint_of")
    with connect("memory://") as registry:
        schema = await registry.aio.register("s", LARGE)
        assert await registry.aio.lookup("s", LARGE) == schema
        assert await registry.aio.get_by_id(schema.id) == schema
        assert set(await registry.aio.latest()) == {"s"}
    assert found
    assert not any(found)


async def test_a_file_that_does_not_answer_holds_up_its_own_client_alone(tmp_path: Path) -> None:
    """As on a network share that is gone; here a pipe that nobody writes into."""
    ca = tmp_path / "ca.pem"
    os.mkfifo(ca)
    try:
        with (
            connect(
                "https://127.0.0.1:1",
                tls=TLSOptions(ca=str(ca)),
                retry=RetryOptions(deadline=3.0),
            ) as stuck,
            connect("memory://") as other,
        ):
            asking = asyncio.create_task(stuck.aio.get("s"))
            await asyncio.sleep(0.05)
            async with asyncio.timeout(60):
                await other.aio.register("s", OBJECT)
            assert not asking.done()
            with pytest.raises(RegistryUnavailable, match="deadline"):
                await asking
    finally:
        with ca.open("w"):
            pass  # lets the reader go


async def test_a_bus_that_blocks_holds_up_its_own_client_alone() -> None:
    publishing, published = threading.Event(), threading.Event()

    class Blocking:
        async def publish(self, event: Any) -> None:
            publishing.set()
            published.wait()

    with connect("memory://", bus=Blocking()) as ours, connect("memory://") as other:
        registering = asyncio.create_task(ours.aio.register("s", OBJECT))
        try:
            async with asyncio.timeout(60):
                await asyncio.to_thread(publishing.wait, 60)
                await other.aio.register("s", OBJECT)
                await ours.aio.get("s")
            assert not registering.done()
        finally:
            published.set()
        assert (await registering).version == 1


async def test_work_that_computes_leaves_threads_to_what_waits() -> None:
    enough = threading.Event()
    computing = [asyncio.create_task(in_thread(enough.wait)) for _ in range(100)]
    try:
        async with asyncio.timeout(60):
            assert await asyncio.to_thread(lambda: 42) == 42
    finally:
        enough.set()
        await asyncio.gather(*computing)
