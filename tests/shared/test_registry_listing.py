"""Everything that a registry holds: how it is listed, and what one bad subject does to the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from llm_integrations.core.config import RetryOptions
from llm_integrations.core.errors import (
    OtherSchemaType,
    RegistryProtocolError,
    RegistryUnavailable,
)
from llm_integrations.core.events import EventListener, PollSource
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.registry.backend import Latest, Page
from llm_integrations.core.registry.confluent.backend import ConfluentBackend
from llm_integrations.core.registry.listing import pages
from tests.support.confluent_server import ConfluentServer
from tests.support.events import Recording, until
from tests.support.http_server import Fault, Reply
from tests.support.registry_server import answering, registry_server

A = {"type": "object"}
B = {"type": "object", "properties": {"age": {"type": "integer"}}}
AVRO = '{"type":"record","name":"R","fields":[]}'


def filled(server: ConfluentServer, count: int, schema: Any = A) -> list[str]:
    names = [f"subject-{number:05d}" for number in range(count)]
    for name in names:
        server.add(name, schema)
    return names


@contextmanager
def opened(server: ConfluentServer) -> Iterator[Registry]:
    with server, connect(server.url) as registry:
        yield registry


# -- pages ----------


@pytest.mark.parametrize(
    ("count", "at_once", "most_requests"), [(2_500, 1_000, 4), (1_000, 1_000, 2), (250, 100, 4)]
)
def test_what_a_server_hands_out_in_parts_is_listed_whole(
    count: int, at_once: int, most_requests: int
) -> None:
    server = ConfluentServer(
        flavour="confluent", schemas_at_once=at_once, names_at_once=max(at_once, 1_000)
    )
    with opened(server) as registry:
        names = filled(server, count)
        assert sorted(registry.latest()) == names
        assert len(server.requests) <= most_requests
        assert registry.subjects() == names


@pytest.mark.parametrize("flavour", ["karapace", "confluent"])
@pytest.mark.parametrize("count", [0, 1, 999, 1_001])
def test_every_size_is_listed_whole_at_the_first_look_and_the_next(
    flavour: Any, count: int
) -> None:
    server = ConfluentServer(flavour=flavour)
    with opened(server) as registry:
        names = filled(server, count)
        for _ in range(2):
            assert sorted(registry.latest()) == names
        before = len(server.requests)
        registry.latest()
        assert len(server.requests) - before <= 2 + (count > 1_000)
        assert registry.subjects() == names


def test_a_subject_s_many_versions_are_listed_whole() -> None:
    server = ConfluentServer(flavour="confluent", names_at_once=1_000)
    with opened(server) as registry:
        for _ in range(1_001):
            server.add("user", A)
        assert registry.versions("user") == list(range(1, 1_002))


def held_to(backend: ConfluentBackend, most_bytes: int) -> ConfluentBackend:
    backend._http._max_bytes = most_bytes  # 16 MB would make these tests slow
    return backend


async def test_lists_too_large_for_an_answer_come_in_smaller_pages() -> None:
    with ConfluentServer(flavour="confluent") as server:
        backend = held_to(ConfluentBackend(server.url), 20_000)
        names = filled(server, 50, {"description": "x" * 1_500})
        found = await backend.latest()
        assert found is not None
        assert sorted(found) == names
        assert server.count(containing="/versions/") == 0
        await backend.close()


async def test_a_list_that_fits_no_answer_is_not_asked_for_again() -> None:
    with ConfluentServer() as server:
        backend = held_to(ConfluentBackend(server.url), 20_000)
        filled(server, 50, {"description": "x" * 1_500})
        for _ in range(3):
            assert await backend.latest() is None
        assert len(server.requests) == 4
        await backend.close()


def test_a_page_that_fails_is_asked_for_again_and_no_other() -> None:
    server = ConfluentServer(flavour="confluent")
    with opened(server) as registry:
        names = filled(server, 2_500)
        server.fail(
            Fault(
                reply=Reply(503, {"error_code": 50003, "message": "not now"}),
                matching=lambda request: "offset=1000" in request.target,
                times=1,
            )
        )
        assert sorted(registry.latest()) == names
        assert len(server.requests) == 5


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_of_very_many_subjects_are_asked_for_alone(count: int) -> None:
    server = ConfluentServer(flavour="confluent", schemas_at_once=100)
    with opened(server) as registry:
        wanted = filled(server, 1_500)[-count:]
        assert sorted(registry.latest(wanted)) == wanted
        assert len(server.requests) <= 2 * count + 1


# -- one bad subject ----------


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize("flavour", ["karapace", "confluent"])
def test_what_is_no_json_schema_is_left_out_and_named_once(
    flavour: Any, lists: bool, caplog: pytest.LogCaptureFixture
) -> None:
    server = ConfluentServer(flavour=flavour, lists=lists)
    with opened(server) as registry:
        server.add("a-avro", AVRO, "AVRO")
        server.add("user", A)
        server.add("z-proto", 'syntax = "proto3";', "PROTOBUF")
        server.add("zz-broken", "{")
        for _ in range(3):
            latest = registry.latest()
            assert list(latest) == ["user"]
            assert sorted(latest.left_out) == ["a-avro", "z-proto", "zz-broken"]
            assert isinstance(latest.left_out["a-avro"], OtherSchemaType)
            assert not isinstance(latest.left_out["zz-broken"], OtherSchemaType)
    named = [record.getMessage() for record in caplog.records if "left out" in record.message]
    assert len(named) == 3


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize("flavour", ["karapace", "confluent"])
def test_a_subject_that_no_reference_can_name_is_left_out(flavour: Any, lists: bool) -> None:
    odd = [" before", "a\nb", "a\x00b", "\ud800"]
    server = ConfluentServer(flavour=flavour, lists=lists)
    with opened(server) as registry:
        for name in [*odd, "user"]:
            server.add(name, A)
        latest = registry.latest()
        assert (list(latest), sorted(latest.left_out)) == (["user"], sorted(odd))


async def test_a_list_without_an_end_is_an_error_before_it_fills_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pages, "_MOST_SUBJECTS", 5)
    asked: list[object] = []

    async def page(place: object) -> Page[Latest]:
        asked.append(place)
        found = Latest()
        found.left_out = {name: RegistryProtocolError("damaged") for name in "ab"}
        return Page(found, len(asked))

    with pytest.raises(RegistryProtocolError, match="no end"):
        await pages.pages_of_latest(page)
    assert len(asked) == 3


def test_a_subject_that_the_server_itself_cannot_show_is_left_out() -> None:
    server = ConfluentServer(lists=False)
    with opened(server) as registry:
        filled(server, 3)
        server.fail(
            Fault(
                reply=Reply(200, {"nothing": "of use"}),
                matching=lambda request: "subject-00001" in request.target,
            )
        )
        latest = registry.latest()
        assert sorted(latest) == ["subject-00000", "subject-00002"]
        assert isinstance(latest.left_out["subject-00001"], RegistryProtocolError)


def test_a_registry_that_cannot_be_reached_is_an_error_and_no_empty_list() -> None:
    server = ConfluentServer(lists=False)
    with server, connect(server.url, retry=RetryOptions(attempts=1)) as registry:
        filled(server, 3)
        server.fail(
            Fault(reply=Reply(503, {}), matching=lambda request: "subject-00001" in request.target)
        )
        with pytest.raises(RegistryUnavailable):
            registry.latest()


@pytest.mark.parametrize("lists", [True, False])
async def test_polling_hears_of_others_while_one_subject_is_of_another_type(
    lists: bool, caplog: pytest.LogCaptureFixture
) -> None:
    server = ConfluentServer(lists=lists)
    with opened(server) as registry:
        server.add("a-avro", AVRO, "AVRO")
        server.add("turned", A)
        recording = Recording(registry)
        source = PollSource(registry, interval=0.02)
        async with EventListener(registry, [recording], sources=[source]):
            server.add("turned", AVRO, "AVRO")
            server.add("user", A)
            await until(lambda: recording.seen)
            server.add("turned", B)
            await until(lambda: len(recording.seen) == 2)
            await asyncio.sleep(0.1)
        assert [e.reference for e in recording.seen] == ["user@1", "turned@3"]
    assert sum("a-avro" in record.getMessage() for record in caplog.records) == 1


async def test_a_damaged_subject_of_a_folder_is_not_told_as_deleted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(tmp_path) as registry:
        registry.register("broken", A)
        registry.register("user", A)
        recording = Recording(registry)
        source = PollSource(registry, interval=0.02)
        async with EventListener(registry, [recording], sources=[source]):
            (tmp_path / "broken" / "meta.json").write_text("{")
            await until(lambda: "meta.json" in caplog.text)
            registry.register("user", B)
            await until(lambda: recording.seen)
            (tmp_path / "broken" / "meta.json").unlink()
            registry.register("broken", B)
            await until(lambda: len(recording.seen) == 2)
        assert [e.reference for e in recording.seen] == ["user@2", "broken@2"]
    assert sum("meta.json" in record.getMessage() for record in caplog.records) == 1


def test_what_broke_again_is_named_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with connect(tmp_path) as registry:
        registry.register("user", A)
        sidecar = tmp_path / "user" / "meta.json"
        for _ in range(2):
            sidecar.write_text("{")
            assert "user" in registry.latest().left_out
            assert "user" in registry.latest().left_out
            sidecar.unlink()
            assert "user" in registry.latest()
    assert sum("meta.json" in record.getMessage() for record in caplog.records) == 2


# -- a server that limits us ----------


@pytest.mark.parametrize("headers", [{"retry_after": "0.2"}, {}])
async def test_two_hundred_subjects_share_one_pause(headers: dict[str, str]) -> None:
    patient = RetryOptions(attempts=50, deadline=60)  # whoever asks after each pause
    with registry_server() as server, connect(server.url, retry=patient) as registry:
        names = [f"s{number}" for number in range(200)]
        for name in names:
            server.add(name, A)
        server.fault = answering(429, {"message": "slow down"}, **headers)

        async def lift() -> None:
            await until(lambda: len(server.requests) > 101)  # a pause was over, and came again
            server.fault = None

        lifting = asyncio.create_task(lift())
        schemas = await asyncio.gather(*(registry.aio.get(name) for name in names))
        await lifting
        assert [schema.subject for schema in schemas] == names
        assert len(server.requests) <= 100 + 200 + 20


async def test_another_client_of_the_process_waits_too() -> None:
    retry = RetryOptions(attempts=1)
    with registry_server() as server, connect(server.url, retry=retry) as one:
        server.fault = answering(429, {}, retry_after="30")
        with pytest.raises(RegistryUnavailable):
            await one.aio.get("a")
        with connect(server.url) as other:
            with pytest.raises(RegistryUnavailable, match="429") as limited:
                await other.aio.get("b")
            assert limited.value.retry_after == pytest.approx(30, abs=5)
            assert not limited.value.counts_as_failure
            assert other.health().breaker == "closed"
        assert server.count("/subjects/b") == 0


@pytest.mark.parametrize("other", ["{}/contexts/.other", "apicurio+{}/group", "llm+{}"])
async def test_whatever_else_is_asked_of_that_server_waits_too(other: str) -> None:
    retry = RetryOptions(attempts=1)
    with registry_server() as server, connect(f"{server.url}/contexts/.one", retry=retry) as one:
        server.fault = answering(429, {}, retry_after="30")
        with pytest.raises(RegistryUnavailable):
            await one.aio.get("a")
        second = connect(other.format(server.url))
        with second, pytest.raises(RegistryUnavailable, match="429"):
            await second.aio.get("b")
        assert len(server.requests) == 1


async def test_whoever_gives_up_waiting_for_a_turn_holds_up_nobody() -> None:
    with registry_server() as server, connect(server.url) as registry:
        for number in range(110):
            server.add(f"s{number}", A)
        server.hold()
        first = [asyncio.ensure_future(registry.aio.get(f"s{n}")) for n in range(110)]
        await until(lambda: len(server.requests) == 100)
        other = connect(server.url)
        waiting = asyncio.ensure_future(other.aio.subjects())
        await asyncio.sleep(0.05)
        await other.aio.close()  # cancels what waits
        server.let_go()
        assert len(await asyncio.gather(*first)) == 110
        await asyncio.gather(waiting, return_exceptions=True)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, {"error_code": 50003, "message": "Error while forwarding the request"},
         "answered 500 (code 50003): Error while forwarding the request"),
        (503, {"error_code": 50302, "message": "Not\nready"}, "503 (code 50302): Not ready"),
        (500, {"error": "the store is away"}, "500: the store is away"),
        (502, b"<html>Bad gateway</html>", "answered 502"),
        (500, b"[1]", "answered 500"),
        (429, {"error_code": 42901, "message": "25 a second"}, "429 (code 42901): 25 a second"),
        (500, {"message": "\x1b[2J\ud800"}, "500: \\x1b[2J\\ud800"),
    ],
)  # fmt: skip
def test_a_failure_keeps_the_server_s_code_and_message(status: int, body: Any, said: str) -> None:
    with registry_server() as server:
        server.fault = answering(status, body)
        with connect(server.url, retry=RetryOptions(attempts=1)) as registry:
            with pytest.raises(RegistryUnavailable) as failed:
                registry.get("s")
            assert said in str(failed.value)
            assert "<html>" not in str(failed.value)


def test_a_pause_ends_with_the_last_client_that_was_told_of_it() -> None:
    retry = RetryOptions(attempts=1)
    with registry_server() as server:
        server.add("s", A)
        server.fault = answering(429, {}, retry_after="60")
        with connect(server.url, retry=retry) as told, pytest.raises(RegistryUnavailable):
            told.get("s")
        server.fault = None
        with connect(server.url, retry=retry) as other:
            assert other.get("s").version == 1
