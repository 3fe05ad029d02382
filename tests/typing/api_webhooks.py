"""Type-checked, never run: the webhook API as a user writes it."""

from __future__ import annotations

from typing import assert_type

from llm_integrations.core.config import (
    ApiKeyAuth,
    BasicAuth,
    BearerAuth,
    BreakerOptions,
    TLSOptions,
)
from llm_integrations.core.events import (
    BusHealth,
    DeadLetter,
    DeliveryOptions,
    EventListener,
    SchemaEvent,
)
from llm_integrations.core.registry import connect
from llm_integrations.core.webhooks import WebhookConfig, WebhookDispatcher, WebhookReceiver
from llm_integrations.core.webhooks.sending.health import DispatcherHealth

plain = WebhookConfig("https://rag.example.com/hooks")
full = WebhookConfig(
    "https://rag.example.com/hooks",
    headers={"x-team": "rag"},
    max_retries=3,
    timeout_secs=10,
    secret=["whsec_…", "the-secret-that-is-being-replaced"],
    auth=BearerAuth("token"),
    backoff_secs=0.5,
    max_backoff_secs=5,
    max_retry_after_secs=3600,
    max_response_bytes=65_536,
    tls=TLSOptions(ca="ca.pem"),
    name="rag",
)
others = [
    WebhookConfig("https://a.example/", auth=BasicAuth("user", "password")),
    WebhookConfig(
        "https://b.example/", auth=ApiKeyAuth("key"), secret="one-secret-of-24-bytes-or-more"
    ),
]
assert_type(full.endpoint, str)


async def dispatch(event: SchemaEvent) -> None:
    webhooks = WebhookDispatcher([plain, *others], "outbox.db", breaker=BreakerOptions(failures=5))
    async with webhooks:
        assert_type(await webhooks.dispatch(event), None)
        await webhooks.flush(timeout=30)
        assert_type(await webhooks.health(), DispatcherHealth)
        letters = await webhooks.dead_letters()
        assert_type(letters, list[DeadLetter])
        assert_type(await webhooks.redeliver([letter.id for letter in letters]), int)
        await webhooks.discard(endpoint=full.endpoint)


def dispatch_without_a_loop(event: SchemaEvent) -> None:
    with WebhookDispatcher([full], outbox="outbox.db", allow_private=True).sync as webhooks:
        webhooks.dispatch(event)
        webhooks.flush()
        assert_type(webhooks.health(), DispatcherHealth)


def a_registry_that_tells() -> None:
    connect("file://schemas", bus=WebhookDispatcher([full]))


async def on_event(event: SchemaEvent) -> None: ...


def on_event_in_a_thread(event: SchemaEvent) -> None: ...


async def receive() -> None:
    receiver = WebhookReceiver(
        "one-secret-of-24-bytes-or-more",
        inbox="inbox.db",
        handlers=[on_event, on_event_in_a_thread],
        max_body=262_144,
        delivery=DeliveryOptions(attempts=3),
    )
    async with receiver, EventListener("file://schemas", buses=[receiver]):
        subscription = await receiver.subscribe(on_event, group="mine")
        await subscription.cancel()
        assert_type(await receiver.health_check(), BusHealth)
        given_up = await receiver.dead_letters()
        assert_type(given_up, list[DeadLetter])
        assert_type(await receiver.redeliver([letter.id for letter in given_up]), int)
