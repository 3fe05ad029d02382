"""Which requests a rule is for, and which schema."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

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

    async def test_what_brings_no_body_is_not_judged(self) -> None:
        other = "/v1/messages"  # of chats, a GET lists what is stored
        for method, path in (("GET", other), ("HEAD", CHAT), ("OPTIONS", CHAT), ("DELETE", CHAT)):
            assert (await server(USER).post(b"", path, method=method)).status == 200
        assert (await server(USER).post(b"", method="GET")).status == 500
        assert (await server(USER).post(method="GET")).status == 500

    async def test_by_default_the_four_endpoints(self) -> None:
        made = server(USER)
        assert (await made.post()).status == 500
        assert (await made.post(path="/v1/embeddings")).status == 200

    async def test_a_root_path_is_not_part_of_it(self) -> None:
        made = server(USER)
        assert (await made.post(path=f"/proxy{CHAT}", root_path="/proxy")).status == 500

    @pytest.mark.parametrize(
        "path",
        [
            f"/{CHAT}",
            f"{CHAT}/",
            "/v1//chat/completions",
            "/v1/./chat/completions",
            "/v1/x/../chat/completions",
            "/V1/Chat/Completions",
            "/v1/chat%2Fcompletions",
        ],
    )
    async def test_no_other_spelling_of_a_path_is_a_way_round(self, path: str) -> None:
        assert (await server(USER).post(path=path)).status == 500

    @pytest.mark.parametrize(
        ("root", "path"),
        [
            *(("/v1", "/v1"), ("/v", ""), ("/v1/chat/", "")),
            *(("/root/", "/root"), ("/root", "//root"), ("/root", "/%72oot"), ("/ROOT", "/root")),
        ],
    )
    async def test_a_root_path_is_taken_off_as_the_app_does(self, root: str, path: str) -> None:
        assert (await server(USER).post(path=f"{path}{CHAT}", root_path=root)).status == 500

    @pytest.mark.parametrize(
        ("path", "mode", "reached"),
        [
            (CHAT, "enforce", False),
            (f"{CHAT}/", "enforce", False),
            (CHAT, "warn", True),
            ("/other", "enforce", True),
        ],
    )
    async def test_a_socket_cannot_be_judged(self, path: str, mode: str, reached: bool) -> None:
        seen: list[str] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["type"])

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            seen.append(message["type"])

        made = server({"output": {"schema": "user", "mode": mode}})
        made.middleware.app = app
        await made.middleware({"type": "websocket", "path": path}, receive, send)
        assert seen == (["websocket"] if reached else ["websocket.close"])


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

    @pytest.mark.parametrize("spelt", ["Model", "MODEL"])
    async def test_a_model_in_capitals_is_no_way_round_a_server_in_go(self, spelt: str) -> None:
        made = server({**USER, "models": ["tiny"]}, default_model="x")
        for request in ({"model": "x", spelt: "tiny"}, {spelt: "tiny"}, {spelt: "x"}):
            assert (await made.post({"messages": [], **request})).status == 500

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

    @pytest.mark.parametrize("reference", ["\ud800", "com." + "x" * 600, "com.\x00"])
    async def test_what_cannot_be_a_name_is_asked_of_no_registry(self, reference: str) -> None:
        output = {"mode": "enforce", "named_by": {"field": "/metadata/answer", "allow": ["*"]}}
        reply = await server({"output": output}).post(chat_request(metadata={"answer": reference}))
        assert (reply.status, reply.json["error"]["param"]) == (400, "body.metadata.answer")

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
    [
        ("a*", "abc", True),
        ("*c", "abc", True),
        ("a.c", "abc", False),
        ("*", "a\nb", True),
        ("a**b*", "a--b", True),
        ("*ab*ab", "ab", False),
        ("*ab*ab", "abab", True),
        ("a*b", "ab", True),
        ("ab*ba", "aba", False),
        ("*x*", "y", False),
    ],
)
def test_a_star_stands_for_any_text(pattern: str, name: str, matches: bool) -> None:
    assert Patterns([pattern]).match(name) is matches


@given(st.text("ab*", max_size=8), st.text("ab", max_size=12))
def test_it_matches_as_a_shell_does(pattern: str, name: str) -> None:
    assert Patterns([pattern]).match(name) is fnmatchcase(name, pattern)


@pytest.mark.timeout(20)
async def test_a_long_name_costs_no_more_than_its_length() -> None:
    """The client writes the name, and regular expressions try all ways to share it out."""
    made = server({**USER, "models": ["*a*a*a*b*c"]})
    request = {**chat_request(), "model": "a" * 100_000}
    assert (await made.post(request)).status == 200


@pytest.mark.parametrize("model", [["tiny"], {"a": 1}, 3, True])
async def test_a_model_that_is_no_name_is_no_way_round(model: Any) -> None:
    made = server({**USER, "models": ["tiny"]})
    assert (await made.post({**chat_request(), "model": model})).status == 500


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"model=strict", 500),
        (b"MODEL=strict&a=b", 500),
        (b"model=lax&model=strict", 500),
        (b"model=lax", 200),
        (b"a=b&model=", 200),
        (b"models=strict", 200),
    ],
)
async def test_a_model_in_a_query_is_no_way_round_the_rules_of_a_model(
    query: bytes, expected: int
) -> None:
    """LiteLLM takes it before the one in the body."""
    made = server({**USER, "models": ["strict"]}, {"output": {"schema": "user", "mode": "warn"}})
    assert (await made.post(chat_request(model="lax"), query=query)).status == expected
    assert (await made.post(chat_request(model="strict"), query=query)).status == 500


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "STRICT"},
        {"model": " strict "},
        {"model": "lax,strict"},
        {"model": "lax", "models": ["strict"]},
        {"model": "lax", "fallbacks": ["strict"]},
        {"model": "lax", "fallbacks": [{"model": "strict"}]},
        {"model": "lax", "context_window_fallbacks": [{"lax": ["strict"]}]},
        {"model": "lax", "content_policy_fallbacks": [{"lax": ["strict"]}]},
        {"model": "lax", "extra_body": {"model": "strict"}},
        {"model": "lax", "extra_body": {"models": ["strict"]}},
        {"model": "lax", "fallbacks": [f"m{number}" for number in range(200)]},
        {"model": ["strict"]},
    ],
    ids=str,
)
async def test_another_way_to_ask_for_a_model_is_none_round_its_rules(
    fields: dict[str, Any],
) -> None:
    made = server({**USER, "models": ["Strict"]}, {"output": {"schema": "user", "mode": "warn"}})
    assert (await made.post(chat_request(**fields))).status == 500
    assert (await made.post(chat_request(model="lax", fallbacks=[], models=None))).status == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"fallbacks": ["mini"]},
        {"fallbacks": [{"model": "mini"}, {"lax": ["mini"]}]},
        {"models": ["lax", "mini"]},
        {"model": "lax,mini"},
        {"extra_body": {"top_k": 5, "guided": "strict"}},
    ],
    ids=str,
)
async def test_models_that_none_of_a_rules_is_among_are_not_judged_by_it(
    fields: dict[str, Any],
) -> None:
    made = server({**USER, "models": ["Strict"]}, {"output": {"schema": "user", "mode": "warn"}})
    assert (await made.post(chat_request(**{"model": "lax", **fields}))).status == 200


async def test_a_model_that_is_asked_when_the_paths_fails_is_no_way_round_its_rules() -> None:
    made = server({**USER, "models": ["Strict"]}, {"output": {"schema": "user", "mode": "warn"}})
    path = "/openai/deployments/lax/chat/completions"
    for others, status in ((["strict"], 500), (["mini"], 200), (None, 200)):
        request = chat_request(model="strict", fallbacks=others)
        assert (await made.post(request, path)).status == status


@pytest.mark.parametrize("model", [{"model": None}, {"model": "a,b"}, {"model": ["a"]}], ids=str)
async def test_what_names_no_one_model_is_of_the_rule_that_enforces_most(model: Any) -> None:
    warned: dict[str, Any] = {"output": {"schema": "user", "mode": "warn"}}
    every: tuple[list[dict[str, Any]], ...] = (
        [{**warned, "models": ["a"]}, USER],
        [{**warned, "models": ["a"]}, {**USER, "models": ["b"]}, warned],
        [{**warned, "models": ["a"]}, {**USER, "models": ["b"]}],
    )
    for rules in every:
        assert (await server(*rules).post(chat_request(**model))).status == 500
    behind: list[dict[str, Any]] = [{**warned, "models": ["a"]}, warned, {**USER, "models": ["b"]}]
    assert (await server(*behind).post(chat_request(**model))).status == 200
    assert (await server(*behind).post(chat_request(model="a"))).status == 200
