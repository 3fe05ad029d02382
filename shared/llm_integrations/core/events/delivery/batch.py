"""Handling one batch of a broker's records: parse, handle, dead-letter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from llm_integrations.core.events.cloudevents import read_shared
from llm_integrations.core.events.delivery.deliverer import (
    BatchHandler,
    count_unreadable,
    reason_of,
)
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.observability import get_logger

__all__ = ["ask_handler", "handle_batch"]

T = TypeVar("T")

log = get_logger(__name__)


async def handle_batch(
    records: Sequence[T],
    body: Callable[[T], bytes],
    handler: BatchHandler,
    dead_letter: Callable[[T, str], Awaitable[None]],
    *,
    transport: str,
) -> None:
    """Handle a batch; after that every record is handled or dead-lettered and may be acknowledged.

    Args:
        records: what the broker's client delivered, in its order.
        body: a record's JSON.
        handler: what handles the events.
        dead_letter: takes a record and why it was given up. What it raises is raised here: then
            nothing may be acknowledged.
        transport: a metric label.
    """
    events: list[SchemaEvent] = []
    readable: list[T] = []
    failed: list[tuple[T, str]] = []
    for record in records:
        try:
            events.append(read_shared(body(record)))
            readable.append(record)
        except Exception as error:  # noqa: BLE001 - one record must not hold up those behind it
            count_unreadable(transport)
            failed.append((record, reason_of(error)))
    reasons = await ask_handler(handler, events) if events else []
    failed += [(r, reason) for r, reason in zip(readable, reasons, strict=True) if reason]
    if failed:
        await asyncio.gather(*(dead_letter(*letter) for letter in failed))


async def ask_handler(handler: BatchHandler, events: Sequence[SchemaEvent]) -> list[str | None]:
    """A batch handler's reasons; if it raises, against its contract, every event has failed."""
    try:
        reasons = list(await handler(events))
    except Exception as error:
        # One handler must not end its subscription.
        log.exception("a batch handler raised")
        return [reason_of(error)] * len(events)
    if len(reasons) != len(events):
        return [f"the handler answered {len(reasons)} times for {len(events)} events"] * len(events)
    return reasons
