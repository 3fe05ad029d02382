"""The dispatcher for code without an event loop."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from llm_integrations.core.model.event import SchemaEvent
    from llm_integrations.core.webhooks.sending.health import DispatcherHealth
    from llm_integrations.core.webhooks.sending.outbox import DeadLetter
    from llm_integrations.core.webhooks.sending.service import Engine

__all__ = ["SyncWebhookDispatcher"]


class SyncWebhookDispatcher:
    """A view of a WebhookDispatcher that blocks until each call is done; errors are the same.

    >>> with WebhookDispatcher(configs).sync as webhooks:
    ...     webhooks.dispatch(event)
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def start(self) -> None:
        self._engine.start()

    def dispatch(self, event: SchemaEvent) -> None:
        self._engine.dispatch(event).result()

    def flush(self, timeout: float | None = None) -> None:
        self._engine.flush(timeout).result()

    def dead_letters(self, endpoint: str | None = None, limit: int = 1000) -> list[DeadLetter]:
        return self._engine.dead_letters(endpoint, limit).result()

    def replay(self, ids: Sequence[int] | None = None, *, endpoint: str | None = None) -> int:
        return self._engine.replay(ids, endpoint).result()

    def discard(self, ids: Sequence[int] | None = None, *, endpoint: str | None = None) -> int:
        return self._engine.discard(ids, endpoint).result()

    def health(self) -> DispatcherHealth:
        return self._engine.health().result()

    def close(self) -> None:
        self._engine.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
