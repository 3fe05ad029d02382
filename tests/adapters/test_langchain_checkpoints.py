"""A graph that is resumed under another version than its checkpoint was written by."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, TypedDict

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import StateGraph
from langgraph.types import Command, interrupt

from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.registry import Registry, connect
from llm_integrations.langchain import checkpointer

FIRST = {"properties": {"name": {"type": "string"}}}
SECOND = {"properties": {"name": {"type": "string", "minLength": 5}}, "required": ["name"]}
CONFIG: Any = {"configurable": {"thread_id": "t"}}
RESUME: Any = Command(resume="Lovelace")


class State(TypedDict, total=False):
    name: str
    last: str
    said: list[Any]


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("state", FIRST, compatibility="NONE")
        yield client


def asking(state: State) -> Any:
    return {"last": interrupt("And your last name?")}


def graph(saver: Any, nested: bool = False) -> Any:
    builder = StateGraph(State)
    inner = StateGraph(State).add_node("ask", asking).set_entry_point("ask")
    builder.add_node("ask", inner.compile() if nested else asking)
    return builder.set_entry_point("ask").compile(checkpointer=saver)


async def run(chain: Any, given: Any, is_async: bool) -> Any:
    return await chain.ainvoke(given, CONFIG) if is_async else chain.invoke(given, CONFIG)


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said of checkpoints, without their ids."""
    return [message.partition(", ")[2] for message in caplog.messages]


WARNINGS = [
    "written by state@1 is resumed under state@2",
    "written by state@1, does not satisfy state@2: /name: is shorter than 5 characters",
]


@pytest.fixture(params=["memory", "sqlite"])
def saver(request: pytest.FixtureRequest) -> Iterator[BaseCheckpointSaver[Any]]:
    if request.param == "memory":
        yield InMemorySaver()
        return
    sqlite = pytest.importorskip("langgraph.checkpoint.sqlite")
    with sqlite.SqliteSaver.from_conn_string(":memory:") as found:
        yield found


def test_any_saver_writes_the_version_and_judges_what_another_one_wrote(
    registry: Registry, saver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    chain = graph(checkpointer(saver, "state", registry=registry))
    chain.invoke({"name": "Ada"}, CONFIG)
    assert saver.get_tuple(CONFIG).metadata["schema_written_by"] == "state@1"
    registry.register("state", SECOND)
    with pytest.raises(SchemaValidationError, match="written by state@1"):
        chain.invoke(RESUME, CONFIG)
    caplog.clear()
    warned = graph(checkpointer(saver, "state", registry=registry, mode="warn"))
    assert warned.invoke(RESUME, CONFIG)["last"] == "Lovelace"
    assert warnings_in(caplog) == WARNINGS


async def test_a_saver_of_an_event_loop_does_so_once_from_any_thread(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    sqlite = pytest.importorskip("langgraph.checkpoint.sqlite.aio")
    async with sqlite.AsyncSqliteSaver.from_conn_string(":memory:") as saver:
        chain = graph(checkpointer(saver, "state", registry=registry, mode="warn"))
        await asyncio.to_thread(chain.invoke, {"name": "Ada"}, CONFIG)
        assert (await saver.aget_tuple(CONFIG)).metadata["schema_written_by"] == "state@1"
        registry.register("state", SECOND)
        for is_async in (False, True):
            caplog.clear()
            found = (
                chain.aget_state(CONFIG) if is_async else asyncio.to_thread(chain.get_state, CONFIG)
            )
            assert (await found).values == {"name": "Ada"}
            assert warnings_in(caplog) == WARNINGS
        assert (await chain.ainvoke(RESUME, CONFIG))["last"] == "Lovelace"
        enforcing = graph(checkpointer(saver, "state", registry=registry))
        await graph(saver).ainvoke({"name": "Bo"}, {"configurable": {"thread_id": "u"}})
        with pytest.raises(SchemaValidationError, match="written by no known version"):
            await enforcing.ainvoke(RESUME, {"configurable": {"thread_id": "u"}})


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("is_async", [False, True])
async def test_an_older_checkpoint_is_judged_and_named_on_resume(
    registry: Registry, is_async: bool, nested: bool, caplog: pytest.LogCaptureFixture
) -> None:
    saver = InMemorySaver()

    def compiled(**kwargs: Any) -> Any:
        return graph(checkpointer(saver, "state", registry=registry, **kwargs), nested)

    await run(compiled(), {"name": "Ada"}, is_async)
    assert not caplog.messages
    assert saver.get_tuple(CONFIG).metadata["schema_written_by"] == "state@1"  # type: ignore[union-attr, typeddict-item] # ours
    registry.register("state", SECOND)
    with pytest.raises(SchemaValidationError, match=r"written by state@1, .*state@2: /name"):
        await run(compiled(), RESUME, is_async)
    assert "written by state@1 is resumed under state@2" in caplog.text
    caplog.clear()
    found = await run(compiled(mode="warn"), RESUME, is_async)
    assert found["last"] == "Lovelace"
    assert any("does not satisfy state@2" in message for message in caplog.messages)
    assert "Ada" not in caplog.text


@pytest.mark.parametrize("is_async", [False, True])
async def test_what_is_still_right_goes_on_and_bears_the_new_version(
    registry: Registry, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    saver = InMemorySaver()
    chain = graph(checkpointer(saver, "state", registry=registry))
    given = {"name": "Augusta", "said": [HumanMessage("Hello")]}
    await run(chain, given, is_async)
    registry.register("state", SECOND)
    assert (await run(chain, RESUME, is_async))["last"] == "Lovelace"
    assert caplog.text.count("written by state@1 is resumed under state@2") == 1
    assert saver.get_tuple(CONFIG).metadata["schema_written_by"] == "state@2"  # type: ignore[union-attr, typeddict-item] # ours


def test_a_checkpoint_that_nobody_stamped_is_judged_too(registry: Registry) -> None:
    saver = InMemorySaver()
    graph(saver).invoke({"name": "Ada"}, CONFIG)
    registry.register("state", SECOND)
    with pytest.raises(SchemaValidationError, match="written by no known version"):
        graph(checkpointer(saver, "state", registry=registry)).invoke(RESUME, CONFIG)
    off = graph(checkpointer(saver, "state", registry=registry, mode="off"))
    assert off.invoke(RESUME, CONFIG)["last"] == "Lovelace"


def test_a_saver_stays_what_it_is(registry: Registry) -> None:
    class Saver(InMemorySaver):
        own = "kept"

    saver = Saver()
    made = checkpointer(saver, "state@1", registry=registry)
    assert isinstance(made, Saver)
    assert isinstance(made, BaseCheckpointSaver)
    assert (made.own, type(saver)) == ("kept", Saver)
    graph(made).invoke({"name": "Ada"}, CONFIG)
    assert saver.get_tuple(CONFIG) is not None
    assert len(list(made.list(CONFIG))) == len(list(saver.list(CONFIG)))
    with pytest.raises(ConfigurationError, match="saver"):
        checkpointer(3, "state@1", registry=registry)  # type: ignore[type-var] # wrong on purpose
