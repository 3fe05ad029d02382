"""The file and the memory registry mean the same: every test here runs on both."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_integrations.core.errors import (
    ConfigurationError,
    IncompatibleSchema,
    InvalidReference,
    InvalidSchema,
    LLMIntegrationsError,
    SchemaConflict,
    SchemaNotFound,
    Unsupported,
)
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.model.schema import JsonSchema, RegisteredSchema, SchemaReference
from llm_integrations.core.registry.backend import NewSchema
from llm_integrations.core.registry.local.backend import LocalBackend
from llm_integrations.core.registry.local.file.backend import FileBackend
from llm_integrations.core.registry.local.ledger import schema_id
from llm_integrations.core.registry.local.memory import MemoryBackend

T = TypeVar("T")


@pytest.fixture(params=["file", "memory"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> LocalBackend:
    return MemoryBackend() if request.param == "memory" else FileBackend(tmp_path / "schemas")


def body(number: int) -> dict[str, Any]:
    return {"title": f"schema {number}"}


async def fill(registry: LocalBackend, *versions: Any, subject: str = "user", **more: Any) -> None:
    for number, version in enumerate(versions, start=1):
        await registry.register(NewSchema(subject, body(number), version, **more))


# -- numbering ----------


async def test_versions_are_counted_from_one(registry: LocalBackend) -> None:
    await fill(registry, None, None, None)
    assert await registry.versions("user") == [1, 2, 3]
    assert (await registry.get(SchemaRef("user"))).body == body(3)


async def test_a_number_of_ones_own_is_kept_and_counted_on_from(registry: LocalBackend) -> None:
    await fill(registry, 7, None)
    assert await registry.versions("user") == [7, 8]


async def test_semantic_versions_are_ordered_by_precedence(registry: LocalBackend) -> None:
    await fill(registry, "1.10.0", "1.9.0", "2.0.0-rc.1")
    assert await registry.versions("user") == ["1.9.0", "1.10.0", "2.0.0-rc.1"]
    assert (await registry.get(SchemaRef("user"))).version == "1.10.0"


async def test_a_subject_with_semantic_versions_wants_to_be_told_the_next(
    registry: LocalBackend,
) -> None:
    await fill(registry, "1.0.0")
    with pytest.raises(ConfigurationError, match=r"version=…"):
        await registry.register(NewSchema("user", body(2)))


@pytest.mark.parametrize(
    ("first", "asked", "given"),
    [(1, "3.0.0", 3), ("1.0.0", 3, "3.0.0"), (1, 3, 3), ("1.0.0", "1.0.1", "1.0.1")],
)
async def test_a_version_is_written_as_the_subject_writes_its_versions(
    registry: LocalBackend, first: Any, asked: Any, given: Any
) -> None:
    await fill(registry, first, asked)
    assert (await registry.get(SchemaRef("user"))).version == given
    assert (await registry.get(SchemaRef("user", asked))).version == given


@pytest.mark.parametrize("version", ["1.1.0", "2.0.0-rc.1", "2.0.0+build"])
async def test_a_subject_that_counts_in_integers_takes_no_other_version(
    registry: LocalBackend, version: str
) -> None:
    await fill(registry, None)
    with pytest.raises(SchemaConflict, match="counts its versions in integers"):
        await registry.register(NewSchema("user", body(2), version))
    with pytest.raises(SchemaNotFound):
        await registry.get(SchemaRef("user", version))


@pytest.mark.parametrize(
    ("first", "second"),
    [(1, 1), ("1.0.0", "1.0.0"), ("1.0.0", 1), ("1.0.0+a", "1.0.0+b"), ("1.0.0-RC", "1.0.0-rc")],
)
async def test_a_version_exists_once(registry: LocalBackend, first: Any, second: Any) -> None:
    await fill(registry, first)
    with pytest.raises(SchemaConflict, match="exists with other content"):
        await registry.register(NewSchema("user", body(2), second))


@pytest.mark.parametrize("version", ["latest", "1.0.0-" + "x" * 300])
async def test_what_cannot_be_a_version_is_refused(registry: LocalBackend, version: str) -> None:
    with pytest.raises(InvalidReference):
        await registry.register(NewSchema("user", body(1), version))


# -- content ----------


async def test_equal_content_returns_the_version_that_has_it(registry: LocalBackend) -> None:
    first = await registry.register(NewSchema("user", {"a": 1, "b": [1.0]}))
    again = await registry.register(NewSchema("user", {"b": [1], "a": 1.0}, version=5))
    assert (again.id, again.version) == (first.id, 1)
    assert await registry.versions("user") == [1]


async def test_other_references_make_other_content(registry: LocalBackend) -> None:
    await registry.register(NewSchema("user", body(1)))
    reference = SchemaReference("a.json", "address", 1)
    new = await registry.register(NewSchema("user", body(1), references=(reference,)))
    assert (new.version, new.references) == (2, (reference,))
    assert (await registry.get(SchemaRef("user", 2))).references == (reference,)


async def test_a_body_is_not_shared_with_the_caller(registry: LocalBackend) -> None:
    given_body: dict[str, Any] = {"enum": ["a"]}
    await registry.register(NewSchema("user", given_body))
    given_body["enum"].append("b")
    assert (await registry.get(SchemaRef("user"))).body == {"enum": ["a"]}


@pytest.mark.parametrize("schema", [True, False, {}, {"enum": [2**70, "ü", None, 1.5]}])
async def test_every_json_schema_comes_back_as_it_was(
    registry: LocalBackend, schema: JsonSchema
) -> None:
    kept = await registry.register(NewSchema("user", schema))
    found = await registry.get(SchemaRef("user"))
    assert (found.body, found.fingerprint) == (schema, kept.fingerprint)


@pytest.mark.parametrize(
    "schema", [None, [], "{}", 1, {"a": float("nan")}, {"a": {1, 2}}, {1: "a"}, {"a": "\ud800"}]
)
async def test_what_is_no_json_schema_is_invalid(registry: LocalBackend, schema: Any) -> None:
    with pytest.raises(InvalidSchema):
        await registry.register(NewSchema("user", schema))
    assert await registry.subjects() == []


async def test_lookup_finds_the_version_with_the_content(registry: LocalBackend) -> None:
    await fill(registry, None, None)
    assert (await registry.lookup("user", body(1))).version == 1
    for subject, content in (("user", body(9)), ("nobody", body(1))):
        with pytest.raises(SchemaNotFound):
            await registry.lookup(subject, content)


# -- ids, metadata, states ----------


async def test_ids_are_uuids_that_depend_on_subject_and_version_alone(tmp_path: Path) -> None:
    both: list[LocalBackend] = [MemoryBackend(), FileBackend(tmp_path)]
    ids = {(await one.register(NewSchema("user", body(1)))).id for one in both}
    assert len(ids) == 1
    assert UUID(str(ids.pop())).version == 5


async def test_a_schema_is_found_by_its_id(registry: LocalBackend) -> None:
    await fill(registry, None, None)
    kept = await registry.get(SchemaRef("user", 1))
    assert await registry.get_by_id(kept.id) == kept
    for unknown in (1, "nothing", str(UUID(int=0))):
        with pytest.raises(SchemaNotFound):
            await registry.get_by_id(unknown)


async def test_metadata_comes_back(registry: LocalBackend) -> None:
    metadata = {"owner": "team-a", "tags": ["pii"], "ticket": {"id": 7}}
    await registry.register(NewSchema("user", body(1), metadata=metadata))
    found = await registry.get(SchemaRef("user"))
    assert (found.owner, found.tags, dict(found.metadata)) == ("team-a", ("pii",), metadata)


async def test_metadata_that_is_not_json_is_a_configuration_error(registry: LocalBackend) -> None:
    with pytest.raises(ConfigurationError, match="metadata"):
        await registry.register(NewSchema("user", body(1), metadata={"x": object()}))


async def test_latest_passes_over_drafts_pre_releases_and_deleted_versions(
    registry: LocalBackend,
) -> None:
    await fill(registry, "1.0.0", "1.1.0", "3.0.0-beta")
    await registry.register(NewSchema("user", body(9), "4.0.0", state="draft"))
    await registry.delete(SchemaRef("user", "1.1.0"))
    assert (await registry.get(SchemaRef("user"))).version == "1.0.0"
    assert (await registry.get(SchemaRef("user", "4.0.0"))).state == "DRAFT"
    latest = await registry.latest()
    assert latest is not None
    assert latest["user"].version == "1.0.0"


async def test_a_subject_with_drafts_alone_has_no_latest(registry: LocalBackend) -> None:
    await fill(registry, None, state="DRAFT")
    with pytest.raises(SchemaNotFound, match="drafts"):
        await registry.get(SchemaRef("user"))
    assert await registry.latest() == {}
    assert await registry.subjects() == ["user"]


async def test_registering_a_draft_again_as_active_releases_it(registry: LocalBackend) -> None:
    seen: list[int | str | None] = []
    draft = NewSchema("user", body(1), state="DRAFT")
    await registry.register(draft, lambda new, *_: seen.append(new.version))
    released = await registry.register(
        NewSchema("user", body(1)), lambda new, *_: seen.append(new.version)
    )
    assert (released.version, released.state, seen) == (1, "ACTIVE", [1])
    assert (await registry.get(SchemaRef("user"))).state == "ACTIVE"


async def test_a_deprecated_version_is_still_there(registry: LocalBackend) -> None:
    await fill(registry, None)
    assert (await registry.deprecate(SchemaRef("user", 1))).state == "DEPRECATED"
    assert (await registry.get(SchemaRef("user"))).state == "DEPRECATED"


@pytest.mark.parametrize("state", ["DELETED", "RETIRED", ""])
async def test_other_states_cannot_be_registered(registry: LocalBackend, state: str) -> None:
    with pytest.raises(ConfigurationError, match="DRAFT, ACTIVE or DEPRECATED"):
        await fill(registry, None, state=state)


# -- deleting ----------


async def test_a_deleted_version_is_hidden_and_its_number_not_given_again(
    registry: LocalBackend,
) -> None:
    await fill(registry, None, None)
    gone = await registry.get(SchemaRef("user", 2))
    await registry.delete(SchemaRef("user", 2))
    assert await registry.versions("user") == [1]
    assert await registry.versions("user", deleted=True) == [1, 2]
    with pytest.raises(SchemaNotFound, match="deleted"):
        await registry.get(SchemaRef("user", 2))
    with pytest.raises(SchemaNotFound):
        await registry.lookup("user", body(2))
    assert (await registry.get_by_id(gone.id)).state == "DELETED"
    assert (await registry.register(NewSchema("user", body(2)))).version == 3
    with pytest.raises(SchemaConflict, match="is deleted"):
        await registry.register(NewSchema("user", body(5), 2))


async def test_a_version_is_deleted_for_good(registry: LocalBackend) -> None:
    await fill(registry, None, None)
    gone = await registry.get(SchemaRef("user", 1))
    await registry.delete(SchemaRef("user", 1))
    await registry.delete(SchemaRef("user", 1), permanent=True)
    await registry.delete(SchemaRef("user", 2), permanent=True)
    assert await registry.subjects(deleted=True) == []
    with pytest.raises(SchemaNotFound):
        await registry.get_by_id(gone.id)


async def test_a_subject_is_deleted(registry: LocalBackend) -> None:
    await fill(registry, None, None)
    await registry.delete(SchemaRef("user", 1))
    assert await registry.delete_subject("user") == [2]
    assert await registry.subjects() == []
    assert await registry.subjects(deleted=True) == ["user"]
    for call in (registry.delete_subject("user"), registry.versions("user")):
        with pytest.raises(SchemaNotFound):
            await call
    assert await registry.delete_subject("user", permanent=True) == [1, 2]
    assert await registry.subjects(deleted=True) == []
    assert (await registry.register(NewSchema("user", body(1)))).version == 1


async def test_only_an_exact_version_is_deleted_or_deprecated(registry: LocalBackend) -> None:
    await fill(registry, None)
    for call in (
        registry.delete(SchemaRef("user")),
        registry.delete(SchemaRef("user"), permanent=True),
        registry.deprecate(SchemaRef("user")),
    ):
        with pytest.raises(InvalidReference, match="exact version"):
            await call
    for missing in (SchemaRef("user", 2), SchemaRef("nobody", 1)):
        for call in (registry.delete(missing, permanent=True), registry.delete(missing)):
            with pytest.raises(SchemaNotFound):
                await call


# -- compatibility ----------


async def test_backward_is_the_level_until_another_is_set(registry: LocalBackend) -> None:
    await fill(registry, None)
    assert await registry.get_compatibility() == "BACKWARD"
    await registry.set_compatibility("none")
    await registry.set_compatibility("Full", "user")
    await registry.set_compatibility("FORWARD", "to-come")
    levels = [await registry.get_compatibility(s) for s in (None, "user", "to-come", "other")]
    assert levels == ["NONE", "FULL", "FORWARD", "NONE"]
    assert await registry.subjects(deleted=True) == ["user"]
    with pytest.raises(ConfigurationError, match="FULL_TRANSITIVE"):
        await registry.set_compatibility("SOMETIMES")


async def test_a_level_comes_with_a_registration_unless_it_is_refused(
    registry: LocalBackend,
) -> None:
    def refuse(new: NewSchema, previous: Sequence[RegisteredSchema], level: str) -> None:
        raise IncompatibleSchema(level)

    await fill(registry, None)
    with pytest.raises(IncompatibleSchema, match="FULL"):
        await registry.register(NewSchema("user", body(2), compatibility="FULL"), refuse)
    assert await registry.get_compatibility("user") == "BACKWARD"
    await registry.register(NewSchema("user", body(1), compatibility="FORWARD"), refuse)
    assert await registry.get_compatibility("user") == "FORWARD"


async def test_the_guard_sees_the_released_versions_below_oldest_first(
    registry: LocalBackend,
) -> None:
    seen: list[Any] = []

    def guard(new: NewSchema, previous: Sequence[RegisteredSchema], level: str) -> None:
        seen.append((new.version, [s.version for s in previous], level))

    await fill(registry, "1.0.0", "1.1.0", "3.0.0", "1.2.0-rc")
    await registry.register(NewSchema("user", body(8), "1.5.0", state="DRAFT"), guard)
    await registry.delete(SchemaRef("user", "1.1.0"))
    await registry.register(NewSchema("user", body(9), 2, compatibility="FULL"), guard)
    assert seen == [("2.0.0", ["1.0.0"], "FULL")]


async def test_a_schema_that_the_guard_refuses_is_not_there(registry: LocalBackend) -> None:
    def refuse(new: NewSchema, previous: Sequence[RegisteredSchema], level: str) -> None:
        raise IncompatibleSchema("no")

    await fill(registry, None)
    with pytest.raises(IncompatibleSchema):
        await registry.register(NewSchema("user", body(2)), refuse)
    assert await registry.versions("user", deleted=True) == [1]


async def test_nobody_is_asked_for_a_verdict(registry: LocalBackend) -> None:
    assert not registry.checks_compatibility
    with pytest.raises(Unsupported):
        await registry.ask_compatibility(NewSchema("user", body(1)))


# -- many at once ----------


async def test_registrations_at_once_lose_and_repeat_no_version(registry: LocalBackend) -> None:
    news = [NewSchema("user", body(n % 20)) for n in range(40)]
    kept = await asyncio.gather(*(registry.register(new) for new in news))
    assert await registry.versions("user") == list(range(1, 21))
    assert {(s.version, s.fingerprint) for s in kept} == {
        (s.version, s.fingerprint)
        for s in [await registry.get(SchemaRef("user", n)) for n in range(1, 21)]
    }


async def test_ping_counts_the_subjects(registry: LocalBackend) -> None:
    await fill(registry, None)
    assert await registry.ping() == {"subjects": 1}
    await registry.close()


# -- any sequence of operations ----------

_SUBJECTS = st.sampled_from(["user", "User", "a/b", ".."])
_VERSIONS = st.sampled_from([1, 2, 3, "1.0.0", "2.0.0", "1.1.0", "2.0.0-rc.1", "latest"])
_OPERATIONS = st.one_of(
    st.tuples(
        st.just("register"), _SUBJECTS, st.integers(0, 3), st.none() | _VERSIONS,
        st.sampled_from(["ACTIVE", "DRAFT", "DEPRECATED"]),
        st.sampled_from([None, "NONE", "FULL"]), st.booleans(),
    ),
    st.tuples(st.just("get"), _SUBJECTS, _VERSIONS),
    st.tuples(st.just("lookup"), _SUBJECTS, st.integers(0, 3)),
    st.tuples(st.just("deprecate"), _SUBJECTS, _VERSIONS),
    st.tuples(st.just("delete"), _SUBJECTS, _VERSIONS, st.booleans()),
    st.tuples(st.just("delete_subject"), _SUBJECTS, st.booleans()),
    st.tuples(st.just("set"), st.sampled_from(["NONE", "FULL"]), st.none() | _SUBJECTS),
)  # fmt: skip


def _refusing(refused: bool) -> Callable[..., None] | None:
    def guard(*_: Any) -> None:
        raise IncompatibleSchema("refused")

    return guard if refused else None


async def _apply(registry: LocalBackend, operation: tuple[Any, ...]) -> Any:
    match operation:
        case "register", subject, number, version, state, level, refused:
            new = NewSchema(
                subject, body(number), version, {"owner": state}, (), level, state
            )  # fmt: skip
            return await registry.register(new, _refusing(refused))
        case "get", subject, version:
            return await registry.get(SchemaRef(subject, version))
        case "lookup", subject, number:
            return await registry.lookup(subject, body(number))
        case "deprecate", subject, version:
            return await registry.deprecate(SchemaRef(subject, version))
        case "delete", subject, version, permanent:
            return await registry.delete(SchemaRef(subject, version), permanent=permanent)
        case "delete_subject", subject, permanent:
            return await registry.delete_subject(subject, permanent=permanent)
        case "set", level, subject:
            return await registry.set_compatibility(level, subject)
    raise AssertionError(operation)


async def _outcome(registry: LocalBackend, operation: tuple[Any, ...]) -> Any:
    try:
        return await _apply(registry, operation)
    except LLMIntegrationsError as error:
        return type(error), str(error)


async def _everything(registry: LocalBackend) -> Any:
    shown = {}
    for subject in await registry.subjects(deleted=True):
        versions = await registry.versions(subject, deleted=True)
        level = await registry.get_compatibility(subject)
        shown[subject] = (level, [await _outcome(registry, ("get", subject, v)) for v in versions])
    return shown, await registry.subjects(), await registry.latest()


async def _compare(operations: list[tuple[Any, ...]], folder: str) -> None:
    memory, file = MemoryBackend(), FileBackend(folder)
    for operation in operations:
        assert await _outcome(memory, operation) == await _outcome(file, operation)
    assert await _everything(memory) == await _everything(file)
    assert await _everything(file) == await _everything(FileBackend(folder))


@settings(max_examples=60)
@given(st.lists(_OPERATIONS, max_size=12))
def test_file_and_memory_do_the_same_whatever_is_asked(operations: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_compare(operations, folder))


@given(st.text(), st.integers(1, 10**6) | st.just("2.0.0"))
def test_an_id_is_the_version_5_uuid_of_the_reference(subject: str, version: int | str) -> None:
    expected = uuid5(UUID("6f2c1c0e-52a5-5f0e-9c69-3f1f2a3b7d11"), f"{subject}@{version}")
    assert schema_id(subject, version) == str(expected)
