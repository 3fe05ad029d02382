"""How old a served copy may be, over a socket: the two bounds, and what an event changes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from llm_integrations.core.errors import RegistryUnavailable, SchemaNotFound
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.registry import Registry, connect
from tests.support.clients import OBJECT, Connect, connected, server
from tests.support.clock import Clock, clock
from tests.support.patience import eventually, until
from tests.support.registry_server import Exchange, RegistryServer, answering, hanging

__all__ = ["clock", "connected", "server"]

ARRAY = {"type": "array"}
LONG_AGO: dict[str, float] = {"ttl": 0.0, "stale_while_revalidate": 0.0}
"""Every read is past both bounds."""


def updated(version: int = 2, subject: str = "s", **metadata: Any) -> SchemaEvent:
    return SchemaEvent.updated(1, "", subject, version, metadata=metadata)


def counted(registry: Registry, what: str) -> float:
    name = f"llm_integrations_cache_{what}_total"
    return REGISTRY.get_sample_value(name, {"registry": registry.url}) or 0.0


def slow(server: RegistryServer, seconds: float) -> None:
    async def fault(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await exchange.reply(*server._answer(exchange))

    server.fault = fault


class TestByAge:
    def test_a_job_that_runs_once_a_night_judges_by_what_the_registry_has(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected(cache={"ttl": 0.02, "stale_while_revalidate": 0.02})
        assert registry.validator("s").is_valid({})
        server.add("s", ARRAY)
        time.sleep(0.05)  # until the next night
        assert registry.validator("s").is_valid([])
        assert registry.get("s").version == 2

    @pytest.mark.parametrize("read", ["get", "validator"])
    async def test_readers_in_threads_and_tasks_wait_for_one_request(
        self, clock: Clock, server: RegistryServer, connected: Connect, read: str
    ) -> None:
        server.add("s", OBJECT)
        patient = {"ttl": 60.0, "stale_while_revalidate": 0.0, "refresh_wait": 30.0}
        registry = connected(cache=patient, timeout=30.0)
        old = getattr(registry, read)("s")
        clock.go_on(61)
        server.add("s", ARRAY)
        server.requests.clear()
        server.hold()
        tasks = [asyncio.ensure_future(getattr(registry.aio, read)("s")) for _ in range(50)]
        threads = [asyncio.to_thread(getattr(registry, read), "s") for _ in range(4)]
        both = asyncio.gather(*tasks, *threads)
        await eventually(lambda: server.requests)
        await asyncio.sleep(0.1)  # until the threads wait, too
        server.let_go()
        found = await both
        assert len(server.requests) == 1
        assert all(one is found[0] and one is not old for one in found)

    def test_who_waited_long_enough_gets_the_copy_and_a_log_line(
        self, server: RegistryServer, connected: Connect, caplog: pytest.LogCaptureFixture
    ) -> None:
        server.add("s", OBJECT)
        registry = connected(cache={**LONG_AGO, "refresh_wait": 0.05}, timeout=30.0)
        copy = registry.get("s")
        server.add("s", ARRAY)
        stale = counted(registry, "stale")
        server.hold()
        with caplog.at_level(logging.WARNING, logger="llm_integrations"):
            assert registry.get("s") is copy
        [record] = [r for r in caplog.records if "its copy goes on being served" in r.getMessage()]
        assert "no answer within 0.05 s" in record.getMessage()
        assert counted(registry, "stale") == stale + 1
        server.let_go()
        until(lambda: registry.peek("s") is not copy)
        assert registry.get("s").version == 2

    @pytest.mark.usefixtures("clock")  # the pause does not end while it is looked at
    def test_after_one_reader_waited_in_vain_nobody_waits_for_that_registry(
        self, server: RegistryServer, connected: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However many keys are old: one wait, not one for each."""
        subjects = [f"s{n}" for n in range(30)]
        for subject in subjects:
            server.add(subject, OBJECT)
        registry = connected(cache={**LONG_AGO, "refresh_wait": 0.1}, timeout=30.0)
        copies = [registry.get(subject) for subject in subjects]
        server.fault = hanging
        waits: list[object] = []
        patiently = registry._service._patiently

        def counting(*args: Any) -> Any:
            waits.append(args)
            return patiently(*args)

        monkeypatch.setattr(registry._service, "_patiently", counting)
        for _ in range(20):
            assert [registry.get(subject) for subject in subjects] == copies
        assert len(waits) == 1

    def test_after_a_failed_refresh_none_is_tried_during_the_pause_and_then_one_reader_waits(
        self, clock: Clock, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        patient = {**LONG_AGO, "refresh_pause": 60.0, "refresh_wait": 30.0}
        registry = connected(cache=patient, timeout=30.0)
        copy = registry.get("s")
        server.fault = answering(503, {})
        assert registry.get("s") is copy
        asked = len(server.requests)
        assert [registry.get("s") for _ in range(20)] == [copy] * 20
        assert len(server.requests) == asked
        clock.go_on(60)
        server.fault = None
        server.add("s", ARRAY)
        server.hold()
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(registry.get, "s")
            until(lambda: len(server.requests) > asked)
            assert registry.get("s") is copy, "the others do not wait"
            server.let_go()
            assert first.result().version == 2

    def test_a_copy_serves_the_outage_up_to_its_limit(
        self, clock: Clock, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected(cache={**LONG_AGO, "stale_ttl": 60.0, "refresh_pause": 0.0})
        copy = registry.get("s")
        server.kill()
        assert registry.get("s") is copy
        clock.go_on(61)
        with pytest.raises(RegistryUnavailable):
            registry.get("s")

    def test_without_stale_ttl_a_copy_is_served_while_it_is_revalidated(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected(cache={"ttl": 0.0, "stale_ttl": 0.0, "refresh_pause": 0.0})
        copy = registry.get("s")
        server.kill()
        for _ in range(5):
            assert registry.get("s") is copy
        registry.invalidate("s")
        assert registry.get("s") is copy

    def test_nobody_waits_for_an_exact_version_or_an_id(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected(cache={**LONG_AGO, "refresh_wait": 30.0}, timeout=30.0)
        exact, by_id = registry.get("s@1"), registry.get_by_id(101)
        server.hold()
        assert registry.get("s@1") is exact
        assert registry.get_by_id(101) is by_id
        server.let_go()

    def test_a_subject_that_is_gone_is_not_served_any_more(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected(cache=LONG_AGO)
        registry.get("s")
        server.remove("s")
        with pytest.raises(SchemaNotFound):
            registry.get("s")

    def test_a_wait_of_nothing_is_none(self, server: RegistryServer, connected: Connect) -> None:
        server.add("s", OBJECT)
        registry = connected(cache={**LONG_AGO, "refresh_wait": 0.0}, timeout=30.0)
        copy = registry.get("s")
        server.hold()
        assert registry.get("s") is copy
        server.let_go()

    def test_closing_ends_the_waiting(self, server: RegistryServer, connected: Connect) -> None:
        server.add("s", OBJECT)
        registry = connected(cache={**LONG_AGO, "refresh_wait": 30.0}, timeout=30.0)
        registry.get("s")
        server.requests.clear()
        server.fault = hanging
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(registry.get, "s")
            until(lambda: server.requests)
            registry.close()
            with pytest.raises(Exception, match="closed"):
                waiting.result(60)


Tell = Callable[[Registry], object]


@pytest.mark.parametrize(
    "tell",
    [
        lambda registry: registry.invalidate("s"),
        lambda registry: registry.invalidate("s@latest"),
        lambda registry: registry.invalidate(),
        lambda registry: registry.apply_event(updated()),
        lambda registry: registry.follow([updated()]).wait(),
        lambda registry: registry.follow([updated(3), updated(2)]).wait(),
    ],
    ids=["subject", "latest", "everything", "event", "followed", "followed twice"],
)
class TestTheNextReadIsFresh:
    def test_in_a_thread(self, server: RegistryServer, connected: Connect, tell: Tell) -> None:
        server.add("s", OBJECT)
        registry = connected()
        assert registry.get("s").version == 1
        server.add("s", ARRAY)
        slow(server, 0.05)
        tell(registry)
        assert registry.get("s").version == 2
        assert registry.validator("s").is_valid([])

    async def test_in_a_task(self, server: RegistryServer, connected: Connect, tell: Tell) -> None:
        server.add("s", OBJECT)
        registry = connected()
        assert not (await registry.aio.validator("s")).is_valid([])
        server.add("s", ARRAY)
        await asyncio.to_thread(tell, registry)
        assert (await registry.aio.validator("s")).is_valid([])

    def test_in_a_folder(self, tmp_path: Path, tell: Tell) -> None:
        with connect(tmp_path) as ours, connect(tmp_path) as theirs:
            theirs.register("s", OBJECT, compatibility="NONE")
            assert ours.get("s").version == 1
            theirs.register("s", ARRAY)
            tell(ours)
            assert ours.get("s").version == 2

    def test_also_where_the_registry_has_just_failed(
        self, server: RegistryServer, connected: Connect, tell: Tell
    ) -> None:
        server.add("s", OBJECT)
        registry = connected(cache={"refresh_pause": 60.0})
        copy = registry.get("s")
        server.fault = answering(503, {})
        tell(registry)
        assert registry.get("s") is copy
        server.fault = None
        server.add("s", ARRAY)
        tell(registry)
        assert registry.get("s").version == 2


class TestFollowing:
    async def test_readers_have_the_old_copy_until_the_new_one_is_here(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected(cache={"refresh_wait": 30.0}, timeout=30.0)
        copy, validator = registry.get("s"), registry.validator("s")
        server.add("s", ARRAY)
        server.hold()
        following = registry.follow([updated()])
        for _ in range(20):
            assert await registry.aio.get("s") is copy
            assert registry.ready_validator("s") is validator
        server.let_go()
        assert await following
        assert registry.get("s").version == 2
        assert server.count("latest") == 2

    async def test_all_that_was_held_of_the_subject_is_fetched_and_no_more(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        for subject in ("s", "t"):
            server.add(subject, OBJECT)
        registry = connected()
        for reference in ("s", "s@1", "t"):
            registry.get(reference)
        registry.get_by_id(101)
        server.add("s", ARRAY)
        server.requests.clear()
        burst = [updated(), SchemaEvent.deprecated(101, "", "s", 1), updated(), updated(2, "u")]
        assert await registry.follow(burst)
        assert server.count("/subjects/s/versions/latest") == 1
        assert server.count("/subjects/s/versions/1") == 1
        assert server.count("/schemas/ids/101") == len(server.requests) - 2

    async def test_a_failure_keeps_the_copy_and_marks_it(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected(cache={"refresh_pause": 0.1})
        copy = registry.get("s")
        server.fault = answering(503, {})
        assert not await registry.follow([updated()])
        assert registry.get("s") is copy
        server.fault = None
        server.add("s", ARRAY)
        await asyncio.sleep(0.15)
        assert (await registry.aio.get("s")).version == 2

    async def test_a_deletion_drops_the_copy(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected()
        registry.get("s")
        assert await registry.follow([SchemaEvent.deleted(101, "", "s", 1)])
        assert registry.peek("s") is None

    async def test_a_copy_that_shows_the_change_is_not_fetched_again(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        """As where this client registered it, or heard of it before."""
        registry = connected()
        written = registry.register("s", OBJECT)
        registry.get("s")
        server.requests.clear()
        told = {"fingerprint": written.fingerprint, "state": written.state}
        assert await registry.follow([updated(1), updated(1, **told)])
        registry.apply_event(updated(1, **told))
        registry.get("s")
        assert server.requests == []
        for other in ({"fingerprint": "0" * 64}, {"state": "DEPRECATED"}):
            server.requests.clear()
            assert await registry.follow([updated(1, **other)])
            assert server.count("latest") == 1

    @pytest.mark.parametrize(
        ("lag", "named"), [(1, {}), (2, {}), (2, {"registry": "https://another.name"})]
    )
    async def test_a_registry_that_lags_behind_its_own_events_is_asked_again(
        self, server: RegistryServer, connected: Connect, lag: int, named: dict[str, Any]
    ) -> None:
        """As a follower of Confluent's cluster does that has not read its topic yet."""
        server.add("s", OBJECT)
        registry = connected(cache={"refresh_wait": 10.0}, registry_id=named.get("registry"))
        registry.get("s")
        server.requests.clear()

        async def late(exchange: Exchange) -> None:
            if server.count("latest") > lag:
                server.fault = None
                server.add("s", ARRAY)
            await exchange.reply(*server._answer(exchange))

        server.fault = late
        assert await registry.follow([updated(**named), updated(9, registry="https://b.example")])
        assert registry.get("s").version == 2
        assert server.count("latest") == lag + 1

    async def test_a_version_that_never_comes_is_not_waited_for_and_the_copy_is_not_trusted(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected(cache={"refresh_wait": 0.05, "refresh_pause": 0.0})
        registry.get("s")
        assert await registry.follow([updated()])
        held = registry.peek("s")
        assert held is not None
        assert held.version == 1
        server.add("s", ARRAY)
        until(lambda: registry.get("s").version == 2)

    @pytest.mark.parametrize(
        "event",
        [
            updated(9, state="DRAFT"),
            SchemaEvent.updated(1, "", "s", "9.0.0-rc.1"),
            SchemaEvent.deprecated(1, "", "s", 9),
            updated(9, registry="https://another.example"),
        ],
        ids=str,
    )
    async def test_what_does_not_become_latest_is_not_waited_for(
        self, server: RegistryServer, connected: Connect, event: SchemaEvent
    ) -> None:
        server.add("s", OBJECT)
        registry = connected(cache={"refresh_wait": 60.0})
        registry.get("s")
        async with asyncio.timeout(30):
            assert await registry.follow([event])
        assert server.count("latest") == 2

    async def test_a_newest_version_that_cannot_be_used_is_not_waited_for(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected(cache={"refresh_wait": 60.0})
        registry.validator("s")
        server.add("s", {"type": "no such type"})
        async with asyncio.timeout(30):
            assert await registry.follow([updated()])
        assert registry.get("s").version == 1
        assert "s@latest" in registry.health().detail["rejected"]

    async def test_a_client_that_holds_nothing_asks_nothing(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        registry = connected()
        assert await registry.follow([updated(), SchemaEvent.deleted(1, "", "s", 1)])
        assert registry.follow([]).wait()
        assert server.requests == []
