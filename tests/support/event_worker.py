"""A process that listens in a group and dies between handling an event and acknowledging it.

usage: python -m tests.support.event_worker BUS_URL STATE_DB EFFECTS_DB [VERSION_TO_DIE_AT]
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys

from llm_integrations.core.events import EventListener, ListenerState, SchemaEvent, connect_bus
from llm_integrations.core.integration import LLMModuleIntegration
from llm_integrations.core.registry import Registry, connect

__all__ = ["Worker", "rows"]


class Worker(LLMModuleIntegration):
    """Counts calls, and has two kinds of effect: one in the listener's state, committed with the
    record of the event, and one in a table of its own keyed by event_id."""

    def __init__(
        self, registry: Registry, state: ListenerState, effects: str, die_at: str | None
    ) -> None:
        super().__init__(registry)
        self._state = state
        self._die_at = die_at
        self._effects = sqlite3.connect(effects, isolation_level=None)
        self._effects.execute("CREATE TABLE IF NOT EXISTS calls (version TEXT)")
        self._effects.execute("CREATE TABLE IF NOT EXISTS keyed (event_id TEXT PRIMARY KEY)")

    @property
    def name(self) -> str:
        return "worker"

    async def handle_schema_event(self, event: SchemaEvent) -> None:
        self._effects.execute("INSERT INTO calls VALUES (?)", (event.version,))
        self._effects.execute("INSERT OR IGNORE INTO keyed VALUES (?)", (event.event_id,))
        with self._state.once(self.name, event) as connection:
            if connection is not None:
                connection.execute("CREATE TABLE IF NOT EXISTS effects (version TEXT)")
                connection.execute("INSERT INTO effects VALUES (?)", (event.version,))
        if event.version == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)


async def main(url: str, state_path: str, effects: str, die_at: str | None = None) -> None:
    state = ListenerState(state_path)
    worker = Worker(connect("memory://"), state, effects, die_at)
    fast = {"session_timeout": 1.0, "fetch_wait": 0.02} if url.startswith("kafka") else {}
    async with (
        connect_bus(url, **fast) as bus,
        EventListener(None, [worker], buses=[bus], state=state),
    ):
        print("ready", flush=True)  # noqa: T201 - the parent waits for it
        await asyncio.Event().wait()


def rows(path: str, query: str) -> dict[str, int]:
    """How often each value occurs."""
    connection = sqlite3.connect(path)
    try:
        found: dict[str, int] = {}
        for (value,) in connection.execute(query):
            found[value] = found.get(value, 0) + 1
        return found
    except sqlite3.OperationalError:
        return {}
    finally:
        connection.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
