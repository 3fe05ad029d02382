"""Schemas by reference where LangChain takes a schema: asked for in the version of each call."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import AutoStrategy, ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage
from langchain_core.tools import StructuredTool, tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel

from llm_integrations.core.errors import (
    ConfigurationError,
    RegistryUnavailable,
    SchemaNotFound,
    SchemaValidationError,
)
from llm_integrations.core.model.schema import SchemaReference
from llm_integrations.core.registry import Registry, connect
from llm_integrations.langchain import (
    PromptManagementIntegration,
    SchemaMiddleware,
    args_schema,
    response_format,
    structured,
)
from tests.adapters.test_langchain_agents import call, run
from tests.adapters.test_langchain_middleware import Scripted
from tests.adapters.test_langchain_structured import ADA, PROMPT, Streaming, model
from tests.support.langchain import WAYS, outcome

FIRST: Any = {
    "type": "object",
    "properties": {"degrees": {"type": "integer"}},
    "required": ["degrees"],
}
SECOND: Any = {"type": "object", "properties": {"celsius": {"type": "integer"}}}


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("report", FIRST, compatibility="NONE")
        yield client


class Asked(Scripted):
    """Keeps what it is asked for, as it is sent."""

    asked: list[Any]

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        sent = [convert_to_openai_tool(one) for one in tools]
        self.asked.append(json.loads(json.dumps([sent, kwargs.get("response_format")])))
        return self


STRATEGIES: dict[str, Any] = {
    "plain": lambda schema: schema,
    "auto": AutoStrategy,
    "tool": ToolStrategy,
    "provider": ProviderStrategy,
}


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_an_agent_asks_for_the_version_of_each_call(
    registry: Registry, strategy: str, is_async: bool
) -> None:
    def answers(**said: Any) -> AIMessage:
        return AIMessage(json.dumps(said)) if strategy == "provider" else call("report", **said)

    asking = Asked(answers=[answers(degrees=21)], asked=[])
    agent = create_agent(
        asking,
        [],
        response_format=STRATEGIES[strategy](response_format("report", registry=registry)),
        middleware=[SchemaMiddleware(registry, response="report")],
    )
    assert (await run(agent, is_async))["structured_response"] == {"degrees": 21}
    registry.register("report", SECOND)
    asking.answers[0] = answers(celsius=21)
    assert (await run(agent, is_async))["structured_response"] == {"celsius": 21}
    asking.answers[0] = answers(celsius="hot")
    with pytest.raises(SchemaValidationError, match="report@2"):
        await run(agent, is_async)
    properties = [
        list(
            form["json_schema"]["schema"]["properties"]
            if form
            else tools[-1]["function"]["parameters"]["properties"]
        )
        for tools, form in asking.asked
    ]
    assert properties == [["degrees"], ["celsius"], ["celsius"]]


def test_a_tool_is_described_in_the_version_of_each_call(registry: Registry) -> None:
    schema = args_schema("report", registry=registry)

    @tool(args_schema=schema)
    def measure(**given: Any) -> str:
        """Measure."""
        return str(given)

    other = StructuredTool.from_function(
        lambda **given: str(given), name="other", description="x", args_schema=schema
    )
    for version, name in ((FIRST, "degrees"), (SECOND, "celsius")):
        registry.register("report", version)
        for one in (measure, other):
            sent = convert_to_openai_tool(one)["function"]
            assert list(sent["parameters"]["properties"]) == [name]
            assert sent["name"] in {"measure", "other"}
            assert list(one.args) == [name]
            assert one.invoke({name: 3}) == f"{{'{name}': 3}}"


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_agents_tool_by_reference_is_judged_by_the_middleware(
    registry: Registry, is_async: bool
) -> None:
    @tool(args_schema=args_schema("report", registry=registry))
    def measure(**given: Any) -> str:
        """Measure."""
        return "done"

    answers = [call("measure", 1, degrees="hot"), call("measure", 2, degrees=3), AIMessage("ok")]
    guard = SchemaMiddleware(registry, tools={"measure": "report"}, drift="enforce")
    agent = create_agent(Asked(answers=answers, asked=[]), [measure], middleware=[guard])
    state = await run(agent, is_async)
    assert [m.status for m in state["messages"] if m.type == "tool"] == ["error", "success"]


def test_it_is_a_dict_with_what_it_refers_to(registry: Registry) -> None:
    registry.register("unit", {"enum": ["C", "F"]})
    registry.register(
        "reading",
        {"type": "object", "properties": {"unit": {"$ref": "unit.json"}}},
        references=[SchemaReference("unit.json", "unit", 1)],
    )
    schema = args_schema("reading@1", registry=registry)
    plain = dict(schema)
    assert plain["properties"] == {"unit": {"$ref": "#/$defs/unit_json"}}
    assert plain["$defs"] == {"unit_json": {"enum": ["C", "F"]}}
    assert {**schema} == schema == plain == json.loads(json.dumps(schema))
    assert schema | {"x": 1} == {**plain, "x": 1}
    assert copy.deepcopy(schema) is copy.copy(schema) is schema
    assert pickle.loads(pickle.dumps(schema)) == schema
    assert repr(schema) == "ReferencedSchema('reading@1')"
    assert isinstance(schema, dict)
    assert "properties" in schema
    assert schema.get("nothing") is None


def test_a_copy_under_way_ends_when_a_version_comes_between(registry: Registry) -> None:
    schema = response_format("report", registry=registry)
    keys = list(schema)
    registry.register("report", SECOND)
    assert {key: schema[key] for key in keys}["properties"] == SECOND["properties"]
    with pytest.raises(KeyError):
        schema["nothing"]


def test_what_cannot_be_asked_for_is_said(registry: Registry) -> None:
    registry.register("list", {"type": "array"})
    with pytest.raises(ConfigurationError, match="structured"):
        create_agent(
            Scripted(answers=[]), response_format=response_format("list@1", registry=registry)
        )
    with pytest.raises(SchemaNotFound):
        dict(args_schema("nobody@1", registry=registry))


def test_an_outage_leaves_the_last_version_in_force(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = args_schema("report", registry=registry)
    assert list(schema["properties"]) == ["degrees"]

    def away(*_: Any, **__: Any) -> Any:
        raise RegistryUnavailable("down")

    monkeypatch.setattr(registry, "ready_validator", lambda *_, **__: None)
    monkeypatch.setattr(registry, "validator", away)
    assert dict(schema) == {**FIRST, "title": "report"}
    cold = args_schema("report@1", registry=registry)
    with pytest.raises(RegistryUnavailable):
        dict(cold)


def test_owners_hear_of_schemas_that_are_asked_for(registry: Registry) -> None:
    @tool(args_schema=args_schema("report@1", registry=registry))
    def measure(**given: Any) -> str:
        """Measure."""
        return ""

    for strategy in STRATEGIES.values():
        agent = create_agent(
            Scripted(answers=[]),
            [measure],
            response_format=strategy(response_format("report", registry=registry)),
        )
        prompts = PromptManagementIntegration(registry)
        uses = {(use.role, str(use.schema)) for use in prompts.register_chain(agent, "agent")}
        assert uses == {("output", "report@latest"), ("input", "report@1")}


@pytest.mark.parametrize("way", WAYS)
async def test_an_answer_can_be_an_object_of_the_versions_class(
    registry: Registry, way: str
) -> None:
    texts = ['{"degrees": 21}', '{"degrees": 21}', '{"celsius": 3}']
    said = Streaming(answers=texts, asked=[], requests=[])
    chain = PROMPT | structured(said, "report", registry=registry, as_model=True)

    async def answer() -> Any:
        found = await outcome(chain, ADA, way)
        if isinstance(found, list):
            assert len(found) == 1
            return found[0]
        return found

    first = await answer()
    assert isinstance(first, BaseModel)
    assert first.model_dump() == {"degrees": 21}
    assert type(await answer()) is type(first)
    registry.register("report", SECOND)
    assert (await answer()).celsius == 3


def test_what_fits_no_class_stays_as_it_is(registry: Registry) -> None:
    bad = {"degrees": "hot"}
    warned = structured(
        model(bad, name="report"), "report@1", registry=registry, as_model=True, mode="warn"
    )
    assert warned.invoke("?") == bad
    instead = structured(
        model(bad, name="report"), "report@1", registry=registry, as_model=True, on_invalid="none"
    )
    assert instead.invoke("?") == "none"
    raw = structured(
        model({"degrees": 2}, name="report"),
        "report@1",
        registry=registry,
        as_model=True,
        include_raw=True,
    ).invoke("?")
    assert raw["parsed"].degrees == 2
    assert isinstance(raw["raw"], AIMessage)
