"""Over real sockets: a small app under uvicorn, an HTTP client, the metrics of the server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from llm_integrations.serving import SchemaMiddleware
from tests.support.listening import UvicornServer
from tests.support.serving_apps import (
    BAD,
    CHAT,
    GOOD,
    chat_chunks,
    chat_reply,
    chat_request,
    registry_with_user,
)


class Hold:
    """The model waits after its first chunk until the client has it."""

    def __init__(self) -> None:
        self.seen = threading.Event()
        self.was_seen: bool | None = None

    async def wait(self) -> None:
        if self.was_seen is None:
            self.was_seen = await asyncio.to_thread(self.seen.wait, 10)


HOLD = Hold()


async def model(request: Request) -> Any:
    """Says what it is told to; streams with pauses, or holds after its first chunk."""
    body = await request.json()
    content = body["messages"][-1]["content"]
    if not body.get("stream"):
        return JSONResponse(chat_reply(content))

    async def chunks() -> AsyncIterator[bytes]:
        for chunk in chat_chunks(content):
            yield chunk
            await (HOLD.wait() if "x-hold" in request.headers else asyncio.sleep(0.05))

    return StreamingResponse(chunks(), media_type="text/event-stream")


@contextmanager
def served(**config: Any) -> Iterator[str]:
    ours = Middleware(
        SchemaMiddleware, config={"auth": "none", **config}, registry=registry_with_user()
    )
    app = Starlette(routes=[Route(CHAT, model, methods=["POST"])], middleware=[ours])
    server = UvicornServer(uvicorn.Config(app, port=0, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    rule = {
        "input": {"checks": [{"of": "/user_profile", "schema": "user"}]},
        "output": {"schema": "user", "mode": "enforce"},
    }
    with served(rules=[rule]) as url:
        yield url


def test_requests_and_answers(url: str) -> None:
    with httpx.Client(base_url=url) as http:
        good = http.post(CHAT, json=chat_request(GOOD))
        assert (good.status_code, good.headers["x-schema-valid"]) == (200, "true")
        assert good.json() == chat_reply(GOOD)
        assert http.post(CHAT, json=chat_request(BAD)).status_code == 500
        bad = http.post(CHAT, json=chat_request(GOOD, user_profile={}))
        assert bad.status_code == 400
        assert bad.json()["error"]["param"] == "body.user_profile.name"


def test_the_first_byte_of_a_stream_comes_while_the_rest_is_made(url: str) -> None:
    asked: dict[str, Any] = {"json": chat_request(BAD, stream=True), "headers": {"x-hold": "1"}}
    with httpx.stream("POST", url + CHAT, **asked) as reply:
        chunks = reply.iter_raw()
        first = next(chunks)
        HOLD.seen.set()
        rest = b"".join(chunks)
    assert HOLD.was_seen
    assert first == chat_chunks(BAD)[0]
    assert b"InvalidOutputError" in rest


def test_the_openai_client_understands_our_errors(url: str) -> None:
    import openai

    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none")
    message: Any = [{"role": "user", "content": BAD}]
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(
            model="tiny", messages=message, extra_body={"user_profile": {"name": 1, "age": 1}}
        )
    assert refused.value.param == "body.user_profile.name"
    assert refused.value.type == "BadRequestError"
    with pytest.raises(openai.InternalServerError) as withheld:
        client.chat.completions.create(model="tiny", messages=message)
    assert withheld.value.type == "InvalidOutputError"
    stream = client.chat.completions.create(model="tiny", messages=message, stream=True)
    text = ""
    with pytest.raises(openai.APIError, match="user@1"):
        for chunk in stream:
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
    assert text == BAD
    client.close()


METRICS = """
import asyncio, json, sys
from llm_integrations.core.registry import connect
from llm_integrations.serving import SchemaMiddleware

reply = json.dumps({"choices": [{"index": 0, "message": {"content": "{}"}}]}).encode()

async def app(scope, receive, send):
    await receive()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": reply})

async def send(message):
    pass

async def receive():
    return {"type": "http.request", "body": b"{}"}

registry = connect("memory://")
registry.register("user", {"required": ["name"]})
judged = SchemaMiddleware(app, {"rules": [{"output": {"schema": "user"}}]}, registry=registry)
scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
for _ in range(int(sys.argv[1])):
    asyncio.run(judged(dict(scope), receive, send))
"""


def test_the_metrics_of_several_processes_add_up(tmp_path: Path) -> None:
    """As with --api-server-count 2, where vLLM sets PROMETHEUS_MULTIPROC_DIR."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for count in (2, 3):
        subprocess.run(
            [sys.executable, "-c", METRICS, str(count)], env=environment, check=True, timeout=60
        )
    both = CollectorRegistry()
    MultiProcessCollector(both, str(tmp_path))  # type: ignore[no-untyped-call]
    labels = {"module": "serving", "subject": "user", "side": "output"}
    found = both.get_sample_value("llm_integrations_validation_failures_total", labels)
    assert found == 5
    seconds = {"module": "serving", "side": "output"}
    measured = "llm_integrations_validation_duration_seconds_count"
    assert both.get_sample_value(measured, seconds) == 5


def test_a_client_cannot_make_labels_by_naming_schemas() -> None:
    from prometheus_client import generate_latest

    output = {"named_by": {"header": "x-answer", "allow": ["*"]}}
    with served(rules=[{"output": output}]) as url:
        reply = httpx.post(
            url + CHAT, json=chat_request(GOOD), headers={"x-answer": "made-up-by-a-client"}
        )
    assert reply.status_code == 400
    assert b"made-up-by-a-client" not in generate_latest()


def test_the_package_ships_its_schema_and_says_it_is_typed() -> None:
    from importlib.resources import files

    here = files("llm_integrations.serving")
    assert json.loads(here.joinpath("config.schema.json").read_text())["title"]
    assert here.joinpath("py.typed").is_file()
