"""What passes is never held whole beyond its bound, however much of it comes."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from llm_integrations.core.registry import connect
from llm_integrations.serving import SchemaMiddleware

MEGABYTE = 2**20
PIECE = 2**16
COUNT = 1700  # 106 MB
JSON_HEADERS = [(b"content-type", b"application/json")]
STREAM_HEADERS = [(b"content-type", b"text/event-stream")]


def pieces(kind: str) -> Iterator[bytes]:
    """An answer's body."""
    if kind == "json":
        yield b'{"choices": [{"index": 0, "message": {"content": "'
        for _ in range(COUNT):
            yield b"x" * PIECE
        yield b'"}}]}'
    elif kind == "event":
        yield b"data: "
        for _ in range(COUNT):
            yield b"x" * PIECE
    else:
        text, count = ("xxxx", 10_000) if kind == "tokens" else ("x" * (PIECE - 100), COUNT)
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
        event = b"data: %b\n\n" % json.dumps({"choices": [choice]}).encode()
        for _ in range(count):
            yield event
        yield b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
        yield b"data: [DONE]\n\n"


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("mode", ["warn", "enforce"])
@pytest.mark.parametrize(
    ("kind", "megabytes", "is_cut"),
    [
        ("json", 40, True),
        ("stream", 40, True),
        ("tokens", 2, False),  # short pieces: what holds them costs no more than they do
        ("tools", 4, False),  # text that nothing judges is not held at all
        ("event", 60, True),
    ],
)
@pytest.mark.usefixtures("traced")
async def test_a_hundred_megabytes_pass_in_a_few(
    kind: str, mode: str, megabytes: int, is_cut: bool
) -> None:
    last = b""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        headers = JSON_HEADERS if kind == "json" else STREAM_HEADERS
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in pieces(kind):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Any:
        body = json.dumps({"tools": [{"type": "function", "function": {"name": "t"}}]}).encode()
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        nonlocal last
        last = message.get("body", b"") or last

    with connect("memory://") as registry:
        registry.register("user", {"type": "object"})
        what = {"tools": {"t": "user"}} if kind == "tools" else {"schema": "user"}
        rule = {"output": {"mode": mode, **what}}
        judged = SchemaMiddleware(app, {"rules": [rule], "auth": "none"}, registry=registry)
        scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        await judged(scope, receive, send)
        peak = tracemalloc.get_traced_memory()[1] - before
    assert peak < megabytes * MEGABYTE
    assert (b'"code": 502' in last[-300:]) is (is_cut and mode == "enforce")


@pytest.mark.usefixtures("traced")
async def test_a_body_that_comes_byte_by_byte_takes_no_more_than_in_one() -> None:
    text = json.dumps({"messages": [], "padding": "x" * 200_000}).encode()
    got = b""

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        nonlocal got
        while (message := await receive()).get("more_body", False):
            got += message["body"]
        got += message["body"]

    async def send(_message: Any) -> None:
        raise AssertionError("the app answers nothing")

    left = len(text)

    async def receive() -> Any:
        nonlocal left
        left -= 1
        at = len(text) - left
        return {"type": "http.request", "body": text[at - 1 : at], "more_body": left > 0}

    with connect("memory://") as registry:
        registry.register("chat", {"type": "object"})
        config = {"rules": [{"output": {"schema": "chat"}}], "auth": "none"}
        judged = SchemaMiddleware(app, config, registry=registry)
        scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions"}
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        await judged({**scope, "headers": JSON_HEADERS}, receive, send)
        peak = tracemalloc.get_traced_memory()[1] - before
    assert got == text
    assert peak < 10 * MEGABYTE
