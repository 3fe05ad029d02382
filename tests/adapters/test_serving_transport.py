"""The middleware as a transport of the clients' own, over real sockets and without."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import httpx2
import openai
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.serving import SchemaTransport
from tests.support.listening import UvicornServer
from tests.support.serving_apps import BAD, CHAT, GOOD, chat_chunks, chat_reply, registry_with_user

RULES: list[dict[str, Any]] = [
    {
        "input": {"checks": [{"of": "messages", "schema": "user"}]},
        "output": {"schema": "user", "mode": "enforce"},
    }
]
SEEN: list[tuple[str, str | None]] = []
HELD = threading.Event()


async def model(request: Request) -> Any:
    """Answers with what the system message says."""
    SEEN.append((request.url.path, request.headers.get("authorization")))
    body = await request.json()
    content = body["messages"][0]["content"]
    if not body.get("stream"):
        return JSONResponse(chat_reply(content))

    async def chunks() -> AsyncIterator[bytes]:
        for number, chunk in enumerate(chat_chunks(content)):
            if number == 1 and "x-hold" in request.headers:
                await asyncio.to_thread(HELD.wait, 10)
            yield chunk

    return StreamingResponse(chunks(), media_type="text/event-stream")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    app = Starlette(routes=[Route("/api/v1/chat/completions", model, methods=["POST"])])
    server = UvicornServer(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/api/v1"
    server.should_exit = True
    thread.join(10)


def asked(answer: str, question: str = GOOD, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": answer}, {"role": "user", "content": question}]
    return {"model": "tiny", "messages": messages, **fields}


def transport(rules: Any = RULES, **options: Any) -> Any:
    """As a transport of whichever library."""
    return SchemaTransport(rules, registry=registry_with_user(), **options)


LIBRARIES: list[Any] = [httpx, httpx2]


@pytest.mark.parametrize("library", LIBRARIES, ids=["httpx", "httpx2"])
class TestTheOpenAIClient:
    @pytest.fixture
    def client(self, url: str, library: Any) -> Iterator[openai.OpenAI]:
        http = library.Client(transport=transport())
        with openai.OpenAI(api_key="secret", base_url=url, http_client=http) as client:
            yield client

    def test_gets_a_valid_answer_as_it_is(self, client: openai.OpenAI) -> None:
        raw = client.chat.completions.with_raw_response.create(**asked(GOOD))
        assert raw.headers["x-schema-valid"] == "true"
        assert raw.parse().choices[0].message.content == GOOD
        assert SEEN[-1] == ("/api/v1/chat/completions", "Bearer secret")

    def test_an_invalid_request_is_never_sent(self, client: openai.OpenAI) -> None:
        before = len(SEEN)
        with pytest.raises(openai.BadRequestError) as raised:
            client.chat.completions.create(**asked(GOOD, BAD))
        assert raised.value.param == "body.messages.1.content"
        assert "/age" in raised.value.message
        assert len(SEEN) == before

    def test_an_invalid_answer_is_withheld_and_asked_for_once(self, client: openai.OpenAI) -> None:
        before = len(SEEN)
        with pytest.raises(openai.InternalServerError, match="/age"):
            client.chat.completions.create(**asked(BAD))
        assert len(SEEN) == before + 1

    @pytest.mark.parametrize("answer", [GOOD, BAD])
    def test_streams(self, client: openai.OpenAI, answer: str) -> None:
        got: list[str] = []

        def read() -> None:
            for chunk in client.chat.completions.create(**asked(answer, stream=True)):
                got.extend(c.delta.content or "" for c in chunk.choices)

        if answer == GOOD:
            read()
        else:
            with pytest.raises(openai.APIError, match="/age"):
                read()
        assert "".join(got) == answer

    def test_a_chunk_waits_for_nothing(self, client: openai.OpenAI) -> None:
        """The server goes on only once the first chunk was read here."""
        HELD.clear()
        request = asked(GOOD, stream=True, extra_headers={"x-hold": "1"})
        stream = iter(client.chat.completions.create(**request))
        assert next(stream).choices[0].delta.content == GOOD[:5]
        HELD.set()
        rest = "".join(c.delta.content or "" for chunk in stream for c in chunk.choices)
        assert rest == GOOD[5:]

    def test_a_stream_may_be_left(self, client: openai.OpenAI) -> None:
        with client.chat.completions.create(**asked(GOOD, stream=True)) as stream:
            next(iter(stream))
        assert client.chat.completions.create(**asked(GOOD)).choices

    def test_threads_may_share_it(self, client: openai.OpenAI) -> None:
        found: list[bool] = []

        def ask() -> None:
            for _ in range(3):
                reply = client.chat.completions.create(**asked(GOOD))
                found.append(reply.choices[0].message.content == GOOD)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert found == [True] * 12

    async def test_the_async_one(self, url: str, library: Any) -> None:
        http = library.AsyncClient(transport=transport())
        async with openai.AsyncOpenAI(api_key="s", base_url=url, http_client=http) as client:
            reply = await client.chat.completions.create(**asked(GOOD))
            assert reply.choices[0].message.content == GOOD
            with pytest.raises(openai.BadRequestError):
                await client.chat.completions.create(**asked(GOOD, BAD))
            got: list[str] = []
            with pytest.raises(openai.APIError, match="/age"):
                async for chunk in await client.chat.completions.create(**asked(BAD, stream=True)):
                    got.extend(c.delta.content or "" for c in chunk.choices)
            assert "".join(got) == BAD


def reply_to(request: httpx.Request) -> httpx.Response:
    """A server without sockets: it says the request's system message, compressed."""
    REQUESTS.append(request)
    if request.method == "GET":
        return httpx.Response(200, json={"path": request.url.path})
    body = json.loads(request.content)
    data = json.dumps(chat_reply(body["messages"][0]["content"])).encode()
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    return httpx.Response(200, headers=headers, content=gzip.compress(data))


REQUESTS: list[httpx.Request] = []


class SyncOnly(httpx.BaseTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        return reply_to(request)


@pytest.mark.parametrize("inner", [httpx.MockTransport(reply_to), SyncOnly()], ids=["both", "sync"])
class TestAnyTransport:
    def test_goes_through_another(self, inner: httpx.BaseTransport) -> None:
        with httpx.Client(transport=transport(transport=inner)) as client:
            for answer, status in ((GOOD, 200), (BAD, 500)):
                before = len(REQUESTS)
                reply = client.post("https://host/v1/chat/completions?a=1", json=asked(answer))
                assert reply.status_code == status
                assert len(REQUESTS) == before + 1, "a compressed answer is not asked for twice"
            assert client.get("https://host/v1/models").json() == {"path": "/v1/models"}
        sent = REQUESTS[-3]
        assert str(sent.url) == "https://host/v1/chat/completions?a=1"
        assert sent.headers["host"] == "host"
        assert json.loads(sent.content) == asked(GOOD)

    async def test_async_too(self, inner: httpx.BaseTransport) -> None:
        async with httpx.AsyncClient(transport=transport(transport=inner)) as client:
            for answer, status in ((GOOD, 200), (BAD, 500)):
                reply = await client.post("https://host/v1/chat/completions", json=asked(answer))
                assert reply.status_code == status

    @pytest.mark.parametrize(
        "path",
        [
            "/v1/chat/completions",
            "/api/v1/chat/completions",
            "/openai/deployments/m/chat/completions",
            "/gateway/x/chat/completions",
            "/serving-endpoints/m/invocations",
            "//V1/chat%2Fcompletions/",
        ],
    )
    def test_rules_count_under_any_prefix(self, path: str, inner: httpx.BaseTransport) -> None:
        with httpx.Client(transport=transport(transport=inner)) as client:
            assert client.post(f"https://host{path}", json=asked(BAD)).status_code == 500

    @pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/threads/t/messages", "/v1/batches"])
    def test_other_paths_pass(self, path: str, inner: httpx.BaseTransport) -> None:
        with httpx.Client(transport=transport(transport=inner)) as client:
            reply = client.post(f"https://host{path}", json=asked(BAD))
            assert (reply.status_code, "x-schema" in reply.headers) == (200, False)


class TestItsFile:
    """Looked at with a request, so that no loop and no thread has to wait for it."""

    @staticmethod
    def write(path: Path, mode: str, seconds_ago: float = 60) -> None:
        rules = [{"output": {"schema": "user", "mode": mode}}]
        path.write_text(json.dumps({"rules": rules, "reload": 1e-6}))
        then = time.time() - seconds_ago
        os.utime(path, (then, then))

    def asking(self, path: Path) -> Any:
        given = httpx.MockTransport(reply_to)
        return SchemaTransport(path, registry=registry_with_user(), transport=given)

    def test_a_change_counts_for_the_next_request(self, tmp_path: Path) -> None:
        path = tmp_path / "rules.yaml"
        self.write(path, "enforce")
        with httpx.Client(transport=self.asking(path)) as client:
            for number, (mode, status) in enumerate((("enforce", 500), ("warn", 200)) * 2):
                self.write(path, mode, seconds_ago=60 - number)
                reply = client.post(f"https://host{CHAT}", json=asked(BAD))
                if number == 0:
                    continue  # it opens the rules as they were read
                assert reply.status_code == status

    def test_on_whatever_loop_an_async_client_asks(self, tmp_path: Path) -> None:
        path = tmp_path / "rules.yaml"
        self.write(path, "enforce")
        made = self.asking(path)

        async def status() -> int:
            client = httpx.AsyncClient(transport=made)
            return (await client.post(f"https://host{CHAT}", json=asked(BAD))).status_code

        assert asyncio.run(status()) == 500
        self.write(path, "warn", seconds_ago=30)
        assert asyncio.run(status()) == 200
        asyncio.run(made.aclose())

    def test_one_that_is_wrong_changes_nothing(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "rules.yaml"
        self.write(path, "enforce")
        with httpx.Client(transport=self.asking(path)) as client:
            for text in ("rules: [", "{}", json.dumps({"rules": []})):
                assert client.post(f"https://host{CHAT}", json=asked(BAD)).status_code == 500
                path.write_text(text)
                os.utime(path, (1, 1))
            path.unlink()
            assert client.post(f"https://host{CHAT}", json=asked(BAD)).status_code == 500
        assert caplog.text.count("the rules stay as they were") >= 2

    def test_what_is_still_being_written_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "rules.yaml"
        self.write(path, "enforce")
        with httpx.Client(transport=self.asking(path)) as client:
            assert client.post(f"https://host{CHAT}", json=asked(BAD)).status_code == 500
            self.write(path, "warn", seconds_ago=-60)
            assert client.post(f"https://host{CHAT}", json=asked(BAD)).status_code == 500
            assert client.post(f"https://host{CHAT}", json=asked(BAD)).status_code == 200


def test_what_the_transport_raises_reaches_the_client() -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody there", request=request)

    http: Any = httpx.Client(transport=transport(transport=httpx.MockTransport(fail)))
    client = openai.OpenAI(api_key="s", base_url="http://x", http_client=http, max_retries=0)
    with client, pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(**asked(GOOD))


@pytest.mark.parametrize(
    "rules", [RULES, tuple(RULES), {"rules": RULES}, {"rules": RULES, "auth": "auto"}], ids=repr
)
def test_rules_may_be_a_list_or_a_whole_configuration(rules: Any) -> None:
    inner = httpx.MockTransport(reply_to)
    with httpx.Client(transport=transport(rules, transport=inner)) as client:
        reply = client.post("https://host/v1/chat/completions", json=asked(GOOD, BAD))
        assert (reply.status_code, "/age" in reply.json()["error"]["message"]) == (400, True)


@pytest.mark.parametrize("rules", [[], [{}], {"rulez": []}, [{"output": {"schema": ""}}]], ids=repr)
def test_wrong_rules_are_told_at_once(rules: Any) -> None:
    with pytest.raises(ConfigurationError):
        SchemaTransport(rules)


def anthropic_reply(request: Any) -> Any:
    body = json.loads(request.content)
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": body["system"]}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    return httpx2.Response(200, json=message)


def test_the_anthropic_client() -> None:
    anthropic = pytest.importorskip("anthropic")
    http = httpx2.Client(transport=transport(transport=httpx2.MockTransport(anthropic_reply)))
    request: dict[str, Any] = {"model": "m", "max_tokens": 9}
    with anthropic.Anthropic(api_key="s", http_client=http) as client:
        question = [{"role": "user", "content": GOOD}]
        reply = client.messages.create(**request, messages=question, system=GOOD)
        assert reply.content[0].text == GOOD
        with pytest.raises(anthropic.InternalServerError, match="/age"):
            client.messages.create(**request, messages=question, system=BAD)
        with pytest.raises(anthropic.BadRequestError, match="/age"):
            question = [{"role": "user", "content": BAD}]
            client.messages.create(**request, messages=question, system=GOOD)


async def test_the_async_anthropic_client() -> None:
    anthropic = pytest.importorskip("anthropic")
    http = httpx2.AsyncClient(transport=transport(transport=httpx2.MockTransport(anthropic_reply)))
    async with anthropic.AsyncAnthropic(api_key="s", http_client=http) as client:
        question = [{"role": "user", "content": GOOD}]
        request = {"model": "m", "max_tokens": 9, "messages": question}
        assert (await client.messages.create(**request, system=GOOD)).content[0].text == GOOD
        with pytest.raises(anthropic.InternalServerError, match="/age"):
            await client.messages.create(**request, system=BAD)
