"""A tool is run with what was judged, whatever middleware or people make of the model's call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, HumanInTheLoopMiddleware, ToolCallRequest
from langchain.tools import ToolRuntime
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import BaseTool, StructuredTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import BaseModel, PrivateAttr

from llm_integrations.core.registry import Registry, connect
from llm_integrations.langchain import SchemaMiddleware
from tests.support.langchain import outcome

ARGUMENTS = {
    "type": "object",
    "required": ["amount"],
    "properties": {"amount": {"type": "integer", "minimum": 1}, "to": {"enum": ["Ada"]}},
    "additionalProperties": False,
}
ran: list[Any] = []


class Paying(BaseChatModel):
    """Pays one, then says so."""

    @property
    def _llm_type(self) -> str:
        return "paying"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        call = {"name": "pay", "args": {"amount": 1}, "id": "c1"}
        said = [] if isinstance(messages[-1], ToolMessage) else [call]
        return ChatResult(generations=[ChatGeneration(message=AIMessage("", tool_calls=said))])


@tool
def pay(amount: int, runtime: ToolRuntime, to: str = "Ada") -> dict[str, bool]:
    """Pay somebody."""
    ran.append((amount, to))
    return {"paid": runtime.state is not None}


class Changing(AgentMiddleware[Any, Any, Any]):
    """Adds to the arguments of every call."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self._arguments = arguments

    def _changed(self, request: ToolCallRequest) -> ToolCallRequest:
        arguments = {**request.tool_call["args"], **self._arguments}
        return request.override(tool_call={**request.tool_call, "args": arguments})

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[..., Any]) -> Any:
        return handler(self._changed(request))

    async def awrap_tool_call(self, request: ToolCallRequest, handler: Callable[..., Any]) -> Any:
        return await handler(self._changed(request))


@pytest.fixture
def registry() -> Iterator[Registry]:
    ran.clear()
    with connect("memory://") as client:
        client.register("payment", ARGUMENTS)
        client.register("receipt", {"type": "object", "properties": {"paid": {"const": True}}})
        yield client


def guard(registry: Registry, **kwargs: Any) -> SchemaMiddleware:
    return SchemaMiddleware(registry, tools={"pay": "payment@1"}, **kwargs)


def agent(*middleware: Any, **kwargs: Any) -> Any:
    return create_agent(Paying(), [pay], middleware=middleware, **kwargs)


def answered(state: Any) -> ToolMessage:
    [message] = [one for one in state["messages"] if isinstance(one, ToolMessage)]
    return message


@pytest.mark.parametrize("results", [{}, {"pay": "receipt@1"}], ids=["arguments", "and results"])
@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, (1, "Ada")),
        ({"amount": 2}, (2, "Ada")),
        ({"to": "Ada"}, (1, "Ada")),
        ({"amount": 0}, None),
        ({"amount": "2"}, None),
        ({"to": "Eve"}, None),
    ],
    ids=str,
)
async def test_what_middleware_makes_of_a_call_is_judged_too(
    registry: Registry, changed: dict[str, Any], expected: Any, way: str, results: dict[str, str]
) -> None:
    made = agent(guard(registry, results=results), Changing(**changed))
    state = await outcome(made, {"messages": [("human", "Pay.")]}, way)
    assert ran == ([] if expected is None else [expected])
    assert answered(state).status == ("error" if expected is None else "success")


async def test_under_warn_it_is_said_and_runs(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    made = agent(guard(registry, mode="warn"), Changing(to="Eve"))
    await outcome(made, {"messages": [("human", "Pay.")]}, "ainvoke")
    assert ran == [(1, "Eve")]
    warned = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert ["payment@1" in one.getMessage() for one in warned] == [True]


class Calling(AgentMiddleware[Any, Any, Any]):
    """Handles a call in its own way."""

    def __init__(self, handle: Callable[[ToolCallRequest, Callable[..., Any]], Any]) -> None:
        super().__init__()
        self._handle = handle

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[..., Any]) -> Any:
        return self._handle(request, handler)


def in_place(request: ToolCallRequest, handler: Callable[..., Any]) -> Any:
    request.tool_call["args"]["amount"] = -3
    return handler(request)


def by_itself(way: str) -> Callable[..., Any]:
    def call(request: ToolCallRequest, handler: Callable[..., Any]) -> Any:
        said = getattr(request.tool, way)({"amount": -3})
        return said if isinstance(said, ToolMessage) else ToolMessage(said, tool_call_id="c1")

    return call


def of_a_copy(request: ToolCallRequest, handler: Callable[..., Any]) -> Any:
    tool: Any = request.tool
    return in_place(request.override(tool=tool.model_copy()), handler)


def with_more(request: ToolCallRequest, handler: Callable[..., Any]) -> Any:
    arguments = {**request.tool_call["args"], "admin": True}
    return handler(request.override(tool_call={**request.tool_call, "args": arguments}))


def as_true(request: ToolCallRequest, handler: Callable[..., Any]) -> Any:
    changed: Any = {**request.tool_call, "args": {"amount": True}}
    return handler(request.override(tool_call=changed))


def pay_whatever(**arguments: Any) -> str:
    """Pay somebody."""
    ran.append(arguments)
    return "paid"


OPEN = StructuredTool.from_function(
    pay_whatever, name="pay", args_schema={"type": "object", "properties": {"amount": {}}}
)


@pytest.mark.parametrize(
    "handle", [in_place, by_itself("invoke"), by_itself("run"), of_a_copy, with_more, as_true]
)
@pytest.mark.parametrize("others", [[], [{"results": {"pay": "anything@1"}}]])
def test_no_way_of_calling_a_tool_leads_round(registry: Registry, handle: Any, others: Any) -> None:
    registry.register("anything", True)
    more = [SchemaMiddleware(registry, **one) for one in others]
    made: Any = create_agent(Paying(), [OPEN], middleware=[guard(registry), *more, Calling(handle)])
    state = made.invoke({"messages": [("human", "Pay.")]})
    assert ran == []
    assert answered(state).status == "error"


def test_a_tool_that_other_middleware_copies_is_run_as_they_made_it(registry: Registry) -> None:
    def traced(request: ToolCallRequest, handler: Callable[..., Any]) -> Any:
        tool: Any = request.tool
        update = {"func": lambda **arguments: f"traced {pay_whatever(**arguments)}"}
        return handler(request.override(tool=tool.model_copy(update=update)))

    made: Any = create_agent(Paying(), [OPEN], middleware=[guard(registry), Calling(traced)])
    state = made.invoke({"messages": [("human", "Pay.")]})
    assert ran == [{"amount": 1}]
    assert answered(state).text == "traced paid"


class Receipt(BaseModel):
    at: datetime


class Counting(BaseTool):
    """Keeps how often it ran."""

    name: str = "pay"
    description: str = "Pay somebody."
    times: int = 0
    _private: int = PrivateAttr(0)

    def _run(self, amount: int) -> Receipt:
        self.times += 1
        self._private += 1
        return Receipt(at=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_two_guards_see_the_result_as_it_is_and_the_tool_keeps_its_state(
    registry: Registry, way: str
) -> None:
    registry.register("dated", {"required": ["at"], "type": "object"})
    results = SchemaMiddleware(registry, results={"pay": "dated@1"})
    for guards in ([guard(registry), results], [results, guard(registry)]):
        paying = Counting()
        made = create_agent(Paying(), [paying], middleware=guards)
        state = await outcome(made, {"messages": [("human", "Pay.")]}, way)
        assert answered(state).status == "success", answered(state).text
        assert (paying.times, paying._private) == (1, 1)


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
@pytest.mark.parametrize("amount", [3, -3])
async def test_what_a_person_makes_of_a_call_is_judged_too(
    registry: Registry, amount: int, way: str
) -> None:
    people = HumanInTheLoopMiddleware(interrupt_on={"pay": True})
    made = agent(guard(registry), people, checkpointer=InMemorySaver()).with_config(
        configurable={"thread_id": "1"}
    )
    await outcome(made, {"messages": [("human", "Pay.")]}, way)
    edited = {"name": "pay", "args": {"amount": amount}}
    decision = {"type": "edit", "edited_action": edited}
    state = await outcome(made, Command(resume={"decisions": [decision]}), way)
    assert ran == ([(3, "Ada")] if amount > 0 else [])
    assert answered(state).status == ("success" if amount > 0 else "error")
