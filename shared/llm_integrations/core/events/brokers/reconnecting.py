"""A subscription that outlives its connection."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Final

from llm_integrations.core.concurrency.loop_crossing import run_on
from llm_integrations.core.errors import EventError
from llm_integrations.core.events.bus import OnGap
from llm_integrations.core.observability import get_logger
from llm_integrations.core.resilience.backoff import backoff

__all__ = ["ReconnectingSubscription", "pause"]

log = get_logger(__name__)

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 10.0
_LET_GO_SECONDS: Final = 15.0  # longer than any connection takes to be dropped


async def pause(failures: int) -> None:
    """Wait after so many failures in a row, longer each time, with jitter."""
    wait = backoff(failures, base=2 * _FIRST_PAUSE, cap=_LONGEST_PAUSE, floor=_FIRST_PAUSE)
    await asyncio.sleep(wait)


class ReconnectingSubscription(ABC):
    """A subscription that replaces its connection whenever it fails.

    Subclasses say how to make one, consume by it until something fails, and drop it.

    Args:
        name: what logs call it.
        group: None for a broadcast, which may have missed something after each new connection.
        on_gap: called when that may have happened.
    """

    trouble: ClassVar[tuple[type[Exception], ...]] = (EventError, OSError, TimeoutError)
    """What ends a connection without being a bug."""

    def __init__(self, name: str, group: str | None, on_gap: OnGap | None) -> None:
        self.name = name
        self.group = group
        self._on_gap = on_gap
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._connection: Any = None
        self._failures = 0

    @abstractmethod
    async def _open(self) -> Any:
        """Make a connection by which events come. EventError if that fails."""

    @abstractmethod
    async def _consume(self, connection: Any) -> None:
        """Handle and acknowledge what comes, until it raises. Calls ``_works`` meanwhile."""

    @abstractmethod
    async def _drop(self, connection: Any) -> None:
        """Close it, whatever state it is in, within seconds. Never raises."""

    @property
    def connected(self) -> bool:
        return self._connection is not None

    @property
    def ended(self) -> bool:
        """Whether it was cancelled, or its event loop is closed."""
        return self._loop.is_closed() or self._task is None or self._task.done()

    async def start(self) -> None:
        """Return once events reach the handler; EventError if the broker cannot be reached."""
        self._connection = await self._open()
        self._task = asyncio.create_task(self._run())

    async def cancel(self) -> None:
        if not self.ended:
            await run_on(self._loop, self._cancel())

    async def _cancel(self) -> None:
        task, self._task = self._task, None
        while task is not None and not task.done():
            task.cancel()  # once more: a closing client may have swallowed the first
            await asyncio.wait({task}, timeout=_LET_GO_SECONDS)
        await self._let_go()  # the task may never have begun

    async def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._drop(connection)

    def _works(self) -> None:
        self._failures = 0

    def _give_up(self, what: str, origin: str, reason: str) -> dict[str, str]:
        """Log that something goes to the dead letters; returns the headers that say why."""
        group = self.group or "broadcast"
        extra = {"llmi_group": group, "llmi_origin": origin, "llmi_message": what}
        log.error("%s could not be handled by %s: %s", what, group, reason, extra=extra)
        return {
            "dead-letter-reason": reason,
            "dead-letter-group": group,
            "dead-letter-origin": origin,
        }

    def _gap(self) -> None:
        if self.group is None and self._on_gap is not None:
            self._on_gap()

    async def _run(self) -> None:
        while True:
            try:
                await self._consume(self._connection)
            except self.trouble as error:
                reason = str(error) or type(error).__name__
                log.warning("%s: %s; connecting again", self.name, reason)
            except Exception:  # whatever it was, a subscription never ends by itself
                log.exception("%s failed; connecting again", self.name)
            finally:
                await self._let_go()
            self._connection = await self._reopened()
            self._gap()

    async def _reopened(self) -> Any:
        while True:
            self._failures += 1
            await pause(self._failures)
            try:
                return await self._open()
            except EventError as error:
                log.warning("%s: %s; trying again", self.name, error)
