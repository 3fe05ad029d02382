"""What a listener remembers across restarts, in one SQLite file."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from llm_integrations.core.errors import EventError
from llm_integrations.core.events.cloudevents import from_json, to_json
from llm_integrations.core.events.event import SchemaEvent, SchemaEventType

__all__ = ["ListenerState", "StoredLetter"]

_BUSY_SECONDS: Final = 10.0
_MOST_ROWS: Final = 1_000_000
_COMMITS_PER_PRUNING: Final = 256
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS handled (
    seq INTEGER PRIMARY KEY, integration TEXT, subject TEXT, version TEXT, event_id TEXT,
    deletion INTEGER);
CREATE TABLE IF NOT EXISTS once (
    integration TEXT, subject TEXT, version TEXT, event_id TEXT, deletion INTEGER,
    PRIMARY KEY (integration, subject, version, event_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead_letters (
    id INTEGER PRIMARY KEY, integration TEXT, transport TEXT, reason TEXT, event TEXT, at REAL);
CREATE TABLE IF NOT EXISTS snapshots (source TEXT PRIMARY KEY, content TEXT) WITHOUT ROWID;
"""
_COLUMNS: Final = "(integration, subject, version, event_id, deletion) VALUES (?, ?, ?, ?, ?)"
_OF_KEY: Final = "integration = ? AND subject = ? AND version = ?"

Row = tuple[str, str, str, bool]
"""Subject, version, event id, and whether the event was a deletion."""


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """An event from a source that an integration gave up."""

    id: int
    integration: str
    transport: str
    reason: str
    event: SchemaEvent


class ListenerState:
    """Keeps which integration handled which event, dead letters and the snapshots of sources.

    A commit survives a killed process; a power cut may take back the last ones, after which their
    events count as not handled yet. The newest million events are kept. Usable from any thread.
    For one listener: another process may share the file only through ``once``.

    Args:
        path: the file, made on first use, readable for its owner alone.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._commits = 0

    def __repr__(self) -> str:
        return f"ListenerState({str(self.path)!r})"

    def load(self, integration: str, limit: int) -> list[Row]:
        """The newest events that were handled, oldest first."""
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT subject, version, event_id, deletion FROM handled "
                "WHERE integration = ? ORDER BY seq DESC LIMIT ?",
                (integration, limit),
            ).fetchall()
        return [(*row[:3], bool(row[3])) for row in reversed(rows)]

    def keep(self, integration: str, events: Sequence[SchemaEvent]) -> None:
        """Record that events were handled, in their order, in one commit."""
        # Only ever appended: an index would cost more than everything else about an event.
        with self._transaction() as connection:
            connection.executemany(
                f"INSERT INTO handled {_COLUMNS}", [_row(integration, event) for event in events]
            )
            self._commits += 1
            if self._commits % _COMMITS_PER_PRUNING == 1:
                connection.execute(
                    "DELETE FROM handled WHERE seq <= (SELECT max(seq) FROM handled) - ?",
                    (_MOST_ROWS,),
                )

    @contextmanager
    def once(self, integration: str, event: SchemaEvent) -> Iterator[sqlite3.Connection | None]:
        """Commit an effect together with the record that the event was handled: both or neither.

        Gives a connection to this file in an open transaction, for the effect's own tables; or
        None when the event was handled before, by whatever process.

        >>> with state.once("my-integration", event) as connection:
        ...     if connection is not None:
        ...         connection.execute("INSERT INTO effects VALUES (?)", (event.subject,))
        """
        with self._own_errors(), closing(self._open()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                if _happened(connection, integration, event):
                    yield None
                else:
                    yield connection
                    _remember(connection, integration, event)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def add_dead_letter(
        self, integration: str, transport: str, event: SchemaEvent, reason: str
    ) -> None:
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO dead_letters (integration, transport, reason, event, at) "
                "VALUES (?, ?, ?, ?, ?)",
                (integration, transport, reason, to_json(event).decode(), time.time()),
            )

    def dead_letters(self, limit: int = 1000) -> list[StoredLetter]:
        """What integrations gave up, oldest first."""
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT id, integration, transport, reason, event FROM dead_letters "
                "ORDER BY id LIMIT ?",
                (limit,),
            ).fetchall()
        return [
            StoredLetter(number, integration, transport, reason, from_json(event))
            for number, integration, transport, reason, event in rows
        ]

    def discard_dead_letters(self, ids: Iterable[int]) -> None:
        with self._transaction() as connection:
            connection.executemany("DELETE FROM dead_letters WHERE id = ?", [(i,) for i in ids])

    def save_snapshot(self, source: str, content: Mapping[str, Any]) -> None:
        """Replace what a source remembers: JSON types."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO snapshots VALUES (?, ?)", (source, json.dumps(content))
            )

    def snapshot(self, source: str) -> dict[str, Any] | None:
        with self._transaction() as connection:
            row = connection.execute(
                "SELECT content FROM snapshots WHERE source = ?", (source,)
            ).fetchone()
        if row is None:
            return None
        content: dict[str, Any] = json.loads(row[0])
        return content

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._own_errors(), self._lock:
            if self._connection is None:
                self._connection = self._open()
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    def _open(self) -> sqlite3.Connection:
        self._make()
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode=WAL")
        # No sync per commit: what a power cut takes back is handled again, which is allowed.
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.executescript(_SCHEMA)
        return connection

    def _make(self) -> None:
        # SQLite gives its -wal and -shm files the mode of the database. A file that is there is
        # not touched: closing it would drop the locks that this process holds on it.
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))

    @contextmanager
    def _own_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise EventError(f"the listener's state {self.path.name}: {error}") from error


def _row(integration: str, event: SchemaEvent) -> tuple[str, str, str, str, bool]:
    deletion = event.event_type is SchemaEventType.DELETED
    return integration, event.subject, event.version, event.event_id, deletion


def _happened(connection: sqlite3.Connection, integration: str, event: SchemaEvent) -> bool:
    row = connection.execute(
        f"SELECT 1 FROM once WHERE {_OF_KEY} AND event_id = ?",  # noqa: S608 - a constant
        (integration, event.subject, event.version, event.event_id),
    ).fetchone()
    return row is not None


def _remember(connection: sqlite3.Connection, integration: str, event: SchemaEvent) -> None:
    # A deletion makes way for the same content to come again, and the other way round.
    row = _row(integration, event)
    connection.execute(
        f"DELETE FROM once WHERE {_OF_KEY} AND deletion = ?",  # noqa: S608 - a constant
        (*row[:3], not row[-1]),
    )
    connection.execute(f"INSERT INTO once {_COLUMNS}", row)
