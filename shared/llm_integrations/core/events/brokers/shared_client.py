"""A client for publishing that is made on first use, and serves every thread and event loop."""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from typing import Any, Final

from llm_integrations.core.concurrency.loop_thread import LoopThread
from llm_integrations.core.errors import EventError

__all__ = ["PUBLISHING", "SharedClient"]

PUBLISHING: Final = LoopThread("llm-integrations-events")
"""Where clients live, so that they outlive ``asyncio.run`` and can be closed from anywhere."""

# Clients of a parent process, which a forked child must neither close nor collect.
_inherited: Final[list[Any]] = []


class SharedClient(ABC):
    """A client made on first use, and anew in a forked child. Used on the loop PUBLISHING."""

    def __init__(self) -> None:
        self._client: Any = None
        self._making: asyncio.Lock | None = None
        self._pid = os.getpid()
        self._closed = False

    @abstractmethod
    async def _make(self) -> Any:
        """A client that is connected."""

    @abstractmethod
    async def _drop(self, client: Any) -> None:
        """Close it, whatever state it is in. Never raises."""

    def _is_lost(self, client: Any) -> bool:  # noqa: ARG002 - for subclasses that can tell
        return False

    async def close(self) -> None:
        self._closed = True
        await PUBLISHING.call(self._stop())

    async def _made(self) -> Any:
        """The client; EventError if it cannot be made, or was closed for good."""
        if self._closed:
            raise EventError("the bus is closed")
        if self._pid != os.getpid():
            _inherited.append(self._client)
            self._client = self._making = None
            self._pid = os.getpid()
        if self._client is not None and self._is_lost(self._client):
            await self._stop()
        if self._client is None:
            # Made on this loop, which is another one after a fork.
            self._making = self._making or asyncio.Lock()
            async with self._making:
                if self._client is None:
                    self._client = await self._make()
        return self._client

    async def _stop(self) -> None:
        client, self._client = self._client, None
        if client is not None and self._pid == os.getpid():
            await self._drop(client)
