"""Every SQLite file of ours: private, closed in time, and no error but ours, which names it."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sqlite3
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llm_integrations.core.catalogue import Catalogue, Usage
from llm_integrations.core.errors import ConfigurationError, LLMIntegrationsError
from llm_integrations.core.events import ListenerState, SchemaEvent
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.sqlite import SharedDatabase
from llm_integrations.core.webhooks.receiving.inbox import Inbox
from llm_integrations.core.webhooks.sending.outbox import Outbox

EVENT = SchemaEvent.updated(1, "ns", "user", 2)


def use_catalogue(path: Path) -> None:
    with Catalogue(path) as catalogue:
        catalogue.add(Usage("prompt", "p", SchemaRef("user"), metadata={"text": "x" * 100_000}))


def use_state(path: Path) -> None:
    state = ListenerState(path)
    try:
        state.save_snapshot("source", {"text": "x" * 100_000})
    finally:
        state.close()


def use_outbox(path: Path) -> None:
    outbox = Outbox(path)
    try:
        outbox.add(["https://a.example/"], "id", "x" * 100_000).result(30)
    finally:
        outbox.close()


def use_inbox(path: Path) -> None:
    inbox = Inbox(path)
    try:
        inbox.add(str(uuid.uuid4()), EVENT, b"x" * 100_000).result(30)
    finally:
        inbox.close()


USERS = [use_catalogue, use_state, use_outbox, use_inbox]
Use = Callable[[Path], None]


@pytest.fixture(params=USERS, ids=[user.__name__ for user in USERS])
def use(request: pytest.FixtureRequest) -> Use:
    user: Use = request.param
    return user


def test_a_new_file_and_what_stands_beside_it_are_their_owners_alone(
    use: Use, tmp_path: Path
) -> None:
    path = tmp_path / "file.db"
    previous = os.umask(0)  # which is not what makes it so
    try:
        use(path)
        other = sqlite3.connect(path)
        other.execute("BEGIN IMMEDIATE")  # keeps its -wal and -shm
        other.execute("CREATE TABLE mine (x)")
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
        other.close()
    finally:
        os.umask(previous)
    assert modes == dict.fromkeys(("file.db", "file.db-wal", "file.db-shm"), 0o600)


def test_what_a_link_leads_to_is_made_as_private(use: Use, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")
    use(tmp_path / "link.db")
    assert stat.S_IMODE((tmp_path / "real.db").stat().st_mode) == 0o600


def in_the_way(path: Path) -> None:
    path.mkdir()


def no_database(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)


def folder_is_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("a file")


def link_in_a_circle(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("spoil", [in_the_way, no_database, folder_is_a_file, link_in_a_circle])
def test_a_file_that_cannot_be_opened_is_our_error_and_named(
    use: Use, spoil: Use, tmp_path: Path
) -> None:
    path = tmp_path / "folder" / "file.db"
    path.parent.mkdir()
    spoil(path)
    with pytest.raises(LLMIntegrationsError, match=r"file\.db"):
        use(path)


def test_a_path_with_a_zero_byte_is_our_error(use: Use, tmp_path: Path) -> None:
    with pytest.raises(LLMIntegrationsError, match="not a path"):
        use(tmp_path / "a\0b.db")


def test_a_locked_file_is_our_error_and_named(
    use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_integrations.core.sqlite._BUSY_SECONDS", 0.05)
    path = tmp_path / "file.db"
    use(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LLMIntegrationsError, match=r"file\.db: database is locked"):
        use(path)
    other.execute("ROLLBACK")
    other.close()
    use(path)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A write beyond it fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_our_error_and_named(use: Use, tmp_path: Path) -> None:
    path = tmp_path / "f.db"
    use(path)
    with files_of_at_most(60_000), pytest.raises(LLMIntegrationsError) as full:
        use(path)
    assert str(tmp_path) in str(full.value)
    assert "x" * 50 not in str(full.value)


@pytest.mark.parametrize("value", ["\ud800", 2**63])
def test_a_value_that_does_not_fit_is_our_error_and_not_quoted(value: object) -> None:
    database = SharedDatabase(":memory:", "CREATE TABLE t (x)", ConfigurationError)
    with (
        pytest.raises(ConfigurationError, match="does not fit") as caught,
        database.transaction() as db,
    ):
        db.execute("INSERT INTO t VALUES (?)", (value,))
    assert caught.value.__cause__ is None
    with database.reading() as db:
        assert db.execute("SELECT * FROM t").fetchall() == []
    database.close()


def test_what_is_dropped_is_closed(tmp_path: Path) -> None:
    for path in (tmp_path / "file.db", ":memory:"):
        database = SharedDatabase(path, "CREATE TABLE t (x)", ConfigurationError)
        with database.reading() as connection:
            pass
        del database
        gc.collect()
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


def test_a_closed_file_is_opened_again_and_closed_memory_is_told() -> None:
    database = SharedDatabase(":memory:", "CREATE TABLE t (x)", ConfigurationError)
    with database.reading():
        pass
    database.close()
    database.close()
    with pytest.raises(ConfigurationError, match="closed"), database.reading():
        pass


def test_reading_waits_for_no_writer(tmp_path: Path) -> None:
    with Catalogue(tmp_path / "file.db") as catalogue:
        other = sqlite3.connect(tmp_path / "file.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert catalogue.all() == []
        other.close()


@pytest.mark.no_cover  # a child that is forked while coverage holds its lock never ends
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # that it forks is the test
@pytest.mark.parametrize("path", ["file.db", ":memory:"])
def test_a_forked_child_goes_on_with_a_connection_of_its_own(path: str, tmp_path: Path) -> None:
    with Catalogue(path if path == ":memory:" else tmp_path / path) as catalogue:
        catalogue.add(Usage("prompt", "parent", SchemaRef("user")))
        child = os.fork()
        if child == 0:
            catalogue.add(Usage("prompt", "child", SchemaRef("user")))
            os._exit(len(catalogue.all()))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
        assert len(catalogue.all()) == (1 if path == ":memory:" else 2)


async def test_a_dropped_listener_state_warns_of_nothing(tmp_path: Path) -> None:
    state = ListenerState(tmp_path / "state.db")
    await asyncio.to_thread(state.keep, "mine", [EVENT])
    del state
    gc.collect()  # on Python 3.13 an unclosed connection would be an error here
