"""A schema changes: affected prompts are found, and their owners told what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel

from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.notify import Notice
from llm_integrations.core.registry import Registry, connect
from llm_integrations.langchain import PromptManagementIntegration, bind_schema
from tests.support.clients import elsewhere

V1: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}
V2 = {
    **V1,
    "properties": {**V1["properties"], "mail": {"type": "string"}},
    "required": ["name", "mail"],
}
V2_SOFT = {**V2, "required": ["name"]}


def prompt(reference: str, **kwargs: Any) -> Any:
    template = ChatPromptTemplate.from_template("Greet {name}.")
    return bind_schema(template, reference, **kwargs)


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("user-profile", V1, metadata={"owner": "team-schema"}, compatibility="NONE")
        yield client


@pytest.fixture
def chain() -> Any:
    model = FakeListChatModel(responses=["hi"])
    return RunnableParallel(
        pinned=prompt("user-profile@1", owner="team-a") | model,
        latest=prompt("user-profile@latest", owner="team-b") | model,
        nobody=prompt("user-profile") | model,
        other=ChatPromptTemplate.from_template("{x}") | model,
    ) | RunnableLambda(lambda value: value)


def update(registry: Registry, body: Any) -> SchemaEvent:
    schema = elsewhere(registry).register("user-profile", body)
    return SchemaEvent.updated(schema.id, "", "user-profile", 2, 1, event_id="change-1")


async def test_a_breaking_version_tells_each_owner_how_badly_they_are_hit(
    registry: Registry, chain: Any
) -> None:
    notices: list[Notice] = []
    integration = PromptManagementIntegration(registry, notifier=notices.append)
    assert len(integration.register_chain(chain, "greeting")) == 3
    await integration.handle_schema_event(update(registry, V2))
    by_owner = {notice.owner: notice for notice in notices}
    assert set(by_owner) == {"team-a", "team-b", "team-schema"}
    assert not by_owner["team-a"].breaking
    assert "outdated" in by_owner["team-a"].affected[0]
    assert by_owner["team-b"].breaking
    assert "breaking" in by_owner["team-b"].affected[0]
    assert "mail" in by_owner["team-b"].guide
    assert {notice.event_id for notice in notices} == {"change-1"}


async def test_the_worst_comes_first(registry: Registry, chain: Any) -> None:
    integration = PromptManagementIntegration(registry)
    integration.register_chain(chain, "greeting")
    affected = await integration.affected_prompts(update(registry, V2))
    assert [one.impact for one in affected] == ["breaking", "breaking", "outdated"]


async def test_a_compatible_version_is_told_without_alarm(registry: Registry, chain: Any) -> None:
    notices: list[Notice] = []
    integration = PromptManagementIntegration(registry, notifier=notices.append)
    integration.register_chain(chain, "greeting")
    await integration.handle_schema_event(update(registry, V2_SOFT))
    assert [notice.breaking for notice in notices] == [False] * 3


async def test_deprecation_and_deletion_concern_who_uses_that_version(
    registry: Registry, chain: Any
) -> None:
    integration = PromptManagementIntegration(registry)
    integration.register_chain(chain, "greeting")
    deprecated = await integration.affected_prompts(
        SchemaEvent.deprecated("x", "", "user-profile", 7)
    )
    assert {one.usage.schema.version for one in deprecated} == {"latest"}
    deleted = await integration.affected_prompts(SchemaEvent.deleted("x", "", "user-profile", 1))
    assert [one.impact for one in deleted] == ["deleted"] * 3


async def test_the_cache_drops(registry: Registry) -> None:
    integration = PromptManagementIntegration(registry)
    registry.get("user-profile@1")
    await integration.handle_schema_event(SchemaEvent.deleted("x", "", "user-profile", 1))
    assert registry.peek("user-profile@1") is None


async def test_another_subject_and_an_empty_catalogue_tell_nobody(registry: Registry) -> None:
    notices: list[Notice] = []
    integration = PromptManagementIntegration(registry, notifier=notices.append)
    await integration.handle_schema_event(update(registry, V2))
    assert notices == []


async def test_a_notifier_that_fails_asks_for_the_event_again(
    registry: Registry, chain: Any
) -> None:
    def broken(notice: Notice) -> None:
        raise OSError("chat is down")

    integration = PromptManagementIntegration(registry, notifier=broken)
    integration.register_chain(chain, "greeting")
    with pytest.raises(OSError, match="chat is down"):
        await integration.handle_schema_event(update(registry, V2))


async def test_the_catalogue_outlives_the_process(
    registry: Registry, chain: Any, tmp_path: Path
) -> None:
    PromptManagementIntegration(registry, catalogue=tmp_path / "c.db").register_chain(chain, "g")
    again = PromptManagementIntegration(registry, catalogue=tmp_path / "c.db")
    again.register_prompt("hub/farewell", "user-profile@1", owner="team-c")
    affected = await again.affected_prompts(update(registry, V2))
    assert {one.usage.name for one in affected} >= {"hub/farewell"}
    assert len(affected) == 4


def test_a_report_lists_each_prompt_and_what_is_newer(registry: Registry, chain: Any) -> None:
    elsewhere(registry).register("user-profile", V2)
    registry.deprecate("user-profile@1")
    registry.invalidate()
    integration = PromptManagementIntegration(registry)
    report = integration.chain_report(chain)
    lines = {line.schema: line for line in report.lines}
    pinned = lines["user-profile@1"]
    assert (pinned.version, pinned.state, pinned.newer, pinned.breaking) == (
        "1",
        "DEPRECATED",
        "2",
        True,
    )
    assert lines["user-profile@latest"].newer == ""
    assert lines[""].state == "unbound"
    assert "<table>" in report._repr_html_()
    assert "user-profile@1" in str(report)


def test_a_schema_that_is_not_there_is_reported_missing(registry: Registry) -> None:
    integration = PromptManagementIntegration(registry)
    [line] = integration.chain_report(prompt("user-profile@9")).lines
    assert (line.state, line.newer) == ("missing", "1")


def test_the_same_calls_work_without_an_event_loop(registry: Registry, chain: Any) -> None:
    notices: list[Notice] = []
    integration = PromptManagementIntegration(registry, notifier=notices.append)
    integration.register_chain(chain, "greeting")
    integration.sync.handle_schema_event(update(registry, V2))
    assert len(notices) == 3
    assert not integration.sync.validate_data("user-profile@1", {})
    assert integration.sync.health_check()
