"""What passes is never held whole beyond its bound, however much of it comes."""

from __future__ import annotations

import subprocess
import sys

import pytest

MEGABYTE = 2**20
SCRIPT = """
import asyncio, json, sys, tracemalloc
from llm_integrations.core.registry import connect
from llm_integrations.serving import SchemaMiddleware

kind, mode = sys.argv[1:]
PIECE = 2**16
COUNT = 1700  # 106 MB

def pieces():
    if kind == "json":
        yield b'{"choices": [{"index": 0, "message": {"content": "'
        for _ in range(COUNT):
            yield b"x" * PIECE
        yield b'"}}]}'
        return
    tokens = {"stream": PIECE - 100, "tokens": 4, "tools": PIECE - 100, "event": 0}[kind]
    if kind == "event":
        yield b"data: "
        for _ in range(COUNT):
            yield b"x" * PIECE
        return
    delta = {"content": "x" * tokens}
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    event = b"data: %b\\n\\n" % json.dumps({"choices": [choice]}).encode()
    for _ in range(COUNT if tokens > 4 else 60_000):
        yield event
    yield b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\\n\\n'
    yield b"data: [DONE]\\n\\n"

async def app(scope, receive, send):
    await receive()
    form = b"application/json" if kind == "json" else b"text/event-stream"
    headers = [(b"content-type", form)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for piece in pieces():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})

last = b""
async def send(message):
    global last
    last = message.get("body", b"") or last

async def receive():
    body = json.dumps({"tools": [{"type": "function", "function": {"name": "t"}}]}).encode()
    return {"type": "http.request", "body": body}

registry = connect("memory://")
registry.register("user", {"type": "object"})
output = {"mode": mode, **({"tools": {"t": "user"}} if kind == "tools" else {"schema": "user"})}
judged = SchemaMiddleware(app, {"rules": [{"output": output}], "auth": "none"}, registry=registry)
scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
tracemalloc.start()
asyncio.run(judged(scope, receive, send))
print(tracemalloc.get_traced_memory()[1], last[-300:].decode())
"""


@pytest.mark.parametrize("mode", ["warn", "enforce"])
@pytest.mark.parametrize(
    ("kind", "megabytes", "is_cut"),
    [
        ("json", 40, True),
        ("stream", 40, True),
        ("tokens", 8, False),  # short pieces: what holds them costs no more than they do
        ("tools", 4, False),  # text that nothing judges is not held at all
        ("event", 60, True),
    ],
)
def test_a_hundred_megabytes_pass_in_a_few(
    kind: str, mode: str, megabytes: int, is_cut: bool
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, kind, mode],
        capture_output=True,
        text=True,
        timeout=110,
        check=True,
    )
    peak, _, end = done.stdout.partition(" ")
    assert int(peak) < megabytes * MEGABYTE
    assert ('"code": 502' in end) is (is_cut and mode == "enforce")
