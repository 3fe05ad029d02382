"""Rules for some of the callers: by their key, or by a header."""

from __future__ import annotations

from typing import Any

import pytest

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.serving import SchemaMiddleware, load_config
from tests.support.serving_apps import BAD, CHAT, GOOD, Server, chat_reply, chat_request

ENFORCED = {"output": {"schema": "user", "mode": "enforce"}}
OFF = {"output": {"schema": "user", "mode": "off"}}


async def status(server: Server, *headers: tuple[str, str]) -> int:
    given = [(name.encode(), value.encode()) for name, value in headers]
    scope = {
        "type": "http",
        "method": "POST",
        "path": CHAT,
        "headers": [(b"content-type", b"application/json"), *given],
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b'{"messages": []}'}

    async def send(message: Any) -> None:
        sent.append(message)

    await server.middleware(scope, receive, send)
    return int(sent[0]["status"])


class TestByHeader:
    @pytest.mark.parametrize("wanted", ["acme", ["other", "acme"], ["ac*"]])
    @pytest.mark.parametrize("name", ["x-tenant", "X-Tenant"])
    async def test_a_rule_is_for_requests_that_bring_it(self, wanted: Any, name: str) -> None:
        made = Server(chat_reply(BAD), rules=[{"headers": {name: wanted}, **ENFORCED}])
        assert await status(made, ("x-tenant", "acme")) == 500
        assert await status(made, ("x-tenant", " acme ")) == 500
        assert await status(made, ("x-tenant", "bcme")) == 200
        assert await status(made, ("x-other", "acme")) == 200
        assert await status(made) == 200

    async def test_another_value_beside_it_is_no_way_round(self) -> None:
        made = Server(chat_reply(BAD), rules=[{"headers": {"x-tenant": "acme"}, **ENFORCED}])
        assert await status(made, ("x-tenant", "acme"), ("x-tenant", "bcme")) == 500
        assert await status(made, ("x-tenant", "bcme"), ("x-tenant", "acme")) == 500

    async def test_every_header_has_to_be_there(self) -> None:
        rule = {"headers": {"x-tenant": "acme", "x-stage": ["live", "test"]}, **ENFORCED}
        made = Server(chat_reply(BAD), rules=[rule])
        assert await status(made, ("x-tenant", "acme")) == 200
        assert await status(made, ("x-tenant", "acme"), ("x-stage", "test")) == 500

    async def test_the_next_rule_is_for_the_others(self) -> None:
        rules = [{"headers": {"x-tenant": "acme"}, **OFF}, ENFORCED]
        made = Server(chat_reply(BAD), rules=rules)
        assert await status(made, ("x-tenant", "acme")) == 200
        assert await status(made, ("x-tenant", "bcme")) == 500

    @pytest.mark.parametrize("headers", [{"x tenant": "a"}, {"x-tenant": 1}, ["x-tenant"]])
    def test_what_is_no_header_is_told(self, headers: Any) -> None:
        with pytest.raises(ConfigurationError, match=r"rules\.0\.headers"):
            load_config({"rules": [{"headers": headers, **ENFORCED}]})


class TestByKey:
    RULES: Any = ({"keys_env": ["TEAM_A", "TEAM_B"], **ENFORCED},)

    @pytest.fixture(autouse=True)
    def keys(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TEAM_A", "secret-a")
        monkeypatch.setenv("TEAM_B", "secret-b")

    @pytest.mark.parametrize(
        "header",
        [
            ("authorization", "Bearer secret-a"),
            ("authorization", "bearer  secret-b"),
            ("authorization", "secret-a"),
            ("x-api-key", "secret-b"),
            ("authorization", "Basic secret-a"),
            ("api-key", "secret-a"),
            ("x-goog-api-key", "secret-a"),
            ("ocp-apim-subscription-key", "secret-a"),
            ("x-litellm-api-key", "Bearer secret-a"),
        ],
    )
    async def test_a_rule_is_for_requests_that_bring_it(self, header: tuple[str, str]) -> None:
        made = Server(chat_reply(BAD), rules=self.RULES)
        assert await status(made, header) == 500
        assert await status(made, header, (header[0], "Bearer other")) == 500
        assert await status(made, (header[0], header[1] + "x")) == 200
        assert await status(made) == 200

    @pytest.mark.parametrize(
        "query",
        [b"key=secret-a", b"a=b&Subscription-Key=secret%2da", b"api-key=x&api-key=secret-b"],
    )
    async def test_a_key_in_a_query_is_no_way_round_it(self, query: bytes) -> None:
        made = Server(chat_reply(BAD), rules=self.RULES)
        assert (await made.post(chat_request(), query=query)).status == 500
        assert (await made.post(chat_request(), query=query + b"x")).status == 200
        assert (await made.post(b"", f"{CHAT}/c_1", method="GET", query=query)).status == 500
        assert (await made.post(b"", f"{CHAT}/c_1", method="GET")).status == 200

    async def test_a_header_may_be_wanted_besides(self) -> None:
        rule = {**self.RULES[0], "headers": {"x-stage": "live"}}
        made = Server(chat_reply(BAD), rules=[rule])
        assert await status(made, ("x-api-key", "secret-a")) == 200
        assert await status(made, ("x-api-key", "secret-a"), ("x-stage", "live")) == 500

    def test_a_key_that_is_not_set_ends_the_start(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("TEAM_B")
        config = {"registry": "memory://", "rules": self.RULES}
        with pytest.raises(ConfigurationError, match="TEAM_B is not set"):
            SchemaMiddleware.examine(config)


async def test_without_any_a_rule_is_for_everybody() -> None:
    made = Server(chat_reply(GOOD), rules=[ENFORCED])
    assert (await made.post(chat_request())).status == 200
