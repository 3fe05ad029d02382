"""Swaps that are killed before one of their writes to the vector store and the quarantine."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from qdrant_client import QdrantClient

from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import connect
from tests.support.rag import document
from tests.support.rag_worker import open_index

__all__ = ["short", "swap"]

_WRITES = {
    QdrantClient: (
        "create_collection",
        "upsert",
        "upload_points",
        "batch_update_points",
        "delete",
        "update_collection_aliases",
        "delete_collection",
    ),
    Quarantine: ("forget",),
}


def short(names: Any) -> Any:
    """Texts of one chunk, for a store on disk commits for each."""
    return [document(name, f"{name} is new", title=name, year=1) for name in names]


def _die_before(number: int) -> None:
    left = [number]

    def dying(write: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return write(*args, **options)

        return call

    for kind, names in _WRITES.items():
        for name in names:
            setattr(kind, name, dying(getattr(kind, name)))


def swap(number: int, folder: Path) -> None:
    """Catch up with ``swap=True``, and be killed before that write."""
    with connect(folder / "schemas") as registry:
        integration, _ = open_index(folder, registry, short)
        _die_before(number)
        registry.run(integration.catch_up(swap=True))
