"""Every integration tells the same people of a change, and the event loop does not wait for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_integrations.core import evolution
from llm_integrations.core.catalogue import Usage
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.model.schema import SchemaReference
from llm_integrations.core.notify import Notice
from llm_integrations.core.pins import BenchmarkPins, EvaluationFrameworkIntegration
from llm_integrations.core.registry import Registry, SchemaRef, connect
from llm_integrations.datasets import TrainingPipelineIntegration
from llm_integrations.langchain import PromptManagementIntegration
from llm_integrations.llamaindex import RAGPipelineIntegration

V1: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}
V2 = {**V1, "properties": {**V1["properties"], "mail": {"type": "string"}}, "required": ["mail"]}

Owners = Callable[[Registry, Path, SchemaEvent, str | None], Awaitable[set[str | None]]]


async def prompts(
    registry: Registry, folder: Path, event: SchemaEvent, owner: str | None
) -> set[str | None]:
    told: list[Notice] = []
    integration = PromptManagementIntegration(registry, notifier=told.append)
    integration.register_prompt("p", event.subject, owner=owner)
    await integration.handle_schema_event(event)
    return {notice.owner for notice in told}


async def indexes(
    registry: Registry, folder: Path, event: SchemaEvent, owner: str | None
) -> set[str | None]:
    told: list[Notice] = []
    integration = RAGPipelineIntegration(registry, notifier=told.append)
    ref = SchemaRef(event.subject)
    integration.catalogue.add(Usage("index", "elsewhere", ref, "document", owner))
    await integration.handle_schema_event(event)
    return {notice.owner for notice in told}


async def data_sets(
    registry: Registry, folder: Path, event: SchemaEvent, owner: str | None
) -> set[str | None]:
    told: list[str | None] = []
    integration = TrainingPipelineIntegration(
        registry, on_affected=lambda _, affected: told.extend(one.owner for one in affected)
    )
    integration.register_dataset("d", event.subject, owner=owner)
    await integration.handle_schema_event(event)
    return set(told)


async def benchmarks(
    registry: Registry, folder: Path, event: SchemaEvent, owner: str | None
) -> set[str | None]:
    pins = BenchmarkPins(folder / "benchmarks.lock", registry)
    pins.pin("b", case="s@1")
    told: list[str | None] = []
    integration = EvaluationFrameworkIntegration(
        registry, pins=pins, on_affected=lambda _, found: told.extend(one.owner for one in found)
    )
    await integration.handle_schema_event(event)
    return set(told)


ALL: list[Owners] = [prompts, indexes, data_sets, benchmarks]
WITH_A_CATALOGUE = ALL[:3]
EVENTS: list[Callable[..., SchemaEvent]] = [
    lambda **rest: SchemaEvent.registered("x", "", "s", 2, **rest),
    lambda **rest: SchemaEvent.updated("x", "", "s", 2, 1, **rest),
    lambda **rest: SchemaEvent.updated("x", "", "s", 2, **rest),
    lambda **rest: SchemaEvent.deprecated("x", "", "s", 1, **rest),
    lambda **rest: SchemaEvent.deleted("x", "", "s", 3, **rest),
]
EVENT_IDS = ["registered", "updated", "updated, from an unknown version", "deprecated", "deleted"]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with connect(tmp_path / "schemas") as client:
        client.register("s", V1, metadata={"owner": "of-schema"}, compatibility="NONE")
        client.register("s", V2, metadata={"owner": "of-schema"})
        yield client


@pytest.mark.parametrize("make", EVENTS, ids=EVENT_IDS)
@pytest.mark.parametrize("owners", WITH_A_CATALOGUE)
async def test_who_is_named_where_the_schema_is_used_is_told(
    registry: Registry, tmp_path: Path, owners: Owners, make: Callable[..., SchemaEvent]
) -> None:
    event = make(metadata={"owner": "of-event"})
    assert await owners(registry, tmp_path, event, "of-usage") == {"of-usage"}


@pytest.mark.parametrize("make", EVENTS, ids=EVENT_IDS)
@pytest.mark.parametrize("owners", ALL)
async def test_else_the_owner_that_the_event_names(
    registry: Registry, tmp_path: Path, owners: Owners, make: Callable[..., SchemaEvent]
) -> None:
    event = make(metadata={"owner": "of-event"})
    assert await owners(registry, tmp_path, event, None) == {"of-event"}


@pytest.mark.parametrize("make", EVENTS, ids=EVENT_IDS)
@pytest.mark.parametrize("owners", ALL)
async def test_else_the_owner_of_the_schema_in_the_registry(
    registry: Registry, tmp_path: Path, owners: Owners, make: Callable[..., SchemaEvent]
) -> None:
    assert await owners(registry, tmp_path, make(), None) == {"of-schema"}


@pytest.mark.parametrize("owners", ALL)
async def test_a_version_that_was_refused_concerns_nobody(
    registry: Registry, tmp_path: Path, owners: Owners
) -> None:
    refused = SchemaEvent.compatibility_violated(
        None, "", "s", 3, ["no"], metadata={"owner": "of-event"}
    )
    assert await owners(registry, tmp_path, refused, "of-usage") == set()


@pytest.mark.parametrize("owners", ALL)
async def test_without_any_owner_nobody_is_made_up(tmp_path: Path, owners: Owners) -> None:
    with connect("memory://") as registry:
        registry.register("s", V1, compatibility="NONE")
        registry.register("s", V2)
        event = SchemaEvent.updated("x", "", "s", 2, 1)
        assert await owners(registry, tmp_path, event, None) == {None}


async def test_the_catalogue_keeps_what_was_written_into_it(registry: Registry) -> None:
    integration = PromptManagementIntegration(registry)
    integration.register_prompt("p", "s")
    [affected] = await integration.affected_prompts(SchemaEvent.deprecated("x", "", "s", 2))
    assert affected.owner == "of-schema"
    [usage] = integration.catalogue.using("s")
    assert usage.owner is None


async def test_what_breaks_is_found_where_the_event_names_no_version_before(
    registry: Registry,
) -> None:
    integration = PromptManagementIntegration(registry)
    integration.register_prompt("p", "s")
    for event in (
        SchemaEvent.updated("x", "", "s", 2),
        SchemaEvent.registered("x", "", "s", 2),
    ):
        [affected] = await integration.affected_prompts(event)
        assert affected.impact == "breaking"
    assert await integration.affected_prompts(SchemaEvent.registered("x", "", "s", 1)) == []


async def test_a_pin_to_2_is_a_pin_to_version_2_0_0() -> None:
    with connect("memory://") as registry:
        for version, body in (("1.0.0", V1), ("2.0.0", V2)):
            registry.register("s", body, version, compatibility="NONE")
        integration = PromptManagementIntegration(registry)
        integration.register_prompt("p", "s@2")
        assert await integration.affected_prompts(SchemaEvent.updated("x", "", "s", "2.0.0")) == []
        [affected] = await integration.affected_prompts(
            SchemaEvent.deprecated("x", "", "s", "2.0.0")
        )
        assert affected.impact == "deprecated"


async def test_schemas_that_refer_to_others_are_compared_with_what_they_refer_to(
    tmp_path: Path,
) -> None:
    with connect("memory://") as registry:
        registry.register("address", {"type": "string"})
        referring = {**V1, "properties": {**V1["properties"], "at": {"$ref": "address"}}}
        for required in (["name"], ["name", "at"]):
            registry.register(
                "s",
                {**referring, "required": required},
                compatibility="NONE",
                references=[SchemaReference("address", "address", 1)],
            )
        told: list[Notice] = []
        integration = PromptManagementIntegration(registry, notifier=told.append)
        integration.register_prompt("p", "s", owner="team")
        await integration.handle_schema_event(SchemaEvent.updated("x", "", "s", 2, 1))
        [notice] = told
        assert notice.breaking
        assert "at" in notice.guide
        pins = BenchmarkPins(tmp_path / "benchmarks.lock", registry)
        pins.pin("b", case="s@1")
        evaluation = EvaluationFrameworkIntegration(registry, pins=pins)
        await evaluation.handle_schema_event(SchemaEvent.updated("x", "", "s", 2, 1))
        [hold] = pins.holds("b")
        assert "accept different data" in hold.reason
        [move] = pins.update("b")
        assert move.guide is not None
        assert "at" in move.guide.to_markdown()


def wide(required: int) -> dict[str, Any]:
    """Fifty properties."""
    names = [f"p{number}" for number in range(50)]
    kind = {"type": "string", "minLength": 1, "pattern": "^[a-z]+$"}
    properties = {name: {"anyOf": [kind, {"type": "integer"}]} for name in names}
    return {"type": "object", "properties": properties, "required": names[:required]}


def goes_on(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether an event loop comes to something else while its caller is at work."""
    turned = threading.Event()
    loop.call_soon_threadsafe(turned.set)
    return turned.wait(30)


async def test_one_event_compares_two_versions_once_whoever_asks_and_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    check, guide = evolution.check_compatibility, evolution.migration_guide
    loop, free = asyncio.get_running_loop(), []

    def noted_check(*args: Any, **kwargs: Any) -> Any:
        calls.append(args[2])
        free.append(goes_on(loop))
        return check(*args, **kwargs)

    def noted_guide(*args: Any, **kwargs: Any) -> Any:
        calls.append("guide")
        free.append(goes_on(loop))
        return guide(*args, **kwargs)

    monkeypatch.setattr(evolution, "check_compatibility", noted_check)
    monkeypatch.setattr(evolution, "migration_guide", noted_guide)
    with connect(tmp_path / "wide") as registry:
        for required in (1, 30):
            registry.register("wide", wide(required), compatibility="NONE")
        told: list[Notice] = []
        integrations = [
            PromptManagementIntegration(registry, notifier=told.append) for _ in range(2)
        ]
        for number in range(200):
            role = "output" if number % 2 else "input"
            for integration in integrations:
                integration.register_prompt(
                    f"p{number}", "wide", owner=f"o{number % 20}", role=role
                )
        event = SchemaEvent.updated("x", "", "wide", 2, 1)
        await asyncio.gather(*(one.handle_schema_event(event) for one in integrations))
        assert free == [True] * 3
        assert sorted(calls) == ["BACKWARD", "FORWARD", "guide"]
        await integrations[0].handle_schema_event(event)  # delivered again
    assert len(calls) == 3
    assert len(told) == 3 * 20
    assert all("p29" in notice.guide for notice in told)


async def test_one_event_compares_a_pinned_version_once_for_all_benchmarks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llm_integrations.core.pins import comparison

    calls: list[str] = []
    check = evolution.check_compatibility
    loop, free = asyncio.get_running_loop(), []

    def noted(*args: Any, **kwargs: Any) -> Any:
        calls.append(args[2])
        free.append(goes_on(loop))
        return check(*args, **kwargs)

    monkeypatch.setattr(comparison, "check_compatibility", noted)
    with connect("memory://") as registry:
        registry.register("pinned", V1, compatibility="NONE")
        pins = BenchmarkPins(tmp_path / "benchmarks.lock", registry)
        for number in range(20):
            pins.pin(f"b{number}", case="pinned@1")
        registry.register("pinned", V2)
        integration = EvaluationFrameworkIntegration(registry, pins=pins)
        event = SchemaEvent.updated("x", "", "pinned", 2, 1)
        await integration.handle_schema_event(event)
        assert free == [True]
        assert all(pins.holds(f"b{number}") for number in range(20))
    assert calls == ["FULL"]


async def test_a_guide_that_cannot_be_written_is_said_and_the_owner_still_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from llm_integrations.core.errors import InvalidSchema

    def refuse(*_: Any, **__: Any) -> Any:
        raise InvalidSchema("the schemas cannot be compared: too deep")

    monkeypatch.setattr(evolution, "check_compatibility", refuse)
    monkeypatch.setattr(evolution, "migration_guide", refuse)
    with connect("memory://") as registry:
        registry.register("deep", V1, compatibility="NONE")
        registry.register("deep", V2)
        told: list[Notice] = []
        integration = PromptManagementIntegration(registry, notifier=told.append)
        integration.register_prompt("p", "deep", owner="team")
        await integration.handle_schema_event(SchemaEvent.updated("x", "", "deep", 2, 1))
    [notice] = told
    assert notice.breaking
    assert "too deep" in notice.guide


def test_a_role_that_prompts_do_not_have_is_refused(registry: Registry) -> None:
    from llm_integrations.core.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match="ouput"):
        PromptManagementIntegration(registry).register_prompt("p", "s", role="ouput")
