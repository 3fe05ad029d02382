"""The state of a listener across restarts, in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from llm_integrations.core.errors import EventError
from llm_integrations.core.events.cloudevents import from_json, to_json
from llm_integrations.core.events.delivery.dead_letter import DeadLetter, moment
from llm_integrations.core.model.event import SchemaEvent, SchemaEventType
from llm_integrations.core.reprs import never_raises
from llm_integrations.core.sqlite import SharedDatabase, transaction

__all__ = ["ListenerState"]

_MOST_EVENTS: Final = 1_000_000
_COMMITS_PER_TIDYING: Final = 256
# No sync per commit: what a power cut takes back is handled again, which is allowed.
_SCHEMA: Final = """
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS handled (upto INTEGER PRIMARY KEY, integration TEXT, events TEXT);
CREATE TABLE IF NOT EXISTS once (
    integration TEXT, subject TEXT, version TEXT, event_id TEXT, deletion INTEGER,
    PRIMARY KEY (integration, subject, version, event_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead_letters (
    id INTEGER PRIMARY KEY, integration TEXT, transport TEXT, reason TEXT, event TEXT, at REAL);
CREATE TABLE IF NOT EXISTS snapshots (source TEXT PRIMARY KEY, content TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS snapshot_parts (
    source TEXT, part TEXT, content TEXT, PRIMARY KEY (source, part)) WITHOUT ROWID;
"""
_OF_KEY: Final = "integration = ? AND subject = ? AND version = ?"

Row = tuple[str, str, str, bool]
"""Subject, version, event id, and whether the event was a deletion."""


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
        # No checkpoint on commit, which would wait for the disk: tidy() does it.
        self._file = SharedDatabase(
            path, _SCHEMA, EventError, setup="PRAGMA wal_autocheckpoint = 0"
        )
        self._commits = 0

    @never_raises
    def __repr__(self) -> str:
        return f"ListenerState({str(self.path)!r})"

    def load(self, integration: str, limit: int) -> list[Row]:
        """The newest events that were handled, oldest first."""
        found: list[Row] = []
        with self._file.reading() as connection:
            batches = connection.execute(
                "SELECT events FROM handled WHERE integration = ? ORDER BY upto DESC",
                (integration,),
            )
            for (batch,) in batches:
                found += (
                    (subject, version, event_id, bool(deletion))
                    for subject, version, event_id, deletion in reversed(json.loads(batch))
                )
                if len(found) >= limit:
                    break
        return found[limit - 1 :: -1] if len(found) > limit else found[::-1]

    def keep(self, integration: str, events: Sequence[SchemaEvent]) -> None:
        """Record that events were handled, in their order, in one commit."""
        with self._file.transaction() as connection:
            self._append(connection, integration, events)

    def keep_at_once(self, integration: str, events: Sequence[SchemaEvent]) -> bool:
        """``keep`` for an event loop: a fraction of a millisecond, or False if it had to wait.

        A thread would be slower by far: it waits for the interpreter's lock again and again.
        """
        with self._file.transaction_at_once() as connection:
            if connection is None:
                return False
            self._append(connection, integration, events)
        return True

    @property
    def is_untidy(self) -> bool:
        """Whether it is time for ``tidy``."""
        return self._commits >= _COMMITS_PER_TIDYING

    def tidy(self) -> None:
        """Forget the oldest events, and write the log back into the file. May wait for the disk."""
        with self._file.transaction() as connection:
            self._commits = 0
            connection.execute(
                "DELETE FROM handled WHERE upto <= (SELECT max(upto) FROM handled) - ?",
                (_MOST_EVENTS,),
            )
        with self._file.separate() as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    @contextmanager
    def once(self, integration: str, event: SchemaEvent) -> Iterator[sqlite3.Connection | None]:
        """Commit an effect together with the record that the event was handled: both or neither.

        Gives a connection to this file in an open transaction, for the effect's own tables; or
        None when the event was handled before, by whatever process.

        >>> with state.once("my-integration", event) as connection:
        ...     if connection is not None:
        ...         connection.execute("INSERT INTO effects VALUES (?)", (event.subject,))
        """
        with self._file.separate() as connection, transaction(connection):
            if _happened(connection, integration, event):
                yield None
            else:
                yield connection
                _remember(connection, integration, event)

    def add_dead_letter(
        self, integration: str, transport: str, event: SchemaEvent, reason: str
    ) -> None:
        with self._file.transaction() as connection:
            connection.execute(
                "INSERT INTO dead_letters (integration, transport, reason, event, at) "
                "VALUES (?, ?, ?, ?, ?)",
                (integration, transport, reason, _to_text(event), time.time()),
            )

    def dead_letters(self, limit: int = 1000) -> list[DeadLetter]:
        """The dead letters of integrations, oldest first."""
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT event, reason, integration, at, id, transport FROM dead_letters "
                "ORDER BY id LIMIT ?",
                (limit,),
            ).fetchall()
        return [
            DeadLetter(from_json(event), reason, integration, moment(at), number, transport)
            for event, reason, integration, at, number, transport in rows
        ]

    def discard_dead_letters(self, ids: Iterable[int]) -> None:
        with self._file.transaction() as connection:
            connection.executemany("DELETE FROM dead_letters WHERE id = ?", [(i,) for i in ids])

    def save_snapshot(
        self, source: str, content: Mapping[str, Any], parts: Mapping[str, Any] | None = None
    ) -> None:
        """Replace a source's snapshot, of JSON types.

        Args:
            parts: those that have changed, by name, of what is kept piece by piece; None removes
                one. The others stay.
        """
        changed = [(source, name, json.dumps(part)) for name, part in (parts or {}).items()]
        gone = [(source, name) for name, part in (parts or {}).items() if part is None]
        with self._file.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO snapshots VALUES (?, ?)", (source, json.dumps(content))
            )
            connection.executemany(
                "INSERT OR REPLACE INTO snapshot_parts VALUES (?, ?, ?)", changed
            )
            connection.executemany("DELETE FROM snapshot_parts WHERE source = ? AND part = ?", gone)

    def snapshot_parts(self, source: str) -> dict[str, Any]:
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT part, content FROM snapshot_parts WHERE source = ?", (source,)
            ).fetchall()
        return {part: json.loads(content) for part, content in rows}

    def snapshot(self, source: str) -> dict[str, Any] | None:
        with self._file.reading() as connection:
            row = connection.execute(
                "SELECT content FROM snapshots WHERE source = ?", (source,)
            ).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._file.close()

    def _append(
        self, connection: sqlite3.Connection, integration: str, events: Sequence[SchemaEvent]
    ) -> None:
        # One row for the batch, only ever appended: an index, or a row for each, would cost more
        # than everything else about an event. ``upto`` counts events, not batches.
        batch = json.dumps([_fields(event) for event in events])
        connection.execute(
            "INSERT INTO handled SELECT coalesce(max(upto), 0) + ?, ?, ? FROM handled",
            (len(events), integration, batch),
        )
        self._commits += 1


def _to_text(event: SchemaEvent) -> str:
    try:
        return to_json(event).decode()
    except EventError:  # metadata that is no JSON: its loss is better than the event's
        return to_json(replace(event, metadata={})).decode()


def _fields(event: SchemaEvent) -> Row:
    deletion = event.event_type is SchemaEventType.DELETED
    return event.subject, event.version, event.event_id, deletion


def _happened(connection: sqlite3.Connection, integration: str, event: SchemaEvent) -> bool:
    found = connection.execute(
        f"SELECT 1 FROM once WHERE {_OF_KEY} AND event_id = ?",  # noqa: S608 - a constant
        (integration, event.subject, event.version, event.event_id),
    )
    return found.fetchone() is not None


def _remember(connection: sqlite3.Connection, integration: str, event: SchemaEvent) -> None:
    # A deletion makes way for the same content to come again, and the other way round.
    subject, version, event_id, deletion = _fields(event)
    connection.execute(
        f"DELETE FROM once WHERE {_OF_KEY} AND deletion = ?",  # noqa: S608 - a constant
        (integration, subject, version, not deletion),
    )
    row = (integration, subject, version, event_id, deletion)
    connection.execute("INSERT INTO once VALUES (?, ?, ?, ?, ?)", row)
