"""The model is told what was wrong with its answer, once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prometheus_client import REGISTRY

from llm_integrations.vllm import SchemaMiddleware
from tests.support.serving_apps import BAD, CHAT, GOOD, Server, chat_reply, chat_request

RETRY = {"schema": "user", "mode": "enforce", "retries": 1}


def server(*replies: Any, **output: Any) -> Server:
    return Server(*replies, rules=[{"output": {**RETRY, **output}}])


def sent(made: Server, number: int = 1) -> Any:
    return json.loads(made.requests[number])


def message(text: str) -> dict[str, Any]:
    return {
        "type": "message",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 3, "output_tokens": 4},
    }


def response(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text}
    return {"status": "completed", "output": [{"type": "message", "content": [part]}]}


def dropped() -> float:
    labels = {"module": "serving", "subject": "user"}
    return REGISTRY.get_sample_value("llm_integrations_dropped_tokens_total", labels) or 0.0


class TestTheMessage:
    @pytest.mark.parametrize(
        ("path", "request_", "reply", "field"),
        [
            (CHAT, chat_request(n=1), chat_reply, "messages"),
            ("/invocations", chat_request(), chat_reply, "messages"),
            ("/v1/messages", chat_request(), message, "messages"),
            ("/v1/responses", {"input": [{"role": "user", "content": "Q"}]}, response, "input"),
        ],
    )
    async def test_comes_behind_the_others(
        self, path: str, request_: dict[str, Any], reply: Any, field: str
    ) -> None:
        made = server(reply(BAD), reply(GOOD))
        answer = await made.post(request_, path)
        assert (answer.status, answer.headers["x-schema-valid"]) == (200, "true")
        again = sent(made)
        *before, last = again[field]
        assert {**again, field: before} == request_
        assert last["role"] == "user"
        assert "- /age: is a string, not an integer" in last["content"]
        assert "user@1" in last["content"]
        assert BAD in last["content"]

    async def test_text_as_input_becomes_a_message(self) -> None:
        made = server(response(BAD), response(GOOD))
        await made.post({"input": "Who?"}, "/v1/responses")
        assert sent(made)["input"][0] == {"role": "user", "content": "Who?"}

    async def test_of_a_call_names_its_tool(self) -> None:
        def reply(text: str) -> Any:
            call = {"function": {"name": "save", "arguments": text}}
            return chat_reply(None, calls=[call], finish="tool_calls")

        made = server(reply(BAD), reply(GOOD), tools={"save": "user"})
        tools = [{"type": "function", "function": {"name": "save"}}]
        assert (await made.post(chat_request(tools=tools))).status == 200
        assert "arguments of save" in sent(made)["messages"][-1]["content"]

    @pytest.mark.parametrize(
        ("path", "request_", "reply"),
        [
            (
                "/v1/completions",
                {"prompt": "x"},
                lambda text: {"choices": [{"index": 0, "text": text, "finish_reason": "stop"}]},
            ),
            (CHAT, chat_request(continue_final_message=True), chat_reply),
            ("/other", {"a": 1}, lambda text: json.loads(text)),
        ],
    )
    async def test_where_there_is_no_place_for_it_the_request_is_repeated(
        self, path: str, request_: Any, reply: Any
    ) -> None:
        rule = {"output": RETRY, "paths": ["*"]}
        made = Server(reply(BAD), reply(GOOD), rules=[rule])
        if request_.get("continue_final_message"):
            request_ = {**request_, "messages": [{"role": "assistant", "content": ""}]}
        body = json.dumps(request_).encode()
        assert (await made.post(body, path)).status == 200
        assert made.requests == [body, body]

    @pytest.mark.parametrize("status", [400, 422])
    async def test_a_server_that_refuses_it_gets_the_request_as_it_came(self, status: int) -> None:
        made = server(chat_reply(BAD), (status, {"error": {}}), chat_reply(GOOD))
        body = json.dumps(chat_request()).encode()
        assert (await made.post(body)).status == 200
        assert made.requests[0] == made.requests[2] == body

    async def test_a_constraint_goes_with_it(self) -> None:
        made = Server(
            chat_reply(BAD),
            chat_reply(GOOD),
            rules=[{"output": {**RETRY, "constrain": True}}],
            kind=SchemaMiddleware,
        )
        assert (await made.post()).status == 200
        assert "response_format" in sent(made)
        assert len(sent(made)["messages"]) == 2

    async def test_there_is_one_retry_and_none_for_a_stream(self) -> None:
        made = server(chat_reply(BAD))
        assert (await made.post()).status == 500
        assert len(made.requests) == 2


USAGE = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12, "details": {"cached": 1}}


class TestTheTokens:
    async def test_of_the_dropped_answer_are_in_usage_and_counted(self) -> None:
        more = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11, "details": None}
        made = server({**chat_reply(BAD), "usage": USAGE}, {**chat_reply(GOOD), "usage": more})
        before = dropped()
        reply = await made.post()
        assert reply.json["usage"] == {
            "prompt_tokens": 14,
            "completion_tokens": 9,
            "total_tokens": 23,
            "details": {"cached": 1},
        }
        assert {**reply.json, "usage": None} == {**chat_reply(GOOD), "usage": None}
        assert int(reply.headers["content-length"]) == len(reply.body)
        assert dropped() == before + 12

    async def test_of_a_withheld_answer_are_counted(self) -> None:
        before = dropped()
        await server({**chat_reply(BAD), "usage": USAGE}).post()
        assert dropped() == before + 24
        await server(message(BAD), retries=0).post(path="/v1/messages")
        assert dropped() == before + 31

    async def test_a_reply_without_usage_stays_as_it_came(self) -> None:
        reply = await server(chat_reply(BAD), chat_reply(GOOD)).post()
        assert reply.body == json.dumps(chat_reply(GOOD)).encode()
