"""The file of the rules is followed while the server runs; a wrong one changes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from llm_integrations.core.registry import connect
from llm_integrations.serving import SchemaMiddleware
from llm_integrations.serving.runtime.rules_file import RulesFile
from llm_integrations.serving.upstream.middleware import UpstreamMiddleware
from tests.support.serving_apps import BAD, USER, Reply, Server, chat_reply, started

ENFORCED = {"output": {"schema": "user", "mode": "enforce"}}
WATCHED = {"output": {"schema": "user", "mode": "warn"}}


class Served(Server):
    """Rules in a file, the registry in a folder beside it; what the app answers is not valid."""

    def __init__(self, folder: Path, *rules: Any, kind: Any = SchemaMiddleware) -> None:
        super().__init__(chat_reply(BAD))
        self.path, self.schemas = folder / "rules.yaml", folder / "schemas"
        with connect(str(self.schemas)) as registry:
            registry.register("user", USER)
        self.write(*rules)
        self.middleware = kind(self.app, self.path)

    def write(self, *rules: Any, **others: Any) -> None:
        config = {"registry": str(self.schemas), "rules": rules, "routes": True, "auth": "none"}
        self.path.write_text(json.dumps({**config, "reload": 0.005, **others}))

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await super().app(scope, receive, send)
            return
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})

    async def health(self) -> Reply:
        return await self.post(path="/schemas/health", method="GET")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    made = Served(tmp_path, ENFORCED)
    made.write(ENFORCED, reload=0)
    async with started(made.middleware):
        yield made


def reloads(outcome: str) -> float:
    labels = {"module": "serving", "outcome": outcome}
    return REGISTRY.get_sample_value("llm_integrations_rules_reloads_total", labels) or 0.0


async def until_status(made: Server, status: int) -> None:
    async with asyncio.timeout(10):
        while (await made.post()).status != status:  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("kind", [SchemaMiddleware, UpstreamMiddleware])
async def test_a_change_is_in_force_without_a_restart(tmp_path: Path, kind: Any) -> None:
    made = Served(tmp_path, ENFORCED, kind=kind)
    async with started(made.middleware):
        assert (await made.post()).status == 500
        made.write(WATCHED)
        await until_status(made, 200)
        made.path.write_text("rules: [")
        await asyncio.sleep(0)
        made.write(ENFORCED)
        await until_status(made, 500)


async def test_without_a_lifespan_too(tmp_path: Path) -> None:
    made = Served(tmp_path, ENFORCED)
    assert (await made.post()).status == 500
    made.write(WATCHED)
    await until_status(made, 200)
    await made.middleware.stop()


WRONG: dict[str, tuple[Any, str]] = {
    "no YAML": ("rules: [", "is not YAML"),
    "no rules": ({}, "rules: Field required"),
    "a schema that is not there": (
        {"rules": [{"output": {"schema": "user@9"}}]},
        "a rule names user@9",
    ),
    "a key that is not set": (
        {"rules": [ENFORCED], "auth": {"keys_env": ["NO_SUCH_KEY"]}},
        "NO_SUCH_KEY is not set",
    ),
    "a way round": ({"rules": [ENFORCED], "strict_routes": True}, "strict_routes"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_file_changes_nothing_and_says_so(
    served: Served, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    wrong, reason = WRONG[name]
    if isinstance(wrong, dict):
        wrong = json.dumps({"registry": str(served.schemas), **wrong})
    served.path.write_text(wrong)
    before = reloads("rejected")
    assert await served.middleware.reload() is False
    assert (await served.post()).status == 500
    assert reloads("rejected") == before + 1
    assert reason in caplog.text
    health = await served.health()
    assert (health.status, health.json["ok"]) == (200, True)
    assert reason in health.json["rejected"][str(served.path)]


async def test_a_file_that_is_gone_changes_nothing(served: Served) -> None:
    served.path.unlink()
    assert await served.middleware.reload() is False
    assert (await served.post()).status == 500
    assert "cannot read" in (await served.health()).json["rejected"][str(served.path)]


async def test_a_good_one_after_it_is_in_force(served: Served) -> None:
    served.path.write_text("{}")
    await served.middleware.reload()
    served.write(WATCHED)
    before = reloads("loaded")
    assert await served.middleware.reload() is True
    assert (await served.post()).status == 200
    assert reloads("loaded") == before + 1
    assert (await served.health()).json["rejected"] == {}


async def test_paths_that_no_rule_is_for_any_more_are_open(served: Served) -> None:
    served.write({**ENFORCED, "paths": ["/other"]}, routes=False)
    assert await served.middleware.reload()
    assert (await served.post()).status == 200
    assert (await served.post(path="/other")).status == 500
    assert (await served.health()).body == (await served.post()).body, "the app answers it"


async def test_a_request_ends_by_the_rules_that_it_began_with(served: Served) -> None:
    reached, goes_on = asyncio.Event(), asyncio.Event()
    app = served.middleware.app

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        reached.set()
        await goes_on.wait()
        await app(scope, receive, send)

    for handler in served.middleware._ruled.values():
        handler._app = slow
    request = asyncio.create_task(served.post())
    await reached.wait()
    served.write(WATCHED)
    assert await served.middleware.reload()
    goes_on.set()
    assert (await request).status == 500
    assert (await served.post()).status == 200


async def test_a_registry_is_closed_once_no_request_can_need_it(served: Served) -> None:
    runtimes = []
    for _ in range(3):
        runtimes.append(served.middleware._runtime)
        assert await served.middleware.reload()
    assert [runtime.registry.closed for runtime in runtimes if runtime] == [True, True, False]
    await served.middleware.stop()
    assert all(runtime.registry.closed for runtime in runtimes if runtime)


async def test_values_that_were_handed_in_are_no_file() -> None:
    made = Server(chat_reply(BAD))
    await made.post()
    assert made.middleware._following is None
    await made.middleware.stop()


class TestTheFile:
    async def test_that_is_being_written_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "rules.yaml"
        path.write_text("1")
        looks = 0

        def seconds() -> float:
            nonlocal looks
            looks += 1
            if looks < 5:
                path.write_text("x" * (looks + 1))
            return 0.001 if looks < 9 else 0

        told = [looks async for _ in RulesFile(path).changes(seconds)]
        assert told == [5], "once, at the first look at which it had held still"

    async def test_may_be_another_one_behind_the_same_link(self, tmp_path: Path) -> None:
        first, second, link = tmp_path / "1", tmp_path / "2", tmp_path / "rules.yaml"
        for path in (first, second):
            path.write_text("same")
        link.symlink_to(first)
        file = RulesFile(link)
        link.unlink()
        link.symlink_to(second)
        intervals = iter([0.001, 0.001, 0.001, 0])
        assert len([None async for _ in file.changes(lambda: next(intervals))]) == 1
