"""What else people ask of a registry: contexts, deleted versions, who refers to what, the mode."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_integrations.core.errors import (
    ConfigurationError,
    InvalidReference,
    RegistryProtocolError,
    SchemaNotFound,
    Unsupported,
)
from llm_integrations.core.registry import Registry, SchemaReference, connect
from llm_integrations.core.registry.wire_format import frame, unframe
from tests.support.confluent_server import ConfluentServer
from tests.support.llm_registry_server import LLMRegistryServer

A = {"type": "object"}
B = {"type": "object", "properties": {"age": {"type": "integer"}}}


@pytest.fixture
def server() -> Iterator[ConfluentServer]:
    with ConfluentServer(flavour="confluent") as server:
        yield server


@pytest.fixture(params=["confluent", "file", "memory"])
def registry(
    request: pytest.FixtureRequest, server: ConfluentServer, tmp_path: Path
) -> Iterator[Registry]:
    urls = {"confluent": server.url, "file": str(tmp_path / "schemas"), "memory": "memory://"}
    with connect(urls[request.param]) as registry:
        yield registry


def test_a_deleted_version_can_be_read_until_it_is_gone_for_good(registry: Registry) -> None:
    registry.register("user", A)
    registry.register("user", B)
    registry.delete("user@1")
    with pytest.raises(SchemaNotFound):
        registry.get("user@1")
    deleted = registry.get_deleted("user@1")
    assert (deleted.body, deleted.state) == (A, "DELETED")
    assert registry.get_deleted("user@2").state == "ACTIVE"
    assert registry.versions("user", deleted=True) == [1, 2]
    registry.delete("user@1", permanent=True)
    with pytest.raises(SchemaNotFound):
        registry.get_deleted("user@1")
    with pytest.raises(InvalidReference, match="exact version"):
        registry.get_deleted("user")


def test_what_refers_to_a_version_is_told(registry: Registry) -> None:
    registry.register("address", A)
    registry.register("address", B)
    reference = SchemaReference("address.json", "address", 1)
    person = registry.register("person", {"$ref": "address.json"}, references=[reference])
    assert registry.referenced_by("address@1") == [person.id]
    assert registry.referenced_by("address@2") == []
    with pytest.raises(SchemaNotFound):
        registry.referenced_by("nobody@1")


def test_the_newest_version_with_some_metadata_is_found(registry: Registry) -> None:
    registry.register("user", A, metadata={"owner": "team-a", "stage": "prod"})
    registry.register("user", B, metadata={"owner": "team-a", "stage": "dev"})
    assert registry.latest_with_metadata("user", {"owner": "team-a"}).version == 2
    found = registry.latest_with_metadata("user", {"owner": "team-a", "stage": "prod"})
    assert found.version == 1
    with pytest.raises(SchemaNotFound):
        registry.latest_with_metadata("user", {"stage": "test"})


def test_metadata_is_looked_for_where_the_server_has_no_such_call() -> None:
    with ConfluentServer() as server, connect(server.url) as registry:
        registry.register("user", A)
        assert registry.latest_with_metadata("user", {}).version == 1
        with pytest.raises(SchemaNotFound):
            registry.latest_with_metadata("user", {"owner": "team-a"})


def test_a_subject_s_own_level_can_be_taken_back(registry: Registry) -> None:
    registry.register("user", A, compatibility="NONE")
    assert registry.get_compatibility("user") == "NONE"
    registry.reset_compatibility("user")
    assert registry.get_compatibility("user") == registry.get_compatibility() == "BACKWARD"
    registry.reset_compatibility("user")


def test_the_mode_is_told(registry: Registry, server: ConfluentServer) -> None:
    registry.register("user", A)
    assert registry.get_mode() == registry.get_mode("user") == "READWRITE"
    server.mode = "READONLY"
    if registry.url == server.url:
        assert registry.get_mode() == registry.get_mode("user") == "READONLY"


def test_equal_content_in_another_order_is_found_by_a_server_that_normalises(
    server: ConfluentServer,
) -> None:
    text = '{"additionalProperties":true,"type":"object"}'
    server.add("user", text)
    server.add("user", '{"title":"newer"}')
    body = dict(reversed(json.loads(text).items()))
    with connect(server.url) as registry:
        assert registry.register("user", body, normalize=True).version == 1
        assert registry.lookup("user", body, normalize=True).version == 1
    assert server.count("POST", "normalize=true") == 2


async def test_each_is_there_for_coroutines_too(registry: Registry) -> None:
    aio = registry.aio
    await aio.register("user", A, metadata={"owner": "a"})
    assert (await aio.get_deleted("user@1")).body == A
    assert await aio.referenced_by("user@1") == []
    assert (await aio.latest_with_metadata("user", {"owner": "a"})).version == 1
    assert await aio.get_mode() == "READWRITE"
    await aio.reset_compatibility("user")


def test_what_a_registry_cannot_tell_is_said() -> None:
    with LLMRegistryServer() as server, connect(f"llm+{server.url}") as registry:
        for call in (registry.get_deleted, registry.referenced_by):
            with pytest.raises(Unsupported, match=r"cannot .*user@1"):
                call("user@1")
        with pytest.raises(Unsupported, match="mode"):
            registry.get_mode()


# -- contexts ----------


@pytest.mark.parametrize("form", [".staging", ":.staging:"])
def test_a_url_below_contexts_is_a_registry_of_its_own(server: ConfluentServer, form: str) -> None:
    with connect(server.url) as main, connect(f"{server.url}/contexts/{form}") as staging:
        main.register("user", A)
        kept = staging.register("user", B)
        other = staging.register("only-here", A)
        assert (kept.subject, kept.version, kept.body) == ("user", 1, B)
        assert staging.get("user").body == B
        assert staging.get("user@1") == kept
        assert main.get("user").body == A
        assert staging.subjects() == ["only-here", "user"]
        assert sorted(staging.latest()) == ["only-here", "user"]
        assert staging.versions("user") == [1]
        assert staging.lookup("user", B) == kept
        assert staging.url != main.url
        assert (kept.id, other.id) == (1, 2)


def test_an_id_means_another_schema_in_another_context(server: ConfluentServer) -> None:
    with connect(server.url) as main, connect(f"{server.url}/contexts/.staging") as staging:
        main.register("user", A)
        kept = staging.register("user", B)
        assert kept.id == main.get("user").id == 1
        assert (main.get_by_id(1).body, staging.get_by_id(1).body) == (A, B)
        assert staging.get_by_id(1).ref == kept.ref


@pytest.mark.parametrize("base", ["", "/contexts/.staging"])
def test_a_subject_of_any_context_is_found_by_its_whole_name(
    server: ConfluentServer, base: str
) -> None:
    server.add(":.staging:user", B)
    server.add(":.other:user", A)
    server.add("user", {"title": "default"})
    with connect(f"{server.url}{base}") as registry:
        assert registry.get(":.staging:user@1").body == B
        assert registry.get(":.other:user").subject == ":.other:user"
        level = registry.get_compatibility(":.other:user")
        registry.set_compatibility("NONE", ":.other:user")
        assert (level, registry.get_compatibility(":.other:user")) == ("BACKWARD", "NONE")


def test_the_default_context_is_that_of_bare_names(server: ConfluentServer) -> None:
    server.add("user", A)
    with connect(server.url) as registry:
        assert registry.get(":.:user").body == registry.get("user").body == A
        assert registry.subjects() == ["user"]


# -- the wire format ----------


@given(st.integers(0, 2**32 - 1), st.binary())
def test_what_was_framed_is_unframed(schema_id: int, payload: bytes) -> None:
    message = frame(schema_id, payload)
    assert message[:1] == b"\0"
    assert unframe(message) == (schema_id, payload)


def test_the_frame_is_that_of_confluent_s_serialisers() -> None:
    assert frame(258, b"{}") == b"\x00\x00\x00\x01\x02{}"


@pytest.mark.parametrize("message", [b"", b"{}", b"\0\0\0", b"\x01\0\0\0\x01{}"])
def test_what_is_not_framed_is_said_to_be_so(message: bytes) -> None:
    with pytest.raises(RegistryProtocolError, match="zero byte"):
        unframe(message)


@pytest.mark.parametrize("schema_id", [-1, 2**32, True, "7"])
def test_an_id_that_does_not_fit_is_refused(schema_id: int) -> None:
    with pytest.raises(ConfigurationError, match="32 bits"):
        frame(schema_id, b"{}")


@pytest.mark.parametrize(
    "impossible", ["9" * 5_000, 9**5_000, 2**64, "\ud800", "a\nb"], ids=lambda _: "id"
)
def test_what_no_registry_gives_out_as_an_id_is_no_fault_of_the_server(
    registry: Registry, impossible: str | int
) -> None:
    with pytest.raises(InvalidReference, match="no registry gives out such an id") as refused:
        registry.get_by_id(impossible)
    assert str(refused.value).isprintable()


def test_what_a_server_calls_its_level_steers_no_terminal(server: ConfluentServer) -> None:
    server._level = "\x1b[2J\ud800"
    with connect(server.url) as registry:
        assert registry.get_compatibility().isprintable()
