"""The LLM Schema Registry's API over a socket, with and without looking up by name."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest

from llm_integrations.core.config import ApiKeyAuth, BearerAuth
from llm_integrations.core.errors import (
    ConfigurationError,
    IncompatibleSchema,
    InvalidReference,
    InvalidSchema,
    RegistryAuthError,
    RegistryError,
    RegistryProtocolError,
    RegistryUnavailable,
    SchemaConflict,
    SchemaNotFound,
    Unsupported,
)
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.model.schema import RegisteredSchema, SchemaReference
from llm_integrations.core.registry.backend import NewSchema
from llm_integrations.core.registry.llm_registry.backend import LLMRegistryBackend
from tests.support.confluent_server import ConfluentServer
from tests.support.http_server import Fault, Reply
from tests.support.llm_registry_server import LLMRegistryServer
from tests.support.recorded_registry import recorded

USER: dict[str, Any] = {"type": "object", "properties": {"name": {"type": "string"}}}
OTHER: dict[str, Any] = {"type": "object", "required": ["name"]}
SUBJECT = "com.example.user"


@pytest.fixture
def server() -> Iterator[LLMRegistryServer]:
    with LLMRegistryServer() as running:
        yield running


@pytest.fixture
def old_server() -> Iterator[LLMRegistryServer]:
    with LLMRegistryServer(by_name=False) as running:
        yield running


@pytest.fixture
async def backend(server: LLMRegistryServer) -> AsyncIterator[LLMRegistryBackend]:
    opened = LLMRegistryBackend(f"llm+{server.url}")
    yield opened
    await opened.close()


@pytest.fixture
async def old_backend(old_server: LLMRegistryServer) -> AsyncIterator[LLMRegistryBackend]:
    opened = LLMRegistryBackend(f"llm+{old_server.url}")
    yield opened
    await opened.close()


def new(
    body: dict[str, Any] | bool = USER, version: int | str | None = "1.0.0", **more: Any
) -> Any:
    return NewSchema(more.pop("subject", SUBJECT), body, version, **more)


# -- registering ----------


async def test_what_was_registered_is_found_by_id_and_by_name(backend: LLMRegistryBackend) -> None:
    kept = await backend.register(new())
    assert (kept.subject, kept.version, kept.state) == (SUBJECT, "1.0.0", "ACTIVE")
    assert uuid.UUID(str(kept.id))
    by_id = await backend.get_by_id(kept.id)
    by_name = await backend.get(SchemaRef(SUBJECT, "1.0.0"))
    assert by_id == by_name
    assert (by_id.subject, by_id.body, by_id.fingerprint) == (SUBJECT, USER, kept.fingerprint)


async def test_the_request_is_the_one_that_the_api_documents(
    server: LLMRegistryServer, backend: LLMRegistryBackend
) -> None:
    metadata = {"owner": "team-a", "tags": ["pii"], "description": "a user"}
    await backend.register(
        new(version="2.1.3", metadata=metadata, state="DRAFT", compatibility="FULL")
    )
    posted = next(request for request in server.requests if request.method == "POST")
    assert (posted.target, posted.headers["content-type"]) == (
        "/api/v1/schemas",
        "application/json",
    )
    assert posted.json() == {
        "subject": SUBJECT,
        "schema": USER,
        "schema_type": "JSON",
        "version_major": 2,
        "version_minor": 1,
        "version_patch": 3,
        "state": "DRAFT",
        "compatibility_mode": "FULL",
        "description": "a user",
        "tags": ["pii"],
        "metadata": {"owner": "team-a"},
    }


async def test_a_version_must_be_given(backend: LLMRegistryBackend) -> None:
    with pytest.raises(ConfigurationError, match=r"version=…"):
        await backend.register(new(version=None))


async def test_an_integer_is_a_major_version(backend: LLMRegistryBackend) -> None:
    assert (await backend.register(new(version=3))).version == "3.0.0"
    assert (await backend.get(SchemaRef(SUBJECT, 3))).version == "3.0.0"


@pytest.mark.parametrize("version", ["1.0.0-rc.1", "1.0.0+build"])
async def test_versions_that_it_cannot_hold_are_unsupported(
    backend: LLMRegistryBackend, version: str
) -> None:
    with pytest.raises(Unsupported, match="pre-releases"):
        await backend.register(new(version=version))


async def test_equal_content_returns_the_version_that_has_it(backend: LLMRegistryBackend) -> None:
    first = await backend.register(new())
    again = await backend.register(new(dict(reversed(USER.items())), "1.1.0"))
    assert (again.id, again.version) == (first.id, "1.0.0")
    assert await backend.versions(SUBJECT) == ["1.0.0"]


@pytest.mark.parametrize("by_name", [True, False])
async def test_a_version_with_other_content_is_a_conflict(by_name: bool) -> None:
    with LLMRegistryServer(by_name=by_name) as server:
        server.add(SUBJECT, USER)
        backend = LLMRegistryBackend(server.url)
        with pytest.raises(SchemaConflict, match="other content"):
            await backend.register(new(OTHER))
        assert (await backend.register(new(USER))).version == "1.0.0"
        await backend.close()


async def test_the_guard_sees_the_released_versions_below_and_the_level(
    server: LLMRegistryServer, backend: LLMRegistryBackend
) -> None:
    server.add(SUBJECT, {"title": "one"}, "1.0.0", compatibility_mode="FORWARD")
    server.add(SUBJECT, {"title": "draft"}, "1.1.0", state="DRAFT", compatibility_mode="FORWARD")
    server.add(SUBJECT, {"title": "three"}, "3.0.0", compatibility_mode="FORWARD")
    seen: list[tuple[list[Any], str]] = []

    def guard(new: NewSchema, previous: Sequence[RegisteredSchema], level: str) -> None:
        seen.append(([schema.version for schema in previous], level))
        if new.version == "4.0.0":
            raise IncompatibleSchema("no")

    await backend.register(new({"title": "two"}, "2.0.0"), guard)
    with pytest.raises(IncompatibleSchema):
        await backend.register(new({"title": "four"}, 4, compatibility="FULL"), guard)
    assert seen == [(["1.0.0"], "FORWARD"), (["1.0.0", "2.0.0", "3.0.0"], "FULL")]
    assert await backend.versions(SUBJECT) == ["1.0.0", "1.1.0", "2.0.0", "3.0.0"]


async def test_references_are_unsupported(backend: LLMRegistryBackend) -> None:
    references = (SchemaReference("a", "a", 1),)
    with pytest.raises(Unsupported, match="references"):
        await backend.register(new(references=references))


# -- reading ----------


@pytest.mark.parametrize(
    ("subject", "namespace", "name"),
    [("a.b.user", "a.b", "user"), ("user", "default", "user"), ("a/b.c d", "a/b", "c d")],
)
async def test_a_subject_is_split_at_its_last_dot(
    server: LLMRegistryServer, backend: LLMRegistryBackend, subject: str, namespace: str, name: str
) -> None:
    kept = await backend.register(new(subject=subject))
    assert (server.kept[0].namespace, server.kept[0].name) == (namespace, name)
    assert (await backend.get_by_id(kept.id)).subject == subject
    assert await backend.subjects() == [subject]


@pytest.mark.parametrize("subject", ["a.", ".a", "."])
async def test_a_subject_without_both_parts_is_refused(
    backend: LLMRegistryBackend, subject: str
) -> None:
    with pytest.raises(InvalidReference, match=r"namespace\.name"):
        await backend.get(SchemaRef(subject))


async def test_latest_is_the_highest_released_version(
    server: LLMRegistryServer, backend: LLMRegistryBackend
) -> None:
    for version, state in (("1.10.0", "ACTIVE"), ("1.9.0", "ACTIVE"), ("2.0.0", "DRAFT")):
        server.add(SUBJECT, {"title": version}, version, state=state)
    assert (await backend.get(SchemaRef(SUBJECT))).version == "1.10.0"
    assert await backend.versions(SUBJECT) == ["1.9.0", "1.10.0", "2.0.0"]
    server.add("drafts", USER, state="DRAFT")
    with pytest.raises(SchemaNotFound, match="drafts"):
        await backend.get(SchemaRef("drafts"))


async def test_what_is_not_there_is_not_found(
    server: LLMRegistryServer, backend: LLMRegistryBackend
) -> None:
    server.add(SUBJECT, USER)
    for call in (
        backend.get(SchemaRef("nope")),
        backend.get(SchemaRef(SUBJECT, "9.0.0")),
        backend.versions("nope"),
        backend.lookup(SUBJECT, OTHER),
        backend.lookup("nope", USER),
        backend.get_by_id(str(uuid.uuid4())),
        backend.get_by_id("../../health"),
        backend.get_by_id(7),
    ):
        with pytest.raises(SchemaNotFound):
            await call


async def test_lookup_finds_the_version_with_the_content(
    server: LLMRegistryServer, backend: LLMRegistryBackend
) -> None:
    server.add(SUBJECT, USER, "1.0.0")
    server.add(SUBJECT, OTHER, "1.1.0")
    assert (await backend.lookup(SUBJECT, USER)).version == "1.0.0"


async def test_all_pages_of_subjects_are_read(
    server: LLMRegistryServer, backend: LLMRegistryBackend
) -> None:
    for number in range(205):
        server.add(f"ns.s{number:03}", USER)
    assert len(await backend.subjects()) == 205
    assert server.count("GET", "/search") == 3


@pytest.mark.parametrize("at_once", [7, 100])
async def test_subjects_behind_many_versions_of_another_are_listed(
    server: LLMRegistryServer, backend: LLMRegistryBackend, at_once: int
) -> None:
    server.at_once = at_once
    for number in range(210):
        server.add("ns.many", {"title": str(number)}, f"1.{number}.0")
    for subject in ("ns.one", "ns.two"):
        server.add(subject, USER)
    assert await backend.subjects() == ["ns.many", "ns.one", "ns.two"]


async def test_an_item_of_a_list_that_names_nothing_hides_no_other(
    server: LLMRegistryServer, backend: LLMRegistryBackend
) -> None:
    items = [{"id": "x"}, {"namespace": "ns", "name": "user", "version": "odd"}, "1.0.0"]
    server.fail(Fault(reply=Reply(200, {"results": items})))
    assert await backend.subjects() == ["ns.user"]


async def test_the_level_is_that_of_the_latest_version(
    server: LLMRegistryServer, backend: LLMRegistryBackend
) -> None:
    server.add(SUBJECT, USER, "1.0.0", compatibility_mode="NONE")
    server.add(SUBJECT, OTHER, "1.1.0", compatibility_mode="full")
    assert await backend.get_compatibility(SUBJECT) == "FULL"
    assert await backend.get_compatibility("nope") == "BACKWARD"
    assert await backend.get_compatibility() == "BACKWARD"


async def test_health_is_passed_on(backend: LLMRegistryBackend) -> None:
    assert (await backend.ping())["status"] == "healthy"
    assert backend.url.startswith("llm+http://127.0.0.1:")
    assert not backend.checks_compatibility
    assert await backend.latest() is None


@pytest.mark.parametrize(
    "document",
    [
        {"schema_id": "ID", "format": "json_schema", "content": '{"a": 1}', "metadata": None},
        {"id": "ID", "format": "JSON", "schema": {"a": 1}},
        {"id": "ID", "schema": {}, "content": '{"a": 1}', "state": "active"},
    ],
)
async def test_both_spellings_of_the_answer_are_read(
    server: LLMRegistryServer, backend: LLMRegistryBackend, document: dict[str, Any]
) -> None:
    named = {"namespace": "com.example", "name": "user", "version": "1.0.0", **document}
    server.fail(Fault(reply=Reply(200, named)))
    schema = await backend.get(SchemaRef(SUBJECT, "1.0.0"))
    assert (schema.id, schema.body, schema.state) == ("ID", {"a": 1}, "ACTIVE")


async def test_the_sdks_metadata_is_read(
    server: LLMRegistryServer, backend: LLMRegistryBackend
) -> None:
    metadata = {"owner": "team-a", "tags": ["x"], "custom": {"ticket": 7}}
    answer = {"id": "i", "namespace": "default", "name": "u", "version": "1.0.0", "content": "{}"}
    server.fail(Fault(reply=Reply(200, {**answer, "metadata": metadata})))
    schema = await backend.get(SchemaRef("u", "1.0.0"))
    assert (schema.owner, schema.tags, schema.metadata["ticket"]) == ("team-a", ("x",), 7)


HEAD = {"id": "i", "namespace": "com.example", "name": "user", "version": "1.0.0"}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ([], RegistryProtocolError),
        ({**HEAD, "name": "other", "content": "{}"}, RegistryProtocolError),
        ({**HEAD, "namespace": "com", "content": "{}"}, RegistryProtocolError),
        ({"id": "i"}, RegistryProtocolError),
        ({"id": 7, "namespace": "d", "name": "u", "version": "1.0.0"}, RegistryProtocolError),
        ({"id": "i", "namespace": "d", "name": "u"}, RegistryProtocolError),
        ({"id": "i", "namespace": "d", "name": "u", "version": "one"}, RegistryProtocolError),
        ({**HEAD, "content": "{broken"},
         InvalidSchema),
        ({**HEAD, "content": "[]"},
         InvalidSchema),
        ({**HEAD, "content": "{}",
          "format": "AVRO"}, InvalidSchema),
    ],
)  # fmt: skip
async def test_an_answer_that_makes_no_sense_is_an_error_of_ours(
    server: LLMRegistryServer, backend: LLMRegistryBackend, answer: Any, error: type[RegistryError]
) -> None:
    server.fail(Fault(reply=Reply(200, answer)))
    with pytest.raises(error):
        await backend.get(SchemaRef(SUBJECT, "1.0.0"))


# -- what the server of that time could not do ----------


async def test_a_server_without_lookup_by_name_says_so_clearly(
    old_server: LLMRegistryServer, old_backend: LLMRegistryBackend
) -> None:
    old_server.add(SUBJECT, USER)
    for call in (
        old_backend.get(SchemaRef(SUBJECT)),
        old_backend.get(SchemaRef(SUBJECT, "1.0.0")),
        old_backend.versions(SUBJECT),
        old_backend.lookup(SUBJECT, USER),
        old_backend.subjects(),
        old_backend.get_compatibility(SUBJECT),
    ):
        with pytest.raises(Unsupported, match="by id only"):
            await call


async def test_it_still_registers_and_gives_out_by_id(
    old_backend: LLMRegistryBackend, caplog: pytest.LogCaptureFixture
) -> None:
    kept = await old_backend.register(new(), lambda *_: None)
    assert (await old_backend.get_by_id(kept.id)).body == USER
    assert "without a compatibility check" in caplog.text


async def test_what_the_api_has_not_is_unsupported(backend: LLMRegistryBackend) -> None:
    ref = SchemaRef(SUBJECT, "1.0.0")
    for call in (
        backend.deprecate(ref),
        backend.delete(ref),
        backend.delete_subject(SUBJECT),
        backend.set_compatibility("FULL"),
        backend.ask_compatibility(new()),
    ):
        with pytest.raises(Unsupported):
            await call


# -- the other API, credentials, failures ----------


@pytest.mark.parametrize("flavour", ["karapace", "confluent"])
async def test_the_other_api_is_recognised_and_the_right_scheme_named(flavour: Any) -> None:
    with ConfluentServer(flavour=flavour) as other:
        backend = LLMRegistryBackend(f"llm+{other.url}")
        for call in (
            backend.get(SchemaRef("a")),
            backend.get_by_id(str(uuid.uuid4())),
            backend.ping(),
            backend.register(new()),
        ):
            with pytest.raises(RegistryProtocolError, match=r"without llm\+"):
                await call
        await backend.close()


async def test_something_else_altogether_is_no_missing_feature(
    server: LLMRegistryServer, backend: LLMRegistryBackend
) -> None:
    server.fail(Fault(reply=Reply(404)))
    with pytest.raises(RegistryProtocolError, match="check the URL"):
        await backend.get(SchemaRef(SUBJECT))


@pytest.mark.parametrize(
    ("auth", "allowed"),
    [(BearerAuth("t"), True), (ApiKeyAuth("t"), False), (BearerAuth("no"), False), (None, False)],
)
async def test_a_token_is_sent(auth: Any, allowed: bool) -> None:
    with LLMRegistryServer(token="t") as server:
        backend = LLMRegistryBackend(server.url, auth=auth)
        if allowed:
            assert await backend.subjects() == []
        else:
            with pytest.raises(RegistryAuthError):
                await backend.subjects()
        await backend.close()


async def test_an_api_key_is_sent() -> None:
    with LLMRegistryServer(key="k") as server:
        backend = LLMRegistryBackend(server.url, auth=ApiKeyAuth("k"))
        assert await backend.subjects() == []
        await backend.close()


async def test_a_database_error_there_can_be_tried_again(
    server: LLMRegistryServer, backend: LLMRegistryBackend
) -> None:
    server.fail(Fault(reply=Reply(500, {"error": "Database error: gone"})))
    with pytest.raises(RegistryUnavailable) as failed:
        await backend.get_by_id(str(uuid.uuid4()))
    assert failed.value.retryable


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(400, {"error": "bad schema"}), InvalidSchema),
        (Reply(409, {"message": "exists"}), SchemaConflict),
        (recorded("47-accept-unsupported").reply, RegistryProtocolError),
    ],
)
async def test_refusals_become_our_errors(
    server: LLMRegistryServer, backend: LLMRegistryBackend, reply: Reply, error: type[RegistryError]
) -> None:
    server.fail(Fault(reply=reply, matching=lambda request: request.method == "POST"))
    with pytest.raises(error):
        await backend.register(new())
