"""A process that holds ``SUBJECT`` in its cache, and says what is there when its handler is called.

usage: python -m tests.support.follower_worker SOURCE REGISTRY [ADDRESS]

It writes ``ready [PORT]``, then a line of JSON for each event: its version, the version that the
cache has as latest, and the moment on the machine's monotonic clock.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from llm_integrations.core.events import (
    ConfluentTopicSource,
    EventListener,
    FileWatchSource,
    PollSource,
    SchemaEvent,
    connect_bus,
)
from llm_integrations.core.integration import LLMModuleIntegration
from llm_integrations.core.registry import Registry, connect

__all__ = ["SUBJECT"]

SUBJECT = "s"
FETCH_WAIT = 0.05  # this broker looks for news only as often as it is asked


class Observer(LLMModuleIntegration):
    delivery = "broadcast"

    @property
    def name(self) -> str:
        return "observer"

    async def handle_schema_event(self, event: SchemaEvent) -> None:
        at, held = time.monotonic(), self.registry.peek(event.subject)
        latest = None if held is None else str(held.version)
        say(json.dumps({"version": event.version, "latest": latest, "at": at}))


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the parent reads it


def listener(
    source: str, registry: Registry, address: str, stack: ExitStack
) -> tuple[EventListener, int]:
    """A listener to one source, and the port where it has to be told, if it has one."""
    ways: dict[str, Any] = {}
    port = 0
    if source == "kafka":
        ways["buses"] = [connect_bus(address, session_timeout=1.0, fetch_wait=FETCH_WAIT)]
    elif source == "schemas":
        ways["sources"] = [ConfluentTopicSource(address, registry, fetch_wait=FETCH_WAIT)]
    elif source == "watch":
        ways["sources"] = [FileWatchSource(registry)]
    elif source == "poll":
        ways["sources"] = [PollSource(registry, interval=0.1)]
    else:
        from llm_integrations.core.webhooks import WebhookReceiver
        from tests.support.webhooks import SECRET, served

        folder = stack.enter_context(tempfile.TemporaryDirectory())
        receiver = WebhookReceiver(SECRET, Path(folder) / "inbox.db")
        port = stack.enter_context(served(receiver))
        ways["buses"] = [receiver]
    return EventListener(registry, [Observer(registry)], **ways), port


async def main(source: str, url: str, address: str = "") -> None:
    with ExitStack() as stack:
        registry = stack.enter_context(connect(url))
        listening, port = listener(source, registry, address, stack)
        async with listening:
            await registry.aio.validator(SUBJECT)
            say(f"ready {port}")
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
