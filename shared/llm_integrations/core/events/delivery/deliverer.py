"""Running a handler: with retries, behind a breaker, in order by subject."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

from llm_integrations.core.errors import CircuitOpen
from llm_integrations.core.events.delivery.options import DeliveryOptions
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.observability import (
    EVENTS_DELIVERY_DURATION,
    EVENTS_DELIVERY_FAILURES,
    EVENTS_PUBLISHED,
    get_logger,
)
from llm_integrations.core.resilience.backoff import backoff
from llm_integrations.core.resilience.breaker import Breaker, BreakerState, Permit
from llm_integrations.core.tracing import span

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram

__all__ = [
    "SHARDS",
    "BatchHandler",
    "Handler",
    "HandlerRunner",
    "by_shard",
    "count_published",
    "count_unreadable",
    "reason_of",
    "shard_of",
]

log = get_logger(__name__)

Handler: TypeAlias = Callable[[SchemaEvent], Awaitable[None] | None]

SHARDS: Final = 16
"""Events are sharded by subject; so many are handled at the same time, at the most."""

BatchHandler: TypeAlias = Callable[[Sequence[SchemaEvent]], Awaitable[Sequence[str | None]]]
"""Handles events in their order and says of each: None when done, else why it failed for good."""

_LONGEST_REASON: Final = 500
_PROBE_PAUSE: Final = 0.05


def shard_of(subject: str) -> int:
    """The number of the shard that a subject belongs to, the same throughout this process."""
    return hash(subject) % SHARDS


async def by_shard(
    events: Sequence[SchemaEvent],
    handle: Callable[[int, Sequence[SchemaEvent]], Awaitable[Sequence[str | None]]],
) -> list[str | None]:
    """Handle a batch: the events of a shard one after the other, the shards side by side.

    ``handle`` gets a shard's number and its events, and says of each why it failed, or None.
    """
    if len(events) == 1:
        return list(await handle(shard_of(events[0].subject), events))
    shards: dict[int, list[int]] = {}
    for index, event in enumerate(events):
        shards.setdefault(shard_of(event.subject), []).append(index)
    reasons: list[str | None] = [None] * len(events)

    async def run(shard: int, indices: list[int]) -> None:
        answers = await handle(shard, [events[index] for index in indices])
        for index, reason in zip(indices, answers, strict=True):
            reasons[index] = reason

    async with asyncio.TaskGroup() as group:
        for shard, indices in shards.items():
            group.create_task(run(shard, indices))
    return reasons


def reason_of(error: Exception) -> str:
    """The reason that a dead letter gives for an error, cut at a bounded length."""
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - a handler's error may be unable to describe itself
        text = type(error).__name__
    # Where letters are kept, half a pair of surrogates cannot be.
    return text[:_LONGEST_REASON].encode("utf-8", "replace").decode()


class HandlerRunner:
    """Runs one handler. ``run`` never raises: it returns None, or why the handler gave up.

    Args:
        handler: a function or coroutine function.
        name: what logs and the breaker's metric call it.
        options: tries, waits and the breaker.
    """

    def __init__(
        self, handler: Handler, *, name: str | None = None, options: DeliveryOptions | None = None
    ) -> None:
        self.name = name or getattr(handler, "__qualname__", type(handler).__name__)
        self._handler = handler
        self._options = options or DeliveryOptions()
        self._is_async = _is_async(handler)
        # The usual case skips the breaker and the retries: each call more shows in the throughput.
        self._is_plain = self._is_async and self._options.timeout is None
        self._breaker = Breaker(f"handler:{self.name}", self._options.breaker)
        # While the last event succeeded there is nothing to ask the breaker, nor to tell it.
        self._untroubled = True

    @property
    def breaker(self) -> BreakerState:
        return self._breaker.state

    async def run(self, event: SchemaEvent, arrived: float, transport: str) -> str | None:
        """Handle one event that arrived at ``perf_counter`` seconds by a transport (a label)."""
        about = {"llm_integrations.subject": event.subject, "llm_integrations.bus": transport}
        with span("llm_integrations.event", about):
            if self._untroubled:
                reason = await self._tries(event)
                if reason is not None:
                    self._untroubled = False
                    with self._breaker.attempt() as permit:
                        permit.failed()
            else:
                reason = await self._run_through_breaker(event)
        _, duration, failures = _metrics(transport, event.event_type)
        duration.observe(time.perf_counter() - arrived)
        if reason is not None:
            failures.inc()
        return reason

    async def _run_through_breaker(self, event: SchemaEvent) -> str | None:
        permit = await self._admitted()
        try:
            reason = await self._tries(event)
            if reason is None:
                permit.succeeded()
                self._untroubled = self._breaker.state == "closed"
            else:
                permit.failed()
            return reason
        finally:
            permit.release()

    async def _admitted(self) -> Permit:
        while True:
            try:
                return self._breaker.admit()
            except CircuitOpen as error:
                await asyncio.sleep(max(error.retry_after or 0.0, _PROBE_PAUSE))

    async def _tries(self, event: SchemaEvent) -> str | None:
        try:
            if self._is_plain:
                await self._handler(event)  # type: ignore[misc]  # a coroutine function
            else:
                await self._call(event)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises stays with it
            return await self._tries_again(event, error)
        return None

    async def _tries_again(self, event: SchemaEvent, failure: Exception) -> str | None:
        options = self._options
        for attempt in range(1, options.attempts):
            wait = backoff(attempt, base=options.base, cap=options.cap, floor=options.base)
            await asyncio.sleep(wait)
            try:
                await self._call(event)
            except Exception as error:  # noqa: BLE001 - whatever a handler raises stays with it
                failure = error
            else:
                return None
        return self._gave_up(event, failure)

    def _gave_up(self, event: SchemaEvent, error: Exception) -> str:
        reason = reason_of(error)
        log.error(
            "%s failed %d times on %s: %s",
            self.name,
            self._options.attempts,
            event,
            reason,
            extra={"llmi_handler": self.name, "llmi_event_id": event.event_id},
        )
        return reason

    async def _call(self, event: SchemaEvent) -> None:
        async with asyncio.timeout(self._options.timeout):
            if self._is_async:
                answer = self._handler(event)
            else:
                answer = await asyncio.to_thread(self._handler, event)
            if answer is not None:
                await answer


def _is_async(handler: Handler) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)  # noqa: B004 - asks what kind of callable it is
    )


def count_published(transport: str, event: SchemaEvent) -> None:
    _metrics(transport, event.event_type)[0].inc()


def count_unreadable(transport: str) -> None:
    """Count a record that is no event."""
    EVENTS_DELIVERY_FAILURES.labels(transport, "unreadable").inc()


@lru_cache(maxsize=256)
def _metrics(transport: str, event_type: str) -> tuple[Counter, Histogram, Counter]:
    """The metrics of a transport and event type: published, duration, failed; looked up once."""
    return (
        EVENTS_PUBLISHED.labels(transport, event_type),
        EVENTS_DELIVERY_DURATION.labels(transport, event_type),
        EVENTS_DELIVERY_FAILURES.labels(transport, event_type),
    )
