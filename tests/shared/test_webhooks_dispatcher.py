"""Dispatching: written down first, then delivered in order, again and again, or set aside."""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from standardwebhooks import Webhook

from llm_integrations.core.config import BearerAuth, BreakerOptions
from llm_integrations.core.errors import ConfigurationError, EventError, WebhookError
from llm_integrations.core.events import InMemoryEventBus, SchemaEvent
from llm_integrations.core.events.cloudevents import from_json
from llm_integrations.core.webhooks import WebhookConfig, WebhookDispatcher
from tests.support.clock import Clock, clock
from tests.support.events import event, events, until
from tests.support.webhooks import OTHER_SECRET, SECRET, Endpoint, Reply, endpoint

__all__ = ["clock"]

HASTE: dict[str, Any] = {"secret": SECRET, "backoff_secs": 0.001, "max_backoff_secs": 0.002}
BOLD = BreakerOptions(failures=1000)


@pytest.fixture
async def server() -> AsyncIterator[Endpoint]:
    async with endpoint() as found:
        yield found


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def dispatcher(outbox: Path, *urls: str, **options: Any) -> WebhookDispatcher:
    """With impatient retries; options of a dispatcher, else of its configurations."""
    own = {k: options.pop(k) for k in ("breaker", "poll", "resolver") if k in options}
    configs = [WebhookConfig(url, **{**HASTE, **options}) for url in urls]
    own = {"breaker": BOLD, "poll": 0.02, **own}
    return WebhookDispatcher(configs, outbox, allow_private=True, **own)


def metric(name: str, endpoint: str) -> float:
    label = "target" if "breaker" in name else "endpoint"
    return REGISTRY.get_sample_value(f"llm_integrations_{name}", {label: endpoint}) or 0.0


async def test_an_event_arrives_as_a_signed_cloud_event(server: Endpoint, outbox: Path) -> None:
    sent = event(owner="team-a")
    async with dispatcher(outbox, server.url) as webhooks:
        await webhooks.dispatch(sent)
        await webhooks.flush()
    request = server.requests[0]
    assert from_json(request.body) == sent
    assert request.headers["content-type"].startswith("application/cloudevents+json")
    assert request.webhook_id == sent.event_id
    Webhook(SECRET.encode()).verify(request.body, request.headers)


async def test_custom_headers_and_credentials_are_sent(server: Endpoint, outbox: Path) -> None:
    webhooks = dispatcher(outbox, server.url, headers={"x-team": "rag"}, auth=BearerAuth("t0ken"))
    async with webhooks:
        await webhooks.dispatch(event())
        await webhooks.flush()
    assert server.requests[0].headers["x-team"] == "rag"
    assert server.requests[0].headers["authorization"] == "Bearer t0ken"


async def test_several_secrets_sign_side_by_side(server: Endpoint, outbox: Path) -> None:
    async with dispatcher(outbox, server.url, secret=[SECRET, OTHER_SECRET]) as webhooks:
        await webhooks.dispatch(event())
        await webhooks.flush()
    for secret in (SECRET, OTHER_SECRET):
        Webhook(secret.encode()).verify(server.requests[0].body, server.requests[0].headers)


async def test_dispatch_returns_though_the_endpoint_is_down_and_flush_waits(
    server: Endpoint, outbox: Path
) -> None:
    server.default = Reply(hang=True)
    async with dispatcher(outbox, server.url, timeout_secs=0.2) as webhooks:
        await asyncio.wait_for(webhooks.dispatch(event()), 60)
        with pytest.raises(WebhookError, match="1 deliveries are still pending"):
            await webhooks.flush(timeout=0.05)
        server.default = Reply()
        await webhooks.flush()
    assert len(server.requests) == 2


async def test_every_attempt_has_the_same_id_and_a_new_timestamp(
    server: Endpoint, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script = [500, Reply(drop=True), 429, 200]
    async with dispatcher(outbox, server.url, backoff_secs=0, max_backoff_secs=0) as webhooks:
        server.script[2] = Reply(429, {"retry-after": "1"})
        await webhooks.dispatch(event())
        await webhooks.flush()
    assert len(server.requests) == 4
    assert len(set(server.ids)) == 1
    stamps = [int(request.headers["webhook-timestamp"]) for request in server.requests]
    assert stamps == sorted(stamps)
    assert stamps[3] > stamps[0]
    assert server.requests[3].at - server.requests[2].at >= 1.0
    signatures = {request.headers["webhook-signature"] for request in server.requests}
    assert len(signatures) > 1


async def test_what_fails_four_times_is_dead_lettered_with_the_reason_and_the_next_one_goes(
    server: Endpoint, outbox: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.script = [500, 502, 503, 504]
    first, second = event(version=1), event(version=2)
    async with dispatcher(outbox, server.url) as webhooks:
        await webhooks.dispatch(first)
        await webhooks.dispatch(second)
        await webhooks.flush()
        letters = await webhooks.dead_letters()
    assert server.ids == [first.event_id] * 4 + [second.event_id]
    assert [(letter.webhook_id, letter.attempts) for letter in letters] == [(first.event_id, 4)]
    assert letters[0].reason == "HTTP 504 after 4 attempts"
    assert letters[0].endpoint == server.url
    assert "dead-lettered: HTTP 504" in caplog.text


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422, 302])
async def test_what_cannot_get_better_is_dead_lettered_at_once(
    status: int, server: Endpoint, outbox: Path
) -> None:
    server.script = [status]
    async with dispatcher(outbox, server.url) as webhooks:
        await webhooks.dispatch(event())
        await webhooks.flush()
        letters = await webhooks.dead_letters(server.url)
    assert [letter.reason for letter in letters] == [f"HTTP {status}"]
    assert len(server.requests) == 1


async def test_dead_letters_are_replayed_under_their_own_id_with_all_attempts(
    server: Endpoint, outbox: Path
) -> None:
    sent = [event(version=number) for number in range(1, 4)]
    server.default = Reply(404)
    async with dispatcher(outbox, server.url) as webhooks:
        for one in sent:
            await webhooks.dispatch(one)
        await webhooks.flush()
        letters = await webhooks.dead_letters()
        server.requests.clear()
        server.default = Reply(200)
        server.script = [500, 500, 500]
        assert await webhooks.redeliver([letters[1].id]) == 1
        await webhooks.flush()
        assert server.ids == [sent[1].event_id] * 4
        assert await webhooks.discard([letters[0].id]) == 1
        assert await webhooks.redeliver(endpoint="https://elsewhere.example/") == 0
        assert await webhooks.redeliver(endpoint=server.url) == 1
        await webhooks.flush()
        assert server.ids[4:] == [sent[2].event_id]
        assert await webhooks.dead_letters() == []


async def test_deliveries_to_an_endpoint_keep_their_order_through_failures(
    server: Endpoint, outbox: Path
) -> None:
    server.script = [200, 500, 200, 503, Reply(drop=True), 200]
    sent = events(30)
    async with dispatcher(outbox, server.url) as webhooks:
        for one in sent:
            await webhooks.dispatch(one)
        await webhooks.flush()
    arrived = [
        mine for mine, before in zip(server.ids, ["", *server.ids], strict=False) if mine != before
    ]
    assert arrived == [one.event_id for one in sent]
    assert server.most_busy == 1


async def test_endpoints_are_served_in_parallel_and_one_that_hangs_holds_up_no_other(
    server: Endpoint, outbox: Path
) -> None:
    async with endpoint() as slow:
        slow.default = Reply(hang=True)
        async with dispatcher(outbox, server.url, slow.url, timeout_secs=0.3) as webhooks:
            for one in events(20):
                await webhooks.dispatch(one)
            await until(lambda: len(server.requests) == 20)
            assert len(slow.requests) <= 2


async def test_five_failures_in_a_row_open_the_breaker_and_cost_no_attempt(
    clock: Clock, server: Endpoint, outbox: Path
) -> None:
    server.script = [500] * 5
    options = BreakerOptions(failures=5, reset_timeout=0.2)
    async with dispatcher(outbox, server.url, breaker=options, max_retries=5) as webhooks:
        await webhooks.dispatch(event())
        await until(lambda: metric("circuit_breaker_state", server.url) == 2)
        await asyncio.sleep(0.3)
        assert (await webhooks.health()).endpoints[0].breaker == "open"
        assert len(server.requests) == 5
        clock.go_on(0.2)
        await webhooks.flush()
        assert await webhooks.dead_letters() == []
        assert (await webhooks.health()).endpoints[0].breaker == "closed"
    assert len(server.requests) == 6


async def test_4xx_and_429_do_not_open_the_breaker(server: Endpoint, outbox: Path) -> None:
    server.default = Reply(429)
    options = BreakerOptions(failures=2, reset_timeout=60)
    async with dispatcher(outbox, server.url, breaker=options) as webhooks:
        await webhooks.dispatch(event())
        await webhooks.flush(60)
        server.default = Reply(404)
        for one in events(3):
            await webhooks.dispatch(one)
        await webhooks.flush(60)
        assert (await webhooks.health()).endpoints[0].breaker == "closed"


async def test_what_was_not_delivered_waits_for_the_next_dispatcher(
    server: Endpoint, outbox: Path
) -> None:
    server.default = Reply(503)
    webhooks = dispatcher(outbox, server.url, backoff_secs=30, max_backoff_secs=30)
    await webhooks.dispatch(event())
    await until(lambda: server.requests)
    started = time.perf_counter()
    await webhooks.close()
    assert time.perf_counter() - started < 25, "closing waits for no retry"
    server.default = Reply(200)
    async with dispatcher(outbox, server.url, max_retry_after_secs=0.01) as webhooks:
        await webhooks.flush()
    assert len(set(server.ids)) == 1


async def test_attempts_made_before_a_restart_count(server: Endpoint, outbox: Path) -> None:
    server.default = Reply(503)
    webhooks = dispatcher(outbox, server.url, max_retries=1, backoff_secs=0, max_backoff_secs=0)
    server.script = [Reply(503, {"retry-after": "1"})]
    await webhooks.dispatch(event())
    await until(lambda: server.requests)
    await webhooks.close()
    async with dispatcher(outbox, server.url, max_retries=1) as webhooks:
        await webhooks.flush()
        assert [letter.attempts for letter in await webhooks.dead_letters()] == [2]
    assert len(server.requests) == 2
    assert server.requests[1].at - server.requests[0].at > 0.5, "and so does the wait"


async def test_dispatchers_on_one_outbox_share_it_and_never_deliver_at_once(
    server: Endpoint, outbox: Path
) -> None:
    server.delay = 0.002
    async with dispatcher(outbox, server.url) as one, dispatcher(outbox, server.url) as two:
        for number, sent in enumerate(events(40)):
            await (one if number % 2 else two).dispatch(sent)
        await one.flush()
        await two.flush()
        delivering = [(await d.health()).endpoints[0].delivering for d in (one, two)]
        assert sorted(delivering) == [False, True]
        first, second = (one, two) if delivering[0] else (two, one)
        await first.close()
        await second.dispatch(event("last"))
        await second.flush()
    assert len(server.requests) == len(set(server.ids)) == 41
    assert server.most_busy == 1


def _deliver(outbox: str, url: str, number: int) -> None:
    with dispatcher(Path(outbox), url).sync as webhooks:
        for one in events(40, subjects=1):
            webhooks.dispatch(SchemaEvent.registered(1, "", f"{number}", one.version))
        webhooks.flush(60)


async def test_processes_on_one_outbox_deliver_everything_once_in_one_order(
    server: Endpoint, outbox: Path
) -> None:
    server.delay = 0.001
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_deliver, args=(str(outbox), server.url, n)) for n in (1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        await asyncio.to_thread(worker.join)
        assert worker.exitcode == 0
    assert len(server.requests) == len(set(server.ids)) == 80
    assert server.most_busy == 1
    for name in ("1", "2"):
        mine = [e for e in map(from_json, (r.body for r in server.requests)) if e.subject == name]
        assert all(int(a.version) < int(b.version) for a, b in pairwise(mine))


async def test_what_waits_for_an_endpoint_that_is_not_configured_here_is_left_alone(
    server: Endpoint, outbox: Path
) -> None:
    server.default = Reply(hang=True)
    async with dispatcher(outbox, server.url, timeout_secs=0.1, max_retries=1000) as webhooks:
        await webhooks.dispatch(event())
    async with dispatcher(outbox, "http://127.0.0.1:1/") as webhooks:
        await webhooks.flush()
        health = await webhooks.health()
    assert health.elsewhere[server.url].pending == 1
    assert server.url not in [one.endpoint for one in health.endpoints]


async def test_health_tells_what_waits_and_what_was_given_up(
    server: Endpoint, outbox: Path
) -> None:
    server.script = [404]
    before = time.time()
    async with dispatcher(outbox, server.url, timeout_secs=0.2) as webhooks:
        assert await webhooks.health()
        await webhooks.dispatch(event(version=1))
        await webhooks.flush()
        server.default = Reply(hang=True)
        await webhooks.dispatch(event(version=2))
        health = await webhooks.health()
        server.default = Reply()
    assert not health
    state = health.endpoints[0]
    assert (state.pending, state.dead, state.delivering) == (1, 1, True)
    assert state.oldest is not None
    assert before <= state.oldest <= time.time()


async def test_metrics_count_requests_and_failures_under_the_label_without_credentials(
    server: Endpoint, outbox: Path
) -> None:
    server.script = [500, 200]
    url = f"http://user:pw@127.0.0.1:{server.port}/hooks?token=x"
    counts = ("requests_total", "failures_total", "request_duration_seconds_count")
    # Another server may have been at this port before.
    before = [metric(f"webhook_{name}", server.url) for name in counts]
    async with dispatcher(outbox, url) as webhooks:
        await webhooks.dispatch(event())
        await webhooks.flush()
    now = [metric(f"webhook_{name}", server.url) for name in counts]
    assert [after - at_first for after, at_first in zip(now, before, strict=True)] == [2, 1, 2]
    assert metric("circuit_breaker_state", server.url) == 0


async def test_no_secret_is_logged_or_written_into_the_outbox(
    server: Endpoint, outbox: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.default = Reply(401)
    url = f"http://user:tell-nobody@127.0.0.1:{server.port}/hooks?token=tell-nobody"
    async with dispatcher(outbox, url, headers={"x-key": "tell-nobody"}) as webhooks:
        await webhooks.dispatch(event())
        await webhooks.flush()
        assert "tell-nobody" not in repr(webhooks)
        assert "tell-nobody" not in repr(await webhooks.dead_letters())
    stored = b"".join(path.read_bytes() for path in outbox.parent.iterdir())
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("llm_integrations")]
    assert ours
    for secret in ("tell-nobody", SECRET):
        assert secret.encode() not in stored
        assert secret not in "".join(ours)


async def test_an_address_that_is_refused_is_dead_lettered_and_nothing_is_sent(
    server: Endpoint, outbox: Path
) -> None:
    from ipaddress import ip_address

    async def rebound(host: str, port: int) -> list[Any]:
        return [ip_address("127.0.0.1")]

    config = WebhookConfig(f"https://rag.example.com:{server.port}/", **HASTE)
    async with WebhookDispatcher([config], outbox, resolver=rebound) as webhooks:
        await webhooks.dispatch(event())
        await webhooks.flush()
        letters = await webhooks.dead_letters()
    assert [letter.attempts for letter in letters] == [1]
    assert "loopback" in letters[0].reason
    assert server.connections == 0


def test_urls_that_are_not_allowed_are_refused_when_the_dispatcher_is_made(outbox: Path) -> None:
    for url in ("http://rag.example.com/", "https://127.0.0.1/", "https://localhost/"):
        with pytest.raises(ConfigurationError, match="allow_private"):
            WebhookDispatcher([WebhookConfig(url)], outbox)
    assert not outbox.exists()


def test_an_endpoint_that_is_listed_twice_is_refused(outbox: Path) -> None:
    config = WebhookConfig("https://rag.example.com/")
    with pytest.raises(ConfigurationError, match="twice"):
        WebhookDispatcher([config, config], outbox)


async def test_an_event_whose_metadata_is_no_json_is_refused_and_nothing_is_queued(
    server: Endpoint, outbox: Path
) -> None:
    async with dispatcher(outbox, server.url) as webhooks:
        with pytest.raises(EventError):
            await webhooks.dispatch(event(owner=object()))
        await webhooks.flush()
    assert not server.requests


async def test_an_event_id_that_fits_no_header_is_replaced_by_one_that_does(
    server: Endpoint, outbox: Path
) -> None:
    strange = SchemaEvent.registered(1, "", "x", 1, event_id="a\r\nx-injected: ü")
    async with dispatcher(outbox, server.url) as webhooks:
        await webhooks.dispatch(strange)
        await webhooks.dispatch(strange)
        await webhooks.flush()
    assert "x-injected" not in server.requests[0].headers
    assert len(set(server.ids)) == 1
    assert from_json(server.requests[0].body) == strange


async def test_an_outbox_that_cannot_be_written_is_a_webhook_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    webhooks = dispatcher(tmp_path / "file" / "outbox.db", "http://127.0.0.1:1/")
    with pytest.raises(WebhookError):
        await webhooks.dispatch(event())
    await webhooks.close()


async def test_a_closed_dispatcher_says_so_and_closes_twice(outbox: Path) -> None:
    webhooks = dispatcher(outbox, "http://127.0.0.1:1/")
    await webhooks.close()
    await webhooks.close()
    with pytest.raises(WebhookError, match="closed"):
        await webhooks.dispatch(event())


async def test_an_error_of_the_outbox_holds_up_a_worker_but_does_not_end_it(
    server: Endpoint, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = "llm_integrations.core.webhooks.sending.endpoint_worker"
    monkeypatch.setattr(f"{worker}._AFTER_AN_ERROR", 0.05)
    outbox.with_name("outbox.db").write_bytes(b"not a database" * 100)
    async with dispatcher(outbox, server.url) as webhooks:
        await asyncio.sleep(0.1)
        await asyncio.to_thread(outbox.unlink)
        await webhooks.dispatch(event())
        await webhooks.flush(60)
    assert len(server.requests) == 1


def in_plain_code(webhooks: WebhookDispatcher) -> None:
    with webhooks.sync as blocking:
        blocking.dispatch(event())
        blocking.flush(60)
        assert blocking.health()
        assert blocking.dead_letters() == []
        assert blocking.redeliver() == blocking.discard() == 0


async def test_plain_code_uses_the_same_dispatcher(server: Endpoint, outbox: Path) -> None:
    webhooks = dispatcher(outbox, server.url)
    await asyncio.to_thread(in_plain_code, webhooks)
    assert len(server.requests) == 1


async def test_a_dispatcher_outlives_the_event_loop_that_used_it_first(
    server: Endpoint, outbox: Path
) -> None:
    webhooks = dispatcher(outbox, server.url)

    def two_loops() -> None:
        asyncio.run(webhooks.dispatch(event(version=1)))
        asyncio.run(webhooks.dispatch(event(version=2)))
        webhooks.sync.flush(60)
        webhooks.sync.close()

    await asyncio.to_thread(two_loops)
    assert len(server.requests) == 2


async def test_a_cancelled_flush_ends_and_hurts_nobody(server: Endpoint, outbox: Path) -> None:
    server.default = Reply(hang=True)
    async with dispatcher(outbox, server.url, timeout_secs=0.3) as webhooks:
        await webhooks.dispatch(event())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(webhooks.flush(), 0.05)
        server.default = Reply()
        await webhooks.flush(60)


async def test_dispatch_is_a_handler_that_a_bus_can_call(server: Endpoint, outbox: Path) -> None:
    async with InMemoryEventBus() as bus, dispatcher(outbox, server.url) as webhooks:
        await bus.subscribe(webhooks.dispatch, group="webhooks")
        await bus.publish(event())
        await bus.flush()
        await webhooks.flush()
    assert len(server.requests) == 1


async def test_the_body_is_stored_once_per_endpoint_and_leaves_when_acknowledged(
    server: Endpoint, outbox: Path
) -> None:
    async with endpoint() as other:
        async with dispatcher(outbox, server.url, other.url) as webhooks:
            await webhooks.dispatch(event())
            await webhooks.flush()
            assert [one.pending for one in (await webhooks.health()).endpoints] == [0, 0]
        assert [json.loads(r.body) for r in other.requests] == [
            json.loads(r.body) for r in server.requests
        ]


def _child(outbox: Path, url: str, parent: WebhookDispatcher) -> None:
    parent.sync.dispatch(event("child"))
    parent.sync.flush(60)


@pytest.mark.no_cover  # a child that is forked while coverage holds its lock never ends
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # that it forks is the test
async def test_a_forked_child_delivers_with_the_parents_dispatcher(
    server: Endpoint, outbox: Path
) -> None:
    async with dispatcher(outbox, server.url) as webhooks:
        await webhooks.dispatch(event("parent"))
        await webhooks.flush()
        context = multiprocessing.get_context("fork")
        child = context.Process(target=_child, args=(outbox, server.url, webhooks))
        child.start()
        await asyncio.to_thread(child.join)
        assert child.exitcode == 0
    subjects = [from_json(request.body).subject for request in server.requests]
    assert subjects == ["parent", "child"]
