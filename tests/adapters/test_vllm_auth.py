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
    def test_what_it_takes_after_all_is_not_served_unjudged(self) -> None:
        """A middleware between ours and the check gives strangers a key."""

        class Doorman:
            def __init__(self, app: Any) -> None:
                self.app = app

            async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                key = (b"authorization", b"Bearer right")
                headers = [*scope.get("headers", ()), key]
                await self.app({**scope, "headers": headers}, receive, send)

        ours = Middleware(SchemaMiddleware, config={"rules": [RULE]}, registry=registry_with_user())
        app = Starlette(
            routes=[Route(CHAT, answer, methods=["POST"])],
            middleware=[ours, Middleware(Doorman), Middleware(KeyCheck, token="right")],
        )
        with TestClient(app) as http:
            reply = http.post(CHAT, json=BODY)
            assert (reply.status_code, reply.json()["error"]["code"]) == (401, 401)

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

    def test_a_path_that_it_leaves_open_makes_nobody_known(self) -> None:
        with client() as http:
            stranger = http.post("/open", json=BODY).json()["error"]
            known = http.post("/open", json=BODY, headers=KEY).json()["error"]
        assert (stranger["message"], stranger["param"]) == ("the request is not valid", None)
        assert "no message has the role user" in known["message"]

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
    """A key is configured, but what checks it cannot be asked: the key itself is compared."""

    @pytest.fixture(autouse=True)
    def key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VLLM_API_KEY", "right")

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": "Bearer junk"},
            {"Authorization": "Bearer righ"},
            {"Authorization": "Basic right"},
            {"x-api-key": "junk"},
        ],
    )
    def test_strangers_are_judged_and_told_nothing(self, headers: dict[str, str]) -> None:
        with client(check=False) as http:
            reply = http.post(CHAT, json=BODY, headers=headers)
            assert (reply.status_code, reply.json()["error"]["param"]) == (400, None)
            assert "user" not in reply.text
            assert http.get("/schemas/rules", headers=headers).status_code == 401

    @pytest.mark.parametrize("headers", [KEY, {"x-api-key": "right"}, {"Authorization": "right"}])
    def test_whoever_has_the_key_is_told_what_is_wrong(self, headers: dict[str, str]) -> None:
        with client(check=False) as http:
            reply = http.post(CHAT, json=BODY, headers=headers)
            assert reply.json()["error"]["param"] == "body.messages.0.content"
            assert http.get("/schemas/rules", headers=headers).status_code == 200

    def test_two_keys_of_which_one_is_wrong_are_a_strangers(self) -> None:
        twice = [("authorization", "Bearer right"), ("authorization", "Bearer junk")]
        with client(check=False) as http:
            for headers in (twice, twice[::-1]):
                assert "user" not in http.post(CHAT, json=BODY, headers=headers).text


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
