"""Strangers learn nothing about schemas."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from llm_integrations.vllm import SchemaMiddleware
from tests.support.serving_apps import CHAT, registry_with_user

KEY = {"Authorization": "Bearer right"}
BODY = {"model": "tiny", "messages": [{"role": "user", "content": "no JSON"}]}
RULE = {"paths": [CHAT, "/open"], "input": {"checks": [{"of": "messages", "schema": "user"}]}}


class KeyCheck:
    """The model server's own check: below /v1 a bearer token is wanted."""

    def __init__(self, app: Any, token: str) -> None:
        self.app = app
        self._token = token

    def verify_token(self, headers: Any) -> bool:
        return bool(headers.get("Authorization") == f"Bearer {self._token}")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        app = self.app
        guarded = scope["type"] == "http" and scope["path"].startswith("/v1")
        if guarded and not self.verify_token(Request(scope).headers):
            app = JSONResponse({"error": "Unauthorized"}, status_code=401)
        await app(scope, receive, send)


async def answer(request: Request) -> JSONResponse:
    return JSONResponse(await request.json())


def client(*, check: bool = True, **config: Any) -> TestClient:
    ours = Middleware(
        SchemaMiddleware,
        config={"rules": [RULE], "routes": True, **config},
        registry=registry_with_user(),
    )
    theirs = [Middleware(KeyCheck, token="right")] if check else []
    routes = [Route(path, answer, methods=["POST"]) for path in (CHAT, "/open")]
    return TestClient(Starlette(routes=routes, middleware=[ours, *theirs]))


class TestTheServersOwnCheck:
    def test_a_stranger_gets_the_servers_401(self) -> None:
        with client() as http:
            reply = http.post(CHAT, json=BODY)
            assert (reply.status_code, reply.json()) == (401, {"error": "Unauthorized"})
            wrong = http.post(CHAT, json=BODY, headers={"Authorization": "Bearer wrong"})
            assert wrong.status_code == 401
            assert "x-schema" not in wrong.headers

    def test_whoever_has_the_key_is_judged(self) -> None:
        with client() as http:
            assert http.post(CHAT, json=BODY, headers=KEY).status_code == 400

    def test_a_path_that_the_server_leaves_open_is_no_way_round(self) -> None:
        with client() as http:
            assert http.post("/open", json=BODY).status_code == 400

    @pytest.mark.parametrize("path", ["/schemas/health", "/schemas/rules"])
    def test_our_routes_want_the_key_too(self, path: str) -> None:
        with client() as http:
            reply = http.get(path)
            assert (reply.status_code, reply.json()) == (401, {"error": "Unauthorized"})
            assert http.get(path, headers=KEY).status_code == 200

    def test_a_check_that_fails_is_left_to_fail_again(self) -> None:
        class Broken(KeyCheck):
            def verify_token(self, headers: Any) -> bool:
                raise LookupError

        ours = Middleware(SchemaMiddleware, config={"rules": [RULE]}, registry=registry_with_user())
        app = Starlette(
            routes=[Route(CHAT, answer, methods=["POST"])],
            middleware=[ours, Middleware(Broken, token="")],
        )
        with TestClient(app) as http, pytest.raises(LookupError):
            http.post(CHAT, json=BODY)


class TestOutOfReach:
    """A key is configured, but what checks it cannot be asked."""

    def test_only_requests_with_a_header_are_judged(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VLLM_API_KEY", "right")
        with client(check=False) as http:
            assert http.post(CHAT, json=BODY).status_code == 200
            assert http.post(CHAT, json=BODY, headers=KEY).status_code == 400
            assert http.get("/schemas/rules").status_code == 401

    def test_the_configuration_can_say_so(self) -> None:
        with client(check=False, auth="header") as http:
            assert http.post(CHAT, json=BODY).status_code == 200
            assert http.post(CHAT, json=BODY, headers=KEY).status_code == 400


def test_without_keys_everybody_is_judged() -> None:
    with client(check=False) as http:
        assert http.post(CHAT, json=BODY).status_code == 400


def test_none_judges_whatever_is_checked_inside() -> None:
    with client(auth="none") as http:
        assert http.post(CHAT, json=BODY).status_code == 400


def test_an_app_wrapped_from_outside_is_searched_too() -> None:
    inner = Starlette(
        routes=[Route(CHAT, answer, methods=["POST"])],
        middleware=[Middleware(KeyCheck, token="right")],
    )
    app = SchemaMiddleware(inner, {"rules": [RULE]}, registry=registry_with_user())
    with TestClient(app) as http:
        assert http.post(CHAT, json=BODY).status_code == 401
        assert http.post(CHAT, json=BODY, headers=KEY).status_code == 400
