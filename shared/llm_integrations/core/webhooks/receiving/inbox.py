"""The inbox: a log of accepted events in SQLite, and the position of each reader in it."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llm_integrations.core.errors import EventError
from llm_integrations.core.events.cloudevents import from_json
from llm_integrations.core.events.delivery.dead_letter import DeadLetter, moment
from llm_integrations.core.model.event import SchemaEvent, SchemaEventType
from llm_integrations.core.webhooks.storage import Database

__all__ = ["BROADCAST", "Entry", "Inbox", "InboxState"]

BROADCAST: Final = ""
"""The reader that stands for all broadcast subscriptions; groups have their own names."""

_PURGE_EVERY: Final = 600.0  # seconds
_FORGOTTEN_AFTER: Final = 7 * 86_400.0  # seconds; a reader absent for longer delays no purge
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook_id TEXT UNIQUE,
    subject TEXT NOT NULL,
    version TEXT NOT NULL,
    kind TEXT NOT NULL,
    reader TEXT,
    body BLOB NOT NULL,
    received REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS events_of_version ON events (subject, version);
CREATE INDEX IF NOT EXISTS events_by_age ON events (received);
CREATE TABLE IF NOT EXISTS readers (
    name TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    seen REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS failures (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    reader TEXT NOT NULL,
    subject TEXT NOT NULL,
    version TEXT NOT NULL,
    kind TEXT NOT NULL,
    body BLOB NOT NULL,
    reason TEXT NOT NULL,
    failed REAL NOT NULL
);
"""
_CHOSEN: Final = "(:ids IS NULL OR id IN (SELECT value FROM json_each(:ids)))"


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted event, as it was received."""

    seq: int
    body: bytes


@dataclass(frozen=True, slots=True)
class InboxState:
    """How many events are held, and how many each reader has still to handle."""

    held: int
    waiting: dict[str, int]
    dead_letters: int


class Inbox:
    """A log of events in a file. Every call returns a future, done when the change is durable.

    Args:
        path: SQLite file, on a local disk.
        retention: seconds that events and ids are kept; what is not handled yet stays longer.
    """

    def __init__(self, path: str | Path, *, retention: float = 86_400.0) -> None:
        self._database = Database(path, _SCHEMA)
        self._retention = retention
        self._purged = 0.0

    @property
    def path(self) -> Path:
        return self._database.path

    def close(self) -> None:
        self._database.close()

    def add(self, webhook_id: str, event: SchemaEvent, body: bytes) -> Future[bool]:
        """Keep an event; False if its id is here already, and nothing was changed."""
        now = time.time()
        row = (webhook_id, event.subject, event.version, str(event.event_type), body, now)

        def work(db: sqlite3.Connection) -> bool:
            if db.execute("SELECT 1 FROM events WHERE webhook_id = ?", (webhook_id,)).fetchone():
                return False
            _forget_superseded(db, event)
            db.execute(
                "INSERT INTO events (webhook_id, subject, version, kind, body, received) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )
            self._purge(db, now)
            return True

        return self._database.submit(work)

    def join(self, reader: str) -> Future[int]:
        """The position of a reader; a new one begins with the oldest event that is held."""

        def work(db: sqlite3.Connection) -> int:
            db.execute(
                "INSERT INTO readers (name, position, seen) VALUES (?, 0, ?) "
                "ON CONFLICT (name) DO UPDATE SET seen = excluded.seen",
                (reader, time.time()),
            )
            found = db.execute("SELECT position FROM readers WHERE name = ?", (reader,))
            return int(found.fetchone()[0])

        return self._database.submit(work)

    def after(self, reader: str, position: int, limit: int) -> Future[list[Entry]]:
        """The next events for a reader, in the order they came."""
        return self._database.rows(
            Entry,
            "SELECT seq, body FROM events WHERE seq > ? AND (reader IS NULL OR reader = ?) "
            "ORDER BY seq LIMIT ?",
            (position, reader, limit),
        )

    def advance(
        self, reader: str, position: int, failures: Sequence[tuple[int, str]] = ()
    ) -> Future[None]:
        """Store that all up to ``position`` was handled, save ``failures`` (number, reason)."""
        now = time.time()

        def work(db: sqlite3.Connection) -> None:
            db.executemany(
                "INSERT INTO failures (reader, subject, version, kind, body, reason, failed) "
                "SELECT ?, subject, version, kind, body, ?, ? FROM events WHERE seq = ?",
                [(reader, reason, now, seq) for seq, reason in failures],
            )
            db.execute(
                "UPDATE readers SET position = MAX(position, ?), seen = ? WHERE name = ?",
                (position, now, reader),
            )

        return self._database.submit(work, synced=bool(failures))

    def dead_letters(self, limit: int) -> Future[list[DeadLetter]]:
        return self._database.rows(
            _dead_letter,
            "SELECT body, subject, version, kind, reason, reader, failed, id FROM failures "
            "ORDER BY id LIMIT ?",
            (limit,),
        )

    def redeliver(self, ids: Sequence[int] | None) -> Future[int]:
        """Queue dead letters again, each only for the reader that gave it up; returns how many."""
        values = {"ids": None if ids is None else json.dumps(list(ids)), "now": time.time()}

        def work(db: sqlite3.Connection) -> int:
            db.execute(
                "INSERT INTO events (subject, version, kind, reader, body, received) "  # noqa: S608 - a constant
                f"SELECT subject, version, kind, reader, body, :now FROM failures WHERE {_CHOSEN} "
                "ORDER BY id",
                values,
            )
            return db.execute(f"DELETE FROM failures WHERE {_CHOSEN}", values).rowcount  # noqa: S608 - as above

        return self._database.submit(work)

    def state(self) -> Future[InboxState]:
        def work(db: sqlite3.Connection) -> InboxState:
            held = db.execute("SELECT COUNT(*) FROM events").fetchone()[0]
            failed = db.execute("SELECT COUNT(*) FROM failures").fetchone()[0]
            waiting = db.execute(
                "SELECT name, (SELECT COUNT(*) FROM events WHERE seq > position "
                "AND (reader IS NULL OR reader = name)) FROM readers"
            )
            return InboxState(held, dict(waiting.fetchall()), failed)

        return self._database.submit(work, writes=False)

    def _purge(self, db: sqlite3.Connection, now: float) -> None:
        if now - self._purged < min(_PURGE_EVERY, self._retention):
            return
        self._purged = now
        handled = db.execute(
            "SELECT MIN(position) FROM readers WHERE seen > ?", (now - _FORGOTTEN_AFTER,)
        ).fetchone()[0]
        db.execute(
            "DELETE FROM events WHERE received < :before AND (:upto IS NULL OR seq <= :upto)",
            {"before": now - self._retention, "upto": handled},
        )
        db.execute("DELETE FROM failures WHERE failed < ?", (now - _FORGOTTEN_AFTER,))


def _dead_letter(
    body: bytes,
    subject: str,
    version: str,
    kind: str,
    reason: str,
    reader: str,
    failed: float,
    number: int,
) -> DeadLetter:
    try:
        event = from_json(body)
    except EventError:  # it may be a dead letter for being unreadable: make an event of its columns
        event = SchemaEvent(SchemaEventType(kind), None, subject, version)
    group = None if reader == BROADCAST else reader
    return DeadLetter(event, reason, group, moment(failed), number, "webhook")


def _forget_superseded(db: sqlite3.Connection, event: SchemaEvent) -> None:
    """Forget ids that may come again: a deleted version can be registered and deleted anew."""
    if event.event_type is SchemaEventType.DELETED:
        db.execute(
            "UPDATE events SET webhook_id = NULL WHERE subject = ? AND version = ?",
            (event.subject, event.version),
        )
    else:
        db.execute(
            "UPDATE events SET webhook_id = NULL WHERE subject = ? AND version = ? AND kind = ?",
            (event.subject, event.version, str(SchemaEventType.DELETED)),
        )
