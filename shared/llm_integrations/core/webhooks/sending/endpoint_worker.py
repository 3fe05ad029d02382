"""The worker that delivers to one endpoint: in order, each until it is done or given up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Final

from llm_integrations.core.errors import CircuitOpen
from llm_integrations.core.events.cloudevents import CONTENT_TYPE
from llm_integrations.core.observability import (
    WEBHOOK_FAILURES,
    WEBHOOK_REQUEST_DURATION,
    WEBHOOK_REQUESTS,
    get_logger,
    log_failure,
)
from llm_integrations.core.resilience.breaker import Breaker, Permit
from llm_integrations.core.tracing import span
from llm_integrations.core.webhooks.config import WebhookConfig
from llm_integrations.core.webhooks.lease import Lease
from llm_integrations.core.webhooks.sending.attempts import Answer, Verdict, judge
from llm_integrations.core.webhooks.sending.connection import Connection
from llm_integrations.core.webhooks.sending.health import EndpointHealth
from llm_integrations.core.webhooks.sending.outbox import Delivery, Outbox, QueueState
from llm_integrations.core.webhooks.signing import Signer, parse_secrets

__all__ = ["EndpointWorker"]

_LOG = get_logger(__name__)
_BATCH: Final = 100
_AFTER_AN_ERROR: Final = 5.0  # seconds


class EndpointWorker:
    """Works off one endpoint's part of the outbox. Lives on the delivery loop.

    Only the holder of the endpoint's lease delivers; the others look again after ``poll``
    seconds. A retry, or an open breaker, holds up what stands behind it: order is kept.
    """

    def __init__(
        self,
        config: WebhookConfig,
        outbox: Outbox,
        connection: Connection,
        breaker: Breaker,
        *,
        poll: float,
        on_progress: Callable[[], None],
    ) -> None:
        self.config = config
        self._breaker = breaker
        self._lease = Lease(outbox.path, config.key)
        self._outbox = outbox
        self._connection = connection
        self._signer = Signer(parse_secrets(config.secret))
        self._poll = poll
        self._on_progress = on_progress
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._end = asyncio.Event()
        self._requests = WEBHOOK_REQUESTS.labels(config.endpoint)
        self._failures = WEBHOOK_FAILURES.labels(config.endpoint)
        self._duration = WEBHOOK_REQUEST_DURATION.labels(config.endpoint)

    def wake(self) -> None:
        """Notify that there is something to deliver. Callable from any thread."""
        loop = self._loop
        if loop is not None and not self._news.is_set():
            with suppress(RuntimeError):  # the process is ending, and the loop is closed
                loop.call_soon_threadsafe(self._news.set)

    def health(self, queue: QueueState) -> EndpointHealth:
        about = (self.config.endpoint, self._breaker.state, self._lease.held)
        return EndpointHealth(*about, queue.pending, queue.oldest, queue.dead)

    def stop(self) -> None:
        """End after the request that is under way."""
        self._end.set()
        self._news.set()

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            while not self._end.is_set():
                await self._turn()
        finally:
            self._lease.release()
            await self._connection.close()

    async def _turn(self) -> None:
        self._news.clear()
        try:
            busy = self._lease.acquire() and await self._deliver_batch()
        except Exception as error:  # noqa: BLE001 - one that ends would hold all back, and tell nobody
            log_failure(_LOG, f"webhooks to {self.config.endpoint} are held up", error)
            await self._wait(self._end, _AFTER_AN_ERROR)
        else:
            if not busy:
                await self._wait(self._news, self._poll)

    async def _deliver_batch(self) -> bool:
        batch = await asyncio.wrap_future(self._outbox.pending(self.config.key, _BATCH))
        written: list[Future[None]] = []
        for delivery in batch:
            done = await self._deliver(delivery)
            if done is None:
                break
            written.append(done)
        # Acknowledgements are not synced: one that a power cut loses costs a repeated delivery,
        # which the receiver recognises by its id.
        await asyncio.gather(*map(asyncio.wrap_future, written))
        if written:
            self._on_progress()
        return bool(batch)

    async def _deliver(self, delivery: Delivery) -> Future[None] | None:
        """Try until there is a final verdict; None if stopped before."""
        attempts = delivery.attempts
        wait = self._remaining(delivery.due)
        while not await self._wait(self._end, wait):
            permit = await self._admission()
            if permit is None:
                break
            verdict = await self._attempt(delivery, attempts + 1, permit)
            attempts += verdict.counts
            if verdict.outcome == "delivered":
                return self._outbox.acknowledge(delivery.seq)
            if verdict.outcome == "dead":
                return self._give_up(delivery, attempts, verdict.reason)
            wait = verdict.wait
            self._outbox.postpone(delivery.seq, attempts, time.time() + wait)
        return None

    def _give_up(self, delivery: Delivery, attempts: int, reason: str) -> Future[None]:
        _LOG.warning(
            "a webhook to %s is dead-lettered: %s",
            self.config.endpoint,
            reason,
            extra={"llmi_endpoint": self.config.endpoint, "llmi_webhook_id": delivery.webhook_id},
        )
        return self._outbox.give_up(delivery.seq, attempts, reason)

    async def _admission(self) -> Permit | None:
        """Wait for the breaker's permit to make one request; None if stopped meanwhile."""
        while not self._end.is_set():
            try:
                return self._breaker.admit()
            except CircuitOpen as error:
                await self._wait(self._end, max(error.retry_after or 0.0, 0.001))
        return None

    async def _attempt(self, delivery: Delivery, attempt: int, permit: Permit) -> Verdict:
        try:
            verdict = judge(await self._post(delivery), attempt, self.config)
            if verdict.health == "good":
                permit.succeeded()
            elif verdict.health == "bad":
                permit.failed()
        finally:
            permit.release()
        if verdict.outcome != "delivered":
            self._failures.inc()
        return verdict

    async def _post(self, delivery: Delivery) -> Answer:
        self._requests.inc()
        signed = self._signer.headers(delivery.webhook_id, delivery.body)
        about = {"llm_integrations.endpoint": self.config.endpoint}
        with self._duration.time(), span("llm_integrations.webhook", about):
            headers = {"content-type": CONTENT_TYPE, **signed}
            return await self._connection.post(delivery.body.encode(), headers)

    def _remaining(self, due: float) -> float:
        """Seconds until a Unix time, within reason: the clock may have been set meanwhile."""
        longest = max(self.config.max_backoff_secs, self.config.max_retry_after_secs)
        return min(max(0.0, due - time.time()), longest)

    @staticmethod
    async def _wait(event: asyncio.Event, seconds: float) -> bool:
        """Whether the asyncio event was set within this time."""
        if seconds > 0 and not event.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await event.wait()
        return event.is_set()
