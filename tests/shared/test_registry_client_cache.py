"""Serving from the cache, over a socket: fresh, stale, unknown, invalidated, dropped."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from prometheus_client import REGISTRY

from llm_integrations.core.config import RetryOptions
from llm_integrations.core.errors import RegistryUnavailable, SchemaNotFound
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.registry import Registry
from tests.support.clients import OBJECT, Connect, connected, server
from tests.support.clock import Clock, clock
from tests.support.patience import eventually, until
from tests.support.registry_server import RegistryServer, answering

__all__ = ["clock", "connected", "server"]

LATEST = "GET /subjects/s/versions/latest"


def counted(registry: Registry, what: str) -> float:
    name = f"llm_integrations_cache_{what}_total"
    return REGISTRY.get_sample_value(name, {"registry": registry.url}) or 0.0


def event(kind: str, version: int = 1, subject: str = "s", **rest: Any) -> SchemaEvent:
    make: Any = getattr(SchemaEvent, kind)
    made: SchemaEvent = make(1, "", subject, version, **rest)
    return made


def fail(server: RegistryServer) -> None:
    server.fault = answering(503, {"message": "down"})


def test_a_fresh_copy_is_served_without_a_request(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected()
    names = ("misses", "hits", "stale")
    before = [counted(registry, name) for name in names]  # of an earlier server at this port
    first = registry.get("s")
    assert registry.get("s@latest") is first
    assert registry.find("s") is first
    assert registry.peek("s") is first
    assert server.requests == [LATEST]
    now = [counted(registry, name) for name in names]
    assert [after - at_first for after, at_first in zip(now, before, strict=True)] == [1, 2, 0]


def test_an_expired_copy_is_served_at_once_while_one_refresh_runs_behind_it(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected(cache={"ttl": 0.0})
    old = registry.get("s")
    server.add("s", {"type": "array"})
    server.hold()
    assert [registry.get("s") for _ in range(5)] == [old] * 5
    until(lambda: len(server.requests) == 2)
    server.let_go()
    until(lambda: registry.peek("s") is not old)
    assert registry.get("s").version == 2
    assert counted(registry, "stale") >= 5


def test_after_a_failed_refresh_none_is_tried_during_the_pause(
    clock: Clock, server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected(cache={"ttl": 0.0, "refresh_pause": 1.0})
    old = registry.get("s")
    fail(server)
    registry.get("s")
    until(lambda: len(server.requests) == 3)  # the refresh has two attempts
    assert [registry.get("s") for _ in range(20)] == [old] * 20
    assert len(server.requests) == 3
    until(lambda: not registry._service.requests._running)
    clock.go_on(1)
    server.fault = None
    assert registry.get("s") is old
    until(lambda: len(server.requests) == 4)


def test_a_stale_copy_has_its_limit_but_an_exact_version_has_none(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected(cache={"ttl": 0.02, "stale_while_revalidate": 0.02, "stale_ttl": 0.02})
    registry.get("s")
    exact = registry.get("s@1")
    fail(server)
    time.sleep(0.06)
    with pytest.raises(RegistryUnavailable):
        registry.get("s")
    assert registry.get("s@1") is exact


def test_state_and_metadata_of_an_exact_version_are_refreshed(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected(cache={"ttl": 0.0})
    exact = registry.get("s@1")
    registry.get("s@1")
    until(lambda: registry.peek("s@1") is not exact)


def test_serving_copies_during_an_outage_is_logged_but_not_for_each(
    server: RegistryServer, connected: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    for subject in ("a", "b", "c"):
        server.add(subject, OBJECT)
    registry = connected(cache={"ttl": 0.0})
    for subject in ("a", "b", "c"):
        registry.get(subject)
    server.kill()
    with caplog.at_level("DEBUG", logger="llm_integrations"):
        for subject in ("a", "b", "c"):
            registry.get(subject)
        until(lambda: sum("goes on being served" in r.getMessage() for r in caplog.records) == 3)
    warnings = [r for r in caplog.records if r.levelname == "WARNING"]
    assert len(warnings) == 1
    assert warnings[0].__dict__["llmi_registry"] == server.url


def test_an_unknown_subject_is_remembered_for_a_short_while(
    clock: Clock, server: RegistryServer, connected: Connect
) -> None:
    registry = connected(cache={"negative_ttl": 60.0})
    for _ in range(5):
        with pytest.raises(SchemaNotFound):
            registry.get("s")
    assert server.requests == [LATEST, "GET /subjects"]  # the second for the names that are near
    clock.go_on(60)
    server.add("s", OBJECT)
    assert registry.get("s").version == 1


def test_a_failure_is_not_remembered(server: RegistryServer, connected: Connect) -> None:
    server.add("s", OBJECT)
    registry = connected()
    fail(server)
    with pytest.raises(RegistryUnavailable):
        registry.get("s")
    server.fault = None
    assert registry.get("s").version == 1


def test_what_a_refresh_does_not_find_any_more_is_gone(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected(cache={"ttl": 0.0})
    registry.get("s")
    server.remove("s")
    registry.get("s")
    until(lambda: registry.peek("s") is None)
    with pytest.raises(SchemaNotFound):
        registry.get("s")


class TestInvalidation:
    def test_it_marks_stale_rather_than_delete_and_the_next_read_is_fresh(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected()
        old = registry.get("s")
        server.add("s", {"type": "array"})
        registry.invalidate("s")
        assert registry.peek("s") is old
        assert registry.get("s").version == 2
        assert registry.validator("s").is_valid([])

    @pytest.mark.parametrize("by", ["invalidate", "event", "everything", "missed events"])
    def test_during_an_outage_it_is_no_error(
        self, server: RegistryServer, connected: Connect, by: str
    ) -> None:
        server.add("s", OBJECT)
        registry = connected()
        old = registry.get("s")
        fail(server)
        match by:
            case "invalidate":
                registry.invalidate("s@latest")
            case "event":
                registry.apply_event(event("updated", 2))
            case "everything":
                registry.invalidate()
            case _:
                registry.mark_latest_stale()
        for _ in range(10):
            assert registry.get("s") is old
        until(lambda: len(server.requests) == 3)

    async def test_a_fetch_begun_before_is_never_stored_as_fresh(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        server.hold()
        registry = connected(timeout=5.0)
        before = asyncio.create_task(registry.aio.get("s"))
        await eventually(lambda: server.requests)
        registry.invalidate("s")
        server.let_go()
        assert (await before).version == 1, "who asked before gets an answer from before"
        assert registry.peek("s") is not None, "and it is kept for bad times"
        await registry.aio.get("s")
        until(lambda: len(server.requests) == 2)

    async def test_who_asks_after_it_does_not_join_a_fetch_begun_before(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected(timeout=5.0)
        old_is_here, proceed = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        async def old_answer(exchange: Any) -> None:
            answer = server._answer(exchange)
            if len(server.requests) == 1:
                loop.call_soon_threadsafe(old_is_here.set)
                await eventually(proceed.is_set)
            await exchange.reply(*answer)

        server.fault = old_answer
        before = asyncio.create_task(registry.aio.get("s"))
        await old_is_here.wait()
        server.add("s", {"type": "array"})
        registry.invalidate("s")
        assert (await registry.aio.get("s")).version == 2
        proceed.set()
        assert (await before).version == 2, "a newer copy is here already"
        assert (await registry.aio.get("s")).version == 2, "and the old one did not replace it"
        assert len(server.requests) == 2

    def test_an_exact_reference_leaves_other_versions_fresh(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        server.add("s", {"type": "array"})
        registry = connected()
        registry.get("s@1")
        registry.get("s@2")
        registry.invalidate("s@2")
        registry.get("s@1")
        registry.get("s@2")
        assert server.count("/versions/2") == 2
        assert server.count("/versions/1") == 1


class TestEvents:
    def test_registered_and_updated_make_latest_stale(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected()
        registry.get("s")
        server.add("s", {"type": "array"})
        registry.apply_event(event("updated", 2))
        assert registry.get("s").version == 2

    def test_registered_makes_an_unknown_subject_known(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        registry = connected(cache={"negative_ttl": 60.0})
        with pytest.raises(SchemaNotFound):
            registry.get("s")
        server.add("s", OBJECT)
        registry.apply_event(event("registered"))
        assert registry.get("s").version == 1

    def test_deleted_drops_the_version_and_latest_if_it_was_that(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        server.add("s", {"type": "array"})
        registry = connected()
        for reference in ("s", "s@1", "s@2"):
            registry.get(reference)
        registry.apply_event(event("deleted", 2))
        assert registry.peek("s@1") is not None
        assert registry.peek("s@2") is None
        assert registry.peek("s") is None

    async def test_deleted_during_a_fetch_keeps_its_result_out_of_the_cache(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        server.hold()
        registry = connected(timeout=5.0)
        before = asyncio.create_task(registry.aio.get("s"))
        await eventually(lambda: server.requests)
        registry.apply_event(event("deleted", 1))
        server.let_go()
        await before
        assert registry.peek("s") is None

    def test_a_deleted_event_without_a_version_drops_the_subject(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected()
        registry.get("s@1")
        registry.apply_event(SchemaEvent.deleted(None, "", "s", ""))
        assert registry.peek("s@1") is None

    def test_a_refused_registration_changes_nothing(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected()
        registry.get("s")
        registry.apply_event(SchemaEvent.compatibility_violated(None, "", "s", 2, ["x"]))
        registry.get("s")
        assert len(server.requests) == 1

    def test_after_missed_events_every_latest_is_asked_for_again(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected()
        registry.get("s")
        registry.get("s@1")
        registry.mark_latest_stale()
        registry.get("s")
        registry.get("s@1")
        until(lambda: server.count("latest") == 2)
        assert server.count("/versions/1") == 1


def test_by_id_has_the_same_cache(server: RegistryServer, connected: Connect) -> None:
    server.add("s", OBJECT)
    registry = connected()
    schema = registry.get_by_id(101)
    assert registry.get_by_id(101) is schema
    assert registry.find(101) is schema
    assert server.count("/schemas/ids/101") == len(server.requests)
    with pytest.raises(SchemaNotFound):
        registry.get_by_id(999)


def test_who_has_no_copy_does_not_queue_behind_refreshes(
    server: RegistryServer, connected: Connect
) -> None:
    subjects = [f"s{n}" for n in range(12)]
    for subject in subjects:
        server.add(subject, OBJECT)
    registry = connected(timeout=5.0, retry=RetryOptions(deadline=5.0))
    for subject in subjects:
        registry.get(subject)
    registry.mark_latest_stale()
    server.hold()
    for subject in subjects:
        registry.get(subject)
    until(lambda: len(server.requests) == 20)
    registry.apply_event(event("deleted", 1, subjects[-1]))
    with ThreadPoolExecutor(1) as pool:
        cold = pool.submit(registry.get, subjects[-1])
        until(lambda: len(server.requests) == 21)
        server.let_go()
        assert cold.result().version == 1
    until(lambda: len(server.requests) == 24)
    until(lambda: not registry._service.requests._running)
    assert server.count(f"/{subjects[-1]}/") == 2, "the refresh that was overtaken asks no more"


def test_a_cache_that_went_stale_as_a_whole_does_not_flood_its_registry(
    server: RegistryServer, connected: Connect
) -> None:
    subjects = [f"s{n}" for n in range(40)]
    for subject in subjects:
        server.add(subject, OBJECT)
    registry = connected(timeout=5.0)
    for subject in subjects:
        registry.get(subject)
    registry.mark_latest_stale()
    server.hold()
    for subject in subjects:
        registry.get(subject)
    until(lambda: len(server.requests) == 48)
    time.sleep(0.05)
    assert len(server.requests) == 48, "eight refreshes at once"
    server.let_go()
    until(lambda: len(server.requests) == 80)
