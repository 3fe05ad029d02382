"""A schema changes: affected prompts are found, and their owners told what to do."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy
from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import (
    Runnable,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
)
from langchain_core.tools import tool
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import RetryPolicy

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import RegistryUnavailable, SchemaValidationError
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.notify import Notice
from llm_integrations.core.registry import Registry, connect
from llm_integrations.langchain import (
    PromptManagementIntegration,
    SchemaCallbackHandler,
    SchemaMiddleware,
    SchemaValidator,
    bind_schema,
    worth_retrying,
)
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


def agent(registry: Registry) -> Any:
    middleware = SchemaMiddleware(
        registry, tools={"greet": "user-profile@1"}, response="greeting@latest"
    )
    return create_agent(
        FakeListChatModel(responses=["hi"]),
        [],
        middleware=[middleware],
        response_format=ProviderStrategy({"title": "x", "type": "object", "properties": {}}),
    )


class Kept:
    def __init__(self) -> None:
        self.chain = prompt("user-profile@1") | FakeListChatModel(responses=["hi"])

    def node(self, state: Any) -> Any:
        return self.chain.invoke(state)

    __call__ = node


def graph(node: Any, **kwargs: Any) -> Any:
    of_dicts: Any = StateGraph
    builder: Any = of_dicts(dict[str, Any])
    builder.add_node("greet", node, **kwargs)
    builder.add_edge(START, "greet")
    return builder


def closing_over(chain: Any) -> Any:
    return lambda state: chain.invoke(state)


def through(chain: Any, state: Any) -> Any:
    return chain.invoke(state)


def generating(chain: Any) -> Any:
    def chunks(values: Iterator[Any]) -> Iterator[Any]:
        yield from chain.transform(values)

    return chunks


class Within(Runnable[Any, Any]):
    """Somebody's own Runnable over another one."""

    def __init__(self, chain: Any) -> None:
        self.inner = chain

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return self.inner.invoke(input, config)


GREETINGS = {"en": prompt("user-profile@1") | FakeListChatModel(responses=["hi"])}


def greeting(state: Any) -> Any:
    return GREETINGS["en"].invoke(state)


def calls_another(state: Any) -> Any:
    return greeting(state)


def tasked(chain: Any) -> Any:
    """A workflow of the functional API whose task uses a chain."""
    run = task(closing_over(chain))

    @entrypoint()
    def flow(state: Any) -> Any:
        return run(state).result()

    return flow


@tool
def greet(name: str) -> str:
    """Greet somebody."""
    return name


NAMED: Any = {"schema": "user-profile@1"}
SEEN: dict[str, Any] = {
    "readme": lambda r: (
        SchemaValidator("user-profile@1", r)
        | ChatPromptTemplate.from_template("{name}")
        | FakeListChatModel(responses=["hi"])
    ),
    "validator": lambda r: SchemaValidator("user-profile@1", r),
    "graph": lambda r: graph(SchemaValidator("user-profile@1", r)).compile(),
    "graph-not-compiled": lambda r: graph(SchemaValidator("user-profile@1", r)),
    "node-metadata": lambda r: graph(lambda state: state, metadata=NAMED).compile(),
    "graph-metadata": lambda r: graph(lambda s: s).compile().with_config(metadata=NAMED),
    "subgraph": lambda r: graph(graph(lambda s: s, metadata=NAMED).compile()).compile(),
    "function": lambda r: graph(closing_over(prompt("user-profile@1"))).compile(),
    "method": lambda r: graph(Kept().node).compile(),
    "callable-object": lambda r: graph(Kept()).compile(),
    "partial": lambda r: graph(partial(through, prompt("user-profile@1"))).compile(),
    "partial-of-a-method": lambda r: graph(partial(Kept().node)).compile(),
    "generator": lambda r: RunnableGenerator(generating(SchemaValidator("user-profile@1", r))),
    "lambda": lambda r: RunnableLambda(closing_over(SchemaValidator("user-profile@1", r))),
    "own-runnable": lambda r: Within(SchemaValidator("user-profile@1", r)) | str,
    "function-of-a-function": lambda r: graph(calls_another).compile(),
    "task": lambda r: tasked(SchemaValidator("user-profile@1", r)),
    "agent": agent,
    "graph-of-agents": lambda r: graph(agent(r)).compile(),
    "tools": lambda r: ToolNode(
        [greet.model_copy(update={"metadata": {"schema_tool": "user-profile@1"}})]
    ),
    "model": lambda r: FakeListChatModel(
        responses=[""], metadata={"schema_output": "user-profile@1"}
    ),
}


@pytest.mark.parametrize("kind", SEEN)
async def test_owners_hear_of_whatever_uses_a_schema(registry: Registry, kind: str) -> None:
    registry.register("greeting", {"type": "object"})
    notices: list[Notice] = []
    integration = PromptManagementIntegration(registry, notifier=notices.append)
    uses = integration.register_chain(SEEN[kind](registry), "c")
    assert "user-profile" in {use.schema.subject for use in uses}
    assert all(use.name.startswith("c/") for use in uses)
    assert len({(use.name, use.role, use.schema) for use in uses}) == len(uses)
    assert len(integration.chain_report(SEEN[kind](registry)).lines) >= len(uses)
    await integration.handle_schema_event(update(registry, V2))
    assert [notice.owner for notice in notices] == ["team-schema"]
    handler = SchemaCallbackHandler(registry)
    assert "user-profile@1" in await handler.prepare(SEEN[kind](registry))


async def test_a_headline_counts_each_prompt_once_for_what_is_worst_for_it(
    registry: Registry, chain: Any
) -> None:
    notices: list[Notice] = []
    integration = PromptManagementIntegration(registry, notifier=notices.append)
    same = {"output": "user-profile@latest", "owner": "team-a"}
    integration.register_chain(prompt("user-profile@latest", **same) | chain, "one")
    integration.register_chain(prompt("user-profile@1", owner="team-a"), "two")
    await integration.handle_schema_event(update(registry, V2))
    [notice] = [notice for notice in notices if notice.owner == "team-a"]
    assert notice.headline.endswith("updated: breaking for 1 prompt, outdated for 2 prompts")


def test_a_body_that_its_reader_changes_is_the_readers_own(registry: Registry) -> None:
    body: Any = registry.get("user-profile@1").body
    body["properties"]["name"]["type"] = "integer"
    body["required"].append("mail")
    del body["additionalProperties"]
    assert registry.get("user-profile@1").body == V1
    options = ValidationOptions(formats=False)  # compiled now, from what the cache holds
    assert registry.validator("user-profile@1", options=options).validate({"name": "Ada"})
    assert not registry.validate("user-profile@1", {"name": 7})


def test_policies_of_retries_do_not_repeat_invalid_input(registry: Registry) -> None:
    calls: list[int] = []

    def node(state: Any) -> Any:
        calls.append(1)
        return SchemaValidator("user-profile@1", registry).invoke(state)

    policy = RetryPolicy(max_attempts=3, initial_interval=0.001, retry_on=worth_retrying)
    built = graph(node, retry_policy=policy).compile()
    with pytest.raises(SchemaValidationError):
        built.invoke({"name": 7})
    assert len(calls) == 1
    assert worth_retrying(ConnectionError())
    assert worth_retrying(RegistryUnavailable("slow"))
    assert not worth_retrying(RegistryUnavailable("never", retryable=False))
