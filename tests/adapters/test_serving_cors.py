"""What a browser sees of our errors: they carry the headers that the server's own errors carry."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from llm_integrations.serving import SchemaMiddleware
from llm_integrations.serving.asgi import layers
from llm_integrations.serving.asgi.replies import failure_messages
from llm_integrations.serving.shapes.base import openai_error
from llm_integrations.serving.shapes.failure import answer_too_large
from llm_integrations.serving.upstream.cross_origin import CrossOrigin
from llm_integrations.serving.upstream.middleware import UpstreamMiddleware
from tests.support.serving_apps import BAD, CHAT, GOOD, chat_reply, chat_request, registry_with_user

ORIGIN = "https://page.example"
RULE = {
    "input": {"checks": [{"of": "messages", "schema": "user"}]},
    "output": {"schema": "user", "mode": "enforce"},
}


class XRequestIdMiddleware:
    """As vLLM has one."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def give(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-request-id", b"id-1"))
            await send(message)

        await self.app(scope, receive, give if scope["type"] == "http" else send)


async def model(request: Request) -> Any:
    body = await request.json()
    return JSONResponse(chat_reply(body.get("answer", GOOD)))


def served(*, ours_first: bool = True, **config: Any) -> Any:
    ours = Middleware(
        SchemaMiddleware,
        config={"auth": "none", "rules": [RULE], "routes": True, **config},
        registry=registry_with_user(),
    )
    cors = Middleware(CORSMiddleware, allow_origins=[ORIGIN], expose_headers=["x-schema"])
    others = [cors, Middleware(XRequestIdMiddleware)]
    order = [ours, *others] if ours_first else [*others, ours]
    return Starlette(routes=[Route(CHAT, model, methods=["POST"])], middleware=order)


async def asked(app: Any, body: Any = None, path: str = CHAT, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        given = {"origin": ORIGIN, "content-type": "application/json", **headers}
        if body is None:
            return await client.get(path, headers=given)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await client.post(path, content=content, headers=given)


OURS: dict[str, tuple[int, Any, str, dict[str, str]]] = {
    "an invalid request": (400, chat_request(BAD), CHAT, {}),
    "no JSON": (400, b"{", CHAT, {}),
    "another content type": (415, b"{}", CHAT, {"content-type": "text/csv"}),
    "a withheld answer": (500, chat_request(GOOD, answer=BAD), CHAT, {}),
    "health": (200, None, "/schemas/health", {}),
}


@pytest.mark.parametrize("ours_first", [True, False], ids=["outside", "inside"])
@pytest.mark.parametrize("name", OURS)
async def test_our_replies_carry_cors_headers_and_the_id_once(name: str, ours_first: bool) -> None:
    status, body, path, headers = OURS[name]
    reply = await asked(served(ours_first=ours_first), body, path, **headers)
    assert reply.status_code == status
    for header, value in (
        ("access-control-allow-origin", ORIGIN),
        ("access-control-expose-headers", "x-schema"),
        ("x-request-id", "id-1"),
        ("vary", "Origin"),
    ):
        assert reply.headers.get_list(header) == [value]


async def test_another_origin_is_not_let_in() -> None:
    reply = await asked(served(), chat_request(BAD), origin="https://other.example")
    assert reply.status_code == 400
    assert "access-control-allow-origin" not in reply.headers


async def test_who_has_no_key_sees_the_refusal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "secret")
    app = served(auth={"keys_env": ["A_KEY"]})
    for path, body in ((CHAT, chat_request(GOOD)), ("/schemas/health", None)):
        reply = await asked(app, body, path)
        assert reply.status_code == 401
        assert reply.headers["access-control-allow-origin"] == ORIGIN


async def test_a_wrong_configuration_is_told_so_too() -> None:
    reply = await asked(served(rules=[{}]), chat_request(GOOD))
    assert reply.status_code == 500
    assert reply.headers["access-control-allow-origin"] == ORIGIN


async def test_an_app_that_was_never_called_has_its_layers_too() -> None:
    inner = Starlette(routes=[Route(CHAT, model, methods=["POST"])])
    inner.add_middleware(CORSMiddleware, allow_origins=["*"])
    app = SchemaMiddleware(inner, {"auth": "none", "rules": [RULE]}, registry=registry_with_user())
    for body, status in ((chat_request(BAD), 400), (chat_request(GOOD), 200)):
        reply = await asked(app, body)
        assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (status, "*")


class Behind:
    """A server that is elsewhere: it alone gives the headers, to its own pages."""

    def __init__(self, *, gives: bool = True) -> None:
        self.asked: list[str] = []
        self.is_away = False
        cors = Middleware(
            CORSMiddleware,
            allow_origins=[ORIGIN],
            allow_methods=["POST"],
            allow_headers=["*"],
            allow_credentials=True,
            expose_headers=["x-schema"],
        )
        route = Route(CHAT, model, methods=["POST"])
        self.server: Any = Starlette(routes=[route], middleware=[cors] if gives else [])
        config = {"auth": "none", "rules": [RULE], "strict_routes": True}
        self.proxy = UpstreamMiddleware(CrossOrigin(self), config, registry=registry_with_user())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope["method"])
        if self.is_away:
            scope[layers.OURS] = failure_messages(openai_error, answer_too_large(1))
            for message in scope[layers.OURS]:
                await send(message)
        else:
            await self.server(scope, receive, send)


WRONG_REQUEST = chat_request(BAD)


class TestWhereOnlyTheServerBehindGivesThem:
    async def test_they_are_learned_from_the_preflight(self) -> None:
        behind = Behind()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(behind.proxy)) as client:
            preflight = {"origin": ORIGIN, "access-control-request-method": "POST"}
            await client.options(f"http://a{CHAT}", headers=preflight)
        reply = await asked(behind.proxy, WRONG_REQUEST, origin=ORIGIN)
        assert reply.status_code == 400
        assert reply.headers["access-control-allow-origin"] == ORIGIN
        assert reply.headers["access-control-allow-credentials"] == "true"
        assert reply.headers["vary"] == "Origin"
        assert behind.asked == ["OPTIONS"]

    async def test_and_from_any_reply(self) -> None:
        behind = Behind()
        good = await asked(behind.proxy, chat_request(GOOD), origin=ORIGIN)
        wrong = await asked(behind.proxy, WRONG_REQUEST, origin=ORIGIN)
        names = ("access-control-allow-origin", "access-control-expose-headers", "vary")
        assert [good.headers[n] for n in names] == [wrong.headers[n] for n in names]
        assert (wrong.status_code, behind.asked) == (400, ["POST"])

    async def test_where_nothing_has_passed_the_server_is_asked_once(self) -> None:
        behind = Behind()
        for _ in range(2):
            reply = await asked(behind.proxy, WRONG_REQUEST, origin=ORIGIN)
            assert reply.headers["access-control-allow-origin"] == ORIGIN
        assert behind.asked == ["OPTIONS"]

    async def test_another_page_gets_none(self) -> None:
        behind = Behind()
        await asked(behind.proxy, chat_request(GOOD), origin=ORIGIN)
        for origin in ("https://other.example", "null"):
            reply = await asked(behind.proxy, WRONG_REQUEST, origin=origin)
            assert "access-control-allow-origin" not in reply.headers

    async def test_a_server_that_gives_none_has_none_added(self) -> None:
        behind = Behind(gives=False)
        for body in (chat_request(GOOD), WRONG_REQUEST):
            reply = await asked(behind.proxy, body, origin=ORIGIN)
            assert "access-control-allow-origin" not in reply.headers
        assert behind.asked == ["POST"]

    async def test_every_reply_of_ours_has_them(self) -> None:
        behind = Behind()
        withheld = await asked(behind.proxy, chat_request(GOOD) | {"answer": BAD}, origin=ORIGIN)
        closed = await asked(behind.proxy, {}, "/generate", origin=ORIGIN)
        behind.is_away = True
        away = await asked(behind.proxy, chat_request(GOOD), origin=ORIGIN)
        for reply, status in ((withheld, 500), (closed, 404), (away, 502)):
            assert reply.status_code == status
            assert reply.headers.get_list("access-control-allow-origin") == [ORIGIN]

    async def test_a_server_that_does_not_answer_stops_no_error_of_ours(self) -> None:
        behind = Behind()
        behind.server = None  # whatever it raises
        reply = await asked(behind.proxy, WRONG_REQUEST, origin=ORIGIN)
        assert (reply.status_code, behind.asked) == (400, ["OPTIONS"])
