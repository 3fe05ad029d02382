"""confluent-kafka's client beside ours, on the server that answers as the recorded one did."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest

from llm_integrations.core.errors import RegistryError
from llm_integrations.core.registry import Registry, SchemaReference, connect
from tests.support.confluent_server import ConfluentServer

peer = pytest.importorskip("confluent_kafka.schema_registry", reason="pip install --group test")

FIRST: dict[str, Any] = {"type": "object", "properties": {"x": {"type": "number"}}}
SECOND: dict[str, Any] = {**FIRST, "title": "second"}
BREAKING: dict[str, Any] = {"type": "object", "properties": {"x": {"type": "string"}}}
REFERRING: dict[str, Any] = {"$ref": "a.json"}
METADATA = {"owner": "team-a"}

ERRORS = {
    40401: "SchemaNotFound",
    40402: "SchemaNotFound",
    40403: "SchemaNotFound",
    409: "IncompatibleSchema",
    42206: "SchemaConflict",
    44302: "Unsupported",
}
"""What the codes that their errors hold are called here."""


def theirs_of(body: dict[str, Any], **more: Any) -> Any:
    return peer.Schema(json.dumps(body), "JSON", **more)


def seen_by_us(schema: Any) -> Any:
    return schema.subject, schema.version, schema.id, schema.body


def seen_by_them(found: Any) -> Any:
    return found.subject, found.version, found.schema_id, json.loads(found.schema.schema_str)


def owner_of(found: Any) -> Any:
    metadata = found.schema and found.schema.metadata
    return metadata and metadata.properties.properties.get("owner")


Ours = Callable[[Registry], Any]
Theirs = Callable[[Any], Any]

BOTH: list[tuple[str, Ours, Theirs]] = [
    ("none", lambda r: r.subjects(), lambda c: c.get_subjects()),
    ("an unknown subject", lambda r: r.get("a"), lambda c: c.get_latest_version("a")),
    ("register", lambda r: r.register("a", FIRST).id,
     lambda c: c.register_schema("a", theirs_of(FIRST))),
    ("again", lambda r: r.register("a", FIRST).id,
     lambda c: c.register_schema("a", theirs_of(FIRST))),
    ("a second", lambda r: r.register("a", SECOND, normalize=True).id,
     lambda c: c.register_schema("a", theirs_of(SECOND), normalize_schemas=True)),
    ("a name that wants encoding", lambda r: r.register("b/c d:%", FIRST).id,
     lambda c: c.register_schema("b/c d:%", theirs_of(FIRST))),
    ("a breaking one", lambda r: r.register("a", BREAKING).id,
     lambda c: c.register_schema("a", theirs_of(BREAKING))),
    ("is it compatible", lambda r: bool(r.check_compatibility("a", BREAKING)),
     lambda c: c.test_compatibility("a", theirs_of(BREAKING))),
    ("latest", lambda r: seen_by_us(r.get("a")), lambda c: seen_by_them(c.get_latest_version("a"))),
    ("a version", lambda r: seen_by_us(r.get("a@1")),
     lambda c: seen_by_them(c.get_version("a", 1))),
    ("an encoded name", lambda r: seen_by_us(r.get("b/c d:%@1")),
     lambda c: seen_by_them(c.get_version("b/c d:%", 1))),
    ("an unknown version", lambda r: r.get("a@9"), lambda c: c.get_version("a", 9)),
    ("by id", lambda r: r.get_by_id(1).body, lambda c: json.loads(c.get_schema(1).schema_str)),
    ("an unknown id", lambda r: r.get_by_id(99), lambda c: c.get_schema(99)),
    ("lookup", lambda r: r.lookup("a", SECOND).version,
     lambda c: c.lookup_schema("a", theirs_of(SECOND)).version),
    ("nothing like it", lambda r: r.lookup("a", BREAKING),
     lambda c: c.lookup_schema("a", theirs_of(BREAKING))),
    ("subjects", lambda r: r.subjects(), lambda c: sorted(c.get_subjects())),
    ("versions", lambda r: r.versions("a"), lambda c: c.get_versions("a")),
    ("the level", lambda r: r.get_compatibility(), lambda c: c.get_compatibility()),
    ("setting a subject's", lambda r: r.set_compatibility("FULL", "a"),
     lambda c: c.set_compatibility("a", "FULL") and None),
    ("a subject's", lambda r: r.get_compatibility("a"), lambda c: c.get_compatibility("a")),
    ("the mode", lambda r: r.get_mode(), lambda c: c.get_global_mode()),
    ("metadata", lambda r: r.register("m", FIRST, metadata=METADATA).owner,
     lambda c: c.register_schema("m", theirs_of(
         FIRST, metadata=peer.Metadata(None, peer.MetadataProperties(METADATA), None)
     )) and owner_of(c.get_latest_version("m"))),
    ("a reference", lambda r: r.register(
        "d", REFERRING, references=[SchemaReference("a.json", "a", 1)]).id,
     lambda c: c.register_schema(
         "d", theirs_of(REFERRING, references=[peer.SchemaReference("a.json", "a", 1)]))),
    ("what refers to it", lambda r: r.referenced_by("a@1"),
     lambda c: c.get_referenced_by("a", 1)),
    ("soft deletion", lambda r: r.delete("a@2"), lambda c: c.delete_version("a", 2) and None),
    ("the latest then", lambda r: r.get("a").version,  # which their cache has the old one of
     lambda c: c.clear_latest_caches() or c.get_latest_version("a").version),
    ("what was deleted", lambda r: r.get_deleted("a@2").id,
     lambda c: c.get_version("a", 2, deleted=True).schema_id),
    ("hard deletion", lambda r: r.delete("a@2", permanent=True),
     lambda c: c.delete_version("a", 2, permanent=True) and None),
    ("a whole subject", lambda r: r.delete_subject("b/c d:%"),
     lambda c: c.delete_subject("b/c d:%")),
    ("what is left", lambda r: r.subjects(), lambda c: sorted(c.get_subjects())),
]  # fmt: skip
CONFLUENT: list[tuple[str, Ours, Theirs]] = [
    ("with metadata", lambda r: seen_by_us(r.latest_with_metadata("m", METADATA)),
     lambda c: seen_by_them(c.get_latest_with_metadata("m", METADATA))),
    ("a context", lambda r: r.register(":.ctx:a", SECOND).id,
     lambda c: c.register_schema(":.ctx:a", theirs_of(SECOND))),
    ("in a context", lambda r: r.get(":.ctx:a").body,
     lambda c: json.loads(c.get_latest_version(":.ctx:a").schema.schema_str)),
    ("no level of its own", lambda r: r.reset_compatibility("a"),
     lambda c: c.delete_config("a") and None),
]  # fmt: skip


@contextmanager
def clients(flavour: Literal["karapace", "confluent"]) -> Iterator[tuple[Registry, Any]]:
    """Each with a server of its own, of the same content."""
    with ConfluentServer(flavour=flavour) as mine, ConfluentServer(flavour=flavour) as yours:
        client = peer.SchemaRegistryClient({"url": yours.url, "max.retries": 0})
        with connect(mine.url) as registry, client:
            yield registry, client


def outcome(call: Callable[[Any], Any], client: Any) -> Any:
    try:
        return call(client)
    except RegistryError as error:
        return type(error).__name__
    except peer.SchemaRegistryError as error:
        return ERRORS.get(error.error_code, error.error_code)


@pytest.mark.parametrize("flavour", ["karapace", "confluent"])
def test_both_clients_see_the_same(flavour: Literal["karapace", "confluent"]) -> None:
    with clients(flavour) as (registry, client):
        seen = {
            name: (outcome(ours, registry), outcome(theirs, client))
            for name, ours, theirs in BOTH + (CONFLUENT if flavour == "confluent" else [])
        }
    assert {name: both for name, both in seen.items() if both[0] != both[1]} == {}
    assert seen["latest"][0] == ("a", 2, 2, SECOND)
