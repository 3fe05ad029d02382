"""ListenerState: what a listener remembers across restarts, and at what price."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from llm_integrations.core.errors import EventError
from llm_integrations.core.events import ListenerState, PollSource, SchemaEvent
from llm_integrations.core.events import state as state_module
from llm_integrations.core.events.listener.dedup_store import DedupStore
from llm_integrations.core.events.sources.view import SeenVersion
from llm_integrations.core.registry import connect
from tests.support.events import event, events


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "listener.db"


@pytest.fixture
def state(path: Path) -> Iterator[ListenerState]:
    state = ListenerState(path)
    yield state
    state.close()


def versions(state: ListenerState, integration: str = "mine", limit: int = 1000) -> list[str]:
    return [f"{subject}@{version}" for subject, version, _, _ in state.load(integration, limit)]


def test_the_newest_events_are_loaded_oldest_first(state: ListenerState) -> None:
    sent = events(10, subjects=1)
    state.keep("mine", sent[:4])
    state.keep("other", sent)
    state.keep("mine", sent[4:])
    assert versions(state) == [e.reference for e in sent]
    assert versions(state, limit=3) == [e.reference for e in sent[-3:]]
    assert versions(state, "nobody") == []


def test_whether_an_event_was_a_deletion_is_kept(state: ListenerState) -> None:
    deleted = SchemaEvent.deleted(1, "ns", "user", 1)
    state.keep("mine", [event("ns.user"), deleted])
    assert [row[2:] for row in state.load("mine", 10)] == [
        (event("ns.user").event_id, False),
        (deleted.event_id, True),
    ]


def test_what_was_kept_is_there_for_another_process_at_once(
    state: ListenerState, path: Path
) -> None:
    state.keep("mine", events(5))
    assert len(ListenerState(path).load("mine", 10)) == 5


def test_the_oldest_events_go_when_there_are_too_many(
    state: ListenerState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_module, "_MOST_EVENTS", 20)
    sent = events(50, subjects=1)
    for start in range(0, 50, 10):
        state.keep("mine", sent[start : start + 10])
    state.tidy()
    assert versions(state) == [e.reference for e in sent[-20:]]
    assert not state.is_untidy


async def test_keeping_happens_at_once_unless_somebody_else_writes(
    state: ListenerState, path: Path
) -> None:
    handled = DedupStore("mine", limit=100, state=state)
    await handled.load()
    assert state.keep_at_once("mine", events(2))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert not state.keep_at_once("mine", events(2))
    waiting = asyncio.create_task(handled.keep(events(3)))
    await asyncio.sleep(0.05)
    assert not waiting.done(), "it waits on a thread, not on the event loop"
    other.execute("ROLLBACK")
    other.close()
    await waiting
    assert len(state.load("mine", 10)) == 5


async def test_the_log_is_written_back_now_and_then(
    state: ListenerState, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_module, "_COMMITS_PER_TIDYING", 5)
    handled = DedupStore("mine", limit=100, state=state)
    await handled.load()
    for _ in range(12):
        await handled.keep(events(100))
    assert size_of(path) > 10 * 4096, "it is in the file, not only in its log"
    assert len(state.load("mine", 5000)) == 1200


def size_of(path: Path) -> int:
    return path.stat().st_size


def test_threads_may_use_it_together(state: ListenerState) -> None:
    def keep() -> None:
        for _ in range(20):
            state.keep("mine", events(2))

    threads = [threading.Thread(target=keep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(state.load("mine", 1000)) == 160


def test_once_forgets_by_deletions_as_everything_else_does(state: ListenerState) -> None:
    done = []
    registered, deleted = event("ns.user"), SchemaEvent.deleted(1, "ns", "user", 1)
    for e in (registered, registered, deleted, deleted, registered, deleted):
        with state.once("mine", e) as connection:
            if connection is not None:
                done.append(str(e.event_type))
    assert done == ["updated", "deleted", "updated", "deleted"]


def test_of_a_snapshot_in_parts_only_what_changed_is_written(state: ListenerState) -> None:
    state.save_snapshot("poll", {}, {"a": [1], "b": [2], "ü": [None]})
    state.save_snapshot("other", {}, {"a": [9]})
    state.save_snapshot("poll", {"offset": 1}, {"b": [3], "a": None, "never": None})
    assert state.snapshot_parts("poll") == {"b": [3], "ü": [None]}
    assert state.snapshot("poll") == {"offset": 1}
    assert state.snapshot_parts("other") == {"a": [9]}


async def test_a_source_goes_on_from_the_first_form_of_its_snapshot(
    state: ListenerState,
) -> None:
    with connect("memory://") as registry:
        registry.register("user", {})
        seen = SeenVersion.of(registry.get("user@1"))
        row = [seen.version, seen.schema_id, seen.fingerprint, seen.state]
        state.save_snapshot("poll", {"user": [row], "gone": [[1, 7, "x", "ACTIVE"]]})
        batches = PollSource(registry).batches(state)
        assert [event.reference for event in await anext(batches)] == ["gone@1"]
        await batches.aclose()


def test_snapshots_and_dead_letters_are_kept_as_they_were(state: ListenerState) -> None:
    assert state.snapshot("poll") is None
    state.save_snapshot("poll", {"ü": [1, None]})
    state.save_snapshot("poll", {"offset": 3})
    assert state.snapshot("poll") == {"offset": 3}
    state.add_dead_letter("mine", "poll", event(), "ValueError: no")
    [letter] = state.dead_letters()
    assert (letter.integration, letter.reason) == ("mine", "ValueError: no")
    assert letter.event == replace(event(), timestamp=letter.event.timestamp)
    state.discard_dead_letters([letter.id])
    assert state.dead_letters() == []


def test_only_its_owner_may_read_the_file(state: ListenerState, path: Path) -> None:
    state.keep("mine", events(1))
    assert path.stat().st_mode & 0o077 == 0
    assert path.with_name("listener.db-wal").stat().st_mode & 0o077 == 0


def test_a_file_that_is_no_database_is_an_event_error_without_its_content(path: Path) -> None:
    path.write_bytes(b"sesame" * 1000)
    with pytest.raises(EventError, match=r"listener\.db") as failure:
        ListenerState(path).load("mine", 1)
    assert "sesame" not in str(failure.value)


def test_a_second_connection_in_the_process_takes_no_locks_away(
    state: ListenerState, path: Path
) -> None:
    state.keep("mine", events(1))
    with state.once("mine", event()) as first:
        assert first is not None
        # Opening and closing the file would drop the lock that ``first`` holds.
        assert not state.keep_at_once("mine", events(1))
        other = sqlite3.connect(path, timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()
