"""A listener for programs without an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from llm_integrations.core.concurrency.loop_thread import LoopThread
from llm_integrations.core.errors import EventError

if TYPE_CHECKING:
    from llm_integrations.core.events.listener.health import ListenerHealth
    from llm_integrations.core.events.listener.listener import EventListener

__all__ = ["BackgroundListener"]


class BackgroundListener:
    """Runs an EventListener on a thread of its own, from now until ``stop``.

    >>> with EventListener(registry, [integration], buses=[bus]).run_in_background():
    ...     ...

    Raises:
        EventError: it could not start.
    """

    def __init__(self, listener: EventListener) -> None:
        self.listener = listener
        self._thread = LoopThread("llm-integrations-listener")
        try:
            self._thread.run(listener.start()).result()
        except BaseException:
            self._thread.stop()
            raise

    def health(self) -> ListenerHealth:
        if not self._thread.is_running:
            raise EventError("the listener has been stopped")
        return self._thread.run(self.listener.health()).result()

    def stop(self) -> None:
        """Stop and wait until it has. Idempotent.

        Raises:
            EventError: called by a handler, which would wait for itself.
        """
        if self._thread.is_current:
            raise EventError("a handler cannot stop the listener that runs it")
        if self._thread.is_running:
            try:
                self._thread.run(self.listener.stop()).result()
            finally:
                self._thread.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
