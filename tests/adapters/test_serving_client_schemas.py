"""Answers judged by what the request itself asks for: ``schema: client``."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest

from llm_integrations.core.validation.strangers import compile_strangers
from llm_integrations.serving.rules.client_schemas import ClientSchemas
from tests.support.serving_apps import (
    BAD,
    CHAT,
    GOOD,
    USER,
    Server,
    chat_chunks,
    chat_reply,
    chat_request,
    counted,
)

COMPLETIONS, RESPONSES, MESSAGES = "/v1/completions", "/v1/responses", "/v1/messages"
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "user", "schema": USER}}
FLAT = {"type": "json_schema", "name": "user", "schema": USER}
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "a chat's format": (CHAT, {"response_format": JSON_SCHEMA}),
    "an object of a schema": (CHAT, {"response_format": {"type": "json_object", "schema": USER}}),
    "structured outputs": (CHAT, {"structured_outputs": {"json": USER}}),
    "structured outputs as text": (CHAT, {"structured_outputs": {"json": json.dumps(USER)}}),
    "a completion's format": (COMPLETIONS, {"response_format": JSON_SCHEMA}),
    "a batch's format": ("/v1/chat/completions/batch", {"response_format": JSON_SCHEMA}),
    "an invocation's format": ("/invocations", {"response_format": JSON_SCHEMA}),
    "a response's format": (RESPONSES, {"text": {"format": FLAT}}),
    "a message's format": (MESSAGES, {"output_config": {"format": FLAT}}),
    "a message's older format": (MESSAGES, {"output_format": FLAT}),
}


def reply_on(path: str, text: str) -> dict[str, Any]:
    match path:
        case "/v1/completions":
            return {"choices": [{"index": 0, "text": text, "finish_reason": "stop"}]}
        case "/v1/responses":
            content = [{"type": "output_text", "text": text}]
            return {"status": "completed", "output": [{"type": "message", "content": content}]}
        case "/v1/messages":
            content = [{"type": "text", "text": text}]
            return {"type": "message", "content": content, "stop_reason": "end_turn"}
    return chat_reply(text)


def server(*replies: Any, mode: str = "enforce", **output: Any) -> Server:
    return Server(*replies, rules=[{"output": {"schema": "client", "mode": mode, **output}}])


class TestTheText:
    @pytest.mark.parametrize("name", ASKED)
    async def test_is_judged_by_the_schema_that_the_request_asks_for(self, name: str) -> None:
        path, fields = ASKED[name]
        for text, status, valid in ((GOOD, 200, "true"), (BAD, 500, "false"), ("hi", 500, "false")):
            reply = await server(reply_on(path, text)).post({"model": "m", **fields}, path)
            assert (reply.status, reply.headers["x-schema-valid"]) == (status, valid)
            assert reply.headers["x-schema"] == "client"

    async def test_that_is_to_be_any_json_object_is_one(self) -> None:
        request = chat_request(response_format={"type": "json_object"})
        for text, status in (("{}", 200), ("[]", 500), ("hi", 500)):
            assert (await server(chat_reply(text)).post(request)).status == status

    @pytest.mark.parametrize("form", [None, {"type": "text"}, {"type": "json_schema"}, "json", []])
    async def test_passes_where_nothing_is_asked_for(self, form: Any) -> None:
        reply = await server(chat_reply("hi")).post(chat_request(response_format=form))
        assert (reply.status, "x-schema" in reply.headers) == (200, False)

    async def test_of_a_stream_too(self) -> None:
        request = chat_request(stream=True, response_format=JSON_SCHEMA)
        for text, fails in ((GOOD, False), (BAD, True)):
            reply = await server(chat_chunks(text)).post(request)
            assert (b"InvalidOutputError" in reply.body) is fails

    async def test_a_schema_that_the_request_names_in_the_registry_comes_first(self) -> None:
        named_by = {"header": "x-wants", "allow": ["*"]}
        made = server(chat_reply(BAD), named_by=named_by)
        request = chat_request(response_format={"type": "json_object"})
        assert (await made.post(request)).status == 200
        reply = await made.post(request, headers={"x-wants": "user@1"})
        assert (reply.status, reply.headers["x-schema"]) == (500, "user@1")

    async def test_the_model_is_told_what_was_wrong(self) -> None:
        made = server(chat_reply(BAD), chat_reply(GOOD), retries=1)
        assert (await made.post(chat_request(response_format=JSON_SCHEMA))).status == 200
        told = json.loads(made.requests[1])["messages"][-1]["content"]
        assert "the JSON Schema client:\n- /age: is a string" in told

    async def test_no_client_can_make_labels(self) -> None:
        before = counted("invalid", subject="unknown")
        await server(chat_reply(BAD), mode="warn").post(chat_request(response_format=JSON_SCHEMA))
        assert counted("invalid", subject="unknown") == before + 1


def offering(path: str, parameters: Any) -> dict[str, Any]:
    named = {"name": "save", "parameters": parameters}
    match path:
        case "/v1/responses":
            return {"tools": [{"type": "function", **named}]}
        case "/v1/messages":
            return {"tools": [{"name": "save", "input_schema": parameters}]}
        case "functions":
            return {"functions": [named]}
    return {"tools": [{"type": "function", "function": named}]}


def calling(path: str, arguments: str) -> dict[str, Any]:
    function = {"name": "save", "arguments": arguments}
    match path:
        case "/v1/responses":
            return {"status": "completed", "output": [{"type": "function_call", **function}]}
        case "/v1/messages":
            block = {"type": "tool_use", "name": "save", "input": json.loads(arguments)}
            return {"type": "message", "content": [block], "stop_reason": "tool_use"}
    return chat_reply(None, calls=[{"type": "function", "function": function}])


class TestATool:
    @pytest.mark.parametrize("path", [CHAT, "functions", RESPONSES, MESSAGES])
    async def test_is_called_with_what_its_parameters_say(self, path: str) -> None:
        request, at = offering(path, USER), path if path.startswith("/") else CHAT
        for arguments, status in ((GOOD, 200), (BAD, 500)):
            assert (await server(calling(path, arguments)).post(request, at)).status == status

    async def test_that_the_rule_has_a_schema_for_is_judged_by_that(self) -> None:
        request = offering(CHAT, {"type": "object", "required": ["other"]})
        made = server(calling(CHAT, GOOD), tools={"save": "user"})
        assert (await made.post(request)).headers["x-schema"] == "user@1"

    async def test_without_parameters_is_called_as_the_model_likes(self) -> None:
        assert (await server(calling(CHAT, BAD)).post(offering(CHAT, None))).status == 200


DEEP: Any = {}
for _ in range(300):
    DEEP = {"not": DEEP}
UNUSABLE: dict[str, Any] = {
    "no schema": {"type": "nonsense"},
    "text": "string",
    "a list": [1],
    "a file": {"$ref": "file:///etc/passwd"},
    "a url": {"$ref": "http://127.0.0.1:9/schema.json"},
    "lookaround": {"pattern": "(?=a)b"},
    "its size": {"enum": [f"value-{number}" for number in range(10_000)]},
    "its depth": DEEP,
    "many patterns": {"allOf": [{"pattern": f"^a{number}"} for number in range(60)]},
    "a long pattern": {"pattern": "ab" * 3000},
    "a large pattern": {"pattern": "(a{1000}){100}"},
    "many groups": {"pattern": "(a|b)*" * 100},
    "a large name": {"patternProperties": {r"^\p{L}{1000}$": True}},
    "a pattern out of its place": {"properties": {"pattern": {"pattern": "(?!a)"}}},
    "what judging it could take": {
        "$defs": {
            f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2, "unevaluatedItems": False}
            for n in range(40)
        }
        | {"d40": {}},
        "$ref": "#/$defs/d0",
    },
}


class TestASchemaThatCannotBeUsed:
    """A client's schema stops nobody: it is bounded, and asks no network and no file."""

    @pytest.mark.parametrize("name", UNUSABLE)
    async def test_is_refused_with_its_place(self, name: str) -> None:
        form = {"type": "json_schema", "json_schema": {"schema": UNUSABLE[name]}}
        made = server(chat_reply(GOOD))
        reply = await made.post(chat_request(response_format=form))
        error = reply.json["error"]
        assert (reply.status, error["param"]) == (400, "body.response_format.json_schema.schema")
        assert error["type"] == "BadRequestError"
        assert len(error["message"]) < 1000
        assert not made.requests

    async def test_of_a_tool_is_refused_with_its_place(self) -> None:
        reply = await server(chat_reply(GOOD)).post(offering(CHAT, {"type": 1}))
        assert reply.json["error"]["param"] == "body.tools.0.function.parameters"

    async def test_passes_under_warn_and_is_counted(self) -> None:
        before = counted("unjudged", subject="unknown")
        reply = await server(chat_reply("hi"), mode="warn").post(offering(CHAT, {"type": 1}))
        assert reply.status == 200
        assert counted("unjudged", subject="unknown") == before + 1

    async def test_a_stranger_is_told_nothing_of_it(self) -> None:
        rules = [{"output": {"schema": "client", "mode": "enforce"}}]
        made = Server(chat_reply(GOOD), rules=rules, auth="header")
        reply = await made.post(offering(CHAT, {"type": 1}))
        assert (reply.status, reply.json["error"]["param"]) == (400, None)

    async def test_all_of_a_request_count_together(self) -> None:
        tool = offering(CHAT, {"enum": [f"value-{number}" for number in range(2000)]})["tools"]
        assert (await server(chat_reply(GOOD)).post(chat_request(tools=tool))).status == 200
        assert (await server(chat_reply(GOOD)).post(chat_request(tools=tool * 3))).status == 400


class TestTheWork:
    SCHEMA: ClassVar[dict[str, Any]] = {"enum": ["x" * 60_000, "short"]}
    FORM: ClassVar[dict[str, Any]] = {"type": "json_schema", "json_schema": {"schema": SCHEMA}}

    @pytest.mark.parametrize(("mode", "status"), [("enforce", 500), ("warn", 200)])
    async def test_a_large_answer_is_not_judged_by_a_large_schema(
        self, mode: str, status: int
    ) -> None:
        request = chat_request(response_format=self.FORM)
        large = chat_reply(json.dumps("x" * 20_000))
        before = counted("unjudged", subject="unknown")
        reply = await server(large, mode=mode).post(request)
        assert (reply.status, reply.headers["x-schema-valid"]) == (status, "unjudged")
        assert counted("unjudged", subject="unknown") == before + 1
        assert (await server(chat_reply('"short"')).post(request)).status == 200

    async def test_is_that_of_all_answers_together(self) -> None:
        text = json.dumps("x" * 5_000)
        for number, status in ((1, 200), (3, 500)):
            schema = {"maxLength": 10_000, "description": "d" * 50_000}
            form = {"type": "json_schema", "json_schema": {"schema": schema}}
            reply = await server(chat_reply(*[text] * number)).post(
                chat_request(response_format=form)
            )
            assert reply.status == status

    async def test_a_schema_is_compiled_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        compiled: list[str] = []

        def counting(text: str, *others: Any) -> Any:
            compiled.append(text)
            return compile_strangers(text, *others)

        monkeypatch.setattr(f"{ClientSchemas.__module__}.compile_strangers", counting)
        made = server(chat_reply(GOOD))
        for _ in range(3):
            await made.post(chat_request(response_format=JSON_SCHEMA))
        assert compiled == [json.dumps(USER)]


async def test_the_rules_route_says_so() -> None:
    rules = [{"output": {"schema": "client"}}]
    made = Server(chat_reply(GOOD), rules=rules, routes=True)
    reply = await made.exchange([{"type": "http.request"}], "/schemas/rules", method="GET")
    assert reply.json["rules"][0]["output"]["schema"] == "client"
