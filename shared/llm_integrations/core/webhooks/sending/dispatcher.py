"""The dispatcher: stores deliveries of events in an outbox and sends them in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from llm_integrations.core.config import BreakerOptions
from llm_integrations.core.reprs import never_raises
from llm_integrations.core.webhooks.sending.lookup import Resolver, resolve
from llm_integrations.core.webhooks.sending.service import DispatchService

if TYPE_CHECKING:
    from llm_integrations.core.events.delivery.dead_letter import DeadLetter
    from llm_integrations.core.model.event import SchemaEvent
    from llm_integrations.core.webhooks.config import WebhookConfig
    from llm_integrations.core.webhooks.sending.health import DispatcherHealth

__all__ = ["SyncWebhookDispatcher", "WebhookDispatcher"]


class WebhookDispatcher:
    """Delivers events to endpoints: signed, retried, in order per endpoint, crash-proof.

    Endpoints are served in parallel, from a thread of the dispatcher's own, so that the same
    object serves event loops and, through ``sync``, plain code. Several processes may share an
    outbox: one of them delivers to an endpoint at a time, and another takes over when it ends.
    What a crash left in the outbox is delivered after the next ``start``, ``dispatch``,
    ``flush`` or ``async with``. Delivery is at least once: a receiver knows a repetition by its
    ``webhook-id``, the event's id.

    Args:
        configs: the endpoints.
        outbox: SQLite file, on a local disk; made on first use.
        allow_private: admit loopback and private addresses, and plain http to these.
        breaker: how many failed requests in a row stop an endpoint, and for how long. Deliveries
            wait meanwhile, and it costs none of their attempts.
        poll: seconds between looks at what other processes put into the outbox.
        resolver: looks up names, in place of the system's resolver.

    Raises:
        ConfigurationError: an endpoint is listed twice, or its URL is not allowed.
        MissingExtra: without ``llm-integrations[webhooks]``.
    """

    def __init__(
        self,
        configs: Iterable[WebhookConfig],
        outbox: str | Path = "outbox.db",
        *,
        allow_private: bool = False,
        breaker: BreakerOptions | None = None,
        poll: float = 0.25,
        resolver: Resolver = resolve,
    ) -> None:
        self._service = DispatchService(
            configs,
            outbox,
            allow_private=allow_private,
            breaker=breaker or BreakerOptions(),
            poll=poll,
            resolver=resolver,
        )

    async def start(self) -> None:
        """Begin to deliver what an earlier run left in the outbox."""
        self._service.start()

    async def dispatch(self, event: SchemaEvent) -> None:
        """Store a delivery of the event for every endpoint; returns once all are in the outbox.

        It has the form of an event handler: ``await bus.subscribe(dispatcher.dispatch)``.

        Raises:
            WebhookError: the outbox cannot be written, or the dispatcher is closed.
            EventError: the event's metadata is no JSON.
        """
        await asyncio.wrap_future(self._service.dispatch(event))

    async def publish(self, event: SchemaEvent) -> None:
        """``dispatch`` as a registry calls it: ``connect("file://schemas", bus=dispatcher)``."""
        await self.dispatch(event)

    async def flush(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - our error
        """Wait until all that was dispatched before is delivered or dead-lettered.

        Raises:
            WebhookError: after ``timeout`` seconds there is still something pending.
        """
        await asyncio.wrap_future(self._service.flush(timeout))

    async def dead_letters(
        self, endpoint: str | None = None, limit: int = 1000
    ) -> list[DeadLetter]:
        """The dead letters, oldest first; of one endpoint (as ``DeadLetter.endpoint``) or all."""
        return await asyncio.wrap_future(self._service.outbox.dead_letters(endpoint, limit))

    async def redeliver(
        self, ids: Sequence[int] | None = None, *, endpoint: str | None = None
    ) -> int:
        """Deliver dead letters once more, behind what waits already; returns how many.

        All of them, those with these ``DeadLetter.id``, or those of one endpoint.
        """
        return await asyncio.wrap_future(self._service.redeliver(ids, endpoint))

    replay = redeliver  # its first name

    async def discard(
        self, ids: Sequence[int] | None = None, *, endpoint: str | None = None
    ) -> int:
        """Delete dead letters for good, chosen as in ``redeliver``; returns how many."""
        return await asyncio.wrap_future(self._service.outbox.discard(endpoint, ids))

    async def health(self) -> DispatcherHealth:
        """Per endpoint: what is pending and since when, dead letters, the breaker's state."""
        return await asyncio.wrap_future(self._service.health())

    async def close(self) -> None:
        """End after the requests under way; the rest stays in the outbox for the next start."""
        await asyncio.to_thread(self._service.close)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def sync(self) -> SyncWebhookDispatcher:
        """A view with blocking calls, for code without an event loop; also a context manager."""
        return SyncWebhookDispatcher(self._service)

    @never_raises
    def __repr__(self) -> str:
        outbox = self._service.outbox.path.name
        return f"WebhookDispatcher({self._service.configs!r}, outbox={outbox!r})"


class SyncWebhookDispatcher:
    """A view of a WebhookDispatcher that blocks until each call is done; errors are the same.

    >>> with WebhookDispatcher(configs).sync as webhooks:
    ...     webhooks.dispatch(event)
    """

    def __init__(self, service: DispatchService) -> None:
        self._service = service

    def start(self) -> None:
        self._service.start()

    def dispatch(self, event: SchemaEvent) -> None:
        self._service.dispatch(event).result()

    def flush(self, timeout: float | None = None) -> None:
        self._service.flush(timeout).result()

    def dead_letters(self, endpoint: str | None = None, limit: int = 1000) -> list[DeadLetter]:
        return self._service.outbox.dead_letters(endpoint, limit).result()

    def redeliver(self, ids: Sequence[int] | None = None, *, endpoint: str | None = None) -> int:
        return self._service.redeliver(ids, endpoint).result()

    replay = redeliver

    def discard(self, ids: Sequence[int] | None = None, *, endpoint: str | None = None) -> int:
        return self._service.outbox.discard(endpoint, ids).result()

    def health(self) -> DispatcherHealth:
        return self._service.health().result()

    def close(self) -> None:
        self._service.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
