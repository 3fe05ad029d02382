"""Closing, forking, pickling, and being forgotten."""

from __future__ import annotations

import asyncio
import copy
import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from llm_integrations.core.config import RetryOptions
from llm_integrations.core.errors import LLMIntegrationsError, RegistryError
from llm_integrations.core.registry import AsyncRegistry, Registry, connect
from tests.support.clients import OBJECT, Connect, connected, server
from tests.support.patience import eventually, until
from tests.support.registry_server import RegistryServer

__all__ = ["connected", "server"]

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


class TestClosing:
    def test_a_closed_client_turns_callers_away(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected()
        registry.validator("s")
        registry.close()
        for call in (registry.get, registry.validator, registry.versions, registry.find):
            with pytest.raises(RegistryError, match="closed"):
                call("s")
        with pytest.raises(RegistryError, match="closed"):
            registry.health()
        assert registry.peek("s") is None
        assert registry.closed
        assert "(closed)" in repr(registry)

    def test_closing_twice_does_nothing(self, connected: Connect) -> None:
        registry = connected()
        registry.close()
        registry.close()
        asyncio.run(registry.aio.close())

    async def test_whoever_waits_gets_an_error(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.hold()
        registry = connected(timeout=60.0, retry=RetryOptions(deadline=60.0))
        waiting = [
            asyncio.ensure_future(registry.aio.get("s")),
            asyncio.ensure_future(registry.aio.subjects()),
            asyncio.ensure_future(registry.aio.validator("t")),
            asyncio.ensure_future(asyncio.to_thread(registry.get, "s")),
        ]
        await eventually(lambda: len(server.requests) == 3)
        started = time.monotonic()
        await registry.aio.close()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(end, RegistryError) and "closed" in str(end) for end in ends)
        assert time.monotonic() - started < 30

    def test_as_context_managers(self, server: RegistryServer) -> None:
        server.add("s", OBJECT)
        with connect(server.url) as registry:
            registry.get("s")
        assert registry.closed

        async def main() -> AsyncRegistry:
            async with connect(server.url).aio as aio:
                await aio.get("s")
            return aio

        assert asyncio.run(main()).sync.closed

    def test_a_client_that_nobody_holds_closes_its_connections(
        self, server: RegistryServer
    ) -> None:
        server.add("s", OBJECT)
        registry = connect(server.url)
        registry.get("s")
        assert registry.aio.sync is registry  # a cycle, which the collector has to find
        assert len(server._writers) == 1
        del registry
        gc.collect()
        until(lambda: not server._writers)

    def test_a_process_ends_at_once_with_a_fetch_under_way(self, server: RegistryServer) -> None:
        server.hold()
        script = (
            "import sys, threading, time\n"
            "from llm_integrations.core.registry import connect\n"
            f"registry = connect({server.url!r}, timeout=60.0)\n"
            "threading.Thread(target=lambda: registry.get('s'), daemon=True).start()\n"
            "time.sleep(0.3)\n"
        )
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", script],
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert ended.returncode == 0
        assert "Task was destroyed" not in ended.stderr
        assert "unclosed" not in ended.stderr


class TestPickling:
    def test_a_client_connects_again_with_what_it_was_given(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected(timeout=1.25)
        registry.get("s")
        with pickle.loads(pickle.dumps(registry)) as other:
            assert other.settings == registry.settings
            assert other.get("s") == registry.get("s")
        assert len(server.requests) == 2

    def test_a_memory_registry_takes_its_content_along(self) -> None:
        registry = connect("memory://")
        registry.register("s", OBJECT, metadata={"owner": "team-a"})
        other: Registry = pickle.loads(pickle.dumps(registry))
        assert other.get("s") == registry.get("s")
        other.register("t", OBJECT)
        assert registry.subjects() == ["s"], "but they are two from then on"

    def test_the_async_face_pickles_too(self) -> None:
        registry = connect("memory://")
        registry.register("s", OBJECT)
        other: AsyncRegistry = pickle.loads(pickle.dumps(registry.aio))
        assert asyncio.run(other.get("s")).version == 1

    def test_an_unpickled_client_is_used_from_another_process(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected(timeout=5.0, retry=RetryOptions(deadline=10.0))
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.apply(_version_of, (registry, "s")) == 1

    def test_copying_one_is_sharing_it(self) -> None:
        registry = connect("memory://")
        assert copy.copy(registry) is registry
        assert copy.deepcopy({"registry": registry})["registry"] is registry
        assert copy.deepcopy(registry.aio) is registry.aio


def _version_of(registry: Registry, reference: str) -> object:
    return registry.get(reference).version


def in_child(work: Callable[[], bool]) -> bool:
    """Whether it returned true in a forked child; one that hangs is ended, however slowly."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    due = time.monotonic() + 40
    while time.monotonic() < due:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.005)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return False


@pytest.mark.no_cover  # a child that is forked while coverage holds its lock never ends
@needs_fork
class TestForking:
    def test_both_go_on_with_connections_of_their_own(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        for subject in "stuv":
            server.add(subject, OBJECT)
        registry = connected(timeout=2.0)
        validator = registry.validator("s")

        def child() -> bool:
            keeps_its_cache = registry.validator("s") is validator
            return keeps_its_cache and registry.validator("t").is_valid({})

        assert in_child(child)
        assert registry.get("u").version == 1
        assert in_child(lambda: asyncio.run(registry.aio.get("v")).version == 1)

    def test_a_fetch_of_the_parent_is_not_waited_for(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        server.hold()
        registry = connected(timeout=5.0)
        with ThreadPoolExecutor(1) as pool:
            parents = pool.submit(registry.get, "s")
            until(lambda: server.requests)
            threading.Timer(0.1, server.let_go).start()
            assert in_child(lambda: registry.get("s").version == 1)
            assert parents.result().version == 1
        assert len(server.requests) == 2

    def test_no_lock_is_inherited_in_use(self, server: RegistryServer, connected: Connect) -> None:
        server.add("s", OBJECT)
        registry = connected(timeout=5.0)
        registry.get("s")
        stop = threading.Event()

        def hammer() -> None:
            while not stop.is_set():
                registry.get("s")
                registry.invalidate("s")

        threads = [threading.Thread(target=hammer) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(10):
                assert in_child(lambda: registry.get("s").version == 1)
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def test_closing_in_the_child_leaves_the_parent_its_connections(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        server.add("s", OBJECT)
        registry = connected()
        registry.get("s")

        def child() -> bool:
            registry.close()
            return registry.closed

        assert in_child(child)
        assert len(server._writers) == 1
        assert registry.get("s@1").version == 1
        assert len(server._writers) == 1

    def test_a_memory_registry_keeps_its_content(self) -> None:
        registry = connect("memory://")
        registry.register("s", OBJECT)
        assert in_child(lambda: registry.get("s@1").version == 1)

    def test_a_pool_of_forked_workers(self, tmp_path: Path) -> None:
        registry = connect(tmp_path)
        registry.register("s", OBJECT)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.starmap(_version_of, [(registry, "s")] * 4) == [1] * 4


def test_an_unknown_option_is_pythons_own_error() -> None:
    with pytest.raises(TypeError):
        connect("memory://", ttl=5)  # type: ignore[call-arg]  # the point of the test


def test_errors_survive_pickling(connected: Connect) -> None:
    with pytest.raises(RegistryError) as caught:
        connected().get("unknown")
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is type(caught.value)
    assert str(again) == str(caught.value)
    assert isinstance(again, LLMIntegrationsError)
