"""Apicurio Registry's own API: every operation, over a socket."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from llm_integrations.core.config import BasicAuth, RetryOptions
from llm_integrations.core.errors import (
    ConfigurationError,
    IncompatibleSchema,
    OtherSchemaType,
    RegistryAuthError,
    RegistryProtocolError,
    RegistryUnavailable,
    SchemaConflict,
    SchemaNotFound,
    Unsupported,
)
from llm_integrations.core.events import EventListener, PollSource
from llm_integrations.core.model.schema import SchemaReference
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.registry.address import read_addresses
from tests.support.apicurio_server import ApicurioServer
from tests.support.events import Recording, until
from tests.support.http_server import Fault, Reply

A: dict[str, Any] = {"type": "object", "properties": {"x": {"type": "number"}}}
WIDER: dict[str, Any] = {**A, "properties": {**A["properties"], "y": {"type": "string"}}}
BROKEN: dict[str, Any] = {"type": "object", "properties": {"x": {"type": "string"}}}


@pytest.fixture
def server() -> Iterator[ApicurioServer]:
    with ApicurioServer() as running:
        yield running


@pytest.fixture
def registry(server: ApicurioServer) -> Iterator[Registry]:
    with connect(f"apicurio+{server.url}", retry=RetryOptions(attempts=1)) as registry:
        yield registry


def test_what_is_registered_is_read_again(registry: Registry, server: ApicurioServer) -> None:
    first = registry.register("ns.a/b ü", A, metadata={"owner": "team-a", "tags": ["pii", "x"]})
    assert (first.version, first.state, first.owner) == (1, "ACTIVE", "team-a")
    second = registry.register("ns.a/b ü", WIDER, metadata={"stage": 3})
    assert second.version == 2
    assert registry.versions("ns.a/b ü") == [1, 2]
    assert registry.subjects() == ["ns.a/b ü"]
    with connect(f"apicurio+{server.url}/default") as other:
        assert other.get("ns.a/b ü") == second
        assert other.get("ns.a/b ü@1").metadata == {"owner": "team-a", "tags": ["pii", "x"]}
        assert other.get_by_id(first.id) == first
        assert other.lookup("ns.a/b ü", A) == first
        assert other.validate("ns.a/b ü", {"x": "no"}).is_valid is False
        assert pickle.loads(pickle.dumps(other)).get("ns.a/b ü") == second
        assert other.url == registry.url == f"apicurio+{server.url}/default"
        assert other.health().detail == {"version": "3.3.0"}
        assert list(other.latest()) == ["ns.a/b ü"]
        assert other.latest_with_metadata("ns.a/b ü", {"owner": "team-a"}) == first


def test_equal_content_makes_no_version(registry: Registry, server: ApicurioServer) -> None:
    registry.register("s", A)
    registry.register("s", WIDER)
    server.requests.clear()
    assert registry.register("s", dict(reversed(A.items()))).version == 1
    assert server.count("POST", "artifacts?") == 0
    assert len(server.held) == 2


def test_groups_are_registries_of_their_own(server: ApicurioServer) -> None:
    with (
        connect(f"apicurio+{server.url}/one") as one,
        connect(f"apicurio+{server.url}/apis/registry/v3/groups/t%C3%A9am%2F2") as two,
    ):
        mine = one.register("s", A)
        yours = two.register("s", WIDER)
        assert (one.get("s").body, two.get("s").body) == (A, WIDER)
        assert {version.group for version in server.held} == {"one", "téam/2"}
        assert one.subjects() == two.subjects() == ["s"]
        with pytest.raises(SchemaNotFound):
            one.get_by_id(yours.id)
        assert one.get_by_id(mine.id) == mine


def test_latest_is_the_highest_by_order(registry: Registry, server: ApicurioServer) -> None:
    server.put("semantic", A, "2.0.0")
    server.put("semantic", WIDER, "10.0.0", state="DRAFT")
    server.put("semantic", A, "1.9.0")
    server.put("semantic", A, "3.0.0-beta")
    server.put("semantic", A, "release-of-may")
    assert registry.get("semantic").version == "2.0.0"
    assert registry.get("semantic@2").version == "2.0.0"
    assert registry.get("semantic@10.0.0").state == "DRAFT"
    server.put("counted", A)
    server.put("counted", A, state="DEPRECATED")
    server.put("counted", A, state="DISABLED")
    server.put("counted", A, state="SUNSET")
    assert registry.versions("counted") == [1, 2, 4]
    assert registry.versions("counted", deleted=True) == [1, 2, 3, 4]
    assert registry.get("counted@2.0.0").state == registry.get("counted").state == "DEPRECATED"
    with pytest.raises(SchemaNotFound, match="deleted"):
        registry.get("counted@3")
    with pytest.raises(ConfigurationError, match="semantic versions"):
        registry.register("semantic", {**A, "title": "new"})
    assert registry.register("semantic", {**A, "title": "new"}, "2.1.0").version == "2.1.0"
    with pytest.raises(SchemaConflict):
        registry.register("semantic", {"title": "other"}, "2.1.0", compatibility="NONE")


def test_what_cannot_be_judged_by_is_left_out_with_its_reason(
    registry: Registry, server: ApicurioServer
) -> None:
    server.put("json", A)
    server.put("avro", '{"type": "record"}', kind="AVRO")
    server.put("torn", "{ half a")
    server.put("named", A, "release-of-may")
    latest = registry.latest()
    assert list(latest) == ["json"]
    assert {name: type(error) for name, error in latest.left_out.items()}.keys() == {
        "avro", "named", "torn",
    }  # fmt: skip
    assert isinstance(latest.left_out["avro"], OtherSchemaType)
    assert "no order" in str(latest.left_out["named"])


def test_long_lists_are_read_to_their_end(registry: Registry, server: ApicurioServer) -> None:
    for number in range(120):
        server.put(f"s{number:03d}", A)
        server.put("long", {"title": f"{number}"})
    assert len(registry.subjects()) == 121
    assert registry.versions("long") == list(range(1, 121))
    assert registry.get("long").body == {"title": "119"}


def test_a_look_at_everything_asks_for_no_content_twice(
    registry: Registry, server: ApicurioServer
) -> None:
    for number in range(60):
        server.put(f"s{number}", A)
    server.put("draft", A, state="DRAFT")
    assert len(registry.latest()) == 60
    assert server.count(containing="/content") == 60
    server.requests.clear()
    server.put("s1", WIDER)
    server.held[2].state = "DEPRECATED"
    server.held[3].state = "DISABLED"
    latest = registry.latest()
    assert (latest["s1"].body, latest["s2"].state, "s3" in latest) == (WIDER, "DEPRECATED", False)
    assert server.count(containing="/content") == 1
    assert len(server.requests) == 3


def test_a_part_of_a_look_that_fails_is_asked_for_again(server: ApicurioServer) -> None:
    for number in range(60):
        server.put(f"s{number}", A)
    with connect(f"apicurio+{server.url}", retry=RetryOptions(base=0.01)) as registry:
        fault = Fault(reply=Reply(503), times=1, matching=lambda r: "/content" in r.target)
        server.fail(fault)
        assert len(registry.latest()) == 60


def test_references_lead_to_other_artifacts(registry: Registry, server: ApicurioServer) -> None:
    address = {"type": "object", "required": ["city"]}
    registry.register("address", address)
    person = {"properties": {"home": {"$ref": "address.json"}}}
    reference = SchemaReference("address.json", "address", 1)
    schema = registry.register("person", person, references=[reference])
    assert schema.references == (reference,)
    assert server.held[1].references[0]["groupId"] == "default"
    with connect(f"apicurio+{server.url}") as other:
        assert other.get("person").references == (reference,)
        assert not other.validate("person", {"home": {}}).is_valid
        assert other.referenced_by("address@1") == [schema.id]
    server.put("far", person, references=[{**server.held[1].references[0], "groupId": "z"}])
    with pytest.raises(Unsupported, match="another group"):
        registry.get("far")


def test_levels_are_rules_of_the_artifact_the_group_and_the_registry(
    registry: Registry, server: ApicurioServer
) -> None:
    registry.register("s", A)
    assert registry.get_compatibility("s") == "NONE"
    server.rules["admin",] = "FORWARD"
    assert registry.get_compatibility("s") == registry.get_compatibility() == "FORWARD"
    registry.set_compatibility("FULL")
    registry.set_compatibility("BACKWARD", "s")
    registry.set_compatibility("BACKWARD_TRANSITIVE", "s")
    assert (registry.get_compatibility(), registry.get_compatibility("s")) == (
        "FULL", "BACKWARD_TRANSITIVE",
    )  # fmt: skip
    registry.reset_compatibility("s")
    registry.reset_compatibility("s")
    assert registry.get_compatibility("s") == "FULL"
    server.rules.clear()
    server.admits_admin = False
    assert registry.get_compatibility("s") == "NONE"
    with pytest.raises(SchemaNotFound):
        registry.get_compatibility("nobody")


def test_what_breaks_the_level_is_refused_here_with_a_proof_and_there_with_its_causes(
    registry: Registry, server: ApicurioServer
) -> None:
    registry.register("s", A, compatibility="BACKWARD")
    assert server.rules["groups", "default", "artifacts", "s"] == "BACKWARD"
    with pytest.raises(IncompatibleSchema) as refused:
        registry.register("s", BROKEN)
    assert refused.value.report is not None
    server.breaks = lambda old, new: True
    with pytest.raises(IncompatibleSchema, match="a property was removed"):
        registry.register("s", WIDER, compatibility="FULL")
    assert registry.get_compatibility("s") == "BACKWARD", "the old level is put back"
    assert registry.versions("s") == [1]
    assert registry.register("s", BROKEN, compatibility="NONE").version == 2


def test_states_are_kept_and_deleting_disables(registry: Registry, server: ApicurioServer) -> None:
    registry.register("s", A)
    registry.register("s", WIDER, state="DRAFT")
    assert registry.get("s").version == 1
    assert registry.register("s", WIDER).state == "ACTIVE"
    assert registry.get("s").version == 2
    assert registry.deprecate("s@1").state == "DEPRECATED"
    registry.delete("s@2")
    assert [version.state for version in server.held] == ["DEPRECATED", "DISABLED"]
    assert registry.versions("s") == [1]
    with pytest.raises(SchemaNotFound):
        registry.get_deleted("s@2")  # Apicurio shows its content to nobody
    assert registry.register("s", WIDER, compatibility="NONE").version == 2
    registry.delete("s@2", permanent=True)
    assert [version.version for version in server.held] == ["1"]
    assert registry.delete_subject("s") == [1]
    assert registry.subjects() == []
    assert registry.subjects(deleted=True) == ["s"]
    registry.delete_subject("s", permanent=True)
    assert server.held == []
    server.put("s", A)
    server.deletes_versions = False
    with pytest.raises(Unsupported, match="disabled"):
        registry.delete("s@1", permanent=True)


async def test_polling_hears_of_what_others_register(
    registry: Registry, server: ApicurioServer
) -> None:
    server.put("s", A)
    recording = Recording(registry)
    source = PollSource(registry, interval=0.05)
    async with EventListener(registry, [recording], sources=[source]):
        server.put("s", WIDER)
        await until(lambda: "s@2" in recording.versions)
        assert (await registry.aio.get("s")).version == 2


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(401, {"title": "no"}), RegistryAuthError),
        (Reply(403, {"title": "no"}), RegistryAuthError),
        (Reply(503, {"title": "no"}), RegistryUnavailable),
        (Reply(200, b"<html>login</html>", {"Content-Type": "text/html"}), RegistryProtocolError),
        (Reply(200, {"versions": [{"version": 1}], "count": 1}), RegistryProtocolError),
        (Reply(200, {"artifacts": []}), RegistryProtocolError),
        (Reply(200, []), RegistryProtocolError),
        (Reply(404, {"status": 404, "title": "No artifact"}), SchemaNotFound),
        (
            Reply(409, {"name": "ReadOnlyStorageException", "title": "read-only"}),
            RegistryAuthError,
        ),
    ],
    ids=str,
)
def test_other_answers_are_errors_of_ours(
    registry: Registry, server: ApicurioServer, reply: Reply, error: type[Exception]
) -> None:
    server.put("s", A)
    server.fail(Fault(reply=reply))
    with pytest.raises(error):
        registry.get("s")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            {"status": 500, "name": "RegistryStorageException", "title": "disk full"},
            "500 (code RegistryStorageException): disk full",
        ),
        ({"status": 500, "detail": "out of memory"}, "500: out of memory"),
        (
            {"__type": "InternalServiceException", "Message": "try again"},
            "500 (code InternalServiceException): try again",
        ),
    ],
    ids=["title", "detail", "aws"],
)
def test_what_a_failing_server_says_is_kept(
    registry: Registry, server: ApicurioServer, body: dict[str, Any], said: str
) -> None:
    server.fail(Fault(reply=Reply(500, body, {"Content-Type": "application/json"})))
    with pytest.raises(RegistryUnavailable) as failed:
        registry.get("s")
    assert said in str(failed.value)


def test_credentials_are_sent_and_shown_nowhere(server: ApicurioServer) -> None:
    server.put("s", A)
    url = server.url.replace("//", "//user:SECRET@")
    with connect(f"apicurio+{url}/default") as registry:
        registry.get("s")
        assert "SECRET" not in repr(registry)
        assert "SECRET" not in registry.url
    assert server.requests[0].headers["authorization"].startswith("Basic ")
    with pytest.raises(ConfigurationError, match="unencrypted"):
        connect("apicurio+http://registry.example/default", auth=BasicAuth("u", "p"))


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("apicurio://h.example", "https://h.example/apis/registry/v3/groups/default"),
        ("apicurio://localhost:8080/g", "http://localhost:8080/apis/registry/v3/groups/g"),
        ("apicurio+https://h/g/", "https://h/apis/registry/v3/groups/g"),
        ("apicurio+http://h/apis/registry/v3", "http://h/apis/registry/v3/groups/default"),
        (
            "apicurio+https://h/gate/apis/registry/v3/groups/g",
            "https://h/gate/apis/registry/v3/groups/g",
        ),
    ],
)
def test_urls_name_a_group(url: str, location: str) -> None:
    [address] = read_addresses(url)
    assert (address.protocol, address.location) == ("apicurio", location)


@pytest.mark.parametrize(
    "url",
    ["apicurio+http://h/a/b", "apicurio+http://", ["apicurio+http://h/a", "apicurio+http://i/b"]],
)
def test_urls_that_name_no_group_are_refused(url: str | list[str]) -> None:
    with pytest.raises(ConfigurationError):
        connect(url)


def test_its_api_under_the_scheme_of_confluents_names_the_right_one() -> None:
    with pytest.raises(ConfigurationError, match=r"apicurio\+https://"):
        connect("https://h/apis/registry/v3/groups/x")
    connect("https://h/apis/ccompat/v7").close()


def test_a_second_url_is_asked_where_the_first_is_away(server: ApicurioServer) -> None:
    server.put("s", A)
    with connect(["apicurio+http://127.0.0.1:1", f"apicurio+{server.url}"]) as registry:
        assert registry.get("s").body == json.loads(server.held[0].content)
