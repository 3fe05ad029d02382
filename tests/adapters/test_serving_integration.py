"""Schemas that change while the server runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from llm_integrations.core.config import RetryOptions
from llm_integrations.core.errors import RegistryError
from llm_integrations.core.events import EventListener, InMemoryEventBus, SchemaEvent, connect_bus
from llm_integrations.core.integration import LLMModuleIntegration
from llm_integrations.core.registry import Registry, connect
from llm_integrations.serving import ModelServingIntegration
from tests.support.confluent_server import ConfluentServer
from tests.support.kafka import kafka_broker
from tests.support.serving_apps import BAD, USER, Server, chat_reply, registry_with_user, started

OPEN = {**USER, "properties": {"name": {"type": "string"}}}


def updated(version: int = 2) -> SchemaEvent:
    return SchemaEvent.updated(f"id-{version}", "", "user", version, version - 1)


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with connect(f"file:{tmp_path}/schemas") as writer:
        writer.register("user", USER)
    return tmp_path / "schemas"


@pytest.fixture
def reader(folder: Path) -> Registry:
    """A client of its own, as in another process: it hears of nothing by itself."""
    return connect(f"file:{folder}")


class TestTheIntegration:
    async def test_it_is_one_like_the_others(self, reader: Registry) -> None:
        integration = ModelServingIntegration(reader, references=["user"])
        assert isinstance(integration, LLMModuleIntegration)
        assert (integration.name, integration.delivery) == ("serving", "broadcast")
        schema = await integration.get_schema("user@1")
        assert schema.body == USER
        assert (await integration.validate_data(schema.id, {"name": "Ann", "age": 1})).is_valid
        assert not await integration.validate_data("user@1", {})
        assert (await integration.health_check()).ok

    def test_without_an_event_loop(self, reader: Registry) -> None:
        integration = ModelServingIntegration(reader, references=["user"]).sync
        assert not integration.validate_data("user", {})
        integration.handle_schema_event(updated(1))

    async def test_a_new_version_is_there_when_the_event_has_been_handled(
        self, folder: Path, reader: Registry
    ) -> None:
        integration = ModelServingIntegration(reader, references=["user", "user@1"])
        assert reader.validator("user").reference == "user@1"
        connect(f"file:{folder}").register("user", OPEN)
        await integration.handle_schema_event(updated())
        assert reader.validator("user").reference == "user@2"
        assert reader.validator("user@1").body == USER

    async def test_other_subjects_are_none_of_its_business(self, reader: Registry) -> None:
        integration = ModelServingIntegration(reader, references=["user"])
        await integration.handle_schema_event(SchemaEvent.registered("x", "", "other", 1))
        assert reader.peek("other") is None

    async def test_one_that_another_client_registered_is_in_force_at_once(self) -> None:
        with (
            ConfluentServer() as remote,
            connect(remote.url) as ours,
            connect(remote.url) as theirs,
        ):
            theirs.register("user", USER)
            assert ours.validator("user").reference == "user@1"
            integration = ModelServingIntegration(ours, references=["user"])
            theirs.register("user", OPEN)
            asked = len(remote.requests)
            await integration.handle_schema_event(updated())
            assert len(remote.requests) <= asked + 2, "nothing is polled for"
            assert ours.validator("user").reference == "user@2"

    async def test_a_version_that_has_not_arrived_is_looked_for_by_the_next_request(
        self, folder: Path, reader: Registry, caplog: pytest.LogCaptureFixture
    ) -> None:
        integration = ModelServingIntegration(reader, references=["user"])
        reader.validator("user")
        await integration.handle_schema_event(updated())
        assert "still judges by user@1" in caplog.text
        connect(f"file:{folder}").register("user", OPEN)
        await eventually(lambda: _is(reader, "user@2"))

    async def test_what_the_registry_cannot_tell_now_fails_nobody(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with ConfluentServer() as remote:
            remote.add("user", USER)
            reader = connect(remote.url, retry=RetryOptions(attempts=1))
            assert reader.validator("user").reference == "user@1"
        integration = ModelServingIntegration(reader, references=["user"])
        await integration.handle_schema_event(updated())
        assert "cannot fetch user@latest now" in caplog.text
        assert reader.validator("user").reference == "user@1"

    async def test_it_says_when_a_schema_in_use_is_deprecated_or_deleted(
        self, folder: Path, reader: Registry, caplog: pytest.LogCaptureFixture
    ) -> None:
        integration = ModelServingIntegration(reader, references=["user", "user@9"])
        await integration.handle_schema_event(SchemaEvent.deprecated("x", "", "user", 1))
        assert "judges by user@latest, which is deprecated" in caplog.text
        connect(f"file:{folder}").delete_subject("user")
        await integration.handle_schema_event(SchemaEvent.deleted("x", "", "user", 1))
        assert "judges by user@latest, which was deleted" in caplog.text
        assert "user@9" not in caplog.text

    async def test_a_listener_brings_it_events(self, folder: Path, reader: Registry) -> None:
        bus = InMemoryEventBus()
        integration = ModelServingIntegration(reader, references=["user"])
        reader.validator("user")
        async with EventListener(reader, [integration], buses=[bus]):
            connect(f"file:{folder}").register("user", OPEN)
            await bus.publish(updated())
            await eventually(lambda: _is(reader, "user@2"))


async def _is(reader: Registry, reference: str) -> bool:
    return (await reader.aio.validator("user")).reference == reference


class TestInTheMiddleware:
    """A change comes into force while requests flow and none fails."""

    async def follow(self, server: Server, change: Callable[[], Any]) -> None:
        async with started(server.middleware):
            assert (await server.post()).status == 500
            change()
            changed = time.monotonic()
            while (await server.post()).status != 200:
                await asyncio.sleep(0.01)
                assert time.monotonic() - changed < 60

    def server(self, reader: Registry, **events: Any) -> Server:
        rules = [{"output": {"schema": "user", "mode": "enforce"}}]
        made = Server(chat_reply(BAD), registry=reader, rules=rules, events=events)
        inner = made.middleware.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                await inner(scope, receive, send)
                return
            for phase in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{phase}.complete"})

        made.middleware.app = app
        return made

    async def test_by_watching_a_folder(self, folder: Path, reader: Registry) -> None:
        server = self.server(reader, watch=True)
        await self.follow(server, lambda: connect(f"file:{folder}").register("user", OPEN))

    async def test_by_polling(self, folder: Path, reader: Registry) -> None:
        server = self.server(reader, poll=0.2)
        await self.follow(server, lambda: connect(f"file:{folder}").register("user", OPEN))

    async def test_by_kafka(self, folder: Path, tmp_path: Path, reader: Registry) -> None:
        with kafka_broker(tmp_path) as broker:
            url = f"kafka://{broker.servers}/schema-events"
            server = self.server(reader, buses=[url])
            async with started(server.middleware), connect_bus(url) as bus:
                assert (await server.post()).status == 500
                connect(f"file:{folder}").register("user", OPEN)
                await bus.publish(updated())

                async def in_force() -> bool:
                    return (await server.post()).status == 200

                await eventually(in_force)

    async def test_what_cannot_be_watched_ends_the_start(self) -> None:
        server = self.server(registry_with_user(), watch=True)
        async with started(server.middleware) as said:
            assert said[0]["type"] == "lifespan.startup.failed"
            assert "file registry" in said[0]["message"]

    async def test_by_webhook(
        self, folder: Path, tmp_path: Path, reader: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from standardwebhooks import Webhook

        from llm_integrations.core.events.cloudevents import to_json

        secret = "a secret of at least 24 bytes"
        monkeypatch.setenv("HOOK_SECRET", secret)
        hook = {"secret_env": "HOOK_SECRET", "inbox": str(tmp_path / "inbox.db")}
        server = self.server(reader, webhook=hook)

        async with started(server.middleware):
            assert (await server.post()).status == 500
            connect(f"file:{folder}").register("user", OPEN)
            refused = await server.post(to_json(updated()), "/schemas/webhook")
            assert refused.status == 401
            await _deliver(server, Webhook, secret, updated())

            async def in_force() -> bool:
                return (await server.post()).status == 200

            await eventually(in_force)

    async def test_a_pinned_rule_stays_where_it_is(self, folder: Path, reader: Registry) -> None:
        rules = [{"output": {"schema": "user@1", "mode": "enforce"}}]
        server = Server(chat_reply(BAD), chat_reply(BAD), registry=reader, rules=rules)
        assert (await server.post()).status == 500
        connect(f"file:{folder}").register("user", OPEN)
        reader.apply_event(updated())
        assert (await server.post()).status == 500

    async def test_a_registry_that_goes_away_later_leaves_its_copies(self) -> None:
        with ConfluentServer() as remote:
            remote.add("user", USER)
            reader = connect(remote.url, retry=RetryOptions(attempts=1))
            server = self.server(reader)
            assert (await server.post()).status == 500
        reader.apply_event(updated())
        for _ in range(3):
            assert (await server.post()).status == 500
        with pytest.raises(RegistryError):
            reader.get("other")


async def _deliver(server: Server, webhook: Any, secret: str, event: SchemaEvent) -> None:
    import base64
    from datetime import UTC, datetime

    from llm_integrations.core.events.cloudevents import to_json

    body = to_json(event)
    now = datetime.now(UTC)
    signer = webhook(base64.b64encode(secret.encode()).decode())
    headers = {
        "webhook-id": event.event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signer.sign(event.event_id, now, body.decode()),
    }
    assert (await server.post(body, "/schemas/webhook", headers=headers)).status == 200
