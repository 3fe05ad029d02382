"""What only the memory registry does."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import threading

import pytest

from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.registry.backend import NewSchema
from llm_integrations.core.registry.local.memory import MemoryBackend


async def test_two_of_them_share_nothing() -> None:
    one, other = MemoryBackend(), MemoryBackend()
    await one.register(NewSchema("user", {}))
    assert await other.subjects() == []
    assert one.url == "memory://"


async def test_it_pickles_with_its_content() -> None:
    registry = MemoryBackend()
    kept = await registry.register(
        NewSchema("user", {"type": "object"}, metadata={"owner": "a"}, compatibility="FULL")
    )
    copy = pickle.loads(pickle.dumps(registry))
    assert await copy.get(SchemaRef("user")) == kept
    assert await copy.get_compatibility("user") == "FULL"
    await copy.register(NewSchema("user", {"type": "string"}))
    assert await registry.versions("user") == [1]


@pytest.mark.no_cover  # a child that is forked while coverage holds its lock never ends
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # forking with threads is the test
def test_a_child_is_not_stopped_by_a_lock_that_its_parent_held() -> None:
    registry = MemoryBackend()
    registering, forked = threading.Event(), threading.Event()

    def guard(*_: object) -> None:
        registering.set()
        forked.wait(10)

    new = NewSchema("user", {})
    thread = threading.Thread(target=lambda: asyncio.run(registry.register(new, guard)))
    thread.start()
    registering.wait(10)
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        with registry.store.lock():
            os._exit(0)
    forked.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
