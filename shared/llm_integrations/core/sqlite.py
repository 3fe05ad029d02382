"""One way to open SQLite: a private file in WAL mode, short transactions, and no error but ours."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from llm_integrations.core.concurrency.fork import survive_fork
from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.files import reason_of

__all__ = ["SharedDatabase", "database_errors", "open_database", "transaction", "use_wal"]

_BUSY_SECONDS: Final = 10.0
# Connections of a parent process: a forked child must neither use nor close them.
_inherited: Final[list[Any]] = []


@contextmanager
def database_errors(path: str | Path, error: type[LLMIntegrationsError]) -> Iterator[None]:
    """Turn what SQLite and the file system raise into ``error``, which names the file.

    SQLite's messages name files, tables and columns, never values; Python's about values that do
    not fit quote them, and are replaced.
    """
    try:
        yield
    except OSError as cause:
        raise error(f"{path}: {reason_of(cause)}") from cause
    except sqlite3.Error as cause:
        raise error(f"{path}: {cause}") from cause
    except (UnicodeEncodeError, OverflowError) as cause:
        raise error(f"{path}: a value does not fit ({type(cause).__name__})") from None


def open_database(path: str | Path, schema: str, *, version: int = 0) -> sqlite3.Connection:
    """Open a file in autocommit mode, usable from any thread; what is missing is made.

    A file that is made, its ``-wal`` and its ``-shm`` are readable for the owner alone.

    Args:
        path: the file, or ``:memory:``.
        schema: SQL that creates what is missing.
        version: of the schema, kept in the file.

    Raises:
        sqlite3.Error, OSError: see ``database_errors``.
    """
    if str(path) != ":memory:":
        path = _made(path)
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        use_wal(connection)
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > version:
            raise sqlite3.DatabaseError("it was written by a newer version of this library")
        connection.executescript(schema)
        if found < version:
            connection.execute(f"PRAGMA user_version={version}")
    except BaseException:
        connection.close()
        raise
    return connection


def _made(path: str | Path) -> Path:
    try:
        real = Path(path).resolve()  # a link is followed before its target is made
        # SQLite gives its -wal and -shm files the mode of the database. A file that is there is
        # not touched: closing it would drop the locks that this process holds on it.
        with suppress(FileExistsError):
            os.close(os.open(real, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except (ValueError, RuntimeError) as error:  # a zero byte; links in a circle
        raise OSError(0, "not a path") from error
    return real


def use_wal(connection: sqlite3.Connection) -> None:
    """SQLite itself does not wait when two processes turn to WAL at the same moment."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Commit what is done inside, or nothing of it; waits for other writers."""
    connection.execute("BEGIN IMMEDIATE")
    with _committing(connection):
        yield connection


@contextmanager
def _committing(connection: sqlite3.Connection) -> Iterator[None]:
    """``transaction`` for one that has begun."""
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):  # the first error is the one to tell
                connection.execute("ROLLBACK")
        raise


class SharedDatabase:
    """One connection to one file, opened on first use; a forked child opens its own.

    Threads take turns. The connection is closed by ``close``, with the last reference, or at the
    end of the process; the next use opens a file again.

    Args:
        path: the file, or ``:memory:``.
        schema: SQL that creates what is missing, or sets up every connection.
        error: the class of the errors.
        setup: SQL for the shared connection alone.
    """

    def __init__(
        self, path: str | Path, schema: str, error: type[LLMIntegrationsError], *, setup: str = ""
    ) -> None:
        self.path = path
        self.lock = threading.Lock()
        self._schema = schema
        self._setup = setup
        self._error = error
        self._connection: sqlite3.Connection | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None
        self._in_memory = str(path) == ":memory:"
        self._is_lost = False
        survive_fork(self)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Waits for no writer of another process."""
        with database_errors(self.path, self._error), self.lock:
            yield self._opened()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with self.reading() as connection, transaction(connection):
            yield connection

    @contextmanager
    def transaction_at_once(self) -> Iterator[sqlite3.Connection | None]:
        """``transaction`` that never waits: None if somebody else writes, or nothing is open."""
        if not self.lock.acquire(blocking=False):
            yield None
            return
        try:
            connection = self._connection
            if connection is None or not _begin_at_once(connection):
                yield None
                return
            with database_errors(self.path, self._error), _committing(connection):
                yield connection
        finally:
            self.lock.release()

    @contextmanager
    def separate(self) -> Iterator[sqlite3.Connection]:
        """A connection of one's own, closed on leaving."""
        with database_errors(self.path, self._error):
            connection = open_database(self.path, self._schema)
            try:
                yield connection
            finally:
                connection.close()

    def close(self) -> None:
        with self.lock:
            self._connection, finalizer = None, self._finalizer
            self._is_lost = self._in_memory
            if finalizer is not None:
                finalizer()

    def after_fork(self) -> None:
        self.lock = threading.Lock()
        if self._in_memory or self._finalizer is None:
            return
        self._finalizer.detach()
        _inherited.append(self._connection)
        self._connection = self._finalizer = None

    def _opened(self) -> sqlite3.Connection:
        if self._is_lost:
            raise self._error(f"{self.path} is closed, and its content is gone")
        if self._connection is None:
            self._connection = open_database(self.path, self._schema)
            self._finalizer = weakref.finalize(self, self._connection.close)
            self._connection.executescript(self._setup)
        return self._connection


def _begin_at_once(connection: sqlite3.Connection) -> bool:
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False  # another connection writes at this moment
    finally:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000:.0f}")
    return True
