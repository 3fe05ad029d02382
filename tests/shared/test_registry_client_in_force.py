"""What the registry has now, past the cache: for who has heard of a change."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import REGISTRY

from llm_integrations.core.errors import RegistryUnavailable, SchemaNotFound
from llm_integrations.core.registry import connect
from tests.support.clients import OBJECT, Connect, connected, server
from tests.support.patience import eventually
from tests.support.registry_server import RegistryServer, hanging

__all__ = ["connected", "server"]

STRING = {"type": "string"}
LATEST = "GET /subjects/s/versions/latest"


def _counted(server: RegistryServer, what: str) -> float:
    name = f"llm_integrations_cache_{what}_total"
    return REGISTRY.get_sample_value(name, {"registry": server.url}) or 0.0


def test_what_a_second_client_registered_is_in_force_at_once(
    server: RegistryServer, connected: Connect
) -> None:
    reader, writer = connected(), connected()
    writer.register("s", OBJECT)
    assert reader.get("s").version == 1
    server.add("s", STRING)
    assert reader.get("s").version == 1, "the copy is still fresh"
    assert reader.in_force("s").version == 2
    assert reader.get("s").version == 2
    assert reader.validator("s").is_valid("text")


async def test_coroutines_ask_past_the_cache_too(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected().aio
    await registry.get("s")
    server.add("s", STRING)
    assert (await registry.in_force("s")).version == 2
    assert (await registry.in_force("s@1")).version == 1
    assert (await registry.get("s")).version == 2


def test_a_folder_is_read_again(tmp_path: object) -> None:
    reader, writer = connect(str(tmp_path)), connect(str(tmp_path))
    writer.register("s", OBJECT)
    assert reader.get("s").version == 1
    writer.register("s", {"type": "object", "properties": {"a": {}}})
    assert reader.in_force("s").version == 2
    assert reader.get("s").version == 2
    reader.close()
    writer.close()


async def test_a_hundred_callers_at_once_make_one_request(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected(timeout=60.0)
    registry.get("s")
    server.add("s", STRING)
    server.requests.clear()
    server.hold()
    asked = _counted(server, "misses")
    tasks = [asyncio.ensure_future(registry.aio.in_force("s")) for _ in range(96)]
    threads = [asyncio.to_thread(registry.in_force, "s") for _ in range(4)]
    both = asyncio.gather(*tasks, *threads)
    await eventually(lambda: _counted(server, "misses") == asked + 100)
    await eventually(lambda: server.requests)
    server.let_go()
    assert {schema.version for schema in await both} == {2}
    assert server.requests == [LATEST]


async def test_an_earlier_read_that_is_under_way_does_not_answer_it(
    server: RegistryServer, connected: Connect
) -> None:
    """It may have been answered before the change, and must not overwrite what came after it."""
    server.add("s", OBJECT)
    registry = connected(timeout=5.0).aio
    held = asyncio.Event()
    original, server.fault = server.fault, None

    async def hold_first(exchange: object) -> None:
        server.fault = original
        answer = server._answer(exchange)  # type: ignore[arg-type] # as it is before the change
        held.set()
        await asyncio.sleep(0.3)
        await exchange.reply(*answer)  # type: ignore[attr-defined]

    server.fault = hold_first
    reading = asyncio.ensure_future(registry.get("s"))
    await eventually(held.is_set)
    server.add("s", STRING)
    assert (await registry.in_force("s")).version == 2
    await reading
    assert (await registry.get("s")).version == 2


@pytest.mark.parametrize("outage", ["killed", "hanging"])
def test_during_an_outage_it_is_the_old_copy_logged_and_counted(
    server: RegistryServer, connected: Connect, outage: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.add("s", OBJECT)
    registry = connected(timeout=0.2)
    copy, stale = registry.get("s"), _counted(server, "stale")
    if outage == "killed":
        server.kill()
    else:
        server.fault = hanging
    with caplog.at_level(logging.WARNING):
        assert registry.in_force("s") is copy
    assert "could not be refreshed" in caplog.text
    assert _counted(server, "stale") == stale + 1


def test_without_a_copy_an_outage_is_an_error(server: RegistryServer, connected: Connect) -> None:
    registry = connected()
    server.kill()
    with pytest.raises(RegistryUnavailable):
        registry.in_force("s")


def test_a_copy_past_its_time_is_not_in_force(server: RegistryServer, connected: Connect) -> None:
    server.add("s", OBJECT)
    registry = connected(cache={"ttl": 0.0, "stale_while_revalidate": 0.0, "stale_ttl": 0.0})
    registry.get("s")
    server.kill()
    with pytest.raises(RegistryUnavailable):
        registry.in_force("s")


def test_a_subject_that_was_deleted_is_not_in_force(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected()
    registry.get("s")
    server.remove("s")
    with pytest.raises(SchemaNotFound):
        registry.in_force("s")
    with pytest.raises(SchemaNotFound):
        registry.get("s")


def test_many_threads_and_a_change_between_every_call(
    server: RegistryServer, connected: Connect
) -> None:
    """Whatever else reads the subject meanwhile, a call returns what was there when it began."""
    server.add("s", OBJECT)
    registry = connected(cache={"ttl": 0.0}, timeout=5.0)
    with ThreadPoolExecutor(4) as pool:
        for version in range(2, 22):
            reads = [pool.submit(registry.get, "s") for _ in range(4)]
            server.add("s", {"const": version})
            assert registry.in_force("s").version == version
            for read in reads:
                read.result()
