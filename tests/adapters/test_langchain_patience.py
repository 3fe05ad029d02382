"""A registry that hangs: an event loop waits for it once, and threads do not queue up for it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate

from llm_integrations.core.config import RetryOptions
from llm_integrations.core.errors import RegistryUnavailable
from llm_integrations.langchain import SchemaCallbackHandler, bind_schema
from tests.support.clients import Connect, connected, server
from tests.support.patience import eventually
from tests.support.registry_server import RegistryServer, hanging

__all__ = ["connected", "server"]

ONCE = RetryOptions(attempts=1, deadline=0.5)


def chain(reference: str) -> Any:
    prompt = bind_schema(ChatPromptTemplate.from_template("{name}"), reference)
    return prompt | FakeListChatModel(responses=["hi"])


def calls(runnables: list[Any], handler: SchemaCallbackHandler) -> list[asyncio.Task[Any]]:
    using: Any = {"callbacks": [handler]}
    return [asyncio.create_task(each.ainvoke({"name": "Ada"}, using)) for each in runnables]


@pytest.mark.parametrize("names", [["cold"] * 15, [f"cold-{n}" for n in range(15)]])
async def test_all_calls_together_hold_the_loop_for_one_patience(
    server: RegistryServer,
    connected: Connect,
    monkeypatch: pytest.MonkeyPatch,
    names: list[str],
) -> None:
    monkeypatch.setattr("llm_integrations.langchain.resolve.PATIENCE", 0.2)
    for name in {"warm", *names}:
        server.add(name, {"type": "object"})
    handler = SchemaCallbackHandler(connected(timeout=30.0, retry=RetryOptions(deadline=30.0)))
    await handler.prepare(chain("warm@1"))
    waited: list[float] = []
    wait = asyncio.wait

    def watched(tasks: Any, timeout: float) -> Any:
        waited.append(timeout)
        return wait(tasks, timeout=timeout)

    ours = SimpleNamespace(**{**vars(asyncio), "wait": watched})
    monkeypatch.setattr("llm_integrations.langchain.patience.asyncio", ours)
    server.fault = hanging
    results = await asyncio.gather(
        *calls([chain(f"{name}@1") for name in names], handler), return_exceptions=True
    )
    assert [type(result) for result in results] == [RegistryUnavailable] * 15
    assert 0.2 <= sum(waited) < 0.4  # 15 times 0.2 if each waited
    assert server.count("cold") <= len(set(names))  # each call asked anew for it before
    assert await asyncio.gather(*calls([chain("warm@1")], handler))


async def test_what_the_loop_did_not_wait_for_is_judged_by_once_it_is_here(
    server: RegistryServer, connected: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_integrations.langchain.resolve.PATIENCE", 0.05)
    for name in ("warm", "cold"):
        server.add(name, {"type": "object"})
    registry = connected()
    handler = SchemaCallbackHandler(registry)
    await handler.prepare(chain("warm@1"))
    server.hold()
    with pytest.raises(RegistryUnavailable, match=r"within 0\.05 s"):
        await asyncio.gather(*calls([chain("cold@1")], handler))
    server.let_go()
    await eventually(lambda: registry.peek("cold@1"))
    assert await asyncio.gather(*calls([chain("cold@1")], handler))


async def test_threads_do_not_wait_for_the_same_schema_group_by_group(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("cold", {"type": "object"})
    server.fault = hanging
    handler = SchemaCallbackHandler(connected(timeout=0.5, retry=ONCE))
    assert handler.run_inline is False
    results = await asyncio.gather(*calls([chain("cold@1")] * 200, handler), return_exceptions=True)
    assert {type(result) for result in results} == {RegistryUnavailable}
    assert server.count("cold") == 1  # once for each group of worker threads before
    server.fault = None
    with pytest.raises(RegistryUnavailable, match="a moment ago"):
        await asyncio.gather(*calls([chain("cold@1")], handler))


async def test_nor_for_many_schemas_one_after_the_other(
    server: RegistryServer, connected: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_integrations.langchain.patience.HURRIED", 0.05)
    names = [f"cold-{n}" for n in range(20)]
    for name in names:
        server.add(name, {"type": "object"})
    server.fault = hanging
    registry = connected(timeout=0.5, retry=ONCE)
    with pytest.raises(RegistryUnavailable):
        await asyncio.gather(*calls([chain("cold-0@1")], SchemaCallbackHandler(registry)))
    waited: list[float] = []
    wait = asyncio.wait

    def watched(tasks: Any, timeout: float) -> Any:
        waited.append(timeout)
        return wait(tasks, timeout=timeout)

    ours = SimpleNamespace(**{**vars(asyncio), "wait": watched})
    monkeypatch.setattr("llm_integrations.langchain.patience.asyncio", ours)
    handler = SchemaCallbackHandler(registry)
    results = await asyncio.gather(
        *calls([chain(f"{name}@1") for name in names * 5], handler), return_exceptions=True
    )
    assert {type(result) for result in results} == {RegistryUnavailable}
    assert set(waited) == {0.05}
    assert len(waited) < 70  # of 100: not each of them, whatever the number of threads
