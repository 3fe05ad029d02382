"""The outbox: pending deliveries and dead letters, two tables in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llm_integrations.core.events.cloudevents import from_json
from llm_integrations.core.events.delivery.dead_letter import DeadLetter, moment
from llm_integrations.core.webhooks.storage import Database

__all__ = ["Delivery", "Outbox", "QueueState"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    endpoint TEXT NOT NULL,
    webhook_id TEXT NOT NULL,
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL DEFAULT 0,
    created REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS deliveries_in_order ON deliveries (endpoint, seq);
CREATE TABLE IF NOT EXISTS dead_letters (
    seq INTEGER PRIMARY KEY,
    endpoint TEXT NOT NULL,
    webhook_id TEXT NOT NULL,
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    reason TEXT NOT NULL,
    created REAL NOT NULL,
    died REAL NOT NULL
);
"""
_CHOSEN: Final = (
    "(:endpoint IS NULL OR endpoint = :endpoint) "
    "AND (:ids IS NULL OR seq IN (SELECT value FROM json_each(:ids)))"
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one endpoint. ``due`` is a Unix time; 0 means at once."""

    seq: int
    webhook_id: str
    body: str
    attempts: int
    due: float


@dataclass(frozen=True, slots=True)
class QueueState:
    """One endpoint's counts: pending, the oldest's Unix time, and dead letters."""

    pending: int = 0
    oldest: float | None = None
    dead: int = 0


class Outbox:
    """Deliveries in a file. Every call returns a future, done when the change is durable."""

    def __init__(self, path: str | Path) -> None:
        self._database = Database(path, _SCHEMA)

    @property
    def path(self) -> Path:
        return self._database.path

    def close(self) -> None:
        self._database.close()

    def add(self, endpoints: Sequence[str], webhook_id: str, body: str) -> Future[None]:
        """One delivery per endpoint, all or none."""
        now = time.time()
        return self._database.execute(
            "INSERT INTO deliveries (endpoint, webhook_id, body, created) VALUES (?, ?, ?, ?)",
            [(endpoint, webhook_id, body, now) for endpoint in endpoints],
        )

    def pending(self, endpoint: str, limit: int) -> Future[list[Delivery]]:
        """The oldest deliveries of an endpoint, in order."""
        return self._database.rows(
            Delivery,
            "SELECT seq, webhook_id, body, attempts, due FROM deliveries "
            "WHERE endpoint = ? ORDER BY seq LIMIT ?",
            (endpoint, limit),
        )

    def acknowledge(self, seq: int) -> Future[None]:
        sql = "DELETE FROM deliveries WHERE seq = ?"
        return self._database.execute(sql, [(seq,)], synced=False)

    def postpone(self, seq: int, attempts: int, due: float) -> Future[None]:
        sql = "UPDATE deliveries SET attempts = ?, due = ? WHERE seq = ?"
        return self._database.execute(sql, [(attempts, due, seq)], synced=False)

    def give_up(self, seq: int, attempts: int, reason: str) -> Future[None]:
        """Move a delivery to the dead letters."""
        died = time.time()

        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT OR IGNORE INTO dead_letters "
                "SELECT seq, endpoint, webhook_id, body, ?, ?, created, ? "
                "FROM deliveries WHERE seq = ?",
                (attempts, reason, died, seq),
            )
            db.execute("DELETE FROM deliveries WHERE seq = ?", (seq,))

        return self._database.submit(work)

    def dead_letters(self, endpoint: str | None, limit: int) -> Future[list[DeadLetter]]:
        """The oldest first; of one endpoint, or of all."""
        return self._database.rows(
            _dead_letter,
            "SELECT body, reason, endpoint, died, seq, attempts "
            "FROM dead_letters WHERE :endpoint IS NULL OR endpoint = :endpoint "
            "ORDER BY seq LIMIT :limit",
            {"endpoint": endpoint, "limit": limit},
        )

    def redeliver(self, endpoint: str | None, ids: Sequence[int] | None) -> Future[int]:
        """Queue dead letters again, at the end and with no attempt counted; returns how many."""

        def work(db: sqlite3.Connection) -> int:
            values = _choice(endpoint, ids)
            db.execute(
                "INSERT INTO deliveries (endpoint, webhook_id, body, created) SELECT endpoint, "  # noqa: S608 - a constant
                f"webhook_id, body, created FROM dead_letters WHERE {_CHOSEN} ORDER BY seq",
                values,
            )
            return db.execute(f"DELETE FROM dead_letters WHERE {_CHOSEN}", values).rowcount  # noqa: S608 - as above

        return self._database.submit(work)

    def discard(self, endpoint: str | None, ids: Sequence[int] | None) -> Future[int]:
        """Delete dead letters for good; how many."""
        sql = f"DELETE FROM dead_letters WHERE {_CHOSEN}"  # noqa: S608 - a constant
        return self._database.submit(lambda db: db.execute(sql, _choice(endpoint, ids)).rowcount)

    def last(self) -> Future[int]:
        """The number of the newest delivery; 0 if there is none."""
        return self._database.number("SELECT COALESCE(MAX(seq), 0) FROM deliveries")

    def count(self, endpoints: Sequence[str], upto: int) -> Future[int]:
        """How many of the deliveries up to a number wait for these endpoints."""
        return self._database.number(
            "SELECT COUNT(*) FROM deliveries WHERE seq <= ? "
            "AND endpoint IN (SELECT value FROM json_each(?))",
            (upto, json.dumps(list(endpoints))),
        )

    def state(self) -> Future[dict[str, QueueState]]:
        """The counts of every endpoint in the file, configured here or not."""

        def work(db: sqlite3.Connection) -> dict[str, QueueState]:
            rows = db.execute(
                "SELECT endpoint, SUM(alive), MIN(CASE WHEN alive THEN created END), "
                "SUM(1 - alive) FROM (SELECT endpoint, created, 1 AS alive FROM deliveries "
                "UNION ALL SELECT endpoint, created, 0 FROM dead_letters) GROUP BY endpoint"
            )
            return {row[0]: QueueState(*row[1:]) for row in rows}

        return self._database.submit(work, writes=False)


def _dead_letter(
    body: str, reason: str, endpoint: str, died: float, number: int, attempts: int
) -> DeadLetter:
    return DeadLetter(from_json(body), reason, endpoint, moment(died), number, "webhook", attempts)


def _choice(endpoint: str | None, ids: Sequence[int] | None) -> dict[str, str | None]:
    return {"endpoint": endpoint, "ids": None if ids is None else json.dumps(list(ids))}
