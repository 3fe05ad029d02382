"""Constrained decoding from the registry."""

from __future__ import annotations

import json
import random
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from prometheus_client import REGISTRY

from llm_integrations.core.errors import SchemaNotFound
from llm_integrations.vllm import SchemaMiddleware, constraint_for
from llm_integrations.vllm.constraint import Constrainer
from llm_integrations.vllm.widen import schema_name, widen
from tests.support import serving_apps
from tests.support.serving_apps import BAD, GOOD, USER, chat_reply, chat_request, sse

Server = partial(serving_apps.Server, kind=SchemaMiddleware)


def refused() -> float:
    labels = {"module": "vllm", "subject": "user"}
    name = "llm_integrations_constraints_refused_total"
    return REGISTRY.get_sample_value(name, labels) or 0.0


RULES = [{"output": {"schema": "user", "constrain": True, "mode": "enforce"}}]


TEXT = {"type": "string"}
OBJECT = {"type": "object"}

UNCHANGED: list[dict[str, Any]] = [
    USER,
    {**TEXT, "format": "date"},
    {**TEXT, "pattern": "^[A-Z]{3}$"},
    {"type": "array", "prefixItems": [TEXT], "items": False},
    {"properties": {"$ref": TEXT}},
    {"type": "array", "items": {"$ref": "#/$defs/a"}, "$defs": {"a": TEXT}},
    {"anyOf": [TEXT, {"type": "null"}]},
]
WIDENED: list[tuple[Any, dict[str, Any]]] = [
    (True, {}),
    (False, {}),
    ({"type": "weird"}, {}),
    ({**TEXT, "minLength": 2, "maxLength": 9}, TEXT),
    ({**TEXT, "format": "weird"}, TEXT),
    ({**TEXT, "pattern": "^(?=a).*$"}, TEXT),
    ({**TEXT, "pattern": "a"}, TEXT),
    ({"type": "number", "minimum": 0.5, "multipleOf": 2}, {"type": "number"}),
    ({"oneOf": [TEXT, {"type": "null"}]}, {"anyOf": [TEXT, {"type": "null"}]}),
    ({"allOf": [TEXT, {"enum": ["a"]}]}, {}),
    ({**OBJECT, "not": {"required": ["a"]}}, OBJECT),
    ({**OBJECT, "if": {}, "then": {}, "else": {}}, OBJECT),
    ({**OBJECT, "dependentRequired": {"a": ["b"]}}, OBJECT),
    ({**OBJECT, "required": ["x"]}, {**OBJECT, "required": []}),
    (
        {**OBJECT, "properties": {}, "patternProperties": {}, "additionalProperties": False},
        {**OBJECT, "properties": {}},
    ),
    (
        {"type": "array", "contains": {}, "uniqueItems": True, "minItems": 1},
        {"type": "array", "minItems": 1},
    ),
    ({"$ref": "http://elsewhere"}, {}),
    ({"$ref": "#/$defs/none"}, {}),
    ({**OBJECT, "properties": {"a": {"$id": "x", **TEXT}}}, {**OBJECT, "properties": {"a": {}}}),
    (
        {"$ref": "#/$defs/a", "$defs": {"a": {**TEXT, "minLength": 1}}},
        {"$ref": "#/$defs/a", "$defs": {"a": TEXT}},
    ),
]


def sent(server: serving_apps.Server, number: int = -1) -> Any:
    return json.loads(server.requests[number])


class TestTheRequest:
    async def test_chat_and_completions_take_a_response_format(self) -> None:
        for path in ("/v1/chat/completions", "/v1/completions"):
            server = Server(b"null", rules=RULES)
            body = b'{"model": "tiny",  "n": 1.0}\n'
            await server.post(body, path)
            form = sent(server)["response_format"]
            assert form["type"] == "json_schema"
            assert form["json_schema"]["name"] == "user-1"
            assert form["json_schema"]["schema"] == widen(USER)
            assert server.requests[0].startswith(b'{"model": "tiny",  "n": 1.0')
            length = dict(server.scopes[0]["headers"])[b"content-length"]
            assert int(length) == len(server.requests[0])

    async def test_responses_take_a_text_format_and_keep_what_else_is_there(self) -> None:
        server = Server(b"null", rules=RULES)
        await server.post({"input": "x", "text": {"verbosity": "low"}}, "/v1/responses")
        text = sent(server)["text"]
        assert text["verbosity"] == "low"
        assert text["format"]["schema"] == widen(USER)

    async def test_messages_take_an_output_config(self) -> None:
        server = Server(b"null", rules=RULES)
        await server.post(chat_request(output_config={"effort": "low"}), "/v1/messages")
        config = sent(server)["output_config"]
        assert config["effort"] == "low"
        assert config["format"] == {"type": "json_schema", "schema": widen(USER)}

    @pytest.mark.parametrize(
        ("path", "own"),
        [
            ("/v1/chat/completions", {"response_format": {"type": "json_object"}}),
            ("/v1/chat/completions", {"structured_outputs": {"regex": "a"}}),
            ("/v1/chat/completions", {"tools": [{"type": "function"}]}),
            ("/v1/completions", {"structured_outputs": {"choice": ["a"]}}),
            ("/v1/responses", {"text": {"format": {"type": "json_object"}}}),
            ("/v1/responses", {"structured_outputs": {"json": {}}}),
            ("/v1/messages", {"output_config": {"format": {"type": "json_schema"}}}),
            ("/v1/messages", {"tools": [{"name": "x"}]}),
        ],
    )
    async def test_what_the_client_set_itself_stays(self, path: str, own: dict[str, Any]) -> None:
        server = Server(b"null", rules=RULES)
        body = json.dumps({"model": "tiny", **own}).encode()
        await server.post(body, path)
        assert server.requests == [body]

    async def test_asking_for_plain_text_is_no_constraint(self) -> None:
        server = Server(b"null", rules=RULES)
        await server.post(chat_request(response_format={"type": "text"}))
        assert sent(server)["response_format"]["type"] == "json_schema"

    @pytest.mark.parametrize(
        "body",
        [b"{}", b" {}\n", b'\xef\xbb\xbf{"n": 1}', '{"n": 1}'.encode("utf-16"), b'{"n":1} \r\n'],
    )
    async def test_however_the_body_is_written(self, body: bytes) -> None:
        server = Server(b"null", rules=RULES)
        await server.post(body)
        request = sent(server)
        assert "response_format" in request
        assert {k: v for k, v in request.items() if k == "n"} == ({"n": 1} if b"n" in body else {})


class TestTheServerRefuses:
    """A request never fails because of what was put into it."""

    @pytest.mark.parametrize("status", [400, 422])
    async def test_it_is_sent_again_as_it_came(self, status: int) -> None:
        def app(body: bytes) -> Any:
            return (status, {"error": {}}) if b"response_format" in body else chat_reply(GOOD)

        server = Server(app, rules=RULES)
        body = json.dumps(chat_request()).encode()
        assert (await server.post(body)).status == 200
        assert server.requests[1] == body
        assert (await server.post(body)).status == 200
        assert server.requests[2:] == [body], "a schema that was refused is not tried at once"

    async def test_a_failure_that_passes_refuses_nothing(self) -> None:
        """Twice, and then the server takes it: so it goes on."""
        failing: Any = (500, {"error": {}})
        good = chat_reply(GOOD)
        for replies in ([failing, good, good], [failing, good, failing, good, good] * 3):
            server = Server(*replies, good, rules=RULES)
            for _ in range(replies.count(good)):
                assert (await server.post()).status == 200
            await server.post()
            assert "response_format" in sent(server)

    async def test_one_that_comes_again_and_again_does(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        def app(body: bytes) -> Any:
            return (500, {"error": {}}) if b"response_format" in body else chat_reply(GOOD)

        server, before = Server(app, rules=RULES), refused()
        for _ in range(3):
            assert refused() == before
            assert (await server.post()).status == 200
        assert len(server.requests) == 6
        assert refused() == before + 1
        assert "vllm does not decode by user@1 (500)" in caplog.text
        await server.post()
        assert len(server.requests) == 7

    async def test_what_was_refused_is_tried_again_later(self) -> None:
        now = 0.0
        refuses = True

        def app(body: bytes) -> Any:
            is_refused = refuses and b"response_format" in body
            return (400, {"error": {}}) if is_refused else chat_reply(GOOD)

        server, before = Server(app, rules=RULES), refused()
        constrainer = Constrainer(again_after=60, clock=lambda: now)
        await server.post()
        runtime = server.middleware._runtime
        assert runtime is not None
        runtime.constrainer = constrainer
        await server.post()
        now = 59.0
        await server.post()
        assert "response_format" not in sent(server)
        assert refused() == before + 2
        now, refuses = 61.0, False
        for _ in range(2):
            await server.post()
            assert "response_format" in sent(server)
        assert refused() == before + 2

    async def test_an_error_of_the_requests_own_is_told(self) -> None:
        server = Server((400, {"error": {"param": "body.n"}}), rules=RULES)
        reply = await server.post()
        assert (reply.status, reply.json["error"]["param"]) == (400, "body.n")
        await server.post()
        assert len(server.requests) == 4, "nothing was learnt about the schema"

    async def test_a_server_that_goes_on_failing_has_said_nothing_about_the_schema(self) -> None:
        rules = [{"output": {**RULES[0]["output"], "retries": 1}}]
        failing: Any = (500, {"error": {}})
        server = Server(failing, chat_reply(BAD), failing, chat_reply(GOOD), rules=rules)
        assert (await server.post()).status == 500
        assert ["response_format" in sent(server, n) for n in range(3)] == [True, False, False]
        assert (await server.post()).status == 200
        assert "response_format" in sent(server)

    async def test_streams_too(self) -> None:
        def app(body: bytes) -> Any:
            if b"response_format" in body:
                return (400, {"error": {}})
            choice = {"index": 0, "delta": {"content": GOOD}, "finish_reason": "stop"}
            return [sse({"choices": [choice]}), sse("[DONE]")]

        reply = await Server(app, rules=RULES).post(chat_request(stream=True))
        assert reply.body.endswith(b"data: [DONE]\n\n")


class TestWidening:
    @pytest.mark.parametrize(("schema", "kept"), WIDENED)
    def test_keeps_what_grammars_take(self, schema: Any, kept: dict[str, Any]) -> None:
        assert widen(schema) == kept

    @pytest.mark.parametrize("schema", UNCHANGED)
    def test_leaves_what_they_take_as_it_is(self, schema: Any) -> None:
        assert widen(schema) == schema

    def test_admits_whatever_the_schema_admits(self) -> None:
        """Else a grammar would keep the model from giving a valid answer."""
        choose = random.Random(11)
        tried = 0
        for _ in range(4000):
            schema = _schema(choose, 3)
            narrow, wide = (
                jsonschema_rs.validator_for(schema),
                jsonschema_rs.validator_for(widen(schema)),
            )
            for _ in range(8):
                value = _value(choose, 3)
                if narrow.is_valid(value):
                    tried += 1
                    assert wide.is_valid(value), (schema, value)
        assert tried > 3000

    def test_a_deep_schema_ends_somewhere(self) -> None:
        schema: dict[str, Any] = {}
        for _ in range(200):
            schema = {"properties": {"a": schema}}
        assert len(json.dumps(widen(schema))) < 5000


@pytest.mark.parametrize(
    ("reference", "name"),
    [("com.x.user@2", "com-x-user-2"), ("ä", "schema"), ("a" * 99, "a" * 64), ("käse@1", "k-se-1")],
)
def test_a_format_has_a_name_that_everybody_takes(reference: str, name: str) -> None:
    assert schema_name(reference) == name


def _schema(choose: random.Random, depth: int) -> Any:
    if depth == 0 or choose.random() < 0.1:
        return choose.choice([True, {}, {"type": "integer"}, {"enum": [1, "a"]}, {"const": None}])
    inner = [_schema(choose, depth - 1) for _ in range(2)]
    return choose.choice(
        [
            {"type": "integer", "minimum": 1, "maximum": 3},
            {"type": "string", "minLength": 1, "pattern": choose.choice(["^a$", "a", "^[ab]*$"])},
            {"type": "object", "properties": {"a": inner[0], "b": inner[1]}, "required": ["a"]},
            {"type": "object", "properties": {"a": inner[0]}, "additionalProperties": inner[1]},
            {"type": "object", "properties": {"a": inner[0]}, "additionalProperties": False},
            {"patternProperties": {"^a": inner[0]}, "additionalProperties": False},
            {"type": "array", "items": inner[0], "minItems": 1, "uniqueItems": True},
            {"type": "array", "prefixItems": inner, "items": False},
            {"type": ["array", "null"], "contains": inner[0]},
            {"anyOf": inner},
            {"oneOf": inner},
            {"allOf": inner},
            {"not": inner[0]},
            {"if": inner[0], "then": inner[1]},
            {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {"$defs": {"x": inner[0]}, "type": "array", "items": {"$ref": "#/$defs/x"}}
            if depth == 3
            else {},
        ]
    )


def _value(choose: random.Random, depth: int) -> Any:
    if depth == 0 or choose.random() < 0.4:
        return choose.choice([None, True, 0, 1, 2, 1.5, "", "a", "ab", [], {}])
    if choose.random() < 0.5:
        return [_value(choose, depth - 1) for _ in range(choose.randrange(3))]
    return {key: _value(choose, depth - 1) for key in choose.sample("abc", choose.randrange(3))}


class TestConstraintFor:
    """For ``LLM.generate``, without a server."""

    def test_gives_the_widened_schema(self, tmp_path: Path) -> None:
        (tmp_path / "answer").mkdir()
        body = {
            **USER,
            "properties": {"name": {**TEXT, "minLength": 2}},
            "not": {"required": ["x"]},
        }
        (tmp_path / "answer" / "1.json").write_text(json.dumps(body))
        made = constraint_for("answer@1", registry=str(tmp_path))
        assert made == {**USER, "properties": {"name": TEXT}, "required": ["name"]}

    def test_takes_a_client_and_leaves_it_open(self) -> None:
        with serving_apps.registry_with_user() as registry:
            assert constraint_for("user", registry=registry) == USER
            assert registry.get("user").version == 1

    def test_says_what_is_not_there(self) -> None:
        with serving_apps.registry_with_user() as registry, pytest.raises(SchemaNotFound):
            constraint_for("usr@1", registry=registry)
