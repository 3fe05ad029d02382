"""SchemaMiddleware in a real agent: a bad tool call comes back to the model, which mends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from pydantic import BaseModel

from llm_integrations.core.errors import SchemaValidationError
from llm_integrations.core.registry import Registry, connect
from llm_integrations.langchain import SchemaMiddleware

ARGUMENTS = {"type": "object", "properties": {"city": {"type": "string", "pattern": "^[A-Z]"}}}
RESULT = {"type": "object", "required": ["degrees"]}

ran: list[str] = []


class Scripted(BaseChatModel):
    """Says what it is told to, one answer after the other."""

    answers: list[AIMessage]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        said = sum(isinstance(message, AIMessage) for message in messages)
        return ChatResult(generations=[ChatGeneration(message=self.answers[said])])


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    ran.append(city)
    return '{"degrees": 21}' if city == "Rome" else '{"error": "unknown"}'


def call(city: str, number: int) -> AIMessage:
    return AIMessage(
        "", tool_calls=[{"name": "weather", "args": {"city": city}, "id": f"c{number}"}]
    )


@pytest.fixture
def registry() -> Iterator[Registry]:
    ran.clear()
    with connect("memory://") as client:
        client.register("weather-args", ARGUMENTS)
        client.register("weather-result", RESULT)
        client.register("report", {"type": "object", "required": ["summary"]})
        yield client


def agent(middleware: SchemaMiddleware, *answers: AIMessage, **kwargs: Any) -> Any:
    return create_agent(
        Scripted(answers=list(answers)), [weather], middleware=[middleware], **kwargs
    )


def tool_messages(state: Any) -> list[ToolMessage]:
    return [message for message in state["messages"] if isinstance(message, ToolMessage)]


@pytest.mark.parametrize("is_async", [False, True])
async def test_the_model_mends_a_bad_call(registry: Registry, is_async: bool) -> None:
    middleware = SchemaMiddleware(registry, tools={"weather": "weather-args@1"})
    chain = agent(middleware, call("rome", 1), call("Rome", 2), AIMessage("21 degrees"))
    question = {"messages": [("human", "Weather?")]}
    state = await chain.ainvoke(question) if is_async else chain.invoke(question)
    refused, answered = tool_messages(state)
    assert refused.status == "error"
    assert "/city" in str(refused.content)
    assert "rome" not in str(refused.content)
    assert answered.content == '{"degrees": 21}'
    assert ran == ["Rome"]
    assert state["messages"][-1].content == "21 degrees"


def cut_off(message: AIMessage) -> AIMessage:
    return message.model_copy(update={"response_metadata": {"finish_reason": "length"}})


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_call_that_broke_off_is_not_made(registry: Registry, is_async: bool) -> None:
    middleware = SchemaMiddleware(registry, tools={"weather": "weather-args@1"})
    whole = call("Oslo", 1).tool_calls[0]
    answer = AIMessage("", tool_calls=[whole, call("Rome", 2).tool_calls[0]])
    chain = agent(middleware, cut_off(answer), call("Rome", 3), AIMessage("21 degrees"))
    question = {"messages": [("human", "Weather?")]}
    state = await chain.ainvoke(question) if is_async else chain.invoke(question)
    made, refused, again = tool_messages(state)
    assert (made.status, refused.status, again.status) == ("success", "error", "success")
    assert "is cut off: the model stopped at its limit (length)" in str(refused.content)
    assert ran == ["Oslo", "Rome"]


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_response_that_broke_off_is_asked_for_again(
    registry: Registry, is_async: bool
) -> None:
    class Report(BaseModel):
        summary: str

    said = AIMessage("", tool_calls=[{"name": "Report", "args": {"summary": "x"}, "id": "r"}])
    middleware = SchemaMiddleware(registry, response="report@1", retries=1)
    chain = agent(middleware, cut_off(said), said, response_format=ToolStrategy(Report))
    question = {"messages": [("human", "Weather?")]}
    state = await chain.ainvoke(question) if is_async else chain.invoke(question)
    assert "is cut off" in str(tool_messages(state)[0].content)
    assert state["structured_response"] == Report(summary="x")


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_invalid_result_is_not_shown_to_the_model(
    registry: Registry, is_async: bool
) -> None:
    middleware = SchemaMiddleware(registry, results={"weather": "weather-result@1"})
    chain = agent(middleware, call("Atlantis", 1), AIMessage("I cannot say"))
    question = {"messages": [("human", "Weather?")]}
    state = await chain.ainvoke(question) if is_async else chain.invoke(question)
    [message] = tool_messages(state)
    assert message.status == "error"
    assert "unknown" not in str(message.content)


def test_warn_runs_the_tool_and_says_so(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    named = {"weather": "weather-args@1"}, {"weather": "weather-result@1"}
    middleware = SchemaMiddleware(registry, tools=named[0], results=named[1], mode="warn")
    state = agent(middleware, call("atlantis", 1), AIMessage("done")).invoke(
        {"messages": [("human", "Weather?")]}
    )
    assert [message.status for message in tool_messages(state)] == ["success"]
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "langchain tool does not satisfy weather-args@1",
        "langchain tool_result does not satisfy weather-result@1",
    ]


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_invalid_structured_response_is_an_error(
    registry: Registry, is_async: bool
) -> None:
    from langchain.agents.structured_output import ToolStrategy

    answer = AIMessage("", tool_calls=[{"name": "report", "args": {"text": "sunny"}, "id": "r1"}])
    shape = {"title": "report", "type": "object", "properties": {"text": {"type": "string"}}}
    chain = agent(
        SchemaMiddleware(registry, response="report@1"),
        answer,
        response_format=ToolStrategy(shape),
    )
    question = {"messages": [("human", "Weather?")]}
    with pytest.raises(SchemaValidationError, match="report@1"):
        await chain.ainvoke(question) if is_async else chain.invoke(question)
