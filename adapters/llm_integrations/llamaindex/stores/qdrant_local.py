"""Qdrant's local mode, which commits each point to disk by itself and filters in Python."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["is_local", "one_commit"]


def is_local(client: Any) -> bool:
    """Whether a client holds its collections itself, in memory or on disk."""
    return type(getattr(client, "_client", None)).__name__ == "QdrantLocal"


@contextmanager
def one_commit(client: Any, collection: str) -> Iterator[None]:
    """Commit what is written to a local collection on disk at the end, all at once.

    What a point's write has put into memory is committed also where a later one raises, as it
    would be without this. Clients of servers, and what is in memory, are left alone.
    """
    kept = _persistence(client, collection)
    if kept is None:
        yield
        return
    connection: sqlite3.Connection = kept.storage
    kept.storage = _Uncommitted(connection)
    try:
        yield
    finally:
        kept.storage = connection
        connection.commit()


def _persistence(client: Any, collection: str) -> Any:
    if not is_local(client):
        return None
    found = client._client._get_collection(collection)
    kept = getattr(found, "storage", None)
    return kept if isinstance(getattr(kept, "storage", None), sqlite3.Connection) else None


class _Uncommitted:
    """A connection in whose ``with`` blocks nothing is committed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, *error: object) -> None:
        """Nothing: the end of ``one_commit`` commits."""
