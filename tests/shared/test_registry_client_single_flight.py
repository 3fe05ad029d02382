"""One request per key, however many wait; and no caller's end is another's."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from llm_integrations.core.config import RetryOptions
from llm_integrations.core.errors import RegistryError, RegistryUnavailable, SchemaNotFound
from llm_integrations.core.registry import Registry
from tests.support.clients import OBJECT, Connect, connected, server
from tests.support.patience import eventually, until
from tests.support.registry_server import RegistryServer, answering

__all__ = ["connected", "server"]


def test_a_hundred_threads_on_one_cold_key_make_one_request(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected(timeout=5.0)
    together = threading.Barrier(100, timeout=60)

    def get() -> object:
        together.wait()
        return registry.get("s@latest")

    with ThreadPoolExecutor(100) as pool:
        found = [done.result() for done in [pool.submit(get) for _ in range(100)]]
    assert server.requests == ["GET /subjects/s/versions/latest"]
    assert all(schema is found[0] for schema in found)


async def test_a_thousand_tasks_on_one_cold_key_make_one_request(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected(timeout=5.0)
    found = await asyncio.gather(*(registry.aio.get("s@latest") for _ in range(1000)))
    assert server.requests == ["GET /subjects/s/versions/latest"]
    assert all(schema is found[0] for schema in found)


async def test_threads_and_tasks_share_one_request(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    server.hold()
    registry = connected(timeout=5.0)
    threads = [asyncio.to_thread(registry.validator, "s") for _ in range(10)]
    tasks = [asyncio.ensure_future(registry.aio.validator("s")) for _ in range(50)]
    both = asyncio.gather(*threads, *tasks)
    await eventually(lambda: server.requests)
    server.let_go()
    validators = await both
    assert server.requests == ["GET /subjects/s/versions/latest"]
    assert all(validator is validators[0] for validator in validators), "compiled once, too"


async def test_an_error_reaches_all_waiters_and_each_gets_its_own_copy(
    server: RegistryServer, connected: Connect
) -> None:
    registry = connected()
    server.hold()
    tasks = [asyncio.ensure_future(registry.aio.get("unknown")) for _ in range(20)]
    thread = asyncio.ensure_future(asyncio.to_thread(registry.get, "unknown"))
    await eventually(lambda: server.requests)
    server.let_go()
    errors = await asyncio.gather(*tasks, thread, return_exceptions=True)
    assert all(isinstance(error, SchemaNotFound) for error in errors)
    assert len({id(error) for error in errors}) == 21
    assert server.requests == ["GET /subjects/unknown/versions/latest", "GET /subjects"]


async def test_cancelling_the_first_caller_leaves_the_others_their_answer(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    server.hold()
    registry = connected(timeout=5.0)
    first = asyncio.create_task(registry.aio.get("s"))
    await eventually(lambda: server.requests)
    second = asyncio.create_task(registry.aio.get("s"))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    server.let_go()
    assert (await second).version == 1
    assert len(server.requests) == 1


async def test_when_all_callers_gave_up_the_answer_still_lands_in_the_cache(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    server.hold()
    registry = connected(timeout=5.0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await registry.aio.get("s")
    server.let_go()
    await eventually(lambda: registry.peek("s"))


async def test_a_sync_get_inside_a_coroutine_while_a_task_fetches_the_same_key(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    server.hold()
    registry = connected(timeout=5.0)
    task = asyncio.create_task(registry.aio.get("s"))
    await eventually(lambda: server.requests)
    threading.Timer(0.05, server.let_go).start()
    schema = registry.get("s")  # blocks this loop, and with it the task
    assert (await task) is schema
    assert len(server.requests) == 1


def test_two_event_loops_in_a_row_share_cache_and_connections(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    server.add("t", OBJECT)
    registry = connected()
    first = asyncio.run(registry.aio.get("s"))
    assert asyncio.run(registry.aio.get("s")) is first
    assert asyncio.run(registry.aio.get("t")).subject == "t"
    assert len(server.requests) == 2


def test_an_event_loop_that_ends_during_a_fetch_harms_nobody(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    server.hold()
    registry = connected(timeout=5.0)

    async def give_up() -> None:
        task = asyncio.create_task(registry.aio.get("s"))
        await eventually(lambda: server.requests)
        del task

    asyncio.run(give_up())
    server.let_go()
    assert registry.get("s").version == 1
    assert len(server.requests) == 1


def test_one_slow_key_does_not_delay_another(server: RegistryServer, connected: Connect) -> None:
    server.add("s", OBJECT)
    registry = connected(timeout=5.0)
    server.hold()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(registry.get, "slow")
        until(lambda: server.requests)
        server.let_go()
        assert registry.get("s").version == 1
        with pytest.raises(SchemaNotFound):
            slow.result()


async def test_a_hot_key_is_answered_without_leaving_the_callers_loop(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected()
    await registry.aio.validator("s")
    for call in (registry.aio.get("s"), registry.aio.validator("s")):
        with pytest.raises(StopIteration):  # it never suspends
            call.send(None)


async def test_the_error_says_nothing_of_the_http_library(
    server: RegistryServer, connected: Connect
) -> None:
    registry = connected()
    server.kill()
    with pytest.raises(RegistryUnavailable) as caught:
        await registry.aio.get("s")
    error: BaseException | None = caught.value
    while error is not None:
        assert isinstance(error, RegistryError)
        error = error.__cause__


class TestRun:
    """``Registry.run``: coroutines for callers that have no loop."""

    def test_it_returns_what_the_coroutine_returns(self, connected: Connect) -> None:
        async def answer() -> int:
            await asyncio.sleep(0)
            return 42

        assert connected().run(answer()) == 42

    def test_it_raises_what_the_coroutine_raises(self, connected: Connect) -> None:
        async def fail() -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            connected().run(fail())

    def test_what_runs_there_may_block_and_call_the_sync_face(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected()

        async def mixed() -> bool:
            time.sleep(0.01)  # noqa: ASYNC251 - the point of the test
            return registry.get("s") is await registry.aio.get("s")

        assert registry.run(mixed())

    def test_running_from_inside_is_a_clear_error_instead_of_a_deadlock(
        self, connected: Connect
    ) -> None:
        registry = connected()

        async def inner() -> None:
            raise AssertionError

        async def outer() -> None:
            registry.run(inner())

        with pytest.raises(RegistryError, match="use await"):
            registry.run(outer())

    def test_waiting_on_the_clients_own_loop_is_a_clear_error_too(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        registry = connected()

        async def ask(_: object) -> object:
            return registry.get("s")

        async def outer() -> object:
            return await registry._service.registry.call(ask)

        with pytest.raises(RegistryError, match=r"registry\.aio"):
            registry._service.start(outer).wait()


def test_limits_are_not_hidden(server: RegistryServer, connected: Connect) -> None:
    registry: Registry = connected(retry=RetryOptions(attempts=2, deadline=60.0))
    server.fault = answering(429, {}, retry_after="600")
    started = time.monotonic()
    with pytest.raises(RegistryUnavailable) as caught:
        registry.get("s")
    assert caught.value.retry_after == 600
    assert time.monotonic() - started < 30
