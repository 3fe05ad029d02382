"""Committing offsets in the background, while the next batch is handled."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from llm_integrations.core.observability import get_logger

__all__ = ["Commits"]

log = get_logger(__name__)

# Errors that say that another member has the partitions by now; it gets the events again.
_LOST_MEMBERSHIP: Final = (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)


class Commits:
    """One commit at a time, bounded; what is handled meanwhile shares the next one.

    Bounded, since a broker never answers a commit for a log that it has lost.
    """

    def __init__(self, consumer: Any, *, timeout: float, name: str) -> None:
        self._consumer = consumer
        self._timeout = timeout
        self._name = name
        self._offsets: dict[Any, int] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, offsets: Mapping[Any, int]) -> None:
        """Commit soon that everything before these offsets was handled. Raises as ``check``."""
        self.check()
        self._offsets.update(offsets)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._commit())

    def check(self) -> None:
        """Raise what made a commit fail: TimeoutError or KafkaError."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()

    async def finish(self) -> None:
        """Return once nothing is left to commit. Raises as ``check``."""
        if self._task is not None:
            await asyncio.wait({self._task})
            self.check()

    async def stop(self) -> None:
        """Finish, or give up at once if that fails; never raises."""
        if self._task is None:
            return
        await asyncio.wait({self._task}, timeout=self._timeout)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _commit(self) -> None:
        while self._offsets:
            offsets, self._offsets = self._offsets, {}
            try:
                async with asyncio.timeout(self._timeout):
                    await self._consumer.commit(offsets)
            except _LOST_MEMBERSHIP as error:
                log.info("%s: not committed, they may come again: %s", self._name, error)
