"""Graphs: schemas in the metadata of a graph or a node are judged at its border."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Overwrite, Send, StreamWriter, interrupt
from pydantic import create_model

from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.registry import Registry, connect
from llm_integrations.langchain import (
    PromptManagementIntegration,
    SchemaCallbackHandler,
    bind_schema,
    validated,
)
from tests.support.langchain import WAYS, outcome


class State(TypedDict, total=False):
    name: Any
    greeting: Any
    said: Annotated[list[Any], operator.add]


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


def twin(node: Any, is_async: bool) -> Any:
    async def later(state: Any) -> Any:
        return node(state)

    return later if is_async else node


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_validated_node_takes_and_gives_what_its_schemas_say(
    registry: Registry, is_async: bool
) -> None:
    def build(given: Any) -> Any:
        node = twin(lambda state: {"greeting": given}, is_async)
        return graph(validated(node, input="name@1", output="greeting@1", registry=registry))

    for way in WAYS if not is_async else [way for way in WAYS if way.startswith("a")]:
        good = await outcome(build("hi"), {"name": "Ada"}, way)
        assert not isinstance(good, Exception), (way, good)
        for name, given in ((7, "hi"), ("Ada", 7)):
            bad = await outcome(build(given), {"name": name}, way)
            assert isinstance(bad, SchemaValidationError), (way, bad)


CHANGES: list[tuple[Any, bool]] = [
    ({"greeting": "hi"}, True),
    ({"greeting": 7}, False),
    (None, True),
    ({}, True),  # the state has its name still
    ({"name": 7}, False),
    (Command(update={"greeting": "hi"}), True),
    (Command(update={"greeting": 7}), False),
    (Command(update=[("greeting", 7)]), False),
    (Command(update=(("greeting", "hi"),)), True),
    (Command(update=[("greeting", 7), ("greeting", "hi")]), False),
    (Command(goto="after"), True),
    (Command(goto=Send("after", {"greeting": 7})), True),
    ([Command(update={"greeting": "hi"}), Command(update={"greeting": 7})], False),
    ((Command(update={"greeting": "hi"}),), True),
    ({"said": ["hi"]}, True),
    ({"said": [7]}, False),
    ({"said": Overwrite(["hi"])}, True),
    ({"said": Overwrite([7])}, False),
    (Command(update={"said": {"__overwrite__": [7]}}), False),
]


@pytest.mark.parametrize("number", range(len(CHANGES)))
async def test_the_change_is_judged_alone_or_with_the_state_that_it_changes(
    registry: Registry, number: int
) -> None:
    change, valid = CHANGES[number]
    registry.register(
        "both",
        {
            "properties": {
                "name": {"type": "string"},
                "greeting": {"type": "string"},
                "said": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["name"],
        },
    )
    built = [
        graph(validated(lambda state: change, output="both@1", registry=registry)),
        graph(lambda state: change, metadata={"schema_output": "both@1"}),
    ]
    for each in built:
        found = await outcome(each, {"name": "Ada"}, "invoke", SchemaCallbackHandler(registry))
        assert isinstance(found, SchemaValidationError) is not valid, found


@pytest.mark.parametrize("name", ["Command", "Send", "final", "Overwrite"])
def test_what_is_only_called_as_a_kind_of_langgraphs_is_data(registry: Registry, name: str) -> None:
    kind = create_model(name, greeting=(Any, ...))
    node: Any = validated(lambda value: value, output="greeting@1", registry=registry)
    assert node(kind(greeting="hi")).greeting == "hi"
    with pytest.raises(SchemaValidationError):
        node(kind(greeting=7))


@pytest.mark.parametrize("value", [[], [("greeting", "hi")]])
def test_a_list_that_a_node_gives_is_a_list(registry: Registry, value: Any) -> None:
    registry.register("list", {"type": "array"})
    assert validated(lambda _: value, output="list@1", registry=registry)({}) == value
    with pytest.raises(SchemaValidationError):
        validated(lambda _: value, output="greeting@1", registry=registry)({})


def test_what_a_send_sends_is_judged(registry: Registry) -> None:
    builder: Any = StateGraph(State)
    builder.add_node("greet", validated(say, input="name@1", registry=registry))
    builder.add_conditional_edges(
        START, lambda state: [Send("greet", {"name": state["name"]})], ["greet"]
    )
    built = builder.compile()
    assert built.invoke({"name": "Ada"})["greeting"] == "Ada"
    with pytest.raises(SchemaValidationError):
        built.invoke({"name": 7})


def test_interrupts_pass_and_subgraphs_are_judged(registry: Registry) -> None:
    def ask(state: State) -> State:
        return {"greeting": interrupt("What?")}

    for node in (ask, graph(ask)):
        builder: Any = StateGraph(State)
        guarded = validated(node, input="name@1", output="greeting@1", registry=registry)
        builder.add_node("ask", guarded)
        builder.add_edge(START, "ask")
        for answer, valid in (("hi", True), (7, False)):
            built = builder.compile(checkpointer=InMemorySaver())
            config: Any = {"configurable": {"thread_id": "t"}}
            assert "__interrupt__" in built.invoke({"name": "Ada"}, config)
            if valid:
                assert built.invoke(Command(resume=answer), config)["greeting"] == answer
            else:
                with pytest.raises(SchemaValidationError):
                    built.invoke(Command(resume=answer), config)


def test_the_functional_api_and_what_langgraph_fills_in(registry: Registry) -> None:
    def add(state: Any, config: RunnableConfig, *, writer: StreamWriter) -> Any:
        writer("written")
        return {"greeting": config.get("configurable", {})["word"]}

    config: Any = {"configurable": {"word": "hi"}}
    built = graph(validated(add, output="greeting@1", registry=registry))
    assert built.invoke({"name": "Ada"}, config)["greeting"] == "hi"
    assert list(built.stream({"name": "Ada"}, config, stream_mode="custom")) == ["written"]

    greeting = task(validated(say, input="name@1", output="greeting@1", registry=registry))

    @entrypoint()
    def flow(state: Any) -> Any:
        return greeting(state).result()

    assert flow.invoke({"name": "Ada"}) == {"greeting": "Ada"}
    with pytest.raises(SchemaValidationError):
        flow.invoke({"name": 7})
    with pytest.raises(ConfigurationError, match="@task over"):
        validated(greeting, input="name@1", registry=registry)


def test_a_validated_node_keeps_its_name_and_refuses_in_the_products_words(
    registry: Registry,
) -> None:
    node = validated(
        say, input="name@1", registry=registry, on_invalid=lambda error: {"greeting": "Sorry!"}
    )
    builder: Any = StateGraph(State)
    builder.add_node(node)
    builder.add_edge(START, "say")
    assert builder.compile().invoke({"name": 7})["greeting"] == "Sorry!"
    integration = PromptManagementIntegration(registry)
    assert [u.schema.subject for u in integration.register_chain(builder, "g")] == ["name"]


def test_what_cannot_be_validated_is_said(registry: Registry) -> None:
    def parts(state: Any) -> Iterator[Any]:
        yield {}

    for node, sides, words in (
        (say, {}, "input= or output="),
        (7, {"input": "name@1"}, "not int"),
        (State, {"input": "name@1"}, "not"),
        (parts, {"input": "name@1"}, "generator"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            validated(node, registry=registry, **sides)  # type: ignore[arg-type]
