"""The event loop that every dispatcher of this process delivers on."""

from __future__ import annotations

from typing import Final

from llm_integrations.core.concurrency.loop_thread import LoopThread

__all__ = ["DELIVERIES"]

DELIVERIES: Final = LoopThread("llm-integrations-webhooks")
