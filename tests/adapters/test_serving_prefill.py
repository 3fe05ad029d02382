"""Answers that the client began: the whole text is judged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_integrations.vllm import SchemaMiddleware
from tests.support.serving_apps import (
    BAD,
    CHAT,
    GOOD,
    Server,
    chat_chunks,
    chat_reply,
    chat_request,
    sse,
)

CUT = 9
ENFORCE: dict[str, Any] = {"output": {"schema": "user", "mode": "enforce"}}
BEGUN = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": GOOD[:CUT]}]
IN_PARTS = [BEGUN[0], {"role": "assistant", "content": [{"type": "text", "text": GOOD[:CUT]}]}]
PREFIXED = [BEGUN[0], {**BEGUN[1], "prefix": True}]
RESPONSES: list[dict[str, Any]] = [
    {"role": "user", "content": "Who?"},
    {
        "type": "message",
        "role": "assistant",
        "status": "incomplete",
        "content": [{"type": "output_text", "text": GOOD[:CUT]}],
    },
]
BATCH = "/v1/chat/completions/batch"


def message(text: str) -> dict[str, Any]:
    return {
        "type": "message",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
    }


def response(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text}
    return {"status": "completed", "output": [{"type": "message", "content": [part]}]}


REQUESTS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "a chat": (CHAT, {"messages": BEGUN, "continue_final_message": True}, chat_reply),
    "a chat in parts": (CHAT, {"messages": IN_PARTS, "continue_final_message": True}, chat_reply),
    "a prefix": (CHAT, {"messages": PREFIXED}, chat_reply),
    "a partial": (CHAT, {"messages": [BEGUN[0], {**BEGUN[1], "partial": True}]}, chat_reply),
    "invocations": (
        "/invocations",
        {"messages": BEGUN, "continue_final_message": True},
        chat_reply,
    ),
    "a batch": (
        BATCH,
        {"messages": [BEGUN, BEGUN], "continue_final_message": True},
        lambda text: chat_reply(GOOD[CUT:], text),
    ),
    "messages": ("/v1/messages", {"messages": BEGUN}, message),
    "messages in parts": ("/v1/messages", {"messages": IN_PARTS}, message),
    "responses": ("/v1/responses", {"input": RESPONSES}, response),
}
WHOLE: dict[str, tuple[str, dict[str, Any], Any]] = {
    "an echo": (
        CHAT,
        {"messages": BEGUN, "continue_final_message": True, "echo": True},
        chat_reply,
    ),
    "a completion": (
        "/v1/completions",
        {"prompt": GOOD[:CUT], "echo": True},
        lambda text: {"choices": [{"index": 0, "text": text, "finish_reason": "stop"}]},
    ),
    "a new message": (CHAT, {"messages": BEGUN}, chat_reply),
    "no last message": (CHAT, {"messages": [], "continue_final_message": True}, chat_reply),
    "another role": ("/v1/messages", {"messages": BEGUN[:1]}, message),
    "a finished item": (
        "/v1/responses",
        {"input": [{**RESPONSES[1], "status": "completed"}]},
        response,
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize(
    ("end", "status"), [(GOOD[CUT:], 200), (GOOD, 500), (BAD[CUT:], 500), ("", 500)]
)
async def test_the_beginning_and_the_end_are_judged_together(
    name: str, end: str, status: int
) -> None:
    path, request, reply = REQUESTS[name]
    made = Server(reply(end), rules=[ENFORCE])
    answer = await made.post({"model": "tiny", **request}, path)
    assert answer.status == status
    if status == 200:
        assert answer.json == reply(end)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize(("text", "status"), [(GOOD, 200), (GOOD[CUT:], 500)])
async def test_a_reply_that_is_whole_is_judged_as_it_is(name: str, text: str, status: int) -> None:
    path, request, reply = WHOLE[name]
    assert (await Server(reply(text), rules=[ENFORCE]).post(request, path)).status == status


@pytest.mark.parametrize("end", [GOOD[CUT:], BAD[CUT:]])
async def test_so_they_are_in_a_stream(end: str) -> None:
    request = chat_request(stream=True, continue_final_message=True, n=2)
    request["messages"] = BEGUN
    made = Server(chat_chunks(end, GOOD[CUT:]), rules=[ENFORCE])
    assert (b"InvalidOutputError" in (await made.post(request)).body) is (end != GOOD[CUT:])
    text = {"type": "text_delta", "text": end}
    chunks = [
        sse({"type": "content_block_delta", "index": 0, "delta": text}),
        sse({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
        sse({"type": "message_stop"}),
    ]
    made = Server(chunks, rules=[ENFORCE])
    reply = await made.post({"messages": BEGUN, "stream": True}, "/v1/messages")
    assert (b"InvalidOutputError" in reply.body) is (end != GOOD[CUT:])


async def test_calls_have_no_beginning() -> None:
    call = {"function": {"name": "save", "arguments": GOOD}}
    reply = chat_reply(None, calls=[call], finish="tool_calls")
    output = {**ENFORCE["output"], "tools": {"save": "user"}}
    request = chat_request(
        tools=[{"type": "function", "function": {"name": "save"}}], continue_final_message=True
    )
    request["messages"] = BEGUN
    assert (await Server(reply, rules=[{"output": output}]).post(request)).status == 200


@pytest.mark.parametrize("name", [*REQUESTS, "an echo", "a completion"])
async def test_no_grammar_is_put_into_such_a_request(name: str) -> None:
    path, request, reply = {**REQUESTS, **WHOLE}[name]
    rules = [{"output": {"schema": "user", "constrain": True}}]
    made = Server(reply(GOOD), rules=rules, kind=SchemaMiddleware)
    await made.post(request, path)
    assert json.loads(made.requests[0]) == request
