"""What warn lets pass is seen in traces: an event, metadata of the run, feedback in LangSmith."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from langgraph.graph import StateGraph
from langsmith import Client

from llm_integrations.core.registry import Registry, connect
from llm_integrations.langchain import (
    SchemaCallbackHandler,
    SchemaMiddleware,
    SchemaValidator,
    bind_schema,
    reask,
    structured,
    validated,
)
from tests.adapters.test_langchain_agents import MEASURE, QUESTION, call
from tests.adapters.test_langchain_middleware import Scripted
from tests.support.http_server import HttpServer, Reply, Request
from tests.support.langchain import WAYS, outcome


class State(TypedDict):
    name: str


PROMPT = ChatPromptTemplate.from_template("Greet {name}")
BAD = {"name": "A"}
KEYS = {"schema", "side", "report"}


class Heard(BaseCallbackHandler):
    """Keeps the events that we make."""

    run_inline = True

    def __init__(self) -> None:
        self.events: list[Any] = []

    def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
        self.events.append((name, data))


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("user", {"properties": {"name": {"type": "string", "minLength": 2}}})
        client.register("answer", {"type": "object", "required": ["text"]})
        yield client


def noted(collector: RunCollectorCallbackHandler) -> list[Any]:
    """What the metadata of all runs say, from the outside in."""
    waiting, found = list(collector.traced_runs), []
    while waiting:
        run = waiting.pop(0)
        found += (run.extra or {}).get("metadata", {}).get("schema_invalid", [])
        waiting += run.child_runs
    return found


def model() -> Any:
    return FakeListChatModel(responses=["Hello!"])


MADE: dict[str, Any] = {
    "validator before": lambda r: SchemaValidator("user@1", r, mode="warn") | PROMPT | model(),
    "validator after": lambda r: (
        PROMPT | model() | SchemaValidator("answer@1", r, mode="warn", side="output")
    ),
    "reask": lambda r: PROMPT | reask(model(), "answer@1", registry=r, mode="warn", retries=0),
    "validated": lambda r: RunnableLambda(
        validated(lambda state: {"name": "x"}, output="answer@1", registry=r, mode="warn")
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("made", MADE)
async def test_what_was_let_pass_is_in_the_trace(registry: Registry, made: str, way: str) -> None:
    collector, heard = RunCollectorCallbackHandler(), Heard()
    found = await outcome(MADE[made](registry), BAD, way, collector, heard)
    assert not isinstance(found, Exception)
    [(name, told)] = heard.events
    assert name == "schema_invalid"
    assert told.keys() == KEYS
    assert "does not satisfy" in told["report"]
    assert noted(collector) == [told]
    assert [event["name"] for event in collector.traced_runs[0].events].count(name) == 1


@pytest.mark.parametrize("way", [way for way in WAYS if "batch" not in way])
async def test_so_is_what_a_handler_let_pass(registry: Registry, way: str) -> None:
    chain = bind_schema(PROMPT, "user@1", output="answer@1") | model()
    collector, heard = RunCollectorCallbackHandler(), Heard()
    handler = SchemaCallbackHandler(registry, mode="warn")
    assert not isinstance(await outcome(chain, BAD, way, collector, heard, handler), Exception)
    assert [told["side"] for _, told in heard.events] == ["input", "output"]
    assert noted(collector) == [told for _, told in heard.events]


@pytest.mark.parametrize("is_async", [False, True])
async def test_so_is_what_an_agent_and_a_graph_let_pass(registry: Registry, is_async: bool) -> None:
    guard = SchemaMiddleware(registry, results={"measure": "answer@1"}, mode="warn")
    answers = [call("measure"), AIMessage("done")]
    agent: Any = create_agent(Scripted(answers=answers), [MEASURE], middleware=[guard])

    def greet(state: Any) -> Any:
        return {}

    builder: Any = StateGraph(State)
    builder.add_node("greet", validated(greet, input="user@1", registry=registry, mode="warn"))
    graph = builder.set_entry_point("greet").compile()
    for chain, given, side in ((agent, QUESTION, "tool_result"), (graph, BAD, "input")):
        collector, heard = RunCollectorCallbackHandler(), Heard()
        config: Any = {"callbacks": [collector, heard]}
        await chain.ainvoke(given, config) if is_async else chain.invoke(given, config)
        assert [told["side"] for _, told in heard.events] == [side]
        assert noted(collector) == [told for _, told in heard.events]


def test_without_a_run_around_it_nothing_is_told_and_nothing_fails(registry: Registry) -> None:
    assert SchemaValidator("user@1", registry, mode="warn").invoke(BAD) == BAD


def test_what_is_valid_leaves_no_trace(registry: Registry) -> None:
    collector, heard = RunCollectorCallbackHandler(), Heard()
    chain = SchemaValidator("user@1", registry, mode="warn") | PROMPT
    chain.invoke({"name": "Ada"}, {"callbacks": [collector, heard]})
    assert not heard.events
    assert not noted(collector)


PROJECT = "7f0c6f0e-5a1c-4c5a-9a51-3d3b2c1a0f00"


class LangSmith(HttpServer):
    """Takes whatever it is given, and says when feedback has come."""

    def __init__(self) -> None:
        super().__init__()
        self.came = threading.Event()

    def handle(self, request: Request) -> Reply:
        if b"schema_invalid" in request.body:
            self.came.set()
        if request.segments[0] != "sessions":
            return Reply(200, {})
        now = "2026-01-01T00:00:00"
        project = {"id": PROJECT, "tenant_id": PROJECT, "name": "default", "start_time": now}
        return Reply(200, [{**project, "reference_dataset_id": None}])


def test_a_langsmith_client_that_is_given_gets_feedback(registry: Registry) -> None:
    chain = bind_schema(PROMPT, "user@1") | model()
    with LangSmith() as server:
        client = Client(api_url=server.url, api_key="x", auto_batch_tracing=False)
        handler = SchemaCallbackHandler(registry, mode="warn", langsmith=client)
        collector = RunCollectorCallbackHandler()
        chain.batch([BAD], {"callbacks": [collector, handler]})
        assert server.came.wait(10)
        client.cleanup()
    [body] = [r.json() for r in server.requests if b"schema_invalid" in r.body]
    assert (body["key"], body["score"], body["value"]) == ("schema_invalid", 0, "user@1")
    [run] = collector.traced_runs
    assert body["session_id"] == PROJECT
    assert body["run_id"] == str(run.child_runs[0].id)
    assert "is shorter than 2 characters" in body["comment"]


GIVEN: dict[str, Any] = {
    "validator": lambda r, c: SchemaValidator("user@1", r, mode="warn", langsmith=c) | PROMPT,
    "reask": lambda r, c: (
        PROMPT | reask(model(), "answer@1", registry=r, mode="warn", retries=0, langsmith=c)
    ),
    "structured": lambda r, c: (
        PROMPT | structured(Saying(responses=[]), "answer@1", registry=r, mode="warn", langsmith=c)
    ),
    "validated": lambda r, c: RunnableLambda(
        validated(lambda _: {}, output="answer@1", registry=r, mode="warn", langsmith=c)
    ),
    "validated chain": lambda r, c: validated(
        PROMPT | (lambda _: {}), output="answer@1", registry=r, mode="warn", langsmith=c
    ),
}


class Saying(FakeListChatModel):
    """A model whose structured output is empty."""

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Any:
        return RunnableLambda(lambda _: {})


async def test_whatever_judges_takes_a_langsmith_client(registry: Registry) -> None:
    with LangSmith() as server:
        client = Client(api_url=server.url, api_key="x", auto_batch_tracing=False)
        for n, (made, way) in enumerate(itertools.product(GIVEN, ("invoke", "ainvoke", "stream"))):
            collector = RunCollectorCallbackHandler()
            found = await outcome(GIVEN[made](registry, client), BAD, way, collector)
            assert not isinstance(found, Exception), found
            assert server.came.wait(10), (made, way)
            server.came.clear()
            bodies = [r.json() for r in server.requests if b"schema_invalid" in r.body]
            assert len(bodies) == n + 1
            assert bodies[-1]["run_id"] == str(collector.traced_runs[0].id)
        client.cleanup()


def test_feedback_that_fails_is_nobodys_loss(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    tried = threading.Event()

    class Broken:
        def read_project(self, **kwargs: Any) -> Any:
            return self

        id = PROJECT

        def create_feedback(self, *args: Any, **kwargs: Any) -> None:
            tried.set()
            raise OSError("down")

    validator = SchemaValidator("user@1", registry, mode="warn", langsmith=Broken())
    assert (validator | PROMPT).invoke(BAD)
    assert tried.wait(10)
