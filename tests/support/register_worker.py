"""A process that registers schemas in a file registry, and may kill itself in the middle.

    python register_worker.py ROOT NAME COUNT [KILL_AT WHEN]

Each registration is reported on a line of its own: version, title. KILL_AT counts the renames that
make a file appear; WHEN is "before" or "after".
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from llm_integrations.core.registry.backend import NewSchema
from llm_integrations.core.registry.local.file.backend import FileBackend


def _die_at(rename: int, when: str) -> None:
    real = os.replace
    seen = 0

    def replace(*args: Any, **options: Any) -> None:
        nonlocal seen
        seen += 1
        if when == "before" and seen == rename:
            os.kill(os.getpid(), signal.SIGKILL)
        real(*args, **options)
        if when == "after" and seen == rename:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = replace


async def _register(root: str, name: str, count: int) -> None:
    registry = FileBackend(root, lock_timeout=60.0)
    for number in range(count):
        title = f"{name} {number}"
        new = NewSchema("user", {"title": title}, metadata={"owner": title})
        kept = await registry.register(new)
        print(kept.version, title, flush=True)  # noqa: T201 - the test reads it


if __name__ == "__main__":
    if len(sys.argv) > 4:
        _die_at(int(sys.argv[4]), sys.argv[5])
    asyncio.run(_register(sys.argv[1], sys.argv[2], int(sys.argv[3])))
