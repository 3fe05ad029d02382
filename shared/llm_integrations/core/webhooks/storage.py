"""A SQLite file owned by one thread, with group commit: jobs share a transaction."""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from llm_integrations.core.concurrency.fork import survive_fork
from llm_integrations.core.errors import ConfigurationError, WebhookError
from llm_integrations.core.sqlite import database_errors, open_database, transaction

__all__ = ["Database", "Work"]

T = TypeVar("T")
Work: TypeAlias = Callable[[sqlite3.Connection], T]
Values: TypeAlias = Sequence[Any] | Mapping[str, Any]
"""For ``?``, in order, or for ``:name``. Numbered ones (``?1``) are deprecated by Python 3.12.0
to 3.12.3."""

_MOST_PER_COMMIT: Final = 512
_VERSION: Final = 1


@dataclass(slots=True)
class _Job:
    work: Work[Any]
    writes: bool
    synced: bool
    future: Future[Any] = field(default_factory=Future)


class Database:
    """Runs pieces of work in order, each whole or not at all, durable when its future is done.

    Waiting for the disk is shared: while one transaction commits, the work that arrives gathers
    for the next. Work must be repeatable until it is committed, and touch nothing but its
    connection. Usable from any thread; in a forked child the file is opened anew.

    Args:
        path: the file; it and its folder are made on first use, readable for the owner alone.
        schema: SQL that creates what is missing.
    """

    def __init__(self, path: str | Path, schema: str) -> None:
        if str(path) in ("", ":memory:"):
            raise ConfigurationError("a webhook database is a file, so that it survives a crash")
        self.path = Path(path)
        self._schema = schema
        self.lock = threading.Lock()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        survive_fork(self)

    def submit(self, work: Work[T], *, writes: bool = True, synced: bool = True) -> Future[T]:
        """Queue a piece of work. The future's error is a WebhookError.

        What is not ``synced`` survives the end of the process, however it ends, but a power cut
        may take it back: enough for what only saves a repetition.
        """
        job = _Job(work, writes, synced)
        with self.lock:
            if self._closed:
                raise WebhookError(f"{self.path.name} is closed")
            if self._thread is None:
                self._start()
            self._jobs.put(job)
        return job.future

    def execute(
        self, sql: str, rows: Sequence[Sequence[Any]], *, synced: bool = True
    ) -> Future[None]:
        """``submit`` one statement that writes, once for each row of values."""

        def work(db: sqlite3.Connection) -> None:
            db.executemany(sql, rows)

        return self.submit(work, synced=synced)

    def rows(self, make: Callable[..., T], sql: str, values: Values = ()) -> Future[list[T]]:
        """``submit`` one query; each row's columns are the arguments of ``make``."""
        return self.submit(lambda db: [make(*row) for row in db.execute(sql, values)], writes=False)

    def number(self, sql: str, values: Values = ()) -> Future[int]:
        """``submit`` one query whose answer is one number."""
        return self.submit(lambda db: int(db.execute(sql, values).fetchone()[0]), writes=False)

    def close(self) -> None:
        """Finish what was submitted, then close the file. Blocks; may be called twice."""
        with self.lock:
            self._closed = True
            thread, self._thread = self._thread, None
            if thread is not None:
                self._jobs.put(None)
        if thread is not None:
            thread.join()

    def after_fork(self) -> None:
        """Begin anew: the thread, its connection and its queue stayed in the parent."""
        self.lock = threading.Lock()
        self._thread = None

    def _start(self) -> None:
        self._jobs = queue.SimpleQueue()
        self._thread = threading.Thread(
            target=self._run, args=(self._jobs,), name=f"sqlite-{self.path.name}", daemon=True
        )
        self._thread.start()

    def _run(self, jobs: queue.SimpleQueue[_Job | None]) -> None:
        connection: sqlite3.Connection | None = None
        ending = False
        while not ending:
            batch, ending = _gather(jobs)
            try:
                connection = connection or self._open()
            except WebhookError as error:
                for job in batch:
                    job.future.set_exception(error)
                continue
            self._perform(connection, batch)
        if connection is not None:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        with database_errors(self.path, WebhookError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return open_database(self.path, self._schema, version=_VERSION)

    def _perform(self, connection: sqlite3.Connection, batch: list[_Job]) -> None:
        try:
            with database_errors(self.path, WebhookError):
                results = _transact(connection, batch)
        except Exception as error:  # noqa: BLE001 - it belongs to a caller, and the thread must live
            if len(batch) > 1 and not _concerns_all(error.__cause__ or error):
                # Retry one by one: a failing job must not fail the others of its batch.
                for job in batch:
                    self._perform(connection, [job])
            else:
                for job in batch:
                    job.future.set_exception(error)
            return
        for job, result in zip(batch, results, strict=True):
            job.future.set_result(result)


def _gather(jobs: queue.SimpleQueue[_Job | None]) -> tuple[list[_Job], bool]:
    """Wait for a job, then take all that are queued; the flag says that no more will come."""
    batch: list[_Job] = []
    job = jobs.get()
    while job is not None:
        # The job of a caller that was cancelled meanwhile is dropped.
        if job.future.set_running_or_notify_cancel():
            batch.append(job)
        if len(batch) >= _MOST_PER_COMMIT:
            return batch, False
        try:
            job = jobs.get_nowait()
        except queue.Empty:
            return batch, False
    return batch, True


def _concerns_all(error: BaseException) -> bool:
    """Whether the error is the file's (locked, full, broken) and not one job's."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return code not in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH)


def _transact(connection: sqlite3.Connection, batch: list[_Job]) -> list[Any]:
    if not any(job.writes for job in batch):
        return [job.work(connection) for job in batch]
    # FULL waits for the disk; NORMAL leaves the write-ahead log to the next one that does.
    synced = any(job.synced for job in batch)
    connection.execute(f"PRAGMA synchronous={'FULL' if synced else 'NORMAL'}")
    with transaction(connection):
        return [job.work(connection) for job in batch]
