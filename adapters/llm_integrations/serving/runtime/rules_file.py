"""The middleware's file, looked at again and again while the server runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
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
        self._known = self._look()

    async def changes(self, seconds: Callable[[], float]) -> AsyncIterator[None]:
        """Yields for each change. A file that is being written is left alone until it is done.

        Args:
            seconds: how long until the next look; 0 is to look no more.
        """
        before = self._known
        while interval := seconds():
            await asyncio.sleep(interval)
            now = await asyncio.to_thread(self._look)
            if now == before and now != self._known:
                self._known = now
                yield
            before = now

    def _look(self) -> _Seen:
        try:
            status = os.stat(self.path)  # noqa: PTH116 - follows links, as reading does
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
