"""/schemas/health and /schemas/rules."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from llm_integrations.core.registry import connect
from llm_integrations.serving.rules.plan import REUSED_SECONDS
from tests.support.serving_apps import BAD, CHAT, GOOD, USER, Server, chat_reply

RULES: list[dict[str, Any]] = [
    {
        "name": "one",
        "models": ["tiny"],
        "input": {"checks": [{"of": "messages", "schema": "user@1"}]},
        "output": {"schema": "user", "tools": {"save": "user"}},
    },
    {"name": "off", "output": {"schema": "user", "mode": "off"}},
]


def server(**config: Any) -> Server:
    return Server(chat_reply(GOOD), rules=RULES, routes=True, **config)


async def test_they_are_off_by_default() -> None:
    made = Server(chat_reply(GOOD), rules=RULES)
    await made.post(method="GET", path="/schemas/rules")
    assert len(made.requests) == 1, "the request is the app's"


async def test_rules_says_what_is_in_force() -> None:
    made = server()
    await made.post()
    made.registry.validator("user")
    reply = await made.post(method="GET", path="/schemas/rules")
    one, off = reply.json["rules"]
    assert one["name"] == "one"
    assert CHAT in one["paths"]
    assert one["input"] == {
        "mode": "enforce",
        "checks": [{"of": "messages", "schema": "user@1", "version": 1}],
    }
    assert one["output"] == {
        "mode": "warn",
        "schema": "user@latest",
        "version": 1,
        "tools": {"save": {"schema": "user@latest", "version": 1}},
        "constrain": False,
    }
    assert (off["input"], off["output"]) == (None, None)
    made.registry.register("user", {**USER, "title": "second"})
    reply = await made.post(method="GET", path="/schemas/rules")
    assert reply.json["rules"][0]["output"]["version"] == 2
    assert reply.json["rules"][0]["input"]["checks"][0]["version"] == 1


async def test_health_asks_the_registry() -> None:
    reply = await server().post(method="GET", path="/schemas/health")
    assert reply.status == 200
    assert reply.json["ok"] is True
    assert reply.json["registry"]["breaker"] == "closed"
    assert reply.json["events"] is None
    assert reply.headers["cache-control"] == "no-store"


async def test_health_is_503_when_it_does_not_answer() -> None:
    from llm_integrations.core.registry import connect

    reply = await server(registry=connect("http://127.0.0.1:9")).post(
        method="GET", path="/schemas/health"
    )
    assert (reply.status, reply.json["ok"]) == (503, False)


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_they_are_read_only(method: str) -> None:
    reply = await server().post(method=method, path="/schemas/rules")
    assert reply.status == 405


async def test_head_has_no_body() -> None:
    reply = await server().post(method="HEAD", path="/schemas/health")
    assert (reply.status, reply.body) == (200, b"")


LOOKAHEAD = '{"type": "object", "properties": {"name": {"pattern": "^(?=a)b"}}}'


@pytest.mark.parametrize("newer", [LOOKAHEAD, "{", '{"$ref": "gone.json"}'])
async def test_a_newer_version_that_cannot_be_used_leaves_the_last_good_one_in_force(
    tmp_path: Path, newer: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "1.json").write_text(json.dumps(USER))
    registry = connect(str(tmp_path))
    output = {"schema": "user@latest", "mode": "enforce"}
    made = Server(chat_reply(BAD), rules=[{"output": output}], routes=True, registry=registry)
    assert (await made.post()).headers["x-schema"] == "user@1"
    (tmp_path / "user" / "2.json").write_text(newer)
    registry.invalidate("user")
    for _ in range(2):
        await asyncio.sleep(REUSED_SECONDS)
        reply = await made.post()
        assert (reply.status, reply.headers["x-schema"]) == (500, "user@1")
    health = await made.post(method="GET", path="/schemas/health")
    assert (health.status, list(health.json["rejected"])) == (200, ["user@latest"])
    assert caplog.text.count("its copy goes on being served") == 1
    (tmp_path / "user" / "2.json").write_text('{"type": "string"}')
    registry.invalidate("user")
    await asyncio.sleep(REUSED_SECONDS)
    assert (await made.post()).headers["x-schema"] == "user@2"
    assert not (await made.post(method="GET", path="/schemas/health")).json["rejected"]
    registry.close()
