"""Who is told about schemas, in front of apps that check keys in their own ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import APIKeyHeader
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry import connect
from llm_integrations.serving import SchemaMiddleware
from llm_integrations.serving.asgi.gate import Caller, KeyGate
from llm_integrations.serving.runtime.runtime import Runtime
from tests.support.serving_apps import CHAT, registry_with_user, started

CHECKS = [{"of": "/secret_field", "schema": "secret.subject", "required": True}]
RULE: dict[str, Any] = {"name": "secret-rule", "input": {"checks": CHECKS}}
BAD = {"model": "tiny", "secret_field": "blue"}
GOOD = {"model": "tiny", "secret_field": "red"}
SECRETS = ("secret", "red", "green", "x-schema", "body.")


def with_dependency() -> FastAPI:
    """FastAPI reads a body before it asks its dependencies."""
    app = FastAPI()

    def check(key: str | None = Depends(APIKeyHeader(name="x-api-key", auto_error=False))) -> None:
        if key != "right":
            raise HTTPException(401, "Unauthorized")

    @app.post(CHAT, dependencies=[Depends(check)])
    def answer(body: dict[str, Any]) -> dict[str, Any]:
        return body

    return app


def with_inner_middleware() -> FastAPI:
    app = FastAPI()

    class Check(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Any:
            if request.headers.get("x-api-key") != "right":
                return JSONResponse({"detail": "Unauthorized"}, 401)
            return await call_next(request)

    @app.post(CHAT)
    def answer(body: dict[str, Any]) -> dict[str, Any]:
        return body

    app.add_middleware(Check)
    return app


def client(app: Any, **config: Any) -> TestClient:
    registry = connect("memory://")
    registry.register("secret.subject", {"enum": ["red", "green"]})
    rules = config.pop("rules", [RULE])
    made = SchemaMiddleware(app, {"rules": rules, "routes": True, **config}, registry=registry)
    return TestClient(made)


def told(reply: Any) -> list[str]:
    """What of our secrets a reply gives away."""
    everything = f"{reply.text} {dict(reply.headers)}"
    return [secret for secret in SECRETS if secret in everything]


APPS = pytest.mark.parametrize("app", [with_dependency, with_inner_middleware])
STRANGERS: list[dict[str, str]] = [
    {},
    {"authorization": "Bearer junk"},
    {"x-api-key": "junk"},
    {"x-api-key": ""},
]


@APPS
@pytest.mark.parametrize("auth", ["auto", "header"])
class TestTheAppChecksKeysOutOfReach:
    @pytest.mark.parametrize("headers", STRANGERS)
    def test_strangers_learn_nothing(
        self, app: Callable[[], Any], auth: str, headers: dict[str, str]
    ) -> None:
        with client(app(), auth=auth) as http:
            reply = http.post(CHAT, json=BAD, headers=headers)
            assert (reply.status_code, told(reply)) == (400, [])
            assert reply.json()["error"]["message"] == "the request is not valid"
            passed = http.post(CHAT, json=GOOD, headers=headers)
            assert (passed.status_code, told(passed)) == (401, [])
            assert http.get("/schemas/rules", headers=headers).status_code == 401
            assert http.get("/schemas/health", headers=headers).status_code == 401

    def test_no_kind_of_key_is_a_way_round(self, app: Callable[[], Any], auth: str) -> None:
        with client(app(), auth=auth) as http:
            key = {"x-api-key": "right"}
            assert http.post(CHAT, json=BAD, headers=key).status_code == 400
            reply = http.post(CHAT, json=GOOD, headers=key)
            assert (reply.status_code, reply.headers["x-schema-valid"]) == (200, "true")


@pytest.mark.parametrize(
    "named", ["secret.subject", "secret.none", "secret.subject@9", "secret.subject@x", "other"]
)
def test_strangers_do_not_learn_which_subjects_exist(named: str) -> None:
    by = {"header": "x-want", "allow": ["secret.*"]}
    rule = {"input": {"checks": [{"of": "/secret_field", "named_by": by}]}}
    with client(with_dependency(), rules=[rule]) as http:
        reply = http.post(CHAT, json=BAD, headers={"x-want": named})
        bare = {"message": "the request is not valid", "type": "BadRequestError"}
        assert reply.json()["error"] == {**bare, "param": None, "code": 400}
        assert reply.status_code == 400


def test_strangers_do_not_learn_which_tools_can_be_filled_in() -> None:
    tool = {"type": "function", "function": {"name": "x", "parameters": {"$ref": "schema:none"}}}
    with client(with_dependency(), rules=[{"fill_tools": ["*"]}]) as http:
        reply = http.post(CHAT, json={"tools": [tool]})
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, None)


class TestKeysThatAreConfigured:
    AUTH = {"keys_env": ["KEY_A", "KEY_B"], "headers": ["X-My-Key"]}  # noqa: RUF012 - never changed

    @pytest.fixture(autouse=True)
    def keys(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KEY_A", "right")
        monkeypatch.setenv("KEY_B", "also right")

    @pytest.mark.parametrize("key", ["right", "also right", "Bearer right", "bearer  right "])
    def test_whoever_has_one_is_told(self, key: str) -> None:
        with client(with_dependency(), auth=self.AUTH) as http:
            reply = http.post(CHAT, json=BAD, headers={"x-my-key": key})
            assert reply.json()["error"]["param"] == "body.secret_field"

    @pytest.mark.parametrize("headers", [*STRANGERS, {"x-my-key": "junk"}, {"x-my-key": "righ"}])
    @pytest.mark.parametrize("body", [GOOD, BAD])
    @APPS
    def test_nobody_else_gets_as_far_as_being_judged(
        self, app: Callable[[], Any], headers: dict[str, str], body: Any
    ) -> None:
        with client(app(), auth=self.AUTH) as http:
            reply = http.post(CHAT, json=body, headers=headers)
            assert (reply.status_code, told(reply)) == (401, [])

    async def test_one_that_is_not_set_ends_the_start(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("KEY_B")
        config = {"rules": [{"output": {"schema": "user"}}], "auth": self.AUTH}
        middleware = SchemaMiddleware(with_dependency(), config, registry=registry_with_user())
        async with started(middleware) as said:
            assert said[0]["type"] == "lifespan.startup.failed"
            assert "auth: KEY_B is not set" in said[0]["message"]

    def test_a_configuration_without_keys_is_wrong(self) -> None:
        config = {"rules": [RULE], "auth": {"headers": ["x-key"]}}
        with pytest.raises(ConfigurationError, match="keys_env: Field required"):
            Runtime(SchemaMiddleware.server, config, registry_with_user())

    @pytest.mark.parametrize("name", ["", "x key", "schlüssel", "x:y"])
    def test_a_header_that_cannot_be_is_wrong(self, name: str) -> None:
        config = {"rules": [RULE], "auth": {"keys_env": ["KEY_A"], "headers": [name]}}
        with pytest.raises(ConfigurationError, match="headers"):
            Runtime(SchemaMiddleware.server, config, registry_with_user())

    async def test_a_gate_shows_no_key(self) -> None:
        gate = KeyGate(["hush"], ["x-key"], Caller.STRANGER)
        assert "hush" not in repr(vars(gate))


@APPS
def test_auto_without_a_check_says_so_at_the_start(
    app: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    with client(app()):
        assert "no check of API keys is within reach" in caplog.text
    caplog.clear()
    for auth in ("none", "header"):
        with client(app(), auth=auth):
            assert "within reach" not in caplog.text


def test_none_tells_everybody() -> None:
    with client(with_dependency(), auth="none") as http:
        reply = http.post(CHAT, json=BAD)
        assert reply.json()["error"]["param"] == "body.secret_field"
        assert http.get("/schemas/rules").status_code == 200
