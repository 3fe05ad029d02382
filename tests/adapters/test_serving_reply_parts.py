"""Parts of replies that have schemas of their own: pointers into replies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.serving import load_config
from tests.support.serving_apps import (
    BAD,
    CHAT,
    GOOD,
    Reply,
    Server,
    chat_reply,
    chat_request,
    counted,
    events_of,
    sse,
)

GIVEN, WRONG = json.loads(GOOD), json.loads(BAD)
METADATA = "/choices/*/message/metadata"
FORMS: dict[str, dict[str, Any]] = {
    "checks": {"checks": [{"of": METADATA, "schema": "user"}]},
    "of": {"of": METADATA, "schema": "user"},
}
REQUIRED: dict[str, Any] = {"checks": [{"of": METADATA, "schema": "user", "required": True}]}


def with_metadata(*values: Any, content: str = "hi") -> dict[str, Any]:
    reply = chat_reply(*[content] * len(values))
    for choice, value in zip(reply["choices"], values, strict=True):
        if value is not None:
            choice["message"]["metadata"] = value
    return reply


async def asked(reply: Any, path: str = CHAT, mode: str = "enforce", **output: Any) -> Reply:
    made = Server(reply, rules=[{"output": {"mode": mode, **output}}])
    return await made.post(chat_request(stream=isinstance(reply, list)), path)


class TestAReply:
    @pytest.mark.parametrize("form", FORMS)
    async def test_is_judged_where_the_pointer_leads_and_nowhere_else(self, form: str) -> None:
        for values, status, valid in (
            ([GIVEN], 200, "true"),
            ([GIVEN, GIVEN], 200, "true"),
            ([WRONG], 500, "false"),
            ([GIVEN, WRONG], 500, "false"),
        ):
            reply = await asked(with_metadata(*values), **FORMS[form])
            assert (reply.status, reply.headers["x-schema-valid"]) == (status, valid)
        assert (await asked(with_metadata(None), **FORMS[form])).status == 200

    async def test_may_have_to_have_it_in_each_choice(self) -> None:
        for values, status in (([GIVEN, GIVEN], 200), ([GIVEN, None], 500), ([None], 500)):
            assert (await asked(with_metadata(*values), **REQUIRED)).status == status

    async def test_says_where_it_is_wrong(self, caplog: pytest.LogCaptureFixture) -> None:
        reply = await asked(with_metadata(GIVEN, WRONG), **FORMS["of"])
        assert "/age: is a string" in reply.json["error"]["message"]
        assert "choices.1.message.metadata: does not satisfy user@1" in caplog.text
        assert "old" not in caplog.text

    async def test_can_hold_json_as_text_there(self) -> None:
        output: dict[str, Any] = {"checks": [{"of": METADATA, "schema": "user", "json_text": True}]}
        for value, status in ((GOOD, 200), (BAD, 500), (GIVEN, 500), ("hi", 500)):
            assert (await asked(with_metadata(value), **output)).status == status

    async def test_has_a_schema_for_its_text_besides(self) -> None:
        for text, value, status in ((GOOD, GIVEN, 200), (GOOD, WRONG, 500), (BAD, GIVEN, 500)):
            reply = with_metadata(value, content=text)
            assert (await asked(reply, schema="user", **FORMS["checks"])).status == status

    @pytest.mark.parametrize(
        ("path", "pointer", "reply"),
        [
            ("/v1/messages", "/meta", {"type": "message", "content": [], "stop_reason": "x"}),
            ("/v1/responses", "/output/0/meta", {"status": "completed", "output": [{}]}),
            ("/v1/completions", "/choices/0/meta", {"choices": [{"text": "x"}]}),
        ],
    )
    async def test_of_any_endpoint(self, path: str, pointer: str, reply: Any) -> None:
        *inside, last = pointer.split("/")[1:]
        place = reply
        for key in inside:
            place = place[int(key) if key.isdecimal() else key]
        for value, status in ((GIVEN, 200), (WRONG, 500)):
            place[last] = value
            made = await asked(reply, path, of=pointer, schema="user")
            assert made.status == status

    async def test_passes_under_warn_and_is_counted(self) -> None:
        before = counted("invalid")
        reply = await asked(with_metadata(WRONG), mode="warn", **FORMS["of"])
        assert (reply.status, reply.headers["x-schema-valid"]) == (200, "false")
        assert counted("invalid") == before + 1

    async def test_that_refuses_has_nothing_there(self) -> None:
        reply = with_metadata(None)
        reply["choices"][0]["finish_reason"] = "content_filter"
        assert (await asked(reply, **REQUIRED)).status == 200

    async def test_loses_the_choice_that_is_wrong_alone(self) -> None:
        reply = await asked(
            with_metadata(GIVEN, WRONG), on_invalid="drop_choice", **FORMS["checks"]
        )
        assert (reply.status, reply.headers["x-schema-dropped"]) == (200, "1")
        assert [choice["index"] for choice in reply.json["choices"]] == [0]

    async def test_is_asked_for_again(self) -> None:
        replies = [with_metadata(WRONG), with_metadata(GIVEN)]
        rules = [{"output": {"mode": "enforce", "retries": 1, **FORMS["of"]}}]
        made = Server(*replies, rules=rules)
        assert (await made.post()).status == 200
        assert "/age: is a string" in json.loads(made.requests[1])["messages"][-1]["content"]

    async def test_with_a_thousand_wrong_ones_is_told_of_a_hundred(self) -> None:
        reply = await asked(
            {**chat_reply("x"), "rows": [WRONG] * 1000}, of="/rows/*", schema="user"
        )
        assert (reply.status, reply.headers["x-schema-errors"]) == (500, "100")


def stream(*values: Any) -> list[bytes]:
    chunks = []
    for number, value in enumerate(values):
        delta = {"content": "hi", **({"metadata": value} if value is not None else {})}
        chunks.append(sse({"choices": [{"index": number, "delta": delta}]}))
    for number, _ in enumerate(values):
        last = {"index": number, "delta": {}, "finish_reason": "stop"}
        chunks.append(sse({"choices": [last]}))
    return [*chunks, sse("[DONE]")]


class TestAStream:
    @pytest.mark.parametrize("form", FORMS)
    async def test_withholds_the_event_that_is_wrong(self, form: str) -> None:
        assert (await asked(stream(GIVEN), **FORMS[form])).body == b"".join(stream(GIVEN))
        reply = await asked(stream(WRONG), **FORMS[form])
        assert b"old" not in reply.body
        assert reply.body.count(b"InvalidOutputError") == 1

    async def test_may_have_to_have_it(self) -> None:
        for value, fails in ((GIVEN, False), (None, True)):
            reply = await asked(stream(value), **REQUIRED)
            assert (b"InvalidOutputError" in reply.body) is fails
            assert (b"is required" in reply.body) is fails

    @pytest.mark.parametrize("mode", ["enforce", "warn"])
    async def test_that_is_held_or_watched_is_judged_too(self, mode: str) -> None:
        before = counted("invalid")
        reply = await asked(stream(WRONG), mode=mode, stream="hold", **FORMS["of"])
        assert (reply.status, b"old" in reply.body) == ((500, False), (200, True))[mode == "warn"]
        assert counted("invalid") == before + 1

    async def test_that_is_held_loses_the_choice_that_is_wrong_alone(self) -> None:
        held = {"stream": "hold", "on_invalid": "drop_choice"}
        reply = await asked(stream(GIVEN, WRONG), **held, **FORMS["checks"])
        assert (reply.status, reply.headers["x-schema-valid"]) == (200, "true")
        choices = [c for e in events_of(reply.body) if e != "[DONE]" for c in e["choices"]]
        assert {choice["index"] for choice in choices} == {0}

    @pytest.mark.parametrize(
        ("path", "pointer", "chunks"),
        [
            (
                "/v1/responses",
                "/metadata",
                lambda value: [
                    sse(
                        {
                            "type": "response.completed",
                            "response": {"status": "completed", "output": [], "metadata": value},
                        }
                    )
                ],
            ),
            (
                "/v1/messages",
                "/metadata",
                lambda value: [
                    sse({"type": "message_start", "message": {"metadata": value}}),
                    sse({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
                ],
            ),
            ("/plain", "/metadata", lambda value: [sse({"metadata": value}), sse("[DONE]")]),
        ],
    )
    async def test_of_any_endpoint(self, path: str, pointer: str, chunks: Any) -> None:
        rules = [{"paths": [path], "output": {"of": pointer, "schema": "user", "mode": "enforce"}}]
        for value, fails in ((GIVEN, False), (WRONG, True)):
            reply = await Server(chunks(value), rules=rules).post(None, path)
            assert (b"InvalidOutputError" in reply.body) is fails


async def test_a_request_may_have_them_in_lists_as_well() -> None:
    checks = [{"of": "/documents/*/meta", "schema": "user", "required": True}]
    made = Server(chat_reply("hi"), rules=[{"input": {"checks": checks}}])
    for values, status, param in (
        ([GIVEN, GIVEN], 200, None),
        ([GIVEN, WRONG], 400, "body.documents.1.meta.age"),
        ([], 400, "body.documents.*.meta"),
    ):
        reply = await made.post(chat_request(documents=[{"meta": value} for value in values]))
        assert reply.status == status
        assert param is None or reply.json["error"]["param"] == param


@pytest.mark.parametrize(
    "output",
    [
        {"of": METADATA},
        {"of": "metadata", "schema": "user"},
        {"checks": [{"of": METADATA}]},
        {"checks": [{"of": "body", "schema": "user"}]},
        {"of": METADATA, "schema": "user", "shadow": "user@2"},
    ],
)
def test_what_cannot_be_meant_is_told(output: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"rules\.0\.output"):
        load_config({"rules": [{"output": output}]})
