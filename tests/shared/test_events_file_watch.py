"""FileWatchSource: whatever happens to a file registry's folder becomes an event."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import watchfiles

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.events import (
    EventListener,
    FileWatchSource,
    InMemoryEventBus,
    ListenerState,
    SchemaEvent,
)
from llm_integrations.core.model.changes import content_event
from llm_integrations.core.model.schema import fingerprint_of
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.registry.local.file import documents, subject_folder
from tests.support.events import Recording, until

A = {"type": "object"}
B = {"type": "object", "properties": {"age": {"type": "integer"}}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "schemas"


@pytest.fixture
def registry(folder: Path) -> Iterator[Registry]:
    with connect(f"file://{folder}") as registry:
        yield registry


@asynccontextmanager
async def following(registry: Registry, **options: Any) -> AsyncIterator[Recording]:
    state = options.pop("state", None)
    recording = Recording(registry)
    source = FileWatchSource(registry, **options)
    async with EventListener(registry, [recording], sources=[source], state=state) as listener:
        yield recording
        assert not listener.dead_letters


def told(recording: Recording) -> list[str]:
    return [f"{event.reference} {event.event_type}" for event in recording.seen]


async def settled(recording: Recording, *expected: str) -> None:
    await until(lambda: len(recording.seen) >= len(expected))
    await asyncio.sleep(0.1)
    assert told(recording) == list(expected)


async def test_registrations_deprecations_and_deletions_are_told(registry: Registry) -> None:
    registry.register("ns.other", A)
    async with following(registry) as recording:
        await registry.aio.register("ns.user", A)
        await settled(recording, "ns.user@1 registered")
        await registry.aio.register("ns.user", B, compatibility="NONE")
        await until(lambda: len(recording.seen) == 2)
        assert recording.seen[1].event_type == "updated"
        assert recording.seen[1].previous_version == "1"
        await registry.aio.deprecate("ns.user@1")
        await until(lambda: len(recording.seen) == 3)
        await registry.aio.delete("ns.user@1")
        await until(lambda: len(recording.seen) == 4)
        assert recording.seen[3].metadata["permanent"] is False
        await registry.aio.delete("ns.user@1", permanent=True)
        await until(lambda: len(recording.seen) == 5)
        assert recording.seen[4].metadata["permanent"] is True
        await registry.aio.delete_subject("ns.user", permanent=True)
        await settled(
            recording,
            "ns.user@1 registered",
            "ns.user@2 updated",
            "ns.user@1 deprecated",
            "ns.user@1 deleted",
            "ns.user@1 deleted",
            "ns.user@2 deleted",
        )


async def test_files_that_people_write_and_remove_are_told(
    registry: Registry, folder: Path
) -> None:
    async with following(registry) as recording:
        subject = folder / "com.example.user"
        subject.mkdir(parents=True)
        (subject / "1.json").write_text(json.dumps(A))
        await settled(recording, "com.example.user@1 registered")
        (subject / "1.json").write_text(json.dumps(B))
        await until(lambda: len(recording.seen) == 2)
        (subject / "notes.txt").write_text("nothing to do with it")
        (subject / "2.json").write_text("{ half a file")
        await asyncio.sleep(0.1)
        (subject / "2.json").write_text(json.dumps(A))
        await until(lambda: len(recording.seen) == 3)
        shutil.rmtree(subject)
        await settled(
            recording,
            "com.example.user@1 registered",
            "com.example.user@1 registered",
            "com.example.user@2 updated",
            "com.example.user@1 deleted",
            "com.example.user@2 deleted",
        )
        assert len({event.event_id for event in recording.seen}) == 5


async def test_the_event_is_the_one_that_a_publisher_would_have_sent(registry: Registry) -> None:
    async with following(registry) as recording:
        schema = await registry.aio.register("ns.user", A, metadata={"owner": "team-a"})
        await until(lambda: recording.seen)
    published = content_event(registry.url, schema)
    [event] = recording.seen
    assert event.event_id == published.event_id
    assert (event.schema_id, event.metadata) == (published.schema_id, published.metadata)


async def test_one_change_heard_by_the_watch_and_a_bus_has_one_effect(folder: Path) -> None:
    bus = InMemoryEventBus()
    registry = connect(f"file://{folder}")
    recording = Recording(registry)
    source = FileWatchSource(registry)
    async with bus, EventListener(registry, [recording], buses=[bus], sources=[source]) as listener:
        schema = await registry.aio.register("ns.user", A)
        await bus.publish(content_event(registry.url, schema))
        await bus.flush()
        await registry.aio.register("ns.last", A)
        await until(lambda: "ns.last@1" in recording.versions)
        health = await listener.health()
    assert recording.versions.count("ns.user@1") == 1
    assert health.integrations["recording"].repeated >= 1
    registry.close()


async def looking(source: FileWatchSource) -> AsyncGenerator[Sequence[SchemaEvent], None]:
    """What a source finds after its first look at files that have been left alone for a while."""
    await asyncio.sleep(0.15)
    async with aclosing(source.batches()) as batches:
        assert await anext(batches) == []
        async for events in batches:
            yield events


async def test_a_change_reads_only_the_files_that_were_touched(
    registry: Registry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 6):
        registry.register("ns.user", {"title": f"{number}"}, compatibility="NONE")
    read: list[str] = []
    monkeypatch.setattr(subject_folder, "read_document", recording_reads(read))
    async with aclosing(looking(FileWatchSource(registry))) as found:
        coming = asyncio.ensure_future(anext(found))
        await until(lambda: len(read) == 6)
        await asyncio.sleep(0.1)
        read.clear()
        (folder / "ns.user" / "6.json").write_text('{"title": "6"}')
        assert [event.version for event in await coming] == ["6"]
    assert set(read) == {"6.json", "meta.json"}


def add_version(folder: Path) -> None:
    (folder / "ns.user" / "2.json").write_text(json.dumps(B))


def edit_in_place(folder: Path) -> None:
    (folder / "ns.user" / "1.json").write_text(json.dumps(B))


def add_subject(folder: Path) -> None:
    (folder / "ns.new").mkdir()
    (folder / "ns.new" / "1.json").write_text(json.dumps(A))


def remove_subject(folder: Path) -> None:
    shutil.rmtree(folder / "ns.user")


def deprecate(folder: Path) -> None:
    (folder / "ns.user" / "meta.json").write_text('{"versions": {"1": {"state": "DEPRECATED"}}}')


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (add_version, "ns.user@2 updated"),
        (edit_in_place, "ns.user@1 registered"),
        (add_subject, "ns.new@1 registered"),
        (remove_subject, "ns.user@1 deleted"),
        (deprecate, "ns.user@1 deprecated"),
    ],
)
async def test_the_watch_is_told_of_no_look_and_a_change_between_both_is_heard(
    registry: Registry,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
    told: str,
) -> None:
    registry.register("ns.user", A)
    read: list[str] = []
    monkeypatch.setattr(subject_folder, "read_document", recording_reads(read))

    def changed_before(*args: Any, **options: Any) -> AsyncGenerator[Any, None]:
        assert read == ["1.json"]
        change(folder)
        return watch(*args, **options)

    watch = watchfiles.awatch
    monkeypatch.setattr(watchfiles, "awatch", changed_before)
    async with aclosing(looking(FileWatchSource(registry))) as found, asyncio.timeout(60):
        assert [str(event) for event in await anext(found)] == [told]


def recording_reads(read: list[str]) -> Callable[[str], Any]:
    read_document = documents.read_document

    def recorded(path: str) -> Any:
        read.append(Path(path).name)
        return read_document(path)

    return recorded


def in_place(file: Path, text: str) -> None:
    file.write_text(text)


def by_renaming(file: Path, text: str) -> None:
    other = file.with_name(".other.tmp")
    other.write_text(text)
    other.replace(file)


def with_its_old_times(file: Path, text: str) -> None:
    status = file.stat()
    file.write_text(text)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def as_a_link(file: Path, text: str) -> None:
    target = file.with_name("target.txt")
    target.write_text(text)
    file.unlink()
    file.symlink_to(target)


@pytest.mark.skipif(os.name != "posix", reason="times and links as there")
@pytest.mark.parametrize("edit", [in_place, by_renaming, with_its_old_times, as_a_link])
async def test_an_edit_of_equal_length_is_noticed_each_time(
    registry: Registry, folder: Path, edit: Callable[[Path, str], None]
) -> None:
    schemas = [{"title": title} for title in ("aaaa", "bbbb", "cccc")]
    first = registry.register("ns.user", schemas[0])
    file = folder / "ns.user" / "1.json"
    told = [first.fingerprint]
    async with aclosing(looking(FileWatchSource(registry))) as found:
        for number, schema in enumerate(schemas[1:]):
            coming = asyncio.ensure_future(anext(found))
            await asyncio.sleep(0.3 if number == 0 else 0)  # the second follows at once
            edit(file, json.dumps(schema))
            [event] = await asyncio.wait_for(coming, 60)
            told.append(str(event.metadata["fingerprint"]))
    assert told == [fingerprint_of(schema) for schema in schemas]


async def test_a_deprecation_of_a_file_left_alone_is_told(registry: Registry) -> None:
    registry.register("ns.user", A)
    async with aclosing(looking(FileWatchSource(registry))) as found:
        coming = asyncio.ensure_future(anext(found))
        await asyncio.sleep(0.3)
        await registry.aio.deprecate("ns.user@1")
        assert [str(event) for event in await coming] == ["ns.user@1 deprecated"]


async def test_the_cache_follows_a_file_that_was_edited(registry: Registry, folder: Path) -> None:
    registry.register("ns.user", A)
    assert registry.get("ns.user").version == 1
    async with following(registry) as recording:
        (folder / "ns.user" / "2.json").write_text(json.dumps(B))
        await until(lambda: recording.seen)
        await until(lambda: registry.get("ns.user").version == 2)


async def test_files_in_the_root_and_a_mounted_config_map_are_followed(folder: Path) -> None:
    for volume, schema in (("..1", A), ("..2", B)):
        (folder / volume).mkdir(parents=True)
        (folder / volume / "user.json").write_text(json.dumps(schema))
    (folder / "..data").symlink_to("..1")
    (folder / "user.json").symlink_to("..data/user.json")
    with connect(folder) as registry:
        async with following(registry) as recording:
            assert registry.get("user@1").body == A
            (folder / "..new").symlink_to("..2")
            (folder / "..new").rename(folder / "..data")  # as Kubernetes changes a volume
            await until(lambda: len(recording.seen) == 1)
            assert registry.get("user@1").body == B
            (folder / "order.json").write_text(json.dumps(A))
            await until(lambda: len(recording.seen) == 2)
    assert told(recording)[1] == "order@1 registered"


async def test_a_folder_that_is_not_there_yet_is_watched_once_it_is(
    registry: Registry, folder: Path
) -> None:
    async with following(registry) as recording:
        assert "schemas" not in os.listdir(folder.parent), "watching makes no folder"
        await registry.aio.register("ns.user", A)
        await settled(recording, "ns.user@1 registered")


async def test_a_folder_that_is_replaced_is_watched_anew(registry: Registry, folder: Path) -> None:
    registry.register("ns.user", A)
    async with following(registry) as recording:
        await asyncio.to_thread(swap, folder)
        (folder / "ns.user" / "2.json").write_text(json.dumps(B))
        await until(lambda: "ns.user@2" in recording.versions)
        await asyncio.sleep(0.1)
        (folder / "ns.user" / "3.json").write_text(json.dumps(A))
        await until(lambda: "ns.user@3" in recording.versions)


async def test_a_folder_that_is_away_for_a_while_deletes_nothing(
    registry: Registry, folder: Path
) -> None:
    registry.register("ns.user", A)
    registry.register("ns.other", A)
    away = folder.with_name("away")
    async with following(registry) as recording:
        await asyncio.to_thread(folder.rename, away)
        await asyncio.sleep(0.3)
        (away / "ns.user" / "2.json").write_text(json.dumps(B))
        shutil.rmtree(away / "ns.other")
        await asyncio.to_thread(away.rename, folder)
        await until(lambda: len(recording.seen) >= 2)
        await asyncio.sleep(0.1)
        assert sorted(told(recording)) == ["ns.other@1 deleted", "ns.user@2 updated"]


def swap(folder: Path) -> None:
    """A copy takes the place of a folder."""
    folder.rename(folder.with_name("old"))
    shutil.copytree(folder.with_name("old"), folder)


async def test_from_the_beginning_what_is_there_is_told_too(registry: Registry) -> None:
    registry.register("ns.user", A)
    registry.register("ns.user", B, compatibility="NONE")
    async with following(registry, start="beginning") as recording:
        await settled(recording, "ns.user@1 registered", "ns.user@2 updated")


async def test_with_a_state_what_happened_meanwhile_is_told_after_a_restart(
    registry: Registry, tmp_path: Path
) -> None:
    registry.register("ns.user", A)
    registry.register("ns.gone", A)
    state = ListenerState(tmp_path / "l.db")
    async with following(registry, state=state) as recording:
        pass
    registry.register("ns.user", B, compatibility="NONE")
    registry.delete("ns.gone@1")
    registry.delete("ns.gone@1", permanent=True)
    async with following(registry, state=state) as recording:
        await settled(recording, "ns.gone@1 deleted", "ns.user@2 updated")
    async with following(registry, state=state) as recording:
        await asyncio.sleep(0.1)
        assert recording.seen == []
    state.close()


async def test_a_polled_folder_is_followed_too(registry: Registry) -> None:
    async with following(registry, poll_interval=0.05) as recording:
        await registry.aio.register("ns.user", A)
        await settled(recording, "ns.user@1 registered")


def test_only_a_file_registry_can_be_watched(tmp_path: Path) -> None:
    with connect("memory://") as registry, pytest.raises(ConfigurationError, match="watch"):
        FileWatchSource(registry)
    with pytest.raises(ConfigurationError, match="folder"):
        FileWatchSource("http://localhost:8081")
    with pytest.raises(ConfigurationError, match="beginning"):
        FileWatchSource(tmp_path, start="end")  # type: ignore[arg-type]  # that is the point


POISON = {
    "half a pair": b'{"description": "\\ud800"}',
    "deep": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "not utf-8": b'{"description": "\xff"}',
    "infinite": b'{"const": 1e400}',
    "huge": b'{"const": ' + b"9" * 5000 + b"}",
    "list": b"[]",
}


@pytest.mark.parametrize("content", POISON.values(), ids=POISON.keys())
@pytest.mark.parametrize("start", ["now", "beginning"])
async def test_a_file_that_cannot_be_read_holds_up_no_other_subject(
    registry: Registry, folder: Path, content: bytes, start: Any
) -> None:
    (folder / "bad").mkdir(parents=True)
    (folder / "bad" / "1.json").write_bytes(content)
    async with following(registry, start=start) as recording:
        (folder / "bad" / "2.json").write_bytes(content)
        await registry.aio.register("ns.user", A)
        await until(lambda: any(e.subject == "ns.user" for e in recording.seen))


def write_name_that_is_no_unicode(folder: Path) -> None:
    bad = Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff"))
    bad.mkdir(parents=True)
    (bad / "1.json").write_text("{}")


@pytest.mark.skipif(os.name != "posix", reason="names are bytes there")
async def test_a_name_that_is_no_unicode_holds_up_no_other_subject(
    registry: Registry, folder: Path
) -> None:
    async with following(registry, start="beginning") as recording:
        write_name_that_is_no_unicode(folder)
        await registry.aio.register("ns.user", A)
        await until(lambda: any(e.subject == "ns.user" for e in recording.seen))
