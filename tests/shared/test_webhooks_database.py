"""One thread, one file: durable, in order, shared commits, and no error but ours."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from llm_integrations.core.errors import ConfigurationError, WebhookError
from llm_integrations.core.sqlite import use_wal
from llm_integrations.core.webhooks.storage import Database

SCHEMA = "CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT UNIQUE);"


def write(text: str) -> Callable[[sqlite3.Connection], None]:
    def work(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO notes (text) VALUES (?)", (text,))

    return work


def read(db: sqlite3.Connection) -> list[str]:
    return [row[0] for row in db.execute("SELECT text FROM notes ORDER BY id")]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "new" / "notes.db", SCHEMA)
    yield database
    database.close()


def notes(database: Database) -> list[str]:
    return database.submit(read, writes=False).result()


def test_what_is_done_can_be_read_by_another_process(database: Database) -> None:
    database.submit(write("a")).result()
    other = sqlite3.connect(database.path)
    assert read(other) == ["a"]
    other.close()


def test_work_is_done_in_the_order_it_was_given(database: Database) -> None:
    for number in range(200):
        database.submit(write(f"{number}"))
    assert notes(database) == [f"{number}" for number in range(200)]


def test_work_that_arrives_during_a_commit_shares_the_next(database: Database) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def hold(db: sqlite3.Connection) -> None:
        entered.set()
        go_on.wait()

    database.submit(hold)
    entered.wait()
    seen: list[tuple[int, bool]] = []

    def note(db: sqlite3.Connection) -> None:
        # total_changes grows within one transaction without a commit in between
        seen.append((db.total_changes, db.in_transaction))
        db.execute("INSERT INTO notes (text) VALUES (?)", (f"{len(seen)}",))

    futures = [database.submit(note) for _ in range(50)]
    other = sqlite3.connect(database.path, timeout=0)
    go_on.set()
    futures[0].result()
    # The first is done only when all of its transaction are.
    assert len(read(other)) == 50
    other.close()


def test_one_bad_piece_of_work_fails_alone(database: Database) -> None:
    database.submit(write("twice")).result()
    hold = threading.Event()
    database.submit(lambda _: hold.wait())
    futures: list[Future[None]] = [database.submit(write(t)) for t in ("a", "twice", "b")]
    hold.set()
    assert futures[0].result() is None
    assert futures[2].result() is None
    with pytest.raises(WebhookError, match=r"notes\.db"):
        futures[1].result()
    assert notes(database) == ["twice", "a", "b"]


def test_work_is_done_whole_or_not_at_all(database: Database) -> None:
    def half(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO notes (text) VALUES ('half')")
        db.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(WebhookError):
        database.submit(half).result()
    assert notes(database) == []


def test_a_locked_file_fails_all_that_waits_after_one_wait(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_integrations.core.sqlite._BUSY_SECONDS", 0.5)
    database.submit(write("a")).result()
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    futures = [database.submit(write(f"{number}")) for number in range(20)]
    started = time.perf_counter()
    for future in futures:
        with pytest.raises(WebhookError, match="locked"):
            future.result()
    assert time.perf_counter() - started < 8, "one wait, not twenty"
    other.execute("ROLLBACK")
    other.close()
    database.submit(write("b")).result()
    assert notes(database) == ["a", "b"]


def test_processes_that_read_and_then_write_wait_for_each_other(database: Database) -> None:
    other = Database(database.path, SCHEMA)

    def count_up(db: sqlite3.Connection) -> None:
        count = db.execute("SELECT COUNT(*) FROM notes").fetchone()[0]
        time.sleep(0.001)
        db.execute("INSERT INTO notes (text) VALUES (?)", (f"{count}",))

    for _ in range(20):
        pair = [one.submit(count_up) for one in (database, other)]
        for future in pair:
            future.result()
    other.close()
    assert notes(database) == [f"{number}" for number in range(40)]


def test_a_file_that_another_process_is_just_making_is_waited_for(tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / "notes.db", isolation_level=None, check_same_thread=False)
    raw.execute("BEGIN EXCLUSIVE")
    raw.execute("CREATE TABLE other (id)")
    database = Database(tmp_path / "notes.db", SCHEMA)
    written = database.submit(write("a"))
    time.sleep(0.1)
    raw.execute("COMMIT")
    written.result()
    raw.close()
    database.close()


class Racing(sqlite3.Connection):
    """Meets another process, three times, that turns the same file to WAL."""

    meetings = 3

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if "journal_mode" in sql and self.meetings:
            self.meetings -= 1
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error
        return super().execute(sql, *parameters)


def test_processes_may_make_the_same_file_at_the_same_moment(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "notes.db", factory=Racing)
    use_wal(connection)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_cancelled_piece_of_work_is_not_done(database: Database) -> None:
    hold = threading.Event()
    database.submit(lambda _: hold.wait())
    unwanted = database.submit(write("unwanted"))
    assert unwanted.cancel()
    hold.set()
    assert notes(database) == []


def test_the_file_is_readable_for_its_owner_alone(database: Database) -> None:
    database.submit(write("a")).result()
    for path in database.path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_close_finishes_what_was_submitted_and_refuses_more(database: Database) -> None:
    futures = [database.submit(write(f"{number}")) for number in range(50)]
    database.close()
    database.close()
    assert all(future.done() and future.exception() is None for future in futures)
    with pytest.raises(WebhookError, match="closed"):
        database.submit(write("late"))


def test_a_file_that_cannot_be_opened_is_our_error_and_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in the way")
    database = Database(tmp_path / "folder" / "notes.db", SCHEMA)
    with pytest.raises(WebhookError):
        database.submit(write("a")).result()
    (tmp_path / "folder").unlink()
    database.submit(write("a")).result()
    assert notes(database) == ["a"]
    database.close()


def test_what_is_no_database_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_bytes(b"not a database" * 100)
    database = Database(tmp_path / "notes.db", SCHEMA)
    with pytest.raises(WebhookError, match=r"notes\.db"):
        database.submit(write("a")).result()
    database.close()


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / "notes.db")
    raw.execute("PRAGMA user_version=99")
    raw.close()
    database = Database(tmp_path / "notes.db", SCHEMA)
    with pytest.raises(WebhookError, match="newer version"):
        database.submit(write("a")).result()
    database.close()


@pytest.mark.parametrize("path", ["", ":memory:"])
def test_a_database_that_would_not_survive_a_crash_is_refused(path: str) -> None:
    with pytest.raises(ConfigurationError):
        Database(path, SCHEMA)


@pytest.mark.no_cover  # a child that is forked while coverage holds its lock never ends
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # that it forks is the test
def test_a_forked_child_opens_the_file_anew(database: Database) -> None:
    database.submit(write("parent")).result()
    child = os.fork()
    if child == 0:
        database.submit(write("child")).result(10)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert notes(database) == ["parent", "child"]
