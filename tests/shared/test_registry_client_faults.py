"""Registries that are unreachable, slow, refusing, limiting, failing or lying, over a socket."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from llm_integrations.core.config import BreakerOptions, RetryOptions
from llm_integrations.core.errors import (
    CircuitOpen,
    InvalidSchema,
    LLMIntegrationsError,
    RegistryAuthError,
    RegistryError,
    RegistryProtocolError,
    RegistryUnavailable,
    SchemaNotFound,
)
from llm_integrations.core.registry import Registry
from tests.support.clients import OBJECT, Connect, connected, server
from tests.support.clock import Clock, clock
from tests.support.patience import eventually, until
from tests.support.registry_server import (
    Exchange,
    Fault,
    RegistryServer,
    answering,
    hanging,
    resetting,
    truncated,
)

__all__ = ["clock", "connected", "server"]

DEADLINE = 1.0
A_BUSY_MACHINE = 40.0
"""What it may take from us: far less than the timeouts that we would wait for without."""


def in_seconds(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def holding(schema: str) -> Fault:
    """An answer as it should be, around this schema text."""
    return answering(
        200, {"subject": "s", "version": 1, "id": 1, "schemaType": "JSON", "schema": schema}
    )


async def dripping(exchange: Exchange) -> None:
    """Always a byte before any timeout between bytes."""
    exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    for _ in range(10_000):
        exchange.writer.write(b" ")
        await exchange.writer.drain()
        await asyncio.sleep(0.02)


async def not_http(exchange: Exchange) -> None:
    exchange.writer.write(b"220 smtp.example.com ESMTP\r\n")
    await exchange.writer.drain()
    exchange.writer.close()


HTML = b"<!doctype html><html><body>Please log in</body></html>"

FAULTS: dict[str, tuple[Fault, type[RegistryError]]] = {
    "hangs": (hanging, RegistryUnavailable),
    "drips": (dripping, RegistryUnavailable),
    "resets": (resetting, RegistryUnavailable),
    "refuses with 401": (answering(401, {"message": "no"}), RegistryAuthError),
    "refuses with 403": (answering(403, {"message": "no"}), RegistryAuthError),
    "refuses with a page": (answering(401, HTML, content_type="text/html"), RegistryAuthError),
    "limits": (answering(429, {}), RegistryUnavailable),
    "limits for 60 s": (answering(429, {}, retry_after="60"), RegistryUnavailable),
    "limits until a date": (
        answering(429, {}, retry_after=in_seconds(3600)),
        RegistryUnavailable,
    ),
    "fails with 500": (answering(500, {"error_code": 50001}), RegistryUnavailable),
    "fails with 503": (answering(503, HTML, content_type="text/html"), RegistryUnavailable),
    "fails with 505": (answering(505, b""), RegistryUnavailable),
    "answers with a page": (answering(200, HTML, content_type="text/html"), RegistryProtocolError),
    "answers with a page called JSON": (answering(200, HTML), RegistryProtocolError),
    "breaks off": (truncated, RegistryProtocolError),
    "answers with broken JSON": (answering(200, b'{"subject": '), RegistryProtocolError),
    "answers with other JSON": (answering(200, [1, 2, 3]), RegistryProtocolError),
    "answers with nothing": (answering(200, b""), RegistryProtocolError),
    "answers with noise": (answering(200, b"\x00\xff\xfe" * 50), RegistryProtocolError),
    "answers with deep JSON": (answering(200, b"[" * 200_000), RegistryProtocolError),
    "speaks another protocol": (not_http, RegistryError),
    "redirects": (answering(302, b"", location="http://other/"), RegistryProtocolError),
    "has a schema that is no JSON": (holding("{not json"), InvalidSchema),
    "has a schema that is text": (holding('"text"'), InvalidSchema),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_cold_get_ends_within_its_deadline_in_one_of_our_errors(
    server: RegistryServer, connected: Connect, fault: str
) -> None:
    server.fault, expected = FAULTS[fault]
    # What answers must be told by its answer, however long a busy machine takes for it.
    deadline = DEADLINE if expected is RegistryUnavailable else 50.0
    retry = RetryOptions(attempts=3, base=0.001, deadline=deadline)
    registry = connected(timeout=60.0, retry=retry)
    started = time.monotonic()
    with pytest.raises(expected) as caught:
        registry.get("s")
    assert time.monotonic() - started < deadline + A_BUSY_MACHINE
    assert isinstance(caught.value, LLMIntegrationsError)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_was_seen_before_is_served_from_its_copy(
    server: RegistryServer, connected: Connect, fault: str
) -> None:
    server.add("s", OBJECT)
    patient = RetryOptions(attempts=2, base=0.001, deadline=60.0)
    registry = connected(cache={"refresh_wait": 0.05}, timeout=60.0, retry=patient)
    copy = registry.get("s")
    validator = registry.validator("s")
    server.fault = FAULTS[fault][0]
    registry.invalidate()
    started = time.monotonic()
    assert registry.get("s") is copy
    assert registry.validator("s") is validator
    assert registry.validate("s", {})
    assert time.monotonic() - started < 30
    until(lambda: len(server.requests) > 1)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"type": 12}, "type"),
        ({"$ref": "https://example.com/other.json"}, "example.com"),
        ({"$ref": "file:///etc/passwd"}, "ref"),
        ({"pattern": "(?=x)y"}, "pattern"),
        (12, "neither an object nor a boolean"),
    ],
)
def test_a_schema_that_nothing_can_be_judged_by_says_why(
    server: RegistryServer, connected: Connect, body: Any, message: str
) -> None:
    server.add("s", body)
    registry = connected()
    with pytest.raises(InvalidSchema, match=message):
        registry.validator("s")


def test_a_schema_of_50_megabytes_is_not_read_to_its_end(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected(timeout=10.0, retry=RetryOptions(deadline=10.0))
    copy = registry.get("s")
    server.fault = holding(json.dumps({"description": "x" * 50_000_000}))
    with pytest.raises(RegistryProtocolError, match="more than 16 MB"):
        registry.get("t")
    registry.invalidate()
    assert registry.get("s") is copy


def test_an_unreachable_registry(server: RegistryServer, connected: Connect) -> None:
    server.add("s", OBJECT)
    server.add("t", OBJECT)
    registry = connected()
    copy = registry.get("s")
    server.kill()
    with pytest.raises(RegistryUnavailable, match="cannot connect"):
        registry.get("t")
    registry.invalidate()
    assert registry.get("s") is copy
    server.revive()
    assert registry.get("t").subject == "t"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_can_succeed_later_is_tried_again(
    server: RegistryServer, connected: Connect, status: int
) -> None:
    server.add("s", OBJECT)

    async def once(exchange: Exchange) -> None:
        server.fault = None
        await exchange.reply(status, {})

    server.fault = once
    assert connected().get("s").version == 1
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 406, 409, 415, 422, 501])
def test_what_cannot_is_not(server: RegistryServer, connected: Connect, status: int) -> None:
    server.fault = answering(status, {"error_code": 40401, "message": "no"})
    with pytest.raises(RegistryError):
        connected().get("s")
    # Where nothing is found, names that are near are looked for, once.
    assert len(server.requests) == (2 if status == 404 else 1)


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_honoured(server: RegistryServer, connected: Connect, as_date: bool) -> None:
    server.add("s", OBJECT)

    async def once(exchange: Exchange) -> None:
        server.fault = None
        # A date has no fractions of a second, so two seconds are between one and two.
        value = in_seconds(2) if as_date else "1"
        await exchange.reply(429, {}, {"Retry-After": value})

    server.fault = once
    registry = connected(retry=RetryOptions(base=0.001, deadline=60.0))
    started = time.monotonic()
    assert registry.get("s").version == 1
    assert time.monotonic() - started > 0.9


def test_a_retry_after_beyond_the_deadline_ends_the_call_at_once(
    server: RegistryServer, connected: Connect
) -> None:
    server.fault = answering(503, {}, retry_after="600")
    started = time.monotonic()
    with pytest.raises(RegistryUnavailable) as caught:
        connected(retry=RetryOptions(deadline=60.0)).get("s")
    assert time.monotonic() - started < 30
    assert caught.value.retry_after == 600
    assert len(server.requests) == 1


class TestBreaker:
    """Five failed calls in a row, each with its retries, and the registry gets a rest."""

    @pytest.fixture
    def registry(self, clock: Clock, server: RegistryServer, connected: Connect) -> Registry:
        server.add("s", OBJECT)
        return connected(breaker=BreakerOptions(failures=5, reset_timeout=60.0))

    def fail(self, registry: Registry, times: int) -> None:
        for _ in range(times):
            with pytest.raises(RegistryError):
                registry.get("other")

    def test_it_counts_calls_after_their_retries(
        self, server: RegistryServer, registry: Registry
    ) -> None:
        server.fault = answering(503, {})
        self.fail(registry, 5)
        assert len(server.requests) == 10
        assert registry.health().breaker == "open"
        before = len(server.requests)
        with pytest.raises(CircuitOpen):
            registry.get("other")
        assert len(server.requests) == before

    def test_copies_are_served_while_it_is_open(
        self, server: RegistryServer, registry: Registry
    ) -> None:
        copy = registry.get("s")
        server.fault = answering(503, {})
        self.fail(registry, 5)
        registry.invalidate("s")
        assert registry.get("s") is copy

    def test_it_closes_when_a_probe_succeeds(
        self, server: RegistryServer, registry: Registry, clock: Clock
    ) -> None:
        server.fault = answering(503, {})
        self.fail(registry, 5)
        server.fault = None
        clock.go_on(60)
        assert registry.get("s").version == 1
        assert registry.health().breaker == "closed"

    async def test_half_open_lets_one_request_through(
        self, server: RegistryServer, registry: Registry, clock: Clock
    ) -> None:
        server.fault = answering(503, {})
        await asyncio.to_thread(self.fail, registry, 5)
        server.fault = None
        server.hold()
        clock.go_on(60)
        before = len(server.requests)
        calls = [asyncio.ensure_future(registry.aio.get(f"t{n}")) for n in range(20)]
        await eventually(lambda: sum(call.done() for call in calls) == 19)
        await eventually(lambda: len(server.requests) == before + 1)
        server.let_go()
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(end, CircuitOpen) for end in ends) == 19
        assert sum(isinstance(end, SchemaNotFound) for end in ends) == 1
        assert (await registry.aio.health()).breaker == "closed", "not found is an answer"

    @pytest.mark.parametrize("status", [401, 403, 404, 409, 422, 429])
    def test_a_refusal_is_no_failure(
        self, server: RegistryServer, registry: Registry, status: int
    ) -> None:
        server.fault = answering(status, {"error_code": 40401, "message": "no"})
        for n in range(8):
            with pytest.raises(RegistryError) as caught:
                registry.get(f"other{n}")
            assert not isinstance(caught.value, CircuitOpen)
        server.fault = None
        assert registry.get("s").version == 1

    def test_one_poisonous_schema_does_not_open_it_for_the_others(
        self, server: RegistryServer, registry: Registry
    ) -> None:
        server.fault = answering(200, HTML)
        self.fail(registry, 8)
        server.fault = None
        assert registry.get("s").version == 1

    async def test_cancelled_callers_do_not_open_it(
        self, server: RegistryServer, registry: Registry
    ) -> None:
        server.hold()
        calls = [asyncio.ensure_future(registry.aio.get(f"t{n}")) for n in range(10)]
        await eventually(lambda: len(server.requests) == 10)
        for call in calls:
            call.cancel()
        server.let_go()
        await asyncio.gather(*calls, return_exceptions=True)
        assert registry.get("s").version == 1


class TestHealth:
    def test_of_a_registry_that_answers(self, connected: Connect) -> None:
        health = connected().health()
        assert health
        assert health.breaker == "closed"

    @pytest.mark.parametrize("fault", [hanging, resetting, answering(503, {})])
    def test_of_one_that_does_not_is_false_and_says_why(
        self, server: RegistryServer, connected: Connect, fault: Fault
    ) -> None:
        server.fault = fault
        health = connected(timeout=0.2).health()
        assert not health
        assert health.detail["error"]

    async def test_asks_past_an_open_breaker(
        self, server: RegistryServer, connected: Connect
    ) -> None:
        registry = connected(breaker=BreakerOptions(failures=1))
        server.fault = answering(503, {})
        with pytest.raises(RegistryUnavailable):
            await registry.aio.get("s")
        server.fault = None
        health = await registry.aio.health()
        assert health
        assert health.breaker == "open"
