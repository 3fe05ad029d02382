"""The vLLM middleware beside doing nothing, in process."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.middleware.base import BaseHTTPMiddleware

from benchmarks.harness import Row, Section
from llm_integrations.core.registry import connect
from llm_integrations.vllm import SchemaMiddleware

CHAT = "/v1/chat/completions"
USER: dict[str, Any] = {
    "type": "object",
    "required": ["name", "age"],
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
}
REQUEST: dict[str, Any] = {
    "type": "object",
    "required": ["model", "messages"],
    "properties": {
        "model": {"type": "string"},
        "messages": {"type": "array", "items": {"type": "object", "required": ["role"]}},
        "temperature": {"type": "number", "maximum": 2},
    },
}
RULES = [
    {
        "input": {"checks": [{"of": "body", "schema": "request"}]},
        "output": {"schema": "user"},
    }
]
EVENTS = 100

App = Callable[[Any, Any, Any], Awaitable[None]]


def chat_request(size: int) -> bytes:
    text = "Who is it? Answer in JSON, please. " * max(1, size // 35)
    message = {"role": "user", "content": text}
    return json.dumps({"model": "m", "messages": [message], "temperature": 0.2}).encode()


def chat_reply(size: int) -> bytes:
    content = json.dumps({"name": "Ann " * max(1, size // 4), "age": 33})
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps({"id": "chatcmpl-1", "model": "m", "choices": [choice]}).encode()


def chat_stream() -> list[bytes]:
    """EVENTS chunks of a token each, as vLLM writes them, and the end."""
    pieces = ["{", '"name": "'] + ["Ann "] * (EVENTS - 5) + ['",', '"age": 33', "}"]
    chunks = [_chunk({"content": piece}, None) for piece in pieces]
    return [*chunks, _chunk({}, "stop"), b"data: [DONE]\n\n"]


def _chunk(delta: dict[str, Any], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    fields = {"id": "chatcmpl-b349905e3b51c161", "object": "chat.completion.chunk"}
    fields |= {"created": 1795363476, "model": "m", "choices": [choice]}  # type: ignore[dict-item]
    return b"data: %b\n\n" % json.dumps(fields, separators=(",", ":")).encode()


def replying(body: bytes) -> App:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def streaming(chunks: list[bytes]) -> App:
    headers = [(b"content-type", b"text/event-stream; charset=utf-8")]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


class NoOp:
    """Pure ASGI that does nothing."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class NoOpBase(BaseHTTPMiddleware):
    """What a middleware function costs, which is what most people write."""

    async def dispatch(self, request: Any, call_next: Any) -> Any:
        return await call_next(request)


def judged(app: App, mode: str = "warn") -> SchemaMiddleware:
    registry = connect("memory://")
    registry.register("user", USER)
    registry.register("request", REQUEST)
    rules = [{**RULES[0], "output": {"schema": "user", "mode": mode}}]
    return SchemaMiddleware(app, {"rules": rules}, registry=registry)


def scope_for(path: str, body: bytes) -> dict[str, Any]:
    """As uvicorn makes it from a request of the openai client."""
    headers = {
        "host": "127.0.0.1:8000",
        "accept-encoding": "gzip, deflate",
        "connection": "keep-alive",
        "accept": "application/json",
        "content-type": "application/json",
        "user-agent": "OpenAI/Python 3.54.0",
        "x-stainless-lang": "python",
        "x-stainless-runtime": "CPython",
        "authorization": "Bearer none",
        "content-length": str(len(body)),
    }
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "root_path": "",
        "query_string": b"",
        "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
    }


async def _seconds(app: App, path: str, body: bytes, count: int) -> float:
    scope = scope_for(path, body)
    message = {"type": "http.request", "body": body, "more_body": False}

    async def receive() -> Any:
        return message

    async def send(message: Any) -> None:
        return None

    started = time.perf_counter()
    for _ in range(count):
        await app(scope, receive, send)
    return (time.perf_counter() - started) / count


def microseconds(
    apps: dict[str, App], path: str, body: bytes, count: int, rounds: int = 41
) -> dict[str, float]:
    """Median per request, measured turn by turn, so that a busy moment hits all alike."""

    async def measure() -> dict[str, list[float]]:
        samples: dict[str, list[float]] = {name: [] for name in apps}
        for app in apps.values():
            await _seconds(app, path, body, 10)
        for _ in range(rounds):
            for name, app in apps.items():
                samples[name].append(await _seconds(app, path, body, count) * 1e6)
        return samples

    return {name: statistics.median(s) for name, s in asyncio.run(measure()).items()}


def in_process(section: Section) -> None:
    small = None
    for size, aim in ((230, 15.0), (20_000, 35.0)):
        request, app = chat_request(size), replying(chat_reply(size // 2))
        apps = {"bare": app, "no-op": NoOp(app), "base": NoOpBase(app), "ours": judged(app)}
        took = microseconds(apps, CHAT, request, 200)
        ours, base = took["ours"] - took["bare"], took["base"] - took["bare"]
        small = small or (ours, base, took["no-op"] - took["bare"])
        kind = "small" if size < 1000 else "20 KB"
        section.add(
            Row(
                f"a {kind} request, judged in and out, metrics included",
                f"{ours:.1f} µs",
                f"no-op BaseHTTPMiddleware {base:.0f} µs",
                f"{base / ours:.1f}×",
                f"≤ {aim:.0f} µs",
                ours <= aim,
            )
        )
    assert small is not None
    ours, base, no_op = small
    section.add(
        Row(
            "the same beside a middleware that does nothing",
            f"{ours:.1f} µs",
            f"pure ASGI {no_op:.2f} µs, BaseHTTPMiddleware {base:.0f} µs",
            f"{base / ours:.1f}×",
            "15 times cheaper than the latter",
            base / ours >= 15,
        )
    )


def unmatched(section: Section) -> None:
    body, app = chat_request(230), replying(chat_reply(100))
    apps: dict[str, App] = {"bare": app, "no-op": NoOp(app), "ours": judged(app)}
    took = microseconds(apps, "/v1/embeddings", body, 1000)
    ours, no_op = took["ours"] - took["bare"], took["no-op"] - took["bare"]
    section.add(
        Row(
            "a path without rules",
            f"{ours:.2f} µs",
            f"no-op pure ASGI {no_op:.2f} µs",
            "",
            "≤ 1 µs",
            ours <= 1,
        )
    )


def stream(section: Section) -> None:
    app = streaming(chat_stream())
    apps: dict[str, App] = {"bare": app}
    apps |= {mode: judged(app, mode) for mode in ("warn", "enforce")}
    took = microseconds(apps, CHAT, chat_request(230), 20)
    for mode in ("warn", "enforce"):
        each = (took[mode] - took["bare"]) / EVENTS
        section.add(
            Row(
                f"each event of a stream, `{mode}` (request and verdict included)",
                f"{each:.2f} µs",
                "",
                "",
                "≤ 4 µs",
                each <= 4,
            )
        )


def run() -> list[Section]:
    section = Section(
        "vLLM: the middleware's cost",
        "A chat request judged as a whole against one schema and the answer's text against another,"
        " on an app that does nothing. What the app itself takes is subtracted; the small request"
        " is 230 bytes. The peers are a pure ASGI middleware and a BaseHTTPMiddleware that do"
        " nothing at all. Medians of rounds measured turn by turn.",
    )
    in_process(section)
    unmatched(section)
    stream(section)
    return [section]
