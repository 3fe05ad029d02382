"""One registry under several URLs is one registry to events; what it does not keep is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from llm_integrations.core.cli.app import app
from llm_integrations.core.config import CacheOptions
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.events import InMemoryEventBus, SchemaEvent
from llm_integrations.core.events.sources import FileWatchSource, PollSource
from llm_integrations.core.registry import Registry, connect, identity
from tests.support.confluent_server import ConfluentServer
from tests.support.http_server import Fault, Reply
from tests.support.patience import eventually

BODY: dict[str, Any] = {"type": "object", "properties": {"x": {"type": "number"}}}


@pytest.fixture
def server() -> Iterator[ConfluentServer]:
    with ConfluentServer(flavour="confluent") as running:
        yield running


@pytest.fixture
def karapace() -> Iterator[ConfluentServer]:
    with ConfluentServer() as running:
        yield running


def _names(server: ConfluentServer) -> list[str]:
    return [server.url, server.url.replace("127.0.0.1", "localhost")]


async def _published(url: str, **options: Any) -> list[SchemaEvent]:
    """The events of a registration and a deletion."""
    bus = InMemoryEventBus()
    heard: list[SchemaEvent] = []

    async def hear(event: SchemaEvent) -> None:
        heard.append(event)

    await bus.subscribe(hear)
    with connect(url, bus=bus, **options) as registry:
        schema = await registry.aio.register("s", BODY)
        await registry.aio.delete(schema.ref)
        await bus.flush()
    await bus.close()
    return heard


async def test_a_name_that_was_given_makes_events_of_two_urls_one(
    karapace: ConfluentServer,
) -> None:
    ids = []
    for url in _names(karapace):
        events = await _published(url, registry_id="prod")
        assert {event.metadata["registry"] for event in events} == {"prod"}
        ids.append([event.event_id for event in events])
        karapace.forget("s")
    assert ids[0] == ids[1]
    assert len(ids[0]) == 2
    assert karapace.count(containing="metadata") == 0


async def test_by_default_it_is_what_the_server_says_of_itself(server: ConfluentServer) -> None:
    server.cluster = "lkc 1"
    events = []
    for url in _names(server):
        events.append(await _published(url))
        server.forget("s")
    assert [e.event_id for e in events[0]] == [e.event_id for e in events[1]]
    assert events[0][0].metadata["registry"] == "confluent:lkc%201/sr"
    assert server.count(containing="/v1/metadata/id") == 2  # once for each client


async def test_two_contexts_of_one_server_are_two_registries(server: ConfluentServer) -> None:
    server.cluster = "lkc"
    ids = set()
    for url in (server.url, f"{server.url}/contexts/.staging", f"{server.url}/contexts/:.b%20c:/"):
        events = await _published(url)
        ids |= {event.event_id for event in events}
        with connect(url.replace("127.0.0.1", "localhost")) as registry:
            assert registry.identity() == events[0].metadata["registry"]
    assert len(ids) == 6
    for name in (".", ":.:", ".//"):  # the default one
        with connect(f"{server.url}/contexts/{name}") as registry:
            assert registry.identity() == "confluent:lkc/sr"
            assert registry.register("d", BODY).subject == "d"
            assert registry.get("d").body == BODY


async def test_a_server_that_says_who_it_is_is_asked_again_while_it_lags_behind_its_events(
    server: ConfluentServer,
) -> None:
    server.cluster = "lkc"
    server.add("s", BODY)
    with connect(server.url, cache=CacheOptions(refresh_wait=10.0)) as registry:
        registry.get("s")
        named = {"registry": "confluent:lkc/sr"}
        following = registry.follow([SchemaEvent.updated(2, "", "s", 2, 1, metadata=named)])
        await eventually(lambda: server.count(containing="latest") >= 3)
        server.add("s", {**BODY, "title": "second"})
        assert await following
        assert registry.get("s").version == 2


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404, {"error_code": 404, "message": "HTTP 404 Not Found"}),
        Reply(403, b""),
        Reply(200, b"not JSON"),
        Reply(200, []),
        Reply(200, {"scope": {"clusters": {"kafka-cluster": 5}}}),
    ],
)
def test_a_server_that_does_not_say_is_named_by_its_url(
    server: ConfluentServer, reply: Reply
) -> None:
    server.fail(Fault(reply=reply, matching=lambda request: "metadata" in request.target))
    with connect(server.url) as registry:
        assert registry.identity() == registry.identity() == server.url
    assert server.count(containing="metadata") == 1


def test_a_server_that_fails_is_asked_again(
    server: ConfluentServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.cluster = "lkc"
    server.fail(Fault(reply=Reply(503, b""), times=1))
    now = [1000.0]
    monkeypatch.setattr(identity, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with connect(server.url) as registry:
        assert registry.identity() == registry.identity() == server.url
        assert server.count(containing="metadata") == 1  # events come in numbers
        now[0] += 31
        assert registry.identity() == "confluent:lkc/sr"
    assert "named by its URL" in caplog.text


async def test_a_poll_computes_the_ids_that_a_publisher_does(server: ConfluentServer) -> None:
    server.cluster = "lkc"
    one, other = _names(server)
    with connect(other) as watched:
        source = PollSource(watched, interval=0.01)
        batches = source.batches()
        assert await anext(batches) == []
        (event, _) = await _published(one)
        server.forget("s")  # which the publisher deleted softly
        server.add("s", BODY)
        seen = list(await anext(batches))
        await batches.aclose()
    assert seen[0].event_id == event.event_id


def test_a_folder_can_have_a_name(tmp_path: Path) -> None:
    registry = connect(tmp_path, registry_id="contracts")
    assert registry.identity() == "contracts"
    assert FileWatchSource(registry)._url == "contracts"
    assert connect(tmp_path).identity() == connect(tmp_path).url
    with pytest.raises(ConfigurationError, match="registry_id"):
        connect(tmp_path, registry_id=" ")


# -- metadata ----------


def _register(registry: Registry, subject: str = "s", **metadata: Any) -> Any:
    return registry.register(subject, {**BODY, "title": subject}, metadata=metadata)


def test_metadata_that_a_server_drops_is_said_in_the_result_and_once_in_the_log(
    karapace: ConfluentServer, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(karapace.url) as registry:
        found = _register(registry, owner="team-a", tags=["a", "b"])
        assert found.owner is None
        assert found.notes == ("the registry keeps no metadata, so owner, tags is not there",)
        assert _register(registry, "t", owner="team-a").notes
        assert _register(registry, "u").notes == ()
        assert registry.get("s").notes == ()
    assert len([r for r in caplog.records if "keeps no metadata" in r.getMessage()]) == 1


def test_metadata_that_is_kept_needs_no_word(server: ConfluentServer) -> None:
    with connect(server.url) as registry:
        found = _register(registry, owner="team-a", tags=["a", "b"], level=3)
        assert (found.owner, found.tags, found.notes) == ("team-a", ("a", "b"), ())


def test_metadata_of_a_version_that_was_there_is_not_taken_for_the_new_one(
    server: ConfluentServer,
) -> None:
    with connect(server.url) as registry:
        _register(registry, owner="team-a")
        found = _register(registry, owner="team-b")
        assert found.owner == "team-a"
        assert found.notes == (
            "s@1 was there already with other metadata, so owner is not as given",
        )


def test_the_command_says_it_too(karapace: ConfluentServer, tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    file.write_text('{"type": "object"}')
    command = ["register", "s", str(file), "-r", karapace.url, "--owner", "team-a"]
    assert "owner is not there" in CliRunner().invoke(app, command).output
