"""Which requests a rule is for, and which schema."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from llm_integrations.serving.rules.patterns import Patterns
from tests.support.serving_apps import BAD, CHAT, GOOD, Server, chat_reply, chat_request

USER = {"output": {"schema": "user", "mode": "enforce"}}


def server(*rules: dict[str, Any], reply: str = BAD, **config: Any) -> Server:
    return Server(chat_reply(reply), rules=list(rules), **config)


class TestPaths:
    async def test_a_path_without_rules_passes_untouched(self) -> None:
        made = server({**USER, "paths": ["/v1/completions"]})
        reply = await made.post()
        assert (reply.status, "x-schema" in reply.headers) == (200, False)

    async def test_only_post_is_judged(self) -> None:
        assert (await server(USER).post(method="GET")).status == 200

    async def test_by_default_the_four_endpoints(self) -> None:
        made = server(USER)
        assert (await made.post()).status == 500
        assert (await made.post(path="/v1/embeddings")).status == 200

    async def test_a_root_path_is_not_part_of_it(self) -> None:
        made = server(USER)
        assert (await made.post(path=f"/proxy{CHAT}", root_path="/proxy")).status == 500

    async def test_other_scopes_pass(self) -> None:
        seen: list[str] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["type"])

        made = server(USER)
        made.middleware.app = app
        await made.middleware({"type": "websocket", "path": CHAT}, _no_receive, _no_send)
        assert seen == ["websocket"]


class TestModels:
    @pytest.mark.parametrize(("model", "status"), [("tiny", 500), ("tiny-2", 200), ("x", 200)])
    async def test_a_rule_is_for_the_models_it_names(self, model: str, status: int) -> None:
        made = server({**USER, "models": ["tiny"]})
        assert (await made.post({**chat_request(), "model": model})).status == status

    async def test_names_may_hold_a_star(self) -> None:
        made = server({**USER, "models": ["ti*y", "lora-*"]})
        assert (await made.post({**chat_request(), "model": "lora-9"})).status == 500
        assert (await made.post({**chat_request(), "model": "my-lora-9"})).status == 200

    async def test_naming_no_model_is_no_way_round(self) -> None:
        request: dict[str, Any] = {"messages": []}
        assert (await server({**USER, "models": ["tiny"]}).post(request)).status == 500
        made = server({**USER, "models": ["tiny"]}, default_model="other")
        assert (await made.post(request)).status == 200

    async def test_the_first_rule_that_matches_counts(self) -> None:
        made = server({**USER, "models": ["tiny"]}, {"output": {"schema": "user", "mode": "warn"}})
        assert (await made.post()).status == 500
        assert (await made.post({**chat_request(), "model": "x"})).status == 200


class TestNamedByTheClient:
    NAMED: ClassVar[dict[str, Any]] = {
        "mode": "enforce",
        "named_by": {"header": "X-Answer", "allow": ["user", "com.*"]},
    }

    async def test_a_header_names_the_schema(self) -> None:
        made = server({"output": self.NAMED})
        assert (await made.post()).status == 200
        assert (await made.post(headers={"x-answer": "user@1"})).status == 500

    async def test_else_the_rules_own_counts(self) -> None:
        made = server({"output": {**self.NAMED, "schema": "user"}})
        assert (await made.post()).status == 500

    async def test_a_field_names_it(self) -> None:
        output = {"mode": "enforce", "named_by": {"field": "/metadata/answer", "allow": ["*"]}}
        made = server({"output": output})
        assert (await made.post(chat_request(metadata={"answer": "user"}))).status == 500
        assert (await made.post(chat_request(metadata={}))).status == 200

    @pytest.mark.parametrize(
        ("reference", "message"),
        [
            ("secret", "cannot be asked for here"),
            ("com.none", "there is no schema com.none@latest"),
            ("user@x", "is not a version"),
        ],
    )
    async def test_what_is_wrong_with_it_is_the_clients_fault(
        self, reference: str, message: str
    ) -> None:
        reply = await server({"output": self.NAMED}).post(headers={"x-answer": reference})
        assert (reply.status, reply.json["error"]["param"]) == (400, "x-answer")
        assert message in reply.json["error"]["message"]

    async def test_whether_a_schema_exists_is_not_told_of_those_that_are_not_allowed(self) -> None:
        made = server({"output": self.NAMED})
        made.registry.register("secret", True)
        known = await made.post(headers={"x-answer": "secret"})
        unknown = await made.post(headers={"x-answer": "unknown"})
        assert known.body == unknown.body

    async def test_the_input_too(self) -> None:
        named = {"header": "x-question", "allow": ["user"]}
        check = {"of": "messages", "named_by": named}
        made = server({"input": {"checks": [check]}}, reply=GOOD)
        assert (await made.post()).status == 200
        assert (await made.post(headers={"x-question": "user"})).status == 400


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [("a*", "abc", True), ("*c", "abc", True), ("a.c", "abc", False), ("*", "a\nb", True)],
)
def test_a_star_stands_for_any_text(pattern: str, name: str, matches: bool) -> None:
    assert Patterns([pattern]).match(name) is matches


async def _no_receive() -> Any:
    raise AssertionError


async def _no_send(message: Any) -> None:
    raise AssertionError
