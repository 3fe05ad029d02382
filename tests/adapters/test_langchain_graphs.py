"""Graphs: schemas in the metadata of a graph or a node are judged at its border."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypedDict

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.registry import Registry, connect
from llm_integrations.langchain import SchemaCallbackHandler, bind_schema
from tests.support.langchain import WAYS, outcome


class State(TypedDict, total=False):
    name: Any
    greeting: Any


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        for field in ("name", "greeting"):
            client.register(
                field,
                {"type": "object", "properties": {field: {"type": "string"}}, "required": [field]},
            )
        client.register("question", {"type": "object", "required": ["question"]})
        yield client


def graph(node: Any, **kwargs: Any) -> Any:
    builder = StateGraph(State)
    builder.add_node("greet", node, **kwargs)
    builder.add_node("after", lambda state: {})
    builder.add_edge(START, "greet")
    builder.add_edge("greet", "after")
    builder.add_edge("after", END)
    return builder.compile()


def say(state: State) -> State:
    return {"greeting": state.get("name")}


NAME: Any = {"schema": "name@1"}
INPUTS: dict[str, Any] = {
    "node": lambda: graph(say, metadata=NAME),
    "graph": lambda: graph(say).with_config(metadata=NAME),
    "node-of-subgraph": lambda: graph(graph(say, metadata=NAME)),
    "subgraph": lambda: graph(graph(say), metadata=NAME),
    "chain-around": lambda: (graph(say) | (lambda state: state)).with_config(metadata=NAME),
    "prompt-in-node": lambda: graph(
        ChatPromptTemplate.from_template("{name}")
        | FakeListChatModel(responses=["hi"])
        | (lambda message: {"greeting": message.text}),
        metadata=NAME,
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", INPUTS)
async def test_what_goes_in_is_judged(registry: Registry, kind: str, way: str) -> None:
    handler = SchemaCallbackHandler(registry)
    good = await outcome(INPUTS[kind](), {"name": "Ada"}, way, handler)
    assert not isinstance(good, Exception), good
    bad = await outcome(INPUTS[kind](), {"name": 7}, way, handler)
    assert isinstance(bad, SchemaValidationError)


OUTPUTS: dict[str, Any] = {
    "dict": lambda value: {"greeting": value},
    "command": lambda value: Command(update={"greeting": value}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", OUTPUTS)
async def test_what_a_node_without_a_model_gives_back_is_judged(
    registry: Registry, kind: str, way: str
) -> None:
    named: Any = {"schema_output": "greeting@1"}
    for value, valid in (("hi", True), (7, False)):
        built = graph(lambda _, value=value: OUTPUTS[kind](value), metadata=named)
        found = await outcome(built, {"name": "Ada"}, way, SchemaCallbackHandler(registry))
        assert isinstance(found, SchemaValidationError) is not valid
        whole = graph(lambda _, value=value: OUTPUTS[kind](value)).with_config(metadata=named)
        found = await outcome(whole, {"name": "Ada"}, way, SchemaCallbackHandler(registry))
        assert isinstance(found, SchemaValidationError) is not valid


async def test_prompts_in_a_node_are_judged_by_their_own_schema_alone(registry: Registry) -> None:
    def ask(reference: str | None) -> Any:
        prompt = ChatPromptTemplate.from_template("{question}")
        bound = bind_schema(prompt, reference) if reference else prompt
        return graph(
            lambda state: {"greeting": bound.invoke({"question": "Who?"}).to_string()},
            metadata=NAME,
        )

    for way in WAYS:
        for reference, valid in ((None, True), ("question@1", True), ("name@1", False)):
            found = await outcome(
                ask(reference), {"name": "Ada"}, way, SchemaCallbackHandler(registry)
            )
            assert isinstance(found, SchemaValidationError) is not valid, (way, reference)


@pytest.mark.parametrize("kind", ["model", "chain", "tool", "nothing"])
def test_only_prompts_can_be_bound(kind: str) -> None:
    from langchain_core.tools import tool

    @tool
    def search(query: str) -> str:
        """Search."""
        return query

    model = FakeListChatModel(responses=["hi"])
    things = {
        "model": model,
        "chain": ChatPromptTemplate.from_template("hi") | model,
        "tool": search,
        "nothing": None,
    }
    with pytest.raises(ConfigurationError, match="metadata"):
        bind_schema(things[kind], "name@1")  # type: ignore[type-var]
