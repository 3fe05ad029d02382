"""Signed deliveries per second, with the outbox on, beside a bare client without one."""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from standardwebhooks import Webhook

from benchmarks.harness import Row, Section
from llm_integrations.core.events import SchemaEvent
from llm_integrations.core.events.cloudevents import to_json
from llm_integrations.core.webhooks import WebhookConfig, WebhookDispatcher, WebhookReceiver

SECRET = "a-secret-of-more-than-24-bytes"
COUNT = 2000
REPEATS = 3
AIM = 500
SPAWN = multiprocessing.get_context("spawn")


def run() -> list[Section]:
    section = Section(
        "Webhooks",
        f"{COUNT} schema events to one endpoint, in order, one request at a time; the endpoint is "
        "a process of its own under uvicorn on loopback. The bare client signs and posts in a "
        "loop (standardwebhooks, httpx) and keeps nothing. Our receiver verifies each delivery "
        "and commits it to its inbox (synced) before its 200. Medians of "
        f"{REPEATS} runs after one to warm up.",
    )
    with tempfile.TemporaryDirectory() as folder:
        with served(_bare) as port:
            ours = rate(lambda: dispatch(folder, port))
            peer = rate(lambda: post_in_a_loop(port))
        section.add(_row("dispatcher with outbox → endpoint that only says 200", ours, peer))
        with served(_receiver, folder) as port:
            ours = rate(lambda: dispatch(folder, port))
            peer = rate(lambda: post_in_a_loop(port))
        section.add(_row("dispatcher with outbox → WebhookReceiver with inbox", ours, peer))
        section.add(Row("events into the outbox, 100 at a time", f"{enqueue(folder):,.0f}/s"))
    return [section]


def _row(what: str, ours: float, peer: float) -> Row:
    return Row(
        what,
        f"{ours:,.0f}/s",
        f"{peer:,.0f}/s (httpx loop, keeps nothing)",
        f"{ours / peer:.2f}",
        f"≥ {AIM}/s",
        ours >= AIM,
    )


def rate(call: Callable[[], Awaitable[float]]) -> float:
    asyncio.run(_awaited(call))  # the first run waits for the disk to take in new files
    return statistics.median(COUNT / asyncio.run(_awaited(call)) for _ in range(REPEATS))


async def _awaited(call: Callable[[], Awaitable[float]]) -> float:
    return await call()


def events() -> list[SchemaEvent]:
    return [
        SchemaEvent.updated(number, "com.example", f"schema-{number % 50}", number)
        for number in range(COUNT)
    ]


def dispatcher(folder: str, port: int) -> WebhookDispatcher:
    config = WebhookConfig(f"http://127.0.0.1:{port}/", secret=SECRET)
    path = Path(tempfile.mkdtemp(dir=folder)) / "outbox.db"
    return WebhookDispatcher([config], path, allow_private=True)


async def dispatch(folder: str, port: int) -> float:
    """Seconds from the first dispatch until the outbox is empty."""
    sent = events()
    async with dispatcher(folder, port) as webhooks:
        started = time.perf_counter()
        await asyncio.gather(*map(webhooks.dispatch, sent))
        await webhooks.flush()
        seconds = time.perf_counter() - started
        assert not await webhooks.dead_letters()
    return seconds


async def post_in_a_loop(port: int) -> float:
    """What a few lines of httpx would do, without outbox, order, retries or checks."""
    sent, webhook = events(), Webhook(SECRET.encode())
    async with httpx.AsyncClient(trust_env=False) as client:
        started = time.perf_counter()
        for event in sent:
            now, body = datetime.now(UTC), to_json(event)
            headers = {
                "content-type": "application/cloudevents+json",
                "webhook-id": event.event_id,
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": webhook.sign(event.event_id, now, body.decode()),
            }
            response = await client.post(f"http://127.0.0.1:{port}/", content=body, headers=headers)
            assert response.status_code == 200
        return time.perf_counter() - started


def enqueue(folder: str) -> float:
    async def measure() -> float:
        sent = events()
        async with dispatcher(folder, 9) as webhooks:
            started = time.perf_counter()
            for first in range(0, COUNT, 100):
                await asyncio.gather(*map(webhooks.dispatch, sent[first : first + 100]))
            return time.perf_counter() - started

    return rate(measure)


async def _bare(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        continue
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _receiver(folder: str) -> WebhookReceiver:
    path = Path(tempfile.mkdtemp(dir=folder)) / "inbox.db"
    return WebhookReceiver(SECRET, path, handlers=[_handle])


async def _handle(event: SchemaEvent) -> None:
    """What a handler would do is not measured here."""


def _serve(make: Any, arguments: tuple[str, ...], port: Any, ready: Any) -> None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    port.value = listener.getsockname()[1]
    ready.set()
    app = make(*arguments) if arguments else make
    lifespan = "on" if arguments else "off"
    config = uvicorn.Config(app, log_level="error", access_log=False, lifespan=lifespan)
    uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def served(make: Any, *arguments: str) -> Iterator[int]:
    port, ready = SPAWN.Value("i", 0), SPAWN.Event()
    process = SPAWN.Process(target=_serve, args=(make, arguments, port, ready), daemon=True)
    process.start()
    try:
        ready.wait()
        _until_it_answers(port.value)
        yield port.value
    finally:
        process.terminate()
        process.join()


def _until_it_answers(port: int) -> None:
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
            return
        except httpx.TransportError:
            time.sleep(0.05)
