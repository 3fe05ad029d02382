"""Hostile input on an app that echoes: whatever comes, nothing is lost, changed or answered by us.

12,000 exchanges: random, truncated, deep and huge bodies, split anywhere, with replies and streams
split anywhere too. `make test-real` runs 50,000.
"""

from __future__ import annotations

import gc
import json
import random
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from llm_integrations.core.registry import Registry
from llm_integrations.serving import SchemaMiddleware
from tests.support.serving_apps import BAD, CHAT, GOOD, chat_chunks, chat_reply, registry_with_user

EXCHANGES = 12_000
PATHS = [CHAT, "/v1/completions", "/v1/responses", "/v1/messages", "/plain"]
KINDS = [b"application/json", b"text/event-stream", b"text/plain"]

Message = dict[str, Any]


class Echo:
    """Answers with the request's body, or with bytes of its own, in given pieces."""

    def __init__(self) -> None:
        self.received = b""
        self.reply: list[bytes] = []
        self.status = 200
        self.kind = KINDS[0]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.received = body
        headers = [(b"content-type", self.kind)]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        for piece in self.reply or [body]:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Exchange:
    """One request and what came back."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._messages: list[Message] = [
            {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
            for number, piece in enumerate(pieces, start=1)
        ]
        self.status = 0
        self.body = b""
        self.ended = 0

    async def receive(self) -> Message:
        return self._messages.pop(0) if self._messages else {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            assert self.status == 0, "a second reply"
            self.status = message["status"]
        else:
            assert self.status, "a body before its start"
            self.body += message.get("body", b"")
            self.ended += not message.get("more_body", False)


def split(data: bytes, choose: random.Random) -> list[bytes]:
    cuts = sorted(choose.randrange(len(data) + 1) for _ in range(choose.randrange(4)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def _deep(choose: random.Random) -> bytes:
    depth = choose.randrange(2000)
    opened = b"".join(choose.choices([b"[", b'{"a":'], k=depth))
    return opened + b"1" + b"]" * choose.randrange(depth + 1)


def _damaged(choose: random.Random) -> bytes:
    whole = choose.choice(SEEDS)
    match choose.randrange(4):
        case 0:
            return whole[: choose.randrange(len(whole) + 1)]
        case 1:
            at = choose.randrange(len(whole))
            return whole[:at] + choose.randbytes(choose.randrange(4)) + whole[at + 1 :]
        case 2:
            at = choose.randrange(len(whole))
            return whole[:at] + whole[at // 2 :]
        case _:
            return whole.replace(b'"', choose.choice([b"'", b'"\\ud800', b"\xff", b"\x00"]), 1)


def _odd(choose: random.Random) -> bytes:
    """Bodies of the right names and the wrong kinds of things."""
    things: list[Any] = [None, 0, 1e308, "x", GOOD, [], {}, True, [[]], {"choices": [3]}, "\ud800"]
    names = ["model", "messages", "choices", "output", "content", "tools", "prompt", "input"]
    names += ["delta", "index", "finish_reason", "text", "role", "type", "message", "tool_calls"]

    def thing(depth: int) -> Any:
        if depth == 0 or choose.random() < 0.3:
            return choose.choice(things)
        if choose.random() < 0.4:
            return [thing(depth - 1) for _ in range(choose.randrange(3))]
        return {choose.choice(names): thing(depth - 1) for _ in range(choose.randrange(4))}

    return json.dumps({choose.choice(names): thing(4) for _ in range(3)}).encode()


def _huge_numbers(choose: random.Random) -> bytes:
    digits = b"9" * choose.choice([20, 400, 4299, 5000])
    return b'{"n": -' + digits + b"." + digits + b"e" + digits[:4] + b"}"


def _as_it_is(choose: random.Random) -> bytes:
    return choose.choice(SEEDS)


def _noise(choose: random.Random) -> bytes:
    return choose.randbytes(choose.randrange(200))


def _other_encoding(choose: random.Random) -> bytes:
    text = choose.choice(SEEDS).decode()
    return text.encode(choose.choice(["utf-8-sig", "utf-16", "utf-16-be", "utf-32"]))


MAKERS: list[Callable[[random.Random], bytes]] = [
    _noise, _as_it_is, _damaged, _damaged, _deep, _odd, _odd, _huge_numbers, _other_encoding,
]  # fmt: skip
SEEDS = [
    json.dumps(chat_reply(GOOD, BAD)).encode(),
    json.dumps({"model": "m", "messages": [{"role": "user", "content": GOOD}]}).encode(),
    json.dumps({"stream": True, "messages": [{"role": "user", "content": "x"}]}).encode(),
    json.dumps({"status": "completed", "output": [{"type": "message", "content": []}]}).encode(),
    json.dumps({"type": "message", "content": [{"type": "tool_use", "name": "x"}]}).encode(),
    b"".join(chat_chunks(GOOD, BAD)),
    b'event: message_delta\ndata: {"type": "message_delta", "delta": {"stop_reason": "x"}}\n\n',
    b'event: response.completed\ndata: {"response": {"status": "completed"}}\n\n',
]


ASKED = json.dumps({"messages": [{"role": "user", "content": GOOD}]}).encode()
FITTING = [
    (CHAT, ASKED, KINDS[0], json.dumps(chat_reply(GOOD, GOOD)).encode()),
    (CHAT, ASKED, KINDS[1], b"".join(chat_chunks(GOOD, GOOD))),
]


def middleware(app: Any, registry: Registry, mode: str) -> SchemaMiddleware:
    checks = [{"of": "messages", "schema": "user"}, {"of": "/metadata", "schema": "user"}]
    rule = {
        "paths": PATHS,
        "input": {"mode": mode, "checks": checks},
        "output": {"mode": mode, "schema": "user", "tools": {"x": "user"}},
        "fill_tools": ["user"],
    }
    return SchemaMiddleware(app, {"rules": [rule]}, registry=registry)


async def run(
    mode: str, count: int, seed: int, on_each: Callable[[int], None] = lambda number: None
) -> dict[str, int]:
    """Run that many exchanges; how often the app answered, and how often we did."""
    choose = random.Random(seed)
    app = Echo()
    judged = middleware(app, registry_with_user(), mode)
    tally = {"passed": 0, "ours": 0}
    for number in range(count):
        sent = choose.choice(MAKERS)(choose)
        app.received = b"never"
        app.reply = split(choose.choice(MAKERS)(choose), choose) if choose.random() < 0.7 else []
        app.kind = choose.choice(KINDS)
        app.status = choose.choice([200, 200, 200, 404])
        path = choose.choice(PATHS)
        if choose.random() < 0.3:
            path, sent, app.kind, reply = choose.choice(FITTING)
            app.reply = split(reply, choose)
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "headers": [(b"content-type", b"application/json")],
        }
        exchange = Exchange(split(sent, choose))
        await judged(scope, exchange.receive, exchange.send)
        check(exchange, app, sent, mode, tally)
        on_each(number)
    return tally


def check(exchange: Exchange, app: Echo, sent: bytes, mode: str, tally: dict[str, int]) -> None:
    assert exchange.ended == 1
    expected = b"".join(app.reply) if app.reply else sent
    if exchange.status == app.status and exchange.body == expected:
        tally["passed"] += 1
        assert app.received == sent
        return
    tally["ours"] += 1
    assert mode == "enforce", "under warn nothing is changed"
    assert exchange.status in (400, 500, 200)
    if exchange.status == 400:
        assert app.received == b"never"
    else:
        assert app.received == sent
    assert b'"error"' in exchange.body
    assert b"InvalidOutputError" in exchange.body or exchange.status == 400


@pytest.mark.parametrize("mode", ["warn", "enforce"])
async def test_nothing_is_lost_or_changed_whatever_comes(
    mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL", logger="llm_integrations")
    tally = await run(mode, EXCHANGES // 4, seed=5)
    assert tally["passed"] > 600
    assert (tally["ours"] > 120) is (mode == "enforce")


async def test_memory_stays_flat(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", logger="llm_integrations")
    await run("warn", 300, seed=6)
    sizes: list[int] = []

    def note(number: int) -> None:
        if number % 300 == 299:
            gc.collect()  # what is held counts, not when the collector last ran
            sizes.append(tracemalloc.get_traced_memory()[0])

    tracemalloc.start()
    try:
        await run("warn", 1200, seed=7, on_each=note)
    finally:
        tracemalloc.stop()
    assert sizes[-1] - sizes[0] < 300_000
