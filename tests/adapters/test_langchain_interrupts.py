"""An answer that comes after an interrupt is judged by what was asked before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypedDict

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from llm_integrations.core.errors import SchemaValidationError
from llm_integrations.core.registry import Registry, connect
from llm_integrations.langchain import SchemaCallbackHandler, bind_schema
from tests.support.langchain import outcome

GOOD, BAD = '{"a": 1}', '{"a": "x"}'
RESUMED: Any = Command(resume="yes")
IN_GRAPHS = ("invoke", "ainvoke", "stream", "astream")


class State(TypedDict, total=False):
    q: str
    asked: Any
    said: str
    human: str


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("in", {"type": "object"})
        answer = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}
        client.register("answer", answer)
        client.register("said", {"type": "object", "required": ["said"]})
        yield client


def ask(state: Any) -> State:
    question = ChatPromptTemplate.from_template("{q}")
    asked = bind_schema(question, "in@1", output="answer@1").invoke({"q": state["q"]})
    return {"asked": asked.to_messages()}


def wait(state: Any) -> State:
    return {"human": interrupt("Go on?")}


def answering(*said: str) -> Callable[[Any], State]:
    model = FakeListChatModel(responses=list(said))
    return lambda state: {"said": model.invoke(state["asked"]).text}


def in_a_row(*nodes: tuple[str, Any], **options: Any) -> Any:
    builder: Any = StateGraph(State)
    for before, (name, node) in zip([START, *(name for name, _ in nodes)], nodes, strict=False):
        builder.add_node(name, node)
        builder.add_edge(before, name)
    return builder.compile(**options)


def at_a_breakpoint(said: str) -> Any:
    nodes = ("ask", ask), ("answer", answering(said))
    return in_a_row(*nodes, checkpointer=InMemorySaver(), interrupt_before=["answer"])


def in_a_node(said: str) -> Any:
    nodes = ("ask", ask), ("wait", wait), ("answer", answering(said))
    return in_a_row(*nodes, checkpointer=InMemorySaver())


def in_a_subgraph(said: str) -> Any:
    inner = in_a_row(("ask", ask), ("wait", wait), ("answer", answering(said)))
    return in_a_row(("inner", inner), checkpointer=InMemorySaver())


def between_tasks(said: str) -> Any:
    a_task: Any = task
    asking, answer = a_task(ask), a_task(answering(said), name="answer")

    @entrypoint(checkpointer=InMemorySaver())
    def flow(state: State) -> Any:
        asked = asking(state).result()
        interrupt("Go on?")
        return answer(asked).result()

    return flow


def after_the_first_of_two_models(said: str) -> Any:
    """A node that runs again from its start asks for something else first."""
    first = FakeListChatModel(responses=["no JSON"])

    def both(state: State) -> State:
        first.invoke("something else")
        asked = ask(state)
        wait(state)
        return answering(said)(asked)

    return in_a_row(("both", both), checkpointer=InMemorySaver())


GRAPHS: list[tuple[Any, Any]] = [
    (at_a_breakpoint, None),
    (in_a_node, RESUMED),
    (in_a_subgraph, RESUMED),
    (between_tasks, RESUMED),
    (after_the_first_of_two_models, RESUMED),
]


async def resumed(graph: Any, handler: Any, way: str, *inputs: Any) -> list[Any]:
    using = graph.with_config(configurable={"thread_id": "1"})
    return [await outcome(using, one, way, handler) for one in inputs]


@pytest.mark.parametrize("way", IN_GRAPHS)
@pytest.mark.parametrize(("make", "resume"), GRAPHS)
async def test_an_answer_after_an_interrupt_is_judged(
    registry: Registry, make: Any, resume: Any, way: str
) -> None:
    for said in (GOOD, BAD):
        handler = SchemaCallbackHandler(registry)
        first, last = await resumed(make(said), handler, way, {"q": "?"}, resume)
        assert not isinstance(first, Exception), first
        assert isinstance(last, SchemaValidationError) is (said == BAD), last
        assert len(handler._runs) == 0


@pytest.mark.parametrize(("make", "resume"), GRAPHS[:-1])
async def test_before_it_is_resumed_it_counts_as_unjudged(
    registry: Registry, make: Any, resume: Any, caplog: pytest.LogCaptureFixture
) -> None:
    handler = SchemaCallbackHandler(registry)
    await resumed(make(GOOD), handler, "invoke", {"q": "?"})
    assert "output passed unjudged by answer@1" in caplog.text


async def test_it_is_judged_when_the_first_try_to_resume_was_refused(registry: Registry) -> None:
    handler = SchemaCallbackHandler(registry)
    graph = in_a_row(
        *(("ask", ask), ("wait", wait), ("answer", answering(BAD, GOOD))),
        checkpointer=InMemorySaver(),
    )
    found = await resumed(graph, handler, "invoke", {"q": "?"}, RESUMED, None)
    assert isinstance(found[1], SchemaValidationError)
    assert found[2]["said"] == GOOD


async def test_a_new_input_or_another_thread_is_held_to_nothing(registry: Registry) -> None:
    handler = SchemaCallbackHandler(registry)
    builder: Any = StateGraph(State)
    builder.add_node("ask", ask)
    builder.add_node("answer", answering("free text"))
    builder.add_conditional_edges(START, lambda s: "answer" if s.get("asked") == "free" else "ask")
    builder.add_edge("ask", "answer")
    graph = builder.compile(checkpointer=InMemorySaver(), interrupt_before=["answer"])
    free = {"q": "?", "asked": "free"}
    found = await resumed(graph, handler, "invoke", {"q": "?"}, free, None)
    assert found[-1]["said"] == "free text"
    other = graph.with_config(configurable={"thread_id": "2"})
    await resumed(graph, handler, "invoke", {"q": "?"})
    other.invoke(free, {"callbacks": [handler]})
    assert other.invoke(None, {"callbacks": [handler]})["said"] == "free text"


class Failing:
    """A node whose model cannot be reached the first time."""

    def __init__(self, said: str) -> None:
        self._answer = answering(said)
        self._fails = True

    def __call__(self, state: Any) -> State:
        if self._fails:
            self._fails = False
            raise ConnectionError
        return self._answer(state)


@pytest.mark.parametrize("said", [GOOD, BAD])
@pytest.mark.parametrize("way", IN_GRAPHS)
async def test_an_answer_after_a_failure_is_judged_when_the_thread_goes_on(
    registry: Registry, way: str, said: str
) -> None:
    nodes = ("ask", ask), ("answer", Failing(said))
    graph = in_a_row(*nodes, checkpointer=InMemorySaver())
    found = await resumed(graph, SchemaCallbackHandler(registry), way, {"q": "?"}, None)
    assert isinstance(found[0], ConnectionError)
    assert isinstance(found[1], SchemaValidationError) is (said == BAD), found


@pytest.mark.parametrize("again", [None, Command(goto="free")], ids=["failed", "goto"])
async def test_a_new_input_that_fails_and_another_way_are_held_to_nothing(
    registry: Registry, again: Any
) -> None:
    builder: Any = StateGraph(State)
    builder.add_node("ask", ask)
    builder.add_node("wait", wait)
    builder.add_node("free", Failing("free text") if again is None else answering("free text"))
    builder.add_conditional_edges(START, lambda state: state["q"])
    builder.add_edge("ask", "wait")
    graph = builder.compile(checkpointer=InMemorySaver())
    inputs = ({"q": "ask"}, {"q": "free"}, again) if again is None else ({"q": "ask"}, again)
    found = await resumed(graph, SchemaCallbackHandler(registry), "invoke", *inputs)
    assert found[-1]["said"] == "free text"


async def test_a_checkpoint_before_the_question_is_held_to_nothing(registry: Registry) -> None:
    handler = SchemaCallbackHandler(registry)
    nodes = ("free", answering("free text")), ("ask", ask), ("wait", wait)
    graph = in_a_row(*nodes, checkpointer=InMemorySaver())
    await resumed(graph, handler, "invoke", {"q": "?", "asked": "free"})
    thread: Any = {"configurable": {"thread_id": "1"}}
    [before] = [one for one in graph.get_state_history(thread) if one.next == ("free",)]
    graph.invoke(None, {**before.config, "callbacks": [handler]})


AROUND: dict[str, Any] = {
    "sequence": lambda graph: RunnableLambda(lambda given: given) | graph,
    "function": lambda graph: RunnableLambda(lambda given, config: graph.invoke(given, config)),
    "of its name": lambda graph: RunnableLambda(graph.invoke, name="LangGraph"),
}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("said", [GOOD, BAD])
async def test_a_graph_in_a_chain_is_resumed_as_one_alone(
    registry: Registry, around: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    chain, handler = AROUND[around](in_a_node(said)), SchemaCallbackHandler(registry)
    first, last = await resumed(chain, handler, "invoke", {"q": "?"}, RESUMED)
    assert "__interrupt__" in first
    assert "output passed unjudged by answer@1" in caplog.text
    assert isinstance(last, SchemaValidationError) is (said == BAD), last


async def test_what_a_waiting_graph_gives_a_chain_is_no_answer(registry: Registry) -> None:
    def forget(state: State) -> State:
        ask(state)
        return {}

    graph = in_a_row(("ask", forget), ("wait", wait), checkpointer=InMemorySaver())
    chain = RunnableLambda(lambda given: given) | graph
    [found] = await resumed(chain, SchemaCallbackHandler(registry), "invoke", {"q": "?"})
    assert "__interrupt__" in found, found


@pytest.mark.parametrize("way", IN_GRAPHS)
async def test_a_graph_that_waits_is_not_judged_as_if_it_had_ended(
    registry: Registry, way: str
) -> None:
    for key, is_judged in (("said", False), ("human", True)):
        nodes = ("wait", wait), ("end", lambda state, key=key: {key: "done"})
        graph = in_a_row(*nodes, checkpointer=InMemorySaver())
        in_a_chain = [RunnableLambda(lambda given: given) | graph] if "invoke" in way else []
        for chain in (graph, *in_a_chain):
            held = chain.with_config(metadata={"schema_output": "said@1"})
            handler = SchemaCallbackHandler(registry)
            first, last = await resumed(held, handler, way, {"q": "?"}, RESUMED)
            assert not isinstance(first, Exception), first
            assert isinstance(last, SchemaValidationError) is is_judged, last


@pytest.mark.parametrize("way", IN_GRAPHS)
@pytest.mark.parametrize("said", [GOOD, BAD])
async def test_what_a_subgraph_asks_its_parent_to_answer_is_judged(
    registry: Registry, said: str, way: str
) -> None:
    def hand(state: State) -> Command[Any]:
        return Command(goto="answer", graph=Command.PARENT, update=ask(state))

    builder: Any = StateGraph(State)
    builder.add_node("inner", in_a_row(("hand", hand)), destinations=("answer",))
    builder.add_node("answer", answering(said))
    builder.add_edge(START, "inner")
    found = await outcome(builder.compile(), {"q": "?"}, way, SchemaCallbackHandler(registry))
    assert isinstance(found, SchemaValidationError) is (said == BAD), found


@pytest.mark.parametrize("place", ["hand", "inner"])
@pytest.mark.parametrize("way", IN_GRAPHS)
async def test_a_change_of_the_graph_around_is_judged_as_any_other(
    registry: Registry, way: str, place: str
) -> None:
    for update, is_valid in (({"said": "yes"}, True), ({"human": "no"}, False)):

        def hand(state: State, update: Any = update) -> Command[Any]:
            return Command(goto="end", graph=Command.PARENT, update=update)

        metadata = dict.fromkeys(("hand", "inner")) | {place: {"schema_output": "said@1"}}
        inner: Any = StateGraph(State)
        inner.add_node("hand", hand, metadata=metadata["hand"])
        inner.add_edge(START, "hand")
        builder: Any = StateGraph(State)
        builder.add_node(
            "inner", inner.compile(), destinations=("end",), metadata=metadata["inner"]
        )
        builder.add_node("end", lambda state: {"asked": AIMessage("")})
        builder.add_edge(START, "inner")
        found = await outcome(builder.compile(), {"q": "?"}, way, SchemaCallbackHandler(registry))
        assert isinstance(found, SchemaValidationError) is not is_valid, found
