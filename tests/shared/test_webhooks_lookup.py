"""Endpoints are independent: a name that hangs, or cannot be, is its own endpoint's trouble."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from llm_integrations.core.config import BearerAuth, BreakerOptions
from llm_integrations.core.errors import WebhookError
from llm_integrations.core.notify import Notice, WebhookNotifier
from llm_integrations.core.webhooks import WebhookConfig, WebhookDispatcher
from llm_integrations.core.webhooks.sending import lookup
from llm_integrations.core.webhooks.sending.connection import Connection, GuardedBackend
from tests.support.events import event, until
from tests.support.webhooks import SECRET, Endpoint, Reply, endpoint

HASTE: dict[str, Any] = {"backoff_secs": 0.01, "max_backoff_secs": 0.02}
BOLD = BreakerOptions(failures=1000)


class Resolver:
    """The system's resolver, of which some names hang until they are let go."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.asked: list[str] = []
        self._real = socket.getaddrinfo

    def __call__(self, host: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        self.asked.append(name)
        if name.startswith("hangs"):
            self.go_on.wait(60)
        if name.endswith(".test"):
            host = "127.0.0.1"
        return self._real(host, *args, **options)


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    resolver = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    yield resolver
    resolver.go_on.set()


@pytest.fixture
async def server() -> AsyncIterator[Endpoint]:
    async with endpoint() as found:
        yield found


async def test_names_that_hang_hold_up_no_healthy_endpoint(
    resolver: Resolver, server: Endpoint, tmp_path: Path
) -> None:
    hanging = [
        WebhookConfig(f"http://hangs-{n}.test/", timeout_secs=0.5, max_retries=99, **HASTE)
        for n in range(40)
    ]
    healthy = WebhookConfig(
        f"http://healthy.test:{server.port}/hooks", timeout_secs=2, max_retries=0, **HASTE
    )
    webhooks = WebhookDispatcher(
        [*hanging, healthy], tmp_path / "outbox.db", allow_private=True, breaker=BOLD
    )
    async with webhooks:
        for version in (1, 2):
            await webhooks.dispatch(event(version=version))
        await until(lambda: len(server.requests) == 2)
        assert await webhooks.dead_letters(healthy.endpoint) == []


async def test_of_one_name_few_look_ups_hang_and_an_attempt_that_never_ran_costs_none(
    resolver: Resolver, server: Endpoint, tmp_path: Path
) -> None:
    config = WebhookConfig(
        f"http://hangs.test:{server.port}/hooks", timeout_secs=0.05, max_retries=3, **HASTE
    )
    async with WebhookDispatcher(
        [config], tmp_path / "outbox.db", allow_private=True, breaker=BOLD
    ) as webhooks:
        await webhooks.dispatch(event())
        await until(lambda: len(resolver.asked) >= 2)
        await asyncio.sleep(0.5)  # time for many more attempts than there are retries
        assert len(resolver.asked) == 2
        assert await webhooks.dead_letters() == []
        resolver.go_on.set()
        await webhooks.flush(60)
        assert len(server.requests) == 1


async def test_a_system_without_threads_is_an_attempt_that_never_ran(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(lookup.LookupBusy):
            await lookup.resolve("localhost", 80)
    assert await lookup.resolve("localhost", 80)


async def test_a_loop_that_ends_meanwhile_is_left_alone(resolver: Resolver) -> None:
    def give_up() -> None:
        with pytest.raises(TimeoutError):
            asyncio.run(asyncio.wait_for(lookup.resolve("hangs-here.test", 80), 0.05))

    await asyncio.to_thread(give_up)
    resolver.go_on.set()
    await until(lambda: not lookup._running["hangs-here.test"])


IMPOSSIBLE = [UnicodeError("label too long"), OverflowError("port"), ValueError("no"), TypeError()]


@pytest.mark.parametrize("error", IMPOSSIBLE, ids=lambda error: type(error).__name__)
async def test_what_cannot_be_connected_to_is_given_up_at_once_and_the_next_goes_on(
    error: Exception, server: Endpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    errors = [error]

    async def resolve(host: str, port: int) -> list[Any]:
        if errors:
            raise errors.pop()
        return [ip_address("127.0.0.1")]

    config = WebhookConfig(
        f"http://a.test:{server.port}/hooks", secret=SECRET, auth=BearerAuth("tell-nobody"), **HASTE
    )
    with caplog.at_level(logging.WARNING):
        async with WebhookDispatcher(
            [config], tmp_path / "outbox.db", allow_private=True, resolver=resolve
        ) as webhooks:
            await webhooks.dispatch(event(version=1))
            await webhooks.dispatch(event(version=2))
            await webhooks.flush(60)
            [letter] = await webhooks.dead_letters()
    assert (letter.attempts, letter.event.version) == (1, "1")
    assert letter.reason == f"{type(error).__name__} while connecting"
    assert [request.headers["authorization"] for request in server.requests] == [
        "Bearer tell-nobody"
    ]
    assert not any(record.exc_info for record in caplog.records)


def locals_of(trace: TracebackType | None) -> str:
    """What an error tracker sends of a traceback's frames, this file's own left out."""
    found = []
    while trace is not None:
        if trace.tb_frame.f_code.co_filename != __file__:
            found += [repr(value) for value in trace.tb_frame.f_locals.values()]
        trace = trace.tb_next
    return "\n".join(found)


async def test_no_frame_of_a_notice_that_was_not_taken_holds_a_credential(
    server: Endpoint,
) -> None:
    server.default = Reply(400)
    config = WebhookConfig(
        server.url, auth=BearerAuth("tell-nobody"), headers={"x-key": "nor-this"}, **HASTE
    )
    notice = Notice("team-a", event(), ("prompt",), "s was deprecated")
    with pytest.raises(WebhookError) as caught:
        await WebhookNotifier(config, allow_private=True).notify(notice)
    assert "not taken" in str(caught.value)
    for secret in ("tell-nobody", "nor-this"):
        assert secret not in locals_of(caught.value.__traceback__)


async def test_no_frame_that_a_failing_delivery_logs_holds_a_credential(
    server: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []

    class Tracker(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info:
                logged.append(locals_of(record.exc_info[2]))

    async def post(self: Connection, body: bytes, headers: Any) -> Any:
        raise MemoryError

    tracker = Tracker()
    logging.getLogger("llm_integrations").addHandler(tracker)
    monkeypatch.setattr(Connection, "post", post)
    config = WebhookConfig(
        server.url, secret=SECRET, auth=BearerAuth("tell-nobody"), headers={"x-key": "nor-this"}
    )
    try:
        async with WebhookDispatcher([config], tmp_path / "outbox.db", allow_private=True) as w:
            await w.dispatch(event())
            await until(lambda: logged)
    finally:
        logging.getLogger("llm_integrations").removeHandler(tracker)
    for secret in ("tell-nobody", "nor-this", SECRET):
        assert secret not in logged[0]


async def test_an_answer_holds_no_traceback_of_what_failed() -> None:
    async def resolve(host: str, port: int) -> list[Any]:
        raise UnicodeError("label too long")

    config = WebhookConfig("https://a.test/", auth=BearerAuth("tell-nobody"))
    connection = Connection(config, GuardedBackend(allow_private=False, resolver=resolve))
    answer = await connection.post(b"{}", {})
    await connection.close()
    assert (answer.final, answer.reason) == (True, "UnicodeError while connecting")
    assert sys.exc_info() == (None, None, None)
