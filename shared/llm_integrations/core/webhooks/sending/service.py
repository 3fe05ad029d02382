"""The dispatcher's work as futures, which its asynchronous and synchronous views await."""

from __future__ import annotations

import asyncio
import os
import re
import threading
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from llm_integrations.core.concurrency.loop_thread import LoopThread
from llm_integrations.core.config import BreakerOptions
from llm_integrations.core.errors import ConfigurationError, WebhookError
from llm_integrations.core.events.cloudevents import to_json
from llm_integrations.core.resilience.breaker import Breaker
from llm_integrations.core.webhooks.config import WebhookConfig
from llm_integrations.core.webhooks.sending.connection import Connection, GuardedBackend
from llm_integrations.core.webhooks.sending.endpoint_worker import EndpointWorker
from llm_integrations.core.webhooks.sending.health import DispatcherHealth
from llm_integrations.core.webhooks.sending.lookup import Resolver
from llm_integrations.core.webhooks.sending.outbox import Outbox, QueueState
from llm_integrations.core.webhooks.urls import parse_url

if TYPE_CHECKING:
    from llm_integrations.core.model.event import SchemaEvent

__all__ = ["DispatchService"]

# The event loop that every dispatcher of this process delivers on.
_DELIVERIES: Final = LoopThread("llm-integrations-webhooks")
_HEADER: Final = re.compile(r"[!-~]{1,200}")
_IDS: Final = uuid.UUID("0c5a6c1e-9a55-5b0e-8f5e-3c1d7c7f4b90")


class DispatchService:
    """An outbox and the workers that empty it, in this process. Thread-safe.

    The workers start on first use, and anew in a forked child. See WebhookDispatcher.
    """

    def __init__(
        self,
        configs: Iterable[WebhookConfig],
        outbox: str | Path,
        *,
        allow_private: bool,
        breaker: BreakerOptions,
        poll: float,
        resolver: Resolver,
    ) -> None:
        self.configs = _checked(configs, allow_private=allow_private)
        self._keys = [config.key for config in self.configs]
        self.outbox = Outbox(outbox)
        self._allow_private = allow_private
        self._breaker = breaker
        self._poll = poll
        self._resolver = resolver
        self._lock = threading.Lock()
        self._workers: tuple[EndpointWorker, ...] = ()
        self._work: Future[None] | None = None
        self._progress = asyncio.Event()
        self._pid = 0
        self._closed = False

    def start(self) -> None:
        with self._lock:
            if self._closed:
                raise WebhookError("this webhook dispatcher is closed")
            if self._pid != os.getpid():
                self._progress = asyncio.Event()
                self._workers = tuple(map(self._worker, self.configs))
                self._work = _DELIVERIES.run(self._run())
                self._pid = os.getpid()

    def dispatch(self, event: SchemaEvent) -> Future[None]:
        self.start()
        body = to_json(event).decode()
        written = self.outbox.add(self._keys, _webhook_id(event.event_id), body)
        written.add_done_callback(self._wake)
        return written

    def flush(self, timeout: float | None) -> Future[None]:
        """Done when what the outbox holds now was delivered or given up."""
        self.start()
        return _DELIVERIES.run(self._flush(timeout))

    def redeliver(self, ids: Sequence[int] | None, endpoint: str | None) -> Future[int]:
        self.start()
        queued = self.outbox.redeliver(endpoint, ids)
        queued.add_done_callback(self._wake)
        return queued

    def health(self) -> Future[DispatcherHealth]:
        self.start()
        return _DELIVERIES.run(self._health())

    def close(self) -> None:
        """Blocks until the requests under way have ended. May be called twice."""
        with self._lock:
            self._closed = True
            work, self._work = self._work, None
        if work is not None and self._pid == os.getpid():
            _DELIVERIES.run(self._stop())
            with suppress(CancelledError):  # the process is ending, and the loop with it
                work.result()
        self.outbox.close()

    def _wake(self, _: Future[None] | Future[int]) -> None:
        for worker in self._workers:
            worker.wake()

    async def _run(self) -> None:
        await asyncio.gather(*(worker.run() for worker in self._workers))

    async def _stop(self) -> None:
        for worker in self._workers:
            worker.stop()

    async def _flush(self, timeout: float | None) -> None:  # noqa: ASYNC109 - told as our error
        upto = await asyncio.wrap_future(self.outbox.last())
        try:
            async with asyncio.timeout(timeout):
                while await asyncio.wrap_future(self.outbox.count(self._keys, upto)):
                    await self._step()
        except TimeoutError:
            left = await asyncio.wrap_future(self.outbox.count(self._keys, upto))
            raise WebhookError(f"{left} deliveries are still pending after {timeout} s") from None

    async def _step(self) -> None:
        """Wait until a worker of this process has made progress, or ``poll`` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._poll):
                await self._progress.wait()

    def _on_progress(self) -> None:
        self._progress.set()
        self._progress = asyncio.Event()

    async def _health(self) -> DispatcherHealth:
        known = await asyncio.wrap_future(self.outbox.state())
        endpoints = tuple(
            worker.health(known.pop(worker.config.key, QueueState())) for worker in self._workers
        )
        return DispatcherHealth(endpoints, known)

    def _worker(self, config: WebhookConfig) -> EndpointWorker:
        backend = GuardedBackend(
            allow_private=self._allow_private,
            plain=parse_url(config.url).scheme == "http",
            resolver=self._resolver,
        )
        return EndpointWorker(
            config,
            self.outbox,
            Connection(config, backend),
            Breaker(config.endpoint, self._breaker),
            poll=self._poll,
            on_progress=self._on_progress,
        )


def _checked(configs: Iterable[WebhookConfig], *, allow_private: bool) -> tuple[WebhookConfig, ...]:
    found: dict[str, WebhookConfig] = {}
    for config in configs:
        config.check_target(allow_private=allow_private)
        if config.key in found:
            raise ConfigurationError(f"{config.endpoint} is listed twice; give one a name=")
        found[config.key] = config
    return tuple(found.values())


def _webhook_id(event_id: str) -> str:
    """The event's id, where it fits into a header."""
    return event_id if _HEADER.fullmatch(event_id) else str(uuid.uuid5(_IDS, event_id))
