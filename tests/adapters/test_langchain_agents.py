"""An agent's borders: what looks guarded is guarded, and results are judged as what they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, StructuredTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import BaseModel, Field

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.observability import VALIDATION_TOTAL
from llm_integrations.core.registry import Registry, connect
from llm_integrations.langchain import SchemaMiddleware, SchemaValidator
from tests.adapters.test_langchain_middleware import Scripted, tool_messages

QUESTION: Any = {"messages": [("human", "Weather?")]}
REPORT = {
    "type": "object",
    "properties": {"degrees": {"type": "integer"}, "note": {"type": "string"}},
    "required": ["degrees"],
    "additionalProperties": False,
}
READING = {
    "type": "object",
    "properties": {
        "degrees": {"type": "integer"},
        "at": {"type": "string", "format": "date-time"},
        "note": {"type": "string"},
    },
    "required": ["degrees"],
}


class Report(BaseModel):
    degrees: int | str
    note: str | None = None


@dataclass
class Reading:
    degrees: Any
    at: datetime


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("report", REPORT)
        client.register("reading", READING)
        yield client


def call(name: str, number: int = 1, **args: Any) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": args, "id": f"c{number}"}])


async def run(agent: Any, is_async: bool, **kwargs: Any) -> Any:
    return await agent.ainvoke(QUESTION, **kwargs) if is_async else agent.invoke(QUESTION, **kwargs)


def measuring(make: Any, **kwargs: Any) -> Any:
    def measure() -> Any:
        return make()

    return StructuredTool.from_function(measure, name="measure", description="m", **kwargs)


def commanding(degrees: Any) -> Any:
    @tool
    def measure(call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Measure."""
        message = ToolMessage(f'{{"degrees": {degrees}}}', tool_call_id=call_id)
        return Command(update={"messages": [message]})

    return measure


NOW = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - JSON Schema asks for a zone: it is invalid
UTC = datetime.fromisoformat("2026-01-02T03:04:05+00:00")
RESULTS: dict[str, tuple[Any, bool]] = {
    "object": (measuring(lambda: Report(degrees=21)), True),
    "object-bad": (measuring(lambda: Report(degrees="hot")), False),
    "dataclass": (measuring(lambda: Reading(21, UTC)), True),
    "dataclass-bad": (measuring(lambda: Reading("hot", UTC)), False),
    "dict": (measuring(lambda: {"degrees": 21, "at": UTC}), True),
    "dict-bad": (measuring(lambda: {"degrees": None, "at": UTC}), False),
    "json": (measuring(lambda: '{"degrees": 21}'), True),
    "json-bad": (measuring(lambda: '{"degrees": "hot"}'), False),
    "artifact": (
        measuring(lambda: ("21", {"degrees": 21}), response_format="content_and_artifact"),
        True,
    ),
    "artifact-bad": (
        measuring(
            lambda: ('{"degrees": 21}', {"degrees": "hot"}), response_format="content_and_artifact"
        ),
        False,
    ),
    "mcp": (
        measuring(
            lambda: ([{"type": "text", "text": "21"}], {"structured_content": {"degrees": 21}}),
            response_format="content_and_artifact",
        ),
        True,
    ),
    "mcp-bad": (
        measuring(
            lambda: ([{"type": "text", "text": "21"}], {"structured_content": {"degrees": "x"}}),
            response_format="content_and_artifact",
        ),
        False,
    ),
    "command": (commanding(21), True),
    "command-bad": (commanding('"hot"'), False),
}


def counted(side: str, outcome: str) -> float:
    return float(VALIDATION_TOTAL.labels("langchain", "reading", side, outcome)._value.get())


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("kind", RESULTS)
async def test_a_result_is_judged_as_what_it_is(
    registry: Registry, kind: str, is_async: bool
) -> None:
    measure, valid = RESULTS[kind]
    for mode in ("enforce", "warn"):
        middleware = SchemaMiddleware(registry, results={"measure": "reading@1"}, mode=mode)
        model = Scripted(answers=[call("measure"), AIMessage("done")])
        before = counted("tool_result", "invalid")
        state = await run(create_agent(model, [measure], middleware=[middleware]), is_async)
        [message] = tool_messages(state)
        assert (message.status == "error") is (not valid and mode == "enforce")
        assert counted("tool_result", "invalid") - before == (not valid)
        if message.status == "error":
            told = str(message.content)
            assert "do not repeat" in told
            assert "again" not in told
            assert "hot" not in told
            assert message.artifact is None


def test_an_async_tools_result_is_seen(registry: Registry) -> None:
    import asyncio

    async def measure() -> Report:
        return Report(degrees="hot")

    asynchronous = StructuredTool.from_function(
        coroutine=measure, name="measure", description="Measure."
    )
    middleware = SchemaMiddleware(registry, results={"measure": "reading@1"})
    model = Scripted(answers=[call("measure"), AIMessage("done")])
    agent = create_agent(model, [asynchronous], middleware=[middleware])
    [message] = tool_messages(asyncio.run(agent.ainvoke(QUESTION)))
    assert message.status == "error"


MEASURE: Any = measuring(lambda: "21")
MISTAKES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"tools": {"mesure": "reading@1"}}, {}, "no tool named mesure; it has measure"),
    ({"results": {"measure ": "reading@1"}}, {}, "no tool named"),
    ({"response": "report@1"}, {}, "response_format"),
    ({"tools": {"Report": "report@1"}}, {"response_format": ToolStrategy(Report)}, "response="),
    ({"tools": {"Report": "report@1"}}, {"response_format": Report}, "response="),
    ({"results": {"Report": "report@1"}}, {"response_format": ProviderStrategy(Report)}, "resp"),
]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("mistake", range(len(MISTAKES)))
async def test_what_would_guard_nothing_is_said_before_the_model_is_asked(
    registry: Registry, mistake: int, is_async: bool
) -> None:
    named, options, words = MISTAKES[mistake]
    model = Scripted(answers=[])
    agent = create_agent(
        model, [MEASURE], middleware=[SchemaMiddleware(registry, **named)], **options
    )
    with pytest.raises(ConfigurationError, match=words):
        await run(agent, is_async)


def test_two_live_in_one_agent_with_a_mode_for_each_side(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = {"type": "object", "additionalProperties": False, "properties": {}}
    registry.register("nothing", arguments)
    first = SchemaMiddleware(
        registry,
        tools={"measure": "nothing@1"},
        results={"measure": "reading@1"},
        results_mode="warn",
    )
    second = SchemaMiddleware(registry, results={"measure": "report@1"}, mode="warn")
    again = SchemaMiddleware(registry, results={"measure": "report@1"}, mode="warn")
    assert first.name != second.name == again.name
    model = Scripted(
        answers=[call("measure", 1, citty="Rome"), call("measure", 2), AIMessage("done")]
    )
    state = create_agent(model, [MEASURE], middleware=[first, second]).invoke(QUESTION)
    refused, passed = tool_messages(state)
    assert refused.status == "error"
    assert '"citty"' in str(refused.content)
    assert "Rome" not in str(refused.content)
    assert passed.content == "21"
    assert "tool_result does not satisfy reading@1" in caplog.text
    assert "tool_result does not satisfy report@1" in caplog.text


def test_options_say_how_to_judge(registry: Registry) -> None:
    registry.register("when", {"properties": {"at": {"format": "date"}}})
    for formats, status in ((True, "error"), (False, "success")):
        middleware = SchemaMiddleware(
            registry, results={"measure": "when@1"}, options=ValidationOptions(formats=formats)
        )
        model = Scripted(answers=[call("measure"), AIMessage("done")])
        measure = measuring(lambda: {"at": "yesterday"})
        state = create_agent(model, [measure], middleware=[middleware]).invoke(QUESTION)
        assert [message.status for message in tool_messages(state)] == [status]


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_bad_response_is_in_no_checkpoint(registry: Registry, is_async: bool) -> None:
    saver = InMemorySaver()
    agent = create_agent(
        Scripted(answers=[call("Report", degrees="hot")]),
        [],
        middleware=[SchemaMiddleware(registry, response="report@1")],
        response_format=ToolStrategy(Report),
        checkpointer=saver,
    )
    config: Any = {"configurable": {"thread_id": "t"}}
    with pytest.raises(SchemaValidationError, match="report@1"):
        await run(agent, is_async, config=config)
    for snapshot in agent.get_state_history(config):
        assert snapshot.values.get("structured_response") is None


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("strategy", [ToolStrategy(Report), ProviderStrategy(Report)])
async def test_a_bad_response_is_asked_for_again(
    registry: Registry, strategy: Any, is_async: bool
) -> None:
    by_tool = isinstance(strategy, ToolStrategy)

    def answer(number: int, degrees: Any) -> AIMessage:
        if by_tool:
            return call("Report", number, degrees=degrees)
        return AIMessage(Report(degrees=degrees).model_dump_json(exclude_unset=True))

    def agent(retries: int, *degrees: Any) -> Any:
        model = Scripted(answers=[answer(n, value) for n, value in enumerate(degrees)])
        middleware = SchemaMiddleware(registry, response="report@1", retries=retries)
        return create_agent(model, [], middleware=[middleware], response_format=strategy)

    state = await run(agent(2, "hot", "warm", 21), is_async)
    assert state["structured_response"] == Report(degrees=21)
    told = [m for m in state["messages"] if "does not satisfy" in str(m.content)]
    assert len(told) == 2
    assert "/degrees" in str(told[0].content)
    assert '"hot"' in str(told[0].content)
    with pytest.raises(SchemaValidationError, match="3 answers") as caught:
        await run(agent(2, "hot", "warm", "mild"), is_async)
    assert len(caught.value.reports) == 3
    with pytest.raises(SchemaValidationError):
        await run(agent(0, "hot", 21), is_async)


class Profile(BaseModel):
    name: str
    email: str | None = None
    tags: list[str] = Field(default_factory=list, alias="labels")


@pytest.mark.parametrize("side", ["input", "output"])
async def test_a_field_that_was_left_out_is_judged_as_left_out(
    registry: Registry, side: Any
) -> None:
    registry.register(
        "profile", {"properties": {"email": {"type": "string"}, "labels": {"type": "array"}}}
    )
    validator = SchemaValidator("profile@1", registry, side=side)
    for value in (Profile(name="Ada"), Profile(name="Ada", labels=["x"])):
        assert validator.invoke(value) is value
        assert await validator.ainvoke(value) is value
    raw = {"raw": AIMessage(""), "parsed": Profile(name="Ada"), "parsing_error": None}
    assert validator.invoke(raw)
    with pytest.raises(SchemaValidationError):
        validator.invoke(Profile(name="Ada", email=None))


def test_an_agents_optional_field_that_was_left_out_keeps_the_contract(registry: Registry) -> None:
    agent = create_agent(
        Scripted(answers=[call("Report", degrees=21)]),
        [],
        middleware=[SchemaMiddleware(registry, response="report@1")],
        response_format=ToolStrategy(Report),
    )
    assert agent.invoke(QUESTION)["structured_response"].note is None


def test_an_agent_that_ends_without_its_response_is_refused(registry: Registry) -> None:
    agent = create_agent(
        Scripted(answers=[AIMessage("It is warm.")]),
        [],
        middleware=[SchemaMiddleware(registry, response="report@1")],
        response_format=ToolStrategy(Report),
    )
    with pytest.raises(SchemaValidationError, match="without a response"):
        agent.invoke(QUESTION)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("said", [call("Report", degrees="hot"), AIMessage("It is warm.")])
async def test_the_products_words_stand_for_a_response_that_is_refused(
    registry: Registry, said: AIMessage, is_async: bool
) -> None:
    agent = create_agent(
        Scripted(answers=[said]),
        [],
        middleware=[
            SchemaMiddleware(registry, response="report@1", on_invalid=lambda error: "Sorry!")
        ],
        response_format=ToolStrategy(Report),
    )
    assert (await run(agent, is_async))["structured_response"] == "Sorry!"
