"""What an agent's tools say of themselves, beside what the registry says of them."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import InjectedToolCallId, StructuredTool, tool
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from mcp.types import Tool

from llm_integrations.core.config import RetryOptions
from llm_integrations.core.errors import (
    ConfigurationError,
    IncompatibleSchema,
    RegistryUnavailable,
    SchemaNotFound,
)
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.validation import compile_validator
from llm_integrations.langchain import SchemaMiddleware, ToolDrift, tool_drift
from tests.adapters.test_langchain_agents import QUESTION, call, run
from tests.adapters.test_langchain_middleware import Scripted
from tests.support import mcp_server
from tests.support.patience import eventually

AGREED: Any = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}


def agreed(**changed: Any) -> dict[str, Any]:
    return {**AGREED, "properties": {**AGREED["properties"], **changed}}


@tool
def forecast(city: str, call_id: Annotated[str, InjectedToolCallId], days: int = 1) -> str:
    """The weather."""
    return city


@tool
def renamed(town: str, days: int = 1) -> str:
    """The weather."""
    return town


@tool
def narrowed(city: Literal["Rome"], days: int = 1) -> str:
    """The weather."""
    return city


@tool
def demanding(city: str, key: str, days: int = 1) -> str:
    """The weather."""
    return city


@tool
def wider(city: str, days: int | str = 1, note: str = "") -> str:
    """The weather."""
    return city


def plain(city: str, days: int = 1) -> str:
    return city


def named(given: Any, name: str = "forecast") -> Any:
    return given.model_copy(update={"name": name})


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("args", AGREED)
        client.register("degrees", mcp_server.DEGREES)
        yield client


TOOLS: dict[str, tuple[Any, str]] = {
    "as agreed": (forecast, "same"),
    "function": (StructuredTool.from_function(plain, name="forecast", description="x"), "same"),
    "mcp": (Tool(name="forecast", inputSchema=AGREED), "same"),
    "mcp with titles": (Tool(name="forecast", inputSchema={**AGREED, "title": "A"}), "same"),
    "openai": (
        {"type": "function", "function": {"name": "forecast", "parameters": AGREED}},
        "same",
    ),
    "anthropic": ({"name": "forecast", "input_schema": AGREED}, "same"),
    "wider": (named(wider), "compatible"),
    "optional added": (
        Tool(name="forecast", inputSchema=agreed(lang={"type": "string"})),
        "compatible",
    ),
    "renamed": (named(renamed), "incompatible"),
    "narrowed": (named(narrowed), "incompatible"),
    "demanding": (named(demanding), "incompatible"),
    "other type": (
        Tool(name="forecast", inputSchema=agreed(days={"type": "string"})),
        "incompatible",
    ),
    "no schema": (Tool(name="forecast", inputSchema={"type": "nothing"}), "incompatible"),
    "reads the network": (
        Tool(name="forecast", inputSchema={"$ref": "https://example.org/x"}),
        "incompatible",
    ),
    "missing": (renamed, "missing"),
    "a provider's own": ({"type": "forecast"}, "unstated"),
}


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("kind", TOOLS)
async def test_what_breaks_a_call_that_was_right_is_drift(
    registry: Registry, kind: str, is_async: bool
) -> None:
    given, state = TOOLS[kind]
    drift = ToolDrift({"forecast": "args"}, registry=registry, mode="warn")
    report = await drift.acheck([given]) if is_async else drift.check([given])
    [line] = report.lines
    assert (line.state, line.schema, line.side) == (state, "args@1", "arguments")
    assert bool(report) is (state in {"same", "compatible"})
    assert drift.report is report
    assert json.loads(json.dumps(report.to_dict()))["lines"][0]["state"] == state
    assert "forecast" in report._repr_html_()
    if line.compatibility is not None and line.compatibility.violations:
        witness = line.compatibility.violations[0].witness
        assert compile_validator(AGREED).is_valid(witness)
        assert line.stated is not None
        assert not compile_validator(line.stated).is_valid(witness)
        assert str(witness["city"]) in str(report)
    if not report:
        with pytest.raises(IncompatibleSchema, match="forecast") as caught:
            tool_drift([given], {"forecast": "args@1"}, registry=registry)
        assert caught.value.report is not None
        assert not caught.value.report


def test_changes_that_break_nothing_are_in_the_report(registry: Registry) -> None:
    report = tool_drift([named(wider), renamed], {"forecast": "args@1"}, registry=registry)
    paths = {change.path for change in report.lines[0].changes}
    assert {"/properties/days/type", "/properties/note"} <= paths
    assert report.unnamed == ("renamed",)
    full = ToolDrift({"forecast": "args@1"}, registry=registry, mode="warn", level="full")
    assert not full.check([named(wider)])


def test_an_agent_may_stand_for_its_tools(registry: Registry) -> None:
    agent = create_agent(Scripted(answers=[]), [named(demanding), renamed])
    report = tool_drift(agent, {"forecast": "args@1"}, registry=registry, mode="warn")
    assert [line.state for line in report.lines] == ["incompatible"]
    assert report.unnamed == ("renamed",)
    assert tool_drift(forecast, {"forecast": "args@1"}, registry=registry)
    for wrong in ("forecast", 3, {"forecast": forecast}):
        with pytest.raises(ConfigurationError, match="list of tools"):
            tool_drift(wrong, {"forecast": "args@1"}, registry=registry)  # type: ignore[arg-type] # wrong on purpose
    with pytest.raises(ConfigurationError, match="nothing would be compared"):
        tool_drift([forecast], {}, registry=registry)


def test_a_tool_may_name_its_schema_itself(registry: Registry) -> None:
    bound = named(demanding)
    bound.metadata = {"schema_tool": "args@1"}
    with pytest.raises(IncompatibleSchema, match="key"):
        tool_drift([bound], registry=registry)
    with pytest.raises(ConfigurationError, match="no schema is named"):
        tool_drift([forecast], registry=registry)


def test_results_must_be_readable_as_before(registry: Registry) -> None:
    def gives(schema: Any) -> Any:
        return Tool(name="forecast", inputSchema=AGREED, outputSchema=schema)

    def state(given: Any) -> str:
        drift = ToolDrift(results={"forecast": "degrees@1"}, registry=registry, mode="warn")
        return drift.check([given]).lines[0].state

    assert state(gives(mcp_server.DEGREES)) == "same"
    narrower = {**mcp_server.DEGREES, "properties": {"degrees": {"type": "integer"}}}
    assert state(gives(narrower)) == "compatible"
    assert state(gives({**mcp_server.DEGREES, "required": []})) == "incompatible"
    assert state(gives(None)) == "unstated"
    assert state(forecast) == "unstated"


def test_what_is_wrong_is_said_and_off_looks_at_nothing(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SchemaNotFound):
        tool_drift([forecast], {"forecast": "nobody@1"}, registry=registry)
    wrongs: list[Any] = [
        {"mode": "loud"},
        {"level": "SIDEWAYS"},
        {"policy": "kind"},
        {"on_drift": 3},
    ]
    for wrong in wrongs:
        with pytest.raises(ConfigurationError):
            ToolDrift({"forecast": "args@1"}, registry=registry, **wrong)
    with pytest.raises(ConfigurationError, match="tool"):
        tool_drift([3], {"forecast": "args@1"}, registry=registry)
    assert tool_drift([3], {"forecast": "nobody@1"}, registry=registry, mode="off")
    assert not tool_drift([renamed], {"forecast": "args@1"}, registry=registry, mode="warn")
    assert "arguments of forecast beside args@1: there is no such tool" in caplog.text


def test_a_registry_that_is_away_passes_only_under_warn() -> None:
    with connect("http://127.0.0.1:9", retry=RetryOptions(attempts=1)) as away:
        with pytest.raises(RegistryUnavailable):
            tool_drift([forecast], {"forecast": "args@1"}, registry=away)
        report = tool_drift([forecast], {"forecast": "args@1"}, registry=away, mode="warn")
    assert [line.state for line in report.lines] == ["unjudged"]


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_agent_whose_tools_drifted_does_not_start(
    registry: Registry, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def agent(given: Any, drift: Any, *answers: AIMessage) -> Any:
        guard = SchemaMiddleware(registry, tools={"forecast": "args"}, drift=drift)
        return create_agent(Scripted(answers=list(answers)), [given], middleware=[guard])

    answered = AIMessage("Sunny.")
    refused = agent(named(demanding), "enforce")
    for _ in range(2):
        with pytest.raises(IncompatibleSchema, match="`key`"):
            await run(refused, is_async)
    assert (await run(agent(forecast, "enforce", answered), is_async))["messages"][-1] == answered
    await run(agent(named(demanding), "off", answered), is_async)
    assert "beside" not in caplog.text
    await run(agent(named(demanding), "warn", answered), is_async)
    assert "arguments of forecast beside args@1" in caplog.text
    own = ToolDrift({"forecast": "args@1"}, registry=registry)
    with pytest.raises(IncompatibleSchema):
        await run(agent(named(demanding), own), is_async)
    assert own.report is not None
    with pytest.raises(ConfigurationError, match="drift="):
        SchemaMiddleware(registry, results={"forecast": "degrees@1"}, drift="warn")


def test_tools_are_compared_once_and_again_when_they_are_others(registry: Registry) -> None:
    drift = ToolDrift({"forecast": "args@1"}, registry=registry)
    guard = SchemaMiddleware(registry, drift=drift)
    answers = [call("forecast", city="Rome"), AIMessage("Sunny.")]
    agent = create_agent(Scripted(answers=answers), [forecast], middleware=[guard])
    agent.invoke(QUESTION)
    first = drift.report
    agent.invoke(QUESTION)
    assert drift.report is first is not None


async def test_an_mcp_servers_tools_are_followed(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    """A real server over stdio: at the start, when its tools change, and when they change back."""
    registry.register("city", mcp_server.CITY)
    heard: asyncio.Queue[Any] = asyncio.Queue()
    drift = ToolDrift(
        {"forecast": "city@1"},
        results={"forecast": "degrees@1"},
        registry=registry,
        on_drift=heard.put,
    )
    connection: Any = {
        "transport": "stdio",
        "command": sys.executable,
        "args": ["-m", "tests.support.mcp_server"],
        "env": dict(os.environ),
        "session_kwargs": {"message_handler": drift.message_handler},
    }
    client = MultiServerMCPClient({"weather": connection})
    guard = SchemaMiddleware(registry, tools={"forecast": "city@1"}, drift=drift)
    async with client.session("weather") as session:
        tools = await load_mcp_tools(session)
        assert tool_drift([], {"forecast": "city@1"}, registry=registry, mode="warn").drifted
        async with drift.follow(session) as report:
            assert [line.state for line in report.lines] == ["same", "same"]
            assert report.unnamed == ("change",)
            answers = [call("forecast", 1, city="Rome"), call("change", 2), AIMessage("Sunny.")]
            agent = create_agent(Scripted(answers=answers), tools, middleware=[guard])
            with caplog.at_level(logging.ERROR), pytest.raises(IncompatibleSchema) as caught:
                await agent.ainvoke(QUESTION)
                await heard.get()
                await agent.ainvoke(QUESTION)
            assert "requires" in str(caught.value) or "required" in str(caught.value)
            assert drift.report is not None
            [line] = drift.report.drifted
            assert line.compatibility is not None
            assert line.compatibility.violations[0].witness.keys() == {"city"}
            assert "forecast" in caplog.text
            await session.call_tool("change", {"back": True})
            await eventually(lambda: drift.report)
            drift.raise_if_drifted()
        # What the server states now is refused at the start.
        await session.call_tool("change", {})
        with pytest.raises(IncompatibleSchema, match="units"):
            async with drift.follow(session):
                raise AssertionError("never entered")


class Session:
    """A server that fails to list its tools when it is asked for the second time."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.asked = 0

    async def list_tools(self, cursor: str | None = None) -> Any:
        self.asked += 1
        if self.asked > 2:
            if self.error is None:
                await asyncio.Event().wait()
            else:
                raise self.error
        more = "next" if cursor is None else None
        page = {None: [], "next": [Tool(name="forecast", inputSchema=AGREED)]}[cursor]
        return type("Page", (), {"tools": page, "nextCursor": more})


@pytest.mark.parametrize("error", [OSError("gone"), None])
async def test_tools_that_cannot_be_listed_any_more_are_not_taken_for_good(
    registry: Registry, error: Exception | None
) -> None:
    drift = ToolDrift({"forecast": "args@1"}, registry=registry, timeout=0.05)
    changed = type("Changed", (), {"method": "notifications/tools/list_changed"})()
    async with drift.follow(Session(error)):
        drift.raise_if_drifted()
        await drift.message_handler(changed)
        await eventually(lambda: drift._failure)
        with pytest.raises(IncompatibleSchema, match="could not be compared"):
            drift.raise_if_drifted()


async def test_a_change_that_nobody_hears_of_is_said(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    drift = ToolDrift({"forecast": "args@1"}, registry=registry)
    other = Session(None)
    other._message_handler = print  # type: ignore[attr-defined] # as MCP's sessions have it
    async with drift.follow(other):
        pass
    assert "another message handler" in caplog.text
    await drift.message_handler(type("Changed", (), {"method": "notifications/tools/list_changed"}))
    assert "no session is followed" in caplog.text
