"""The proxy: a process between clients and a server, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.serving.upstream.proxy import proxy_app
from tests.support.command_line import run_command
from tests.support.listening import UvicornServer
from tests.support.patience import until
from tests.support.serving_apps import (
    BAD,
    CHAT,
    GOOD,
    USER,
    chat_chunks,
    chat_reply,
    registry_with_user,
)

RULES = [
    {
        "input": {"checks": [{"of": "messages", "schema": "user"}]},
        "output": {"schema": "user", "mode": "enforce"},
    }
]
CONFIG = {"rules": RULES, "auth": "none"}
KEY = "sk-secret-key"


class Model:
    """A server that says what the system message says, and keeps what it was asked."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.go_on = threading.Event()
        self.was_left = threading.Event()
        self.pieces: list[int] = []
        self.app = Starlette(
            routes=[
                Route("/{base}/v1/chat/completions", self.chat, methods=["POST"]),
                Route("/{rest:path}", self.other, methods=["GET", "POST", "PUT"]),
            ]
        )

    def _note(self, request: Request) -> None:
        self.seen.append((request.method, str(request.url.path), dict(request.headers)))

    async def chat(self, request: Request) -> Response:
        self._note(request)
        body = await request.json()
        content = body["messages"][0]["content"]
        if body.get("stream"):
            return StreamingResponse(self._chunks(content, body), media_type="text/event-stream")
        data = json.dumps(chat_reply(content)).encode()
        headers = {"content-type": "application/json", "connection": "x-hop", "x-hop": "1"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(gzip.compress(data), headers={**headers, "content-encoding": "gzip"})
        return Response(data, headers=headers)

    async def _chunks(self, content: str, body: dict[str, Any]) -> AsyncIterator[bytes]:
        try:
            for number, chunk in enumerate(chat_chunks(content)):
                if number == 1 and body.get("hold"):
                    await asyncio.to_thread(self.go_on.wait, 20)
                yield chunk
        except asyncio.CancelledError:
            self.was_left.set()
            raise

    async def other(self, request: Request) -> Response:
        self._note(request)
        self.pieces = [len(piece) async for piece in request.stream() if piece]
        told = {"path": request.url.path, "query": request.url.query, "bytes": sum(self.pieces)}
        return JSONResponse(told)


@contextmanager
def served(app: Any, *, lifespan: Any = "on") -> Iterator[str]:
    server = UvicornServer(uvicorn.Config(app, port=0, log_level="warning", lifespan=lifespan))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


class Proxied:
    def __init__(self, model: Model, server: str, url: str) -> None:
        self.model = model
        self.server = server
        self.url = url


@pytest.fixture(scope="module")
def proxied() -> Iterator[Proxied]:
    with ExitStack() as stack:
        model = Model()
        server = stack.enter_context(served(model.app))
        proxy = proxy_app(f"{server}/api/v1", CONFIG, registry=registry_with_user())
        yield Proxied(model, server, stack.enter_context(served(proxy)))


def asked(answer: str, question: str = GOOD, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": answer}, {"role": "user", "content": question}]
    return {"model": "tiny", "messages": messages, **fields}


class TestTheClients:
    def test_openai(self, proxied: Proxied) -> None:
        with openai.OpenAI(api_key=KEY, base_url=f"{proxied.url}/v1", max_retries=0) as client:
            reply = client.chat.completions.create(**asked(GOOD))
            assert reply.choices[0].message.content == GOOD
            *_, headers = proxied.model.seen[-1]
            assert headers["authorization"] == f"Bearer {KEY}"
            assert headers["host"] in proxied.server
            before = len(proxied.model.seen)
            with pytest.raises(openai.BadRequestError) as raised:
                client.chat.completions.create(**asked(GOOD, BAD))
            assert raised.value.param == "body.messages.1.content"
            assert len(proxied.model.seen) == before
            with pytest.raises(openai.InternalServerError, match="/age"):
                client.chat.completions.create(**asked(BAD))
            with pytest.raises(openai.APIError, match="/age"):
                list(client.chat.completions.create(**asked(BAD, stream=True)))

    def test_a_chunk_waits_for_nothing(self, proxied: Proxied) -> None:
        proxied.model.go_on.clear()
        body = asked(GOOD, stream=True, hold=True)
        with httpx.stream("POST", f"{proxied.url}{CHAT}", json=body, timeout=60) as reply:
            pieces = reply.iter_raw()
            first = next(pieces)
            proxied.model.go_on.set()
            assert b"".join([first, *pieces]) == b"".join(chat_chunks(GOOD))

    def test_a_client_that_leaves_ends_the_servers_work(self, proxied: Proxied) -> None:
        proxied.model.go_on.clear()
        proxied.model.was_left.clear()
        body = asked(GOOD, stream=True, hold=True)
        with httpx.stream("POST", f"{proxied.url}{CHAT}", json=body, timeout=60) as reply:
            next(reply.iter_raw())
        was_left = proxied.model.was_left.wait(20)
        proxied.model.go_on.set()
        assert was_left

    def test_an_answer_is_not_asked_for_twice_to_be_readable(self, proxied: Proxied) -> None:
        before = len(proxied.model.seen)
        reply = httpx.post(f"{proxied.url}{CHAT}", json=asked(GOOD))
        assert (reply.status_code, reply.json()) == (200, chat_reply(GOOD))
        assert len(proxied.model.seen) == before + 1

    def test_headers_about_a_connection_stay_on_it(self, proxied: Proxied) -> None:
        reply = httpx.post(
            f"{proxied.url}{CHAT}",
            json=asked(GOOD),
            headers={"connection": "x-mine, keep-alive", "x-mine": "1", "x-yours": "2"},
        )
        assert "x-hop" not in reply.headers
        *_, headers = proxied.model.seen[-1]
        assert ("x-mine" in headers, headers["x-yours"]) == (False, "2")


def test_a_browsers_page_may_read_our_errors_where_the_server_says_so() -> None:
    page = "https://page.example"
    cors = CORSMiddleware(Model().app, allow_origins=[page], allow_methods=["*"])
    with (
        served(cors) as server,
        served(proxy_app(server, CONFIG, registry=registry_with_user())) as proxy,
    ):
        told = []
        for origin in (page, "https://other.example"):
            headers = {"origin": origin}
            reply = httpx.post(f"{proxy}{CHAT}", json=asked(GOOD, BAD), headers=headers)
            assert reply.status_code == 400
            told.append(reply.headers.get("access-control-allow-origin"))
        assert told == [page, None]


class TestPaths:
    @pytest.mark.parametrize(
        ("asked_for", "path"),
        [
            ("/v1/models?a=%20b&c", "/api/v1/models"),
            ("/models", "/api/v1/models"),
            ("/api/v1/models", "/api/v1/models"),
            ("/v1", "/api/v1/v1"),
            ("/", "/api/v1/"),
            ("/v1/files/a%2Fb", "/api/v1/files/a/b"),
        ],
    )
    def test_the_servers_path_comes_before_the_clients(
        self, proxied: Proxied, asked_for: str, path: str
    ) -> None:
        reply = httpx.get(f"{proxied.url}{asked_for}").json()
        assert reply["path"] == path
        assert reply["query"] == ("a=%20b&c" if "?" in asked_for else "")

    @pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions", f"/api{CHAT}"])
    def test_rules_count_however_much_of_it_the_client_says(
        self, proxied: Proxied, path: str
    ) -> None:
        assert httpx.post(f"{proxied.url}{path}", json=asked(BAD)).status_code == 500
        assert httpx.post(f"{proxied.url}{path}", json=asked(GOOD)).status_code == 200

    def test_other_bodies_stream_through(self, proxied: Proxied) -> None:
        def pieces() -> Iterator[bytes]:
            for _ in range(20):
                yield b"x" * 100_000

        reply = httpx.put(f"{proxied.url}/v1/files", content=pieces(), timeout=60)
        assert reply.json()["bytes"] == 2_000_000
        assert len(proxied.model.pieces) > 2
        large = httpx.post(f"{proxied.url}/v1/files", content=b"x" * 300_000, timeout=60)
        assert large.json()["bytes"] == 300_000


class TestAServerThatFails:
    def test_one_that_is_not_there_is_a_bad_gateway(self, caplog: pytest.LogCaptureFixture) -> None:
        app = proxy_app("http://127.0.0.1:9/v1", CONFIG, registry=registry_with_user())
        with served(app) as url:
            reply = httpx.post(f"{url}{CHAT}?key={KEY}", json=asked(GOOD))
        assert (reply.status_code, reply.json()["error"]["code"]) == (502, 502)
        assert KEY not in caplog.text

    def test_one_that_is_silent_is_a_timeout(self, proxied: Proxied) -> None:
        async def silent(scope: Any, receive: Any, send: Any) -> None:
            while (await receive())["type"] != "http.disconnect":
                continue

        with served(silent, lifespan="off") as server:
            app = proxy_app(server, CONFIG, registry=registry_with_user(), timeout=0.2)
            with served(app) as url:
                reply = httpx.post(f"{url}{CHAT}", json=asked(GOOD), timeout=60)
        assert (reply.status_code, reply.json()["error"]["code"]) == (504, 504)

    def test_its_own_errors_pass(self, proxied: Proxied) -> None:
        async def refuses(scope: Any, receive: Any, send: Any) -> None:
            await JSONResponse({"error": {"code": "invalid_api_key"}}, 401)(scope, receive, send)

        with served(refuses, lifespan="off") as server:
            app = proxy_app(server, CONFIG, registry=registry_with_user())
            with served(app) as url:
                reply = httpx.post(f"{url}{CHAT}", json=asked(GOOD))
        assert (reply.status_code, reply.json()) == (401, {"error": {"code": "invalid_api_key"}})


@pytest.mark.parametrize(
    "url",
    [
        "api.example/v1",
        "ftp://x",
        "https://",
        "https://xn--a/v1",
        "https://user:pw@host/v1",
        "https://user:12/pw@host/v1",
        "https://host/v1?key=1",
    ],
)
def test_what_is_no_servers_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="upstream") as raised:
        proxy_app(url, CONFIG)
    assert "pw" not in str(raised.value)


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    (tmp_path / "schemas" / "user").mkdir(parents=True)
    (tmp_path / "schemas" / "user" / "1.json").write_text(json.dumps(USER))
    return tmp_path / "schemas"


def command(schemas: Path, config: Any, *arguments: str) -> list[str]:
    path = schemas.parent / "rules.yaml"
    path.write_text(yaml.safe_dump(config))
    known = ["--config", str(path), "--registry", str(schemas), "--port", "0"]
    return [sys.executable, "-m", "llm_integrations.core.cli", "proxy", *known, *arguments]


def test_the_command_is_a_process_that_serves_and_stops(proxied: Proxied, schemas: Path) -> None:
    config = {**CONFIG, "reload": 0.05}
    arguments = command(schemas, config, "--upstream", f"{proxied.server}/api/v1")
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env={**os.environ})
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("listening on http://127.0.0.1:"), line
        url = line.split()[-1]
        authorization = {"authorization": f"Bearer {KEY}"}
        for answer, status in ((GOOD, 200), (BAD, 500)):
            body = asked(answer)
            reply = httpx.post(f"{url}{CHAT}?key={KEY}", json=body, headers=authorization)
            assert reply.status_code == status
        watching = [{"output": {"schema": "user", "mode": "warn"}}]
        command(schemas, {**CONFIG, "rules": watching})  # the file is followed
        until(lambda: httpx.post(f"{url}{CHAT}", json=asked(BAD)).status_code == 200)
        process.send_signal(signal.SIGTERM)
        told = process.stderr.read()
        process.wait(20)
        assert KEY not in told
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def test_a_misspelt_schema_ends_the_command(schemas: Path) -> None:
    config = {"rules": [{"output": {"schema": "usr"}}]}
    arguments = command(schemas, config, "--upstream", "http://127.0.0.1:9")[3:]
    done = run_command(*arguments)
    assert done.returncode == 2
    assert "a rule names usr@latest" in done.stderr
