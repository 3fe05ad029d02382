"""Processes killed with -9, lost answers and failing endpoints: all arrive, none twice."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from llm_integrations.core.config import BreakerOptions
from llm_integrations.core.events import SchemaEvent
from llm_integrations.core.webhooks import WebhookConfig, WebhookDispatcher, WebhookReceiver
from tests.support.events import event, events, until
from tests.support.webhooks import SECRET, served

SPAWN = multiprocessing.get_context("spawn")
COUNT = 500


def dispatcher(outbox: str | Path, url: str) -> WebhookDispatcher:
    """Patient with failures, but quick to try again."""
    config = WebhookConfig(
        url,
        secret=SECRET,
        max_retries=500,
        timeout_secs=2,
        backoff_secs=0.001,
        max_backoff_secs=0.02,
    )
    breaker = BreakerOptions(failures=5, reset_timeout=0.02)
    return WebhookDispatcher([config], outbox, allow_private=True, breaker=breaker, poll=0.05)


class Unreliable:
    """An application whose answers get lost: some before it was asked, some after."""

    def __init__(self, app: WebhookReceiver, *, share: float) -> None:
        self.requests = 0
        self._app = app
        self._share = share
        self._random = random.Random(11)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self.requests += 1
        fate = self._random.random()
        if fate > self._share:
            await self._app(scope, receive, send)
            return
        if fate < self._share / 2:
            await self._app(scope, receive, _nowhere)
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def _nowhere(message: Any) -> None:
    """Where a lost answer goes."""


def _dispatch_all(outbox: str, url: str, ready: Any) -> None:
    """The process that is going to be killed: hundreds of deliveries in the outbox, and on."""

    async def main() -> None:
        webhooks = dispatcher(outbox, url)
        await asyncio.gather(*(webhooks.dispatch(one) for one in events(COUNT, subjects=50)))
        ready.set()
        await asyncio.sleep(600)

    asyncio.run(main())


def _go_on(outbox: str, url: str) -> None:
    with dispatcher(outbox, url).sync as webhooks:
        webhooks.flush()


def killed(process: BaseProcess) -> None:
    process.kill()
    process.join()


async def test_a_dispatcher_killed_with_hundreds_of_deliveries_loses_none_and_repeats_none(
    tmp_path: Path,
) -> None:
    accepted: list[SchemaEvent] = []

    async def take(sent: SchemaEvent) -> None:
        accepted.append(sent)

    receiver = WebhookReceiver(SECRET, tmp_path / "inbox.db", handlers=[take])
    app = Unreliable(receiver, share=0.3)
    with served(app) as port:
        url, outbox = f"http://127.0.0.1:{port}/", str(tmp_path / "outbox.db")
        ready = SPAWN.Event()
        first = SPAWN.Process(target=_dispatch_all, args=(outbox, url, ready))
        first.start()
        await asyncio.to_thread(ready.wait)
        await until(lambda: app.requests > 50)
        killed(first)
        before = app.requests
        for _ in range(2):
            process = SPAWN.Process(target=_go_on, args=(outbox, url))
            process.start()
            await until(lambda: app.requests > before + 50)  # noqa: B023 - used in this turn
            killed(process)
            before = app.requests
        assert len(accepted) < COUNT, "it was killed before it was done"
        await asyncio.to_thread(_go_on, outbox, url)
        await until(lambda: len(accepted) >= COUNT)
        await asyncio.sleep(0.1)
    times = Counter(sent.event_id for sent in accepted)
    assert set(times.values()) == {1}
    assert len(times) == COUNT
    assert app.requests > COUNT * 1.2
    for subject in {sent.subject for sent in accepted}:
        versions = [int(sent.version) for sent in accepted if sent.subject == subject]
        assert versions == sorted(versions)


async def test_a_lost_answer_is_delivered_again_and_taken_once(tmp_path: Path) -> None:
    accepted: list[SchemaEvent] = []
    receiver = WebhookReceiver(SECRET, tmp_path / "inbox.db", handlers=[accepted.append])
    lost: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and len(lost) < 3:
            await receiver(scope, receive, _nowhere)
            lost.append(scope)
            raise ConnectionAbortedError  # the server hangs up
        await receiver(scope, receive, send)

    with served(app) as port:
        async with dispatcher(tmp_path / "outbox.db", f"http://127.0.0.1:{port}/") as webhooks:
            await webhooks.dispatch(event(version=1))
            await webhooks.dispatch(event(version=2))
            await webhooks.flush(60)
        await until(lambda: len(accepted) == 2)
        await asyncio.sleep(0.05)
    assert len(lost) == 3
    assert [sent.version for sent in accepted] == ["1", "2"]


class Ledger:
    """An effect that is keyed by the event's id, and a note of every call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as db:
            db.execute("CREATE TABLE IF NOT EXISTS effects (event_id TEXT PRIMARY KEY)")
            db.execute("CREATE TABLE IF NOT EXISTS calls (event_id TEXT)")

    def __call__(self, sent: SchemaEvent) -> None:
        with self._open() as db:
            db.execute("INSERT INTO calls VALUES (?)", (sent.event_id,))
            db.execute("INSERT OR IGNORE INTO effects VALUES (?)", (sent.event_id,))

    def rows(self, table: str) -> list[str]:
        with self._open() as db:
            return [row[0] for row in db.execute(f"SELECT event_id FROM {table}")]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self._path, timeout=20)
        try:
            with db:
                yield db
        finally:
            db.close()


def _receive(folder: str, port: int, *, hangs: bool) -> None:
    """A receiver that, if it ``hangs``, never comes back from its handler."""
    ledger = Ledger(Path(folder) / "ledger.db")

    def handle(sent: SchemaEvent) -> None:
        ledger(sent)
        if hangs:
            time.sleep(600)

    receiver = WebhookReceiver(SECRET, Path(folder) / "inbox.db", handlers=[handle], poll=0.02)
    with served(receiver, port=port):
        time.sleep(600)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def start_receiver(folder: Path, port: int, *, hangs: bool = False) -> BaseProcess:
    process = SPAWN.Process(
        target=_receive, args=(str(folder), port), kwargs={"hangs": hangs}, daemon=True
    )
    process.start()
    return process


async def test_a_receiver_killed_after_handling_handles_again_with_one_effect(
    tmp_path: Path,
) -> None:
    port, ledger = free_port(), Ledger(tmp_path / "ledger.db")
    process = start_receiver(tmp_path, port, hangs=True)
    async with dispatcher(tmp_path / "outbox.db", f"http://127.0.0.1:{port}/") as webhooks:
        sent = event()
        await webhooks.dispatch(sent)
        await webhooks.flush(60)
        await until(lambda: ledger.rows("calls"))
        killed(process)
        process = start_receiver(tmp_path, port)
        await until(lambda: len(ledger.rows("calls")) == 2)
        killed(process)
    assert ledger.rows("effects") == [sent.event_id]


async def test_a_receiver_killed_while_events_flow_misses_none(tmp_path: Path) -> None:
    kills = 2
    port, ledger = free_port(), Ledger(tmp_path / "ledger.db")
    sent = events(160, subjects=20)
    process = start_receiver(tmp_path, port)
    async with dispatcher(tmp_path / "outbox.db", f"http://127.0.0.1:{port}/") as webhooks:
        await asyncio.gather(*(webhooks.dispatch(one) for one in sent))
        for number in range(1, kills + 1):
            await until(lambda: len(ledger.rows("effects")) >= 40 * number)  # noqa: B023
            killed(process)
            process = start_receiver(tmp_path, port)
        await webhooks.flush(60)
        assert await webhooks.dead_letters() == []
        await until(lambda: len(ledger.rows("effects")) == len(sent))
    killed(process)
    assert set(ledger.rows("effects")) == {one.event_id for one in sent}
    # What was accepted again after a crash would be handled again, at the most what was under way.
    assert len(ledger.rows("calls")) <= len(sent) + kills * 100
