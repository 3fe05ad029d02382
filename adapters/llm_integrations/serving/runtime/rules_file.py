"""The middleware's file, looked at again and again while the server runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from time import time
from typing import TypeAlias

__all__ = ["RulesFile"]

_Seen: TypeAlias = tuple[int, ...] | None


class RulesFile:
    """Tells when a file has changed, once it holds still.

    A path may lead to another file from one moment to the next, as a mounted ConfigMap does.

    Args:
        path: of the file as it was read; that state counts as known.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known = self._before = self._look()

    async def changes(self, seconds: Callable[[], float]) -> AsyncIterator[None]:
        """Yields for each change. A file that is being written is left alone until it is done.

        Args:
            seconds: how long until the next look; 0 is to look no more.
        """
        while interval := seconds():
            await asyncio.sleep(interval)
            if await self.has_changed():
                yield

    async def has_changed(self, settled: float | None = None) -> bool:
        """Whether it is another than at the last change, and holds still: since the last look, or
        for so many seconds."""
        now, before = await asyncio.to_thread(self._look), self._before
        self._before = now
        is_still = now == before
        if settled is not None and now is not None:
            is_still = is_still or time() - now[0] / 1e9 >= settled
        if now == self._known or not is_still:
            return False
        self._known = now
        return True

    def _look(self) -> _Seen:
        try:
            status = os.stat(self.path)  # noqa: PTH116 - follows links, as reading does
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
