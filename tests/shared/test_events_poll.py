"""PollSource: the changes of a registry that one can only ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from llm_integrations.core.config import RetryOptions
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.events import EventListener, ListenerState, PollSource
from llm_integrations.core.model.changes import content_event
from llm_integrations.core.registry import Registry, connect
from tests.support.confluent_server import ConfluentServer
from tests.support.events import Recording, until
from tests.support.registry_server import answering, registry_server

A = {"type": "object"}
B = {"type": "object", "properties": {"age": {"type": "integer"}}}
C = {"type": "object", "properties": {"name": {"type": "string"}}}


@pytest.fixture
def server() -> Iterator[ConfluentServer]:
    with ConfluentServer() as server:
        yield server


@pytest.fixture
def registry(server: ConfluentServer) -> Iterator[Registry]:
    with connect(server.url) as registry:
        yield registry


@asynccontextmanager
async def following(registry: Registry, **options: Any) -> AsyncIterator[Recording]:
    state = options.pop("state", None)
    recording = Recording(registry)
    source = PollSource(registry, interval=0.02, **options)
    async with EventListener(registry, [recording], sources=[source], state=state):
        yield recording


def told(recording: Recording) -> list[str]:
    return [f"{event.reference} {event.event_type}" for event in recording.seen]


async def settled(recording: Recording, *expected: str) -> None:
    await until(lambda: len(recording.seen) >= len(expected))
    await asyncio.sleep(0.1)
    assert told(recording) == list(expected)


async def test_new_versions_and_deletions_are_told(
    registry: Registry, server: ConfluentServer
) -> None:
    server.add("other", A)
    async with following(registry) as recording:
        server.add("user", A)
        await settled(recording, "user@1 registered")
        server.add("user", B)
        server.add("user", C)  # both between two looks, perhaps
        await until(lambda: len(recording.seen) == 3)
        await registry.aio.delete("user@3")
        await until(lambda: len(recording.seen) == 4)
        assert recording.seen[3].metadata["permanent"] is False
        await registry.aio.delete_subject("other")
        await settled(
            recording,
            "user@1 registered",
            "user@2 updated",
            "user@3 updated",
            "user@3 deleted",
            "other@1 deleted",
        )
        assert [e.previous_version for e in recording.seen[:3]] == [None, "1", "2"]


async def test_a_version_that_is_gone_for_good_is_told_as_such(
    registry: Registry, server: ConfluentServer
) -> None:
    server.add("user", A)
    server.add("user", B)
    async with following(registry) as recording:
        await registry.aio.delete("user@2")
        await registry.aio.delete("user@2", permanent=True)
        await until(lambda: recording.seen)
        await asyncio.sleep(0.1)
    assert [e.reference for e in recording.seen] == ["user@2"] * len(recording.seen)
    assert recording.seen[-1].metadata["permanent"] in (True, False)


async def test_the_event_is_the_one_that_a_publisher_would_have_sent(
    registry: Registry, server: ConfluentServer
) -> None:
    async with following(registry) as recording:
        schema = await registry.aio.register("user", A)
        await until(lambda: recording.seen)
    assert recording.seen[0].event_id == content_event(registry.url, schema).event_id


async def test_one_request_per_interval_where_the_registry_lists_what_is_latest(
    registry: Registry, server: ConfluentServer
) -> None:
    for number in range(20):
        server.add(f"subject-{number}", A)
    async with following(registry):
        before = len(server.requests)
        await until(lambda: len(server.requests) >= before + 5)
        asked = {request.target.partition("?")[0] for request in server.requests[before:]}
        assert asked == {"/schemas"}


async def test_else_one_request_for_each_watched_subject() -> None:
    with registry_server() as server, connect(server.url) as registry:
        for subject in ("a", "b", "c"):
            server.add(subject, A)
        async with following(registry, subjects=["a", "b"]) as recording:
            before = server.count("")
            await until(lambda: server.count("") >= before + 8)
            assert server.count("/subjects/c/") == 0
            server.add("c", B)
            server.add("b", B)
            await settled(recording, "b@2 updated")


async def test_a_registry_that_fails_is_asked_again_and_nothing_is_missed(
    server: ConfluentServer,
) -> None:
    with registry_server() as flaky:
        registry = connect(flaky.url, retry=RetryOptions(attempts=1))
        flaky.add("user", A)
        async with following(registry, subjects=["user"]) as recording:
            flaky.fault = answering(503, {})
            flaky.add("user", B)
            await asyncio.sleep(0.1)
            flaky.fault = None
            await settled(recording, "user@2 updated")
        registry.close()


async def test_states_are_followed_where_the_registry_has_them() -> None:
    with connect("memory://") as registry:
        registry.register("user", A)
        async with following(registry) as recording:
            await registry.aio.deprecate("user@1")
            await settled(recording, "user@1 deprecated")


async def test_from_the_beginning_what_is_latest_is_told_too(
    registry: Registry, server: ConfluentServer
) -> None:
    server.add("user", A)
    async with following(registry, start="beginning") as recording:
        await settled(recording, "user@1 registered")


async def test_with_a_state_what_happened_meanwhile_is_told_after_a_restart(
    registry: Registry, server: ConfluentServer, tmp_path: Path
) -> None:
    server.add("gone", A)
    server.add("user", A)
    state = ListenerState(tmp_path / "l.db")
    async with following(registry, state=state):
        pass
    server.add("user", B)
    await registry.aio.delete_subject("gone")
    async with following(registry, state=state) as recording:
        await settled(recording, "gone@1 deleted", "user@2 updated")
    async with following(registry, state=state) as recording:
        await asyncio.sleep(0.1)
        assert recording.seen == []
    state.close()


async def test_what_was_not_handled_before_the_end_is_told_again_after_a_restart(
    registry: Registry, server: ConfluentServer, tmp_path: Path
) -> None:
    class Stuck(Recording):
        async def handle_schema_event(self, event: object) -> None:
            self.calls += 1
            await asyncio.Event().wait()

    state = ListenerState(tmp_path / "l.db")
    stuck = Stuck(registry)
    source = PollSource(registry, interval=0.02)
    async with EventListener(registry, [stuck], sources=[source], state=state):
        server.add("user", A)
        await until(lambda: stuck.calls)
    async with following(registry, state=state) as recording:
        await settled(recording, "user@1 registered")
    state.close()


def test_looks_are_spread_so_that_many_pollers_do_not_ask_at_once() -> None:
    with connect("memory://") as registry:
        with pytest.raises(ConfigurationError, match="interval"):
            PollSource(registry, interval=0)
        with pytest.raises(ConfigurationError, match="beginning"):
            PollSource(registry, start="end")  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("start", ["now", "beginning"])
async def test_a_subject_that_cannot_be_read_holds_up_no_other(
    registry: Registry, server: ConfluentServer, start: Any
) -> None:
    await registry.aio.register("s", A)
    body = {"schemaType": "JSON", "schema": '{"description": "\\ud800"}'}
    async with httpx.AsyncClient(base_url=server.url) as other:
        for subject in ("a", "z"):
            (await other.post(f"/subjects/{subject}/versions", json=body)).raise_for_status()
    async with following(registry, start=start) as recording:
        await registry.aio.register("s", B, compatibility="NONE")
        await until(lambda: [e.reference for e in recording.seen][-1:] == ["s@2"])
        assert {e.subject for e in recording.seen} == {"s"}
