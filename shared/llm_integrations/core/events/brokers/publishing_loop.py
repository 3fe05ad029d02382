"""The event loop that connections for publishing live on.

So one connection serves publishers on any thread or loop, outlives ``asyncio.run``, and can be
closed from anywhere.
"""

from __future__ import annotations

from typing import Final

from llm_integrations.core.concurrency.loop_thread import LoopThread

__all__ = ["PUBLISHING"]

PUBLISHING: Final = LoopThread("llm-integrations-events")
