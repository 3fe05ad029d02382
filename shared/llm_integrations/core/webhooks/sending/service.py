"""What a dispatcher does, told by futures: its asynchronous and synchronous views wait on them."""

from __future__ import annotations

import os
import re
import threading
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Final

from llm_integrations.core.config import BreakerOptions
from llm_integrations.core.errors import ConfigurationError, WebhookError
from llm_integrations.core.events.cloudevents import to_json
from llm_integrations.core.extras import require_extra
from llm_integrations.core.webhooks.config import WebhookConfig
from llm_integrations.core.webhooks.sending.connection import Resolver
from llm_integrations.core.webhooks.sending.health import DispatcherHealth
from llm_integrations.core.webhooks.sending.outbox import DeadLetter, Outbox
from llm_integrations.core.webhooks.sending.worker_pool import Crew, CrewOptions

if TYPE_CHECKING:
    from llm_integrations.core.model.event import SchemaEvent

__all__ = ["Engine"]

_HEADER: Final = re.compile(r"[!-~]{1,200}")
_IDS: Final = uuid.UUID("0c5a6c1e-9a55-5b0e-8f5e-3c1d7c7f4b90")


class Engine:
    """Starts on first use, and anew in a forked child. Thread-safe. See WebhookDispatcher."""

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
        require_extra("webhooks", "standardwebhooks")
        self.configs = _checked(configs, allow_private=allow_private)
        self._keys = [config.key for config in self.configs]
        self._options = CrewOptions(allow_private, breaker, poll, resolver)
        self._outbox = Outbox(outbox)
        self._lock = threading.Lock()
        self._crew: Crew | None = None
        self._pid = 0
        self._closed = False

    @property
    def path(self) -> Path:
        return self._outbox.path

    def start(self) -> Crew:
        with self._lock:
            if self._closed:
                raise WebhookError("this webhook dispatcher is closed")
            if self._crew is None or self._pid != os.getpid():
                self._pid = os.getpid()
                self._crew = Crew(self.configs, self._outbox, self._options)
            return self._crew

    def dispatch(self, event: SchemaEvent) -> Future[None]:
        crew = self.start()
        body = to_json(event).decode()
        written = self._outbox.add(self._keys, _webhook_id(event.event_id), body)
        written.add_done_callback(lambda _: crew.wake())
        return written

    def flush(self, timeout: float | None) -> Future[None]:
        return self.start().settle(timeout)

    def dead_letters(self, endpoint: str | None, limit: int) -> Future[list[DeadLetter]]:
        return self._outbox.dead_letters(endpoint, limit)

    def replay(self, ids: Sequence[int] | None, endpoint: str | None) -> Future[int]:
        crew = self.start()
        queued = self._outbox.replay(endpoint, ids)
        queued.add_done_callback(lambda _: crew.wake())
        return queued

    def discard(self, ids: Sequence[int] | None, endpoint: str | None) -> Future[int]:
        return self._outbox.discard(endpoint, ids)

    def health(self) -> Future[DispatcherHealth]:
        return self.start().health()

    def close(self) -> None:
        """Blocks until the requests under way have ended. May be called twice."""
        with self._lock:
            self._closed = True
            crew, self._crew = self._crew, None
        if crew is not None and self._pid == os.getpid():
            crew.stop()
        self._outbox.close()


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
