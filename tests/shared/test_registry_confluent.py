"""The Confluent protocol, over a socket: recorded answers of a real registry, then a live one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_integrations.core.config import BasicAuth, BearerAuth
from llm_integrations.core.errors import (
    IncompatibleSchema,
    InvalidSchema,
    RegistryAuthError,
    RegistryProtocolError,
    RegistryUnavailable,
    SchemaConflict,
    SchemaNotFound,
    Unsupported,
)
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.model.schema import JsonSchema, SchemaReference
from llm_integrations.core.registry import connect
from llm_integrations.core.registry.backend import NewSchema
from llm_integrations.core.registry.confluent.backend import ConfluentBackend
from tests.support.confluent_server import ConfluentServer
from tests.support.http_server import Fault, Reply
from tests.support.llm_registry_server import LLMRegistryServer
from tests.support.recorded_registry import RecordedRegistry, recorded

ORDER: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "Order",
    "type": "object",
    "properties": {"id": {"type": "string"}, "amount": {"type": "number"}},
    "required": ["id"],
}
WITH_INTEGER_ID: dict[str, Any] = {
    **ORDER,
    "properties": {"id": {"type": "integer"}, "amount": {"type": "number"}},
}
WITH_NOTE: dict[str, Any] = {
    **ORDER,
    "properties": {**ORDER["properties"], "note": {"type": "string"}},
}


@pytest.fixture
def server() -> Iterator[ConfluentServer]:
    with ConfluentServer() as running:
        yield running


@pytest.fixture
def confluent() -> Iterator[ConfluentServer]:
    with ConfluentServer(flavour="confluent") as running:
        yield running


@pytest.fixture
async def backend(server: ConfluentServer) -> AsyncIterator[ConfluentBackend]:
    opened = ConfluentBackend(server.url)
    yield opened
    await opened.close()


async def _ask(names: list[str], call: str, *args: Any, **options: Any) -> Any:
    """The answer of one backend method when a registry gives these recorded answers."""
    with RecordedRegistry(*names) as registry:
        backend = ConfluentBackend(registry.url)
        try:
            return await getattr(backend, call)(*args, **options)
        finally:
            await backend.close()
            assert [str(request.target) for request in registry.unexpected] == []


# -- recorded answers ----------


async def test_subjects_are_listed() -> None:
    assert await _ask(["01-subjects-list"], "subjects") == ["warm"]


async def test_deleted_subjects_are_listed_when_asked_for() -> None:
    assert await _ask(["79-subjects-deleted"], "subjects", deleted=True) == [
        "avro-ref", "money", "orders-value", "warm",
    ]  # fmt: skip


@pytest.mark.parametrize("version", [1, "1.0.0"])
async def test_an_exact_version_is_an_integer_however_it_is_written(version: int | str) -> None:
    schema = await _ask(["05-get-version-1"], "get", SchemaRef("orders-value", version))
    assert (schema.id, schema.subject, schema.version) == (2, "orders-value", 1)
    assert schema.body == ORDER


async def test_latest_is_what_the_server_says() -> None:
    schema = await _ask(["60-get-latest-after-v2"], "get", SchemaRef("orders-value"))
    assert (schema.id, schema.version) == (5, 2)


@pytest.mark.parametrize("version", ["1.2.0", "2.0.0-rc.1", "1.0.0+build", 2**31])
async def test_any_other_version_is_not_found_without_asking(version: int | str) -> None:
    with pytest.raises(SchemaNotFound):
        await _ask([], "get", SchemaRef("orders-value", version))


@pytest.mark.parametrize(
    ("name", "ref"),
    [
        ("07-get-version-999", SchemaRef("orders-value", 999)),
        ("11-get-unknown-subject-latest", SchemaRef("nope")),
        ("72-get-soft-deleted-version", SchemaRef("orders-value", 1)),
        ("83-latest-after-soft", SchemaRef("orders-value")),
    ],
)
async def test_what_is_not_there_or_was_deleted_is_not_found(name: str, ref: SchemaRef) -> None:
    with pytest.raises(SchemaNotFound, match="not found"):
        await _ask([name], "get", ref)


async def test_versions_are_listed_and_those_of_nobody_not_found() -> None:
    assert await _ask(["13-versions"], "versions", "orders-value") == [1]
    deleted = await _ask(["74-versions-deleted"], "versions", "orders-value", deleted=True)
    assert deleted == [1, 2, 3]
    with pytest.raises(SchemaNotFound):
        await _ask(["12-get-unknown-subject-versions"], "versions", "nope")


@pytest.mark.parametrize("schema_id", [2, "2"])
async def test_an_id_is_asked_for_its_subject(schema_id: int | str) -> None:
    schema = await _ask(["14-schema-by-id", "18-schema-id-versions"], "get_by_id", schema_id)
    assert (schema.id, schema.subject, schema.version) == (2, "orders-value", 1)


async def test_an_id_without_subject_is_still_a_schema() -> None:
    names = ["81-schema-id-after-soft-delete", "82-schema-id-versions-after-soft-delete"]
    schema = await _ask(names, "get_by_id", 2)
    assert (schema.subject, schema.version, schema.body) == (None, None, ORDER)


async def test_an_unknown_id_is_not_found() -> None:
    with pytest.raises(SchemaNotFound):
        await _ask(["17-schema-by-id-404"], "get_by_id", 9999)
    with pytest.raises(SchemaNotFound):
        await _ask([], "get_by_id", "3a5bd2dc-7f07-4c5c-8c67-5f4b4f4b1f4b")


async def test_lookup_finds_the_version_with_the_content() -> None:
    schema = await _ask(["25-lookup-found"], "lookup", "orders-value", ORDER)
    assert (schema.id, schema.version) == (2, 1)


async def test_lookup_of_other_content_compares_the_newest_version_and_finds_nothing() -> None:
    with pytest.raises(SchemaNotFound):
        await _ask(
            ["26-lookup-schema-not-found", "04-get-latest"], "lookup", "orders-value",
            recorded_body("26-lookup-schema-not-found"),
        )  # fmt: skip


def recorded_body(name: str) -> JsonSchema:
    body: JsonSchema = json.loads(recorded(name).request_body["schema"])
    return body


async def test_registering_equal_content_returns_the_version_that_has_it() -> None:
    schema = await _ask(["25-lookup-found"], "register", NewSchema("orders-value", ORDER))
    assert (schema.id, schema.version) == (2, 1)


async def test_an_incompatible_schema_is_refused_by_the_server() -> None:
    with RecordedRegistry("40-register-incompatible-409") as registry:
        registry.fail(Fault(reply=recorded("26-lookup-schema-not-found").reply, times=1))
        registry.fail(Fault(reply=recorded("04-get-latest").reply, times=1))
        backend = ConfluentBackend(registry.url)
        with pytest.raises(IncompatibleSchema, match=r"INTEGER is not compatible"):
            await backend.register(NewSchema("orders-value", WITH_INTEGER_ID))
        await backend.close()


async def _refused(reply: Reply, body: JsonSchema = ORDER) -> None:
    """Register, and let the server answer the registration itself with ``reply``."""
    with RecordedRegistry("27-lookup-subject-not-found") as registry:
        registry.fail(Fault(reply=reply, matching=lambda r: r.target.endswith("/versions")))
        backend = ConfluentBackend(registry.url)
        try:
            await backend.register(NewSchema("nope", body))
        finally:
            await backend.close()


@pytest.mark.parametrize(
    "name",
    [
        "41-register-invalid-jsonschema-422",
        "42-register-schema-not-json",
        "43-register-bad-type",
        "44-register-missing-schema",
        "45-register-body-not-json",
    ],
)
async def test_a_schema_that_the_server_cannot_read_is_invalid(name: str) -> None:
    with pytest.raises(InvalidSchema, match="answered 422"):
        await _refused(recorded(name).reply)


async def test_references_where_the_server_has_none_are_unsupported() -> None:
    with pytest.raises(Unsupported, match="references are not supported"):
        await _refused(recorded("49-register-with-references").reply)


async def test_a_registration_without_the_right_to_write_is_an_auth_error() -> None:
    with pytest.raises(RegistryAuthError, match="no right to register"):
        await _refused(recorded("auth-07-reader-register-403").reply)


@pytest.mark.parametrize("name", ["46-register-wrong-content-type", "47-accept-unsupported"])
async def test_an_answer_that_should_not_happen_is_a_protocol_error(name: str) -> None:
    with pytest.raises(RegistryProtocolError):
        await _refused(recorded(name).reply)


async def test_levels_are_read_and_fall_back_to_the_global_one() -> None:
    assert await _ask(["28-config-global-get"], "get_compatibility") == "BACKWARD"
    names = ["30-config-subject-get-default"]
    assert await _ask(names, "get_compatibility", "orders-value") == "BACKWARD"


@pytest.mark.parametrize("name", ["29-config-subject-get-unset", "12-get-unknown-subject-versions"])
async def test_a_server_that_does_not_fall_back_is_asked_for_the_global_level(name: str) -> None:
    with RecordedRegistry("57-config-global-get2") as registry:
        registry.fail(Fault(reply=recorded(name).reply, times=1))
        backend = ConfluentBackend(registry.url)
        assert await backend.get_compatibility("orders-value") == "NONE"
        await backend.close()


async def test_levels_are_set() -> None:
    await _ask(["56-config-global-put"], "set_compatibility", "none")
    await _ask(["58-config-subject-put-none"], "set_compatibility", "NONE", "orders-value")


async def test_a_level_that_the_server_does_not_know_is_unsupported() -> None:
    with RecordedRegistry() as registry:
        registry.fail(Fault(reply=recorded("33-config-put-invalid").reply))
        backend = ConfluentBackend(registry.url)
        with pytest.raises(Unsupported, match="Invalid compatibility level"):
            await backend.set_compatibility("FULL")
        await backend.close()


async def test_the_servers_verdict_and_messages_are_passed_on() -> None:
    names = ["30-config-subject-get-default", "34-compat-latest-incompatible-verbose"]
    new = NewSchema("orders-value", WITH_INTEGER_ID)
    verdict = await _ask(names, "ask_compatibility", new)
    assert verdict == (
        False,
        ("type Instance.INTEGER is not compatible with type Instance.STRING",),
    )


async def test_with_nothing_to_compare_with_any_schema_is_compatible() -> None:
    with RecordedRegistry("38-compat-unknown-subject", "28-config-global-get") as registry:
        registry.fail(Fault(reply=recorded("11-get-unknown-subject-latest").reply, times=1))
        backend = ConfluentBackend(registry.url)
        assert await backend.ask_compatibility(NewSchema("nope", ORDER)) == (True, ())
        await backend.close()


async def test_another_level_than_the_servers_cannot_be_asked_for() -> None:
    with pytest.raises(Unsupported, match="BACKWARD"):
        await _ask(
            ["30-config-subject-get-default"], "ask_compatibility",
            NewSchema("orders-value", ORDER), "FULL",
        )  # fmt: skip


async def test_a_version_is_deleted_softly() -> None:
    await _ask(["71-soft-delete-version-1"], "delete", SchemaRef("orders-value", 1))
    with pytest.raises(SchemaNotFound, match="soft deleted"):
        await _ask(["75-soft-delete-version-again"], "delete", SchemaRef("orders-value", 1))


async def test_a_subject_is_deleted_softly_and_for_good() -> None:
    assert await _ask(["76-soft-delete-subject"], "delete_subject", "orders-value") == [2, 3]
    with pytest.raises(SchemaNotFound):
        await _ask(["77-soft-delete-subject-again"], "delete_subject", "orders-value")
    names = ["77-soft-delete-subject-again", "84-hard-delete-subject"]
    deleted = await _ask(names, "delete_subject", "orders-value", permanent=True)
    assert deleted == [1, 2, 3]
    with pytest.raises(SchemaNotFound):
        await _ask(["87-delete-unknown-subject"], "delete_subject", "nope", permanent=True)


async def test_a_version_that_others_refer_to_cannot_be_deleted() -> None:
    with pytest.raises(SchemaConflict, match="references exist"):
        await _ask(["z-05-avro-ref-delete-referenced"], "delete", SchemaRef("av-addr", 1))


async def test_a_subject_with_a_slash_and_a_space_is_encoded() -> None:
    schema = await _ask(["z-13-slash-subject-get"], "get", SchemaRef("a/b c"))
    assert (schema.subject, schema.body) == ("a/b c", {"title": "sl", "type": "object"})


async def test_a_schema_of_another_type_is_refused_by_name_and_type() -> None:
    with pytest.raises(InvalidSchema, match=r"avro-ref@1 is of type AVRO"):
        await _ask(["55-get-latest-avro"], "get", SchemaRef("avro-ref"))


@pytest.mark.parametrize("name", ["auth-01-no-credentials-subjects", "auth-03-wrong-password"])
async def test_missing_and_wrong_credentials_are_auth_errors(name: str) -> None:
    with pytest.raises(RegistryAuthError, match="401"):
        await _ask([name], "subjects")


async def test_ping_asks_for_the_types() -> None:
    detail = await _ask(["22-schema-types"], "ping")
    assert detail["types"] == ["JSON", "AVRO", "PROTOBUF"]


async def test_an_unknown_route_is_no_schema_that_is_missing() -> None:
    with RecordedRegistry() as registry:
        backend = ConfluentBackend(registry.url)
        with pytest.raises(RegistryProtocolError, match="check the URL"):
            await backend.get(SchemaRef("orders-value"))
        await backend.close()


# -- a live server ----------


async def test_registering_numbers_the_versions_and_gives_ids(backend: ConfluentBackend) -> None:
    first = await backend.register(NewSchema("orders", ORDER))
    await backend.set_compatibility("NONE", "orders")
    second = await backend.register(NewSchema("orders", WITH_NOTE))
    assert [(s.version, s.body) for s in (first, second)] == [(1, ORDER), (2, WITH_NOTE)]
    assert (await backend.get_by_id(second.id)).ref == SchemaRef("orders", 2)
    assert await backend.versions("orders") == [1, 2]


async def test_a_version_of_ones_own_choice_is_an_error(backend: ConfluentBackend) -> None:
    with pytest.raises(Unsupported, match="leave version out"):
        await backend.register(NewSchema("orders", ORDER, version=3))


@pytest.mark.parametrize("state", ["DRAFT", "DEPRECATED"])
async def test_states_are_unsupported(backend: ConfluentBackend, state: str) -> None:
    with pytest.raises(Unsupported):
        await backend.register(NewSchema("orders", ORDER, state=state))
    with pytest.raises(Unsupported):
        await backend.deprecate(SchemaRef("orders", 1))


async def test_key_order_makes_no_other_version(
    confluent: ConfluentServer,
) -> None:
    confluent.add("orders", dict(reversed(ORDER.items())))
    backend = ConfluentBackend(confluent.url)
    assert (await backend.register(NewSchema("orders", ORDER))).version == 1
    assert (await backend.lookup("orders", ORDER)).version == 1
    assert await backend.versions("orders") == [1]
    await backend.close()


async def test_an_id_of_several_subjects_names_none(backend: ConfluentBackend) -> None:
    first = await backend.register(NewSchema("a", ORDER))
    assert (await backend.register(NewSchema("b", ORDER))).id == first.id
    assert (await backend.get_by_id(first.id)).subject is None


async def test_a_level_comes_with_a_registration(backend: ConfluentBackend) -> None:
    await backend.register(NewSchema("orders", ORDER))
    await backend.register(NewSchema("orders", WITH_INTEGER_ID, compatibility="NONE"))
    assert await backend.get_compatibility("orders") == "NONE"
    assert await backend.get_compatibility() == "BACKWARD"


@pytest.mark.parametrize("before", [None, "BACKWARD_TRANSITIVE"])
async def test_a_refused_registration_leaves_the_level_as_it_was(
    server: ConfluentServer, backend: ConfluentBackend, before: str | None
) -> None:
    await backend.register(NewSchema("orders", ORDER, compatibility=before))
    with pytest.raises(IncompatibleSchema):
        await backend.register(NewSchema("orders", WITH_INTEGER_ID, compatibility="FULL"))
    assert await backend.get_compatibility("orders") == (before or "BACKWARD")
    deleted = [r.target for r in server.requests if r.method == "DELETE"]
    assert deleted == (["/config/orders"] if before is None else [])


async def test_references_are_registered_and_come_back(confluent: ConfluentServer) -> None:
    backend = ConfluentBackend(confluent.url)
    await backend.register(NewSchema("money", {"type": "number"}))
    reference = SchemaReference("money.json", "money", 1)
    body: JsonSchema = {"properties": {"total": {"$ref": "money.json"}}}
    await backend.register(NewSchema("invoice", body, references=(reference,)))
    assert (await backend.get(SchemaRef("invoice"))).references == (reference,)
    again = await backend.register(NewSchema("invoice", body, references=(reference,)))
    assert again.version == 1
    with pytest.raises(SchemaConflict):
        await backend.delete(SchemaRef("money", 1))
    await backend.close()


async def test_metadata_is_kept_where_the_server_keeps_it(confluent: ConfluentServer) -> None:
    backend = ConfluentBackend(confluent.url)
    metadata = {"owner": "team-a", "tags": ["pii", "eu"]}
    await backend.register(NewSchema("orders", ORDER, metadata=metadata))
    schema = await backend.get(SchemaRef("orders"))
    assert (schema.owner, schema.tags) == ("team-a", ("pii", "eu"))
    await backend.close()


async def test_a_server_that_refuses_metadata_is_sent_none(
    server: ConfluentServer, backend: ConfluentBackend, caplog: pytest.LogCaptureFixture
) -> None:
    refusal = Reply(422, {"error_code": 422, "message": "Unrecognized field: metadata"})
    server.fail(Fault(reply=refusal, matching=lambda r: b'"metadata"' in r.body))
    schema = await backend.register(NewSchema("orders", ORDER, metadata={"owner": "team-a"}))
    assert (schema.version, schema.owner) == (1, None)
    assert "keeps no metadata" in caplog.text


@pytest.mark.parametrize("flavour", ["karapace", "confluent"])
async def test_transitive_levels_are_asked_against_every_version(flavour: Any) -> None:
    with ConfluentServer(flavour=flavour) as server:
        backend = ConfluentBackend(server.url)
        server.add("orders", WITH_INTEGER_ID)
        server.add("orders", {"type": "object", "properties": {"amount": {"type": "number"}}})
        new = NewSchema("orders", ORDER)
        assert (await backend.ask_compatibility(new))[0]
        await backend.set_compatibility("BACKWARD_TRANSITIVE", "orders")
        compatible, messages = await backend.ask_compatibility(new, "BACKWARD_TRANSITIVE")
        assert (compatible, len(messages)) == (False, 1)
        await backend.close()


async def test_deleting_for_good_takes_both_steps_at_once(backend: ConfluentBackend) -> None:
    await backend.register(NewSchema("orders", ORDER))
    await backend.set_compatibility("NONE", "orders")
    await backend.register(NewSchema("orders", WITH_NOTE))
    await backend.delete(SchemaRef("orders", 1), permanent=True)
    assert await backend.versions("orders", deleted=True) == [2]
    await backend.delete(SchemaRef("orders", 2))
    assert await backend.versions("orders", deleted=True) == [2]
    assert await backend.delete_subject("orders", permanent=True) == [2]
    assert await backend.subjects(deleted=True) == []


async def test_latest_must_not_be_deleted_by_that_name(backend: ConfluentBackend) -> None:
    await backend.register(NewSchema("orders", ORDER))
    with pytest.raises(SchemaNotFound, match="exact version"):
        await backend.delete(SchemaRef("orders"))


@pytest.mark.parametrize("flavour", ["karapace", "confluent"])
async def test_the_latest_of_all_leaves_out_what_was_deleted_or_is_no_json_schema(
    flavour: Any,
) -> None:
    with ConfluentServer(flavour=flavour) as server:
        backend = ConfluentBackend(server.url)
        for subject in ("gone", "rolled-back", "kept"):
            server.add(subject, ORDER)
        server.add("rolled-back", WITH_NOTE)
        server.add("avro", '{"type":"record","name":"R","fields":[]}', "AVRO")
        await backend.delete(SchemaRef("rolled-back", 2))
        await backend.delete_subject("gone")
        found = await backend.latest()
        assert found is not None
        assert {s: schema.version for s, schema in found.items()} == {"kept": 1, "rolled-back": 1}
        await backend.close()


async def test_a_server_without_that_call_says_none(
    server: ConfluentServer, backend: ConfluentBackend
) -> None:
    missing = recorded("67-unknown-path").reply
    server.fail(Fault(reply=missing, matching=lambda r: r.target.startswith("/schemas?")))
    assert await backend.latest() is None


@pytest.mark.parametrize(
    ("auth", "allowed"),
    [
        (BasicAuth("admin", "pässword"), True),
        (BearerAuth("t0ken"), True),
        (BasicAuth("admin", "wrong"), False),
        (None, False),
    ],
)
async def test_credentials_are_sent(auth: Any, allowed: bool) -> None:
    with ConfluentServer(users={"admin:pässword": "rw"}, token="t0ken") as server:
        backend = ConfluentBackend(server.url, auth=auth)
        if allowed:
            assert await backend.subjects() == []
        else:
            with pytest.raises(RegistryAuthError) as refused:
                await backend.subjects()
            assert "wrong" not in str(refused.value).replace("missing or wrong", "")
        await backend.close()


@pytest.mark.parametrize(
    "schema", ["{broken", "[1]", "null", '{"a": NaN}', "[" * 100_000, "1" * 5_000]
)
async def test_a_schema_that_is_none_is_invalid(
    server: ConfluentServer, backend: ConfluentBackend, schema: str
) -> None:
    server.fail(
        Fault(
            reply=Reply(
                200,
                {"subject": "s", "version": 1, "id": 1, "schemaType": "JSON", "schema": schema},
            )
        )
    )
    with pytest.raises(InvalidSchema):
        await backend.get(SchemaRef("s"))


ANSWER = {"subject": "s", "version": 1, "id": 1, "schemaType": "JSON", "schema": "{}"}
REFERENCE = {"name": "a", "subject": "t", "version": 1}


@pytest.mark.parametrize(
    ("call", "args", "answer"),
    [
        ("get", (SchemaRef("s"),), {"subject": "s"}),
        ("get", (SchemaRef("s"),), {"schema": "{}", "schemaType": "JSON"}),
        ("get", (SchemaRef("s"),), {"schema": "{}", "id": 1, "version": "x"}),
        ("get", (SchemaRef("s"),), {"schema": "{}", "id": 1, "references": [{"name": "a"}]}),
        ("get", (SchemaRef("s"),), {**ANSWER, "version": True}),
        ("get", (SchemaRef("s"),), {**ANSWER, "references": [{**REFERENCE, "name": 5}]}),
        ("get", (SchemaRef("s"),), {**ANSWER, "references": [{**REFERENCE, "subject": " "}]}),
        ("get", (SchemaRef("s"),), {**ANSWER, "references": [{**REFERENCE, "version": -1}]}),
        ("get", (SchemaRef("s"),), ["{}"]),
        ("get_by_id", (1,), {"schema": 7}),
        ("subjects", (), {"a": 1}),
        ("subjects", (), [1]),
        ("versions", ("s",), ["1"]),
        ("get_compatibility", (), {}),
        ("delete_subject", ("s",), 3),
        ("register", (NewSchema("s", {}),), {"nothing": 1}),
        ("ask_compatibility", (NewSchema("s", {}),), {"compatibilityLevel": "BACKWARD"}),
        ("ping", (), "fine"),
    ],
)
async def test_an_answer_of_another_shape_is_a_protocol_error(
    server: ConfluentServer, backend: ConfluentBackend, call: str, args: Any, answer: Any
) -> None:
    server.fail(Fault(reply=Reply(200, answer)))
    with pytest.raises((RegistryProtocolError, InvalidSchema)):
        await getattr(backend, call)(*args)


async def test_the_other_api_is_recognised_and_the_right_scheme_named() -> None:
    with LLMRegistryServer() as other:
        backend = ConfluentBackend(other.url)
        for call in (backend.get(SchemaRef("a")), backend.subjects(), backend.lookup("a", {})):
            with pytest.raises(RegistryProtocolError, match=r"llm\+http://"):
                await call
        await backend.close()


async def test_forwarding_to_the_master_that_failed_can_be_tried_again(
    server: ConfluentServer, backend: ConfluentBackend
) -> None:
    server.fail(Fault(reply=Reply(500, {"error_code": 50003, "message": "forwarding failed"})))
    with pytest.raises(RegistryUnavailable) as failed:
        await backend.subjects()
    assert failed.value.retryable


def test_the_url_shows_no_credentials() -> None:
    backend = ConfluentBackend("https://user:secret@registry.example.com/api/")
    assert backend.url == "https://registry.example.com/api"
    assert "secret" not in repr(backend)


def test_a_miss_says_what_the_server_has_instead_and_lists_it_once() -> None:
    with ConfluentServer() as server, connect(server.url) as registry:
        registry.register("user-profile", {"type": "object"})
        before = len(server.requests)
        with pytest.raises(SchemaNotFound) as missed:
            registry.get("user-profil")
        assert str(missed.value).endswith(f"; is 'user-profile' meant? (asked: {registry.url})")
        assert len(server.requests) - before == 2
        with pytest.raises(SchemaNotFound, match="is 'user-profile' meant"):
            registry.get("usr-profile")
        assert len(server.requests) - before == 3
        with pytest.raises(SchemaNotFound, match="; it has 1 "):
            registry.get("user-profile@7")


@pytest.mark.parametrize(
    "ask",
    [
        lambda registry: registry.versions("user-profil"),
        lambda registry: registry.lookup("user-profil", {"type": "object"}),
        lambda registry: registry.get_deleted("user-profil@1"),
        lambda registry: registry.delete("user-profil@1"),
        lambda registry: registry.delete_subject("user-profil"),
    ],
    ids=["versions", "lookup", "get_deleted", "delete", "delete_subject"],
)
@pytest.mark.parametrize("kind", ["server", "folder"])
def test_whatever_is_asked_of_a_misspelt_subject_names_the_near_one(
    ask: Any, kind: str, tmp_path: Path
) -> None:
    with (
        ConfluentServer() as server,
        connect(server.url if kind == "server" else tmp_path / "schemas") as registry,
    ):
        registry.register("user-profile", {"type": "object"})
        with pytest.raises(SchemaNotFound, match="is 'user-profile' meant"):
            ask(registry)


def test_a_server_that_cannot_list_has_its_own_error() -> None:
    with ConfluentServer() as server, connect(server.url) as registry:
        registry.register("nobody-else", {"type": "object"})
        lists = Fault(reply=Reply(500), matching=lambda request: request.segments == ["subjects"])
        server.fail(lists)
        with pytest.raises(SchemaNotFound) as missed:
            registry.get("nobody")
        assert "meant" not in str(missed.value)
