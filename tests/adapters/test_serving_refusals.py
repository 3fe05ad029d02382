"""What a model says instead of an answer reaches the client as it is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.serving_apps import (
    BAD,
    CHAT,
    GOOD,
    Server,
    chat_reply,
    chat_request,
    counted,
    sse,
)


def refusing(**fields: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": None, "refusal": "I cannot say", **fields}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def message(reason: str, text: str = "no") -> dict[str, Any]:
    content = [{"type": "text", "text": text}]
    return {"type": "message", "content": content, "stop_reason": reason}


def response(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    output = [{"type": "message", "content": list(parts)}] if parts else []
    return {"status": "completed", "output": output, **fields}


REFUSAL = {"type": "refusal", "refusal": "I cannot say"}
FILTERED = {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
TEXT = {"type": "output_text", "text": BAD}
DECLINED: dict[str, tuple[str, dict[str, Any]]] = {
    "a refusal": (CHAT, refusing()),
    "a refusal beside no text": (CHAT, refusing(content="")),
    "a refusal among parts": (CHAT, refusing(content=[{**REFUSAL}], refusal=None)),
    "a filter": (CHAT, chat_reply(GOOD[:9], finish="content_filter")),
    "a filter of nothing": (CHAT, chat_reply(None, finish="content_filter")),
    "a completion's filter": (
        "/v1/completions",
        {"choices": [{"index": 0, "text": "no", "finish_reason": "content_filter"}]},
    ),
    "a message's refusal": ("/v1/messages", message("refusal")),
    "a pause": ("/v1/messages", message("pause_turn")),
    "a response's refusal": ("/v1/responses", response(REFUSAL)),
    "a response's filter": ("/v1/responses", response(TEXT, **FILTERED)),
    "a failure": ("/v1/responses", response(status="failed", error={"code": "server_error"})),
    "a cancellation": ("/v1/responses", response(status="cancelled")),
}
ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "no refusal": (CHAT, refusing(content=BAD, refusal=None)),
    "an empty refusal": (CHAT, refusing(refusal="")),
    "text beside a refusal": (CHAT, refusing(content=BAD)),
    "a part beside a refusal": (
        CHAT,
        refusing(content=[REFUSAL, {"type": "text", "text": BAD}], refusal=None),
    ),
    "a message's end": ("/v1/messages", message("end_turn")),
    "a full window": ("/v1/messages", message("model_context_window_exceeded")),
    "a response's text": ("/v1/responses", response(REFUSAL, TEXT)),
}


def chunks(path: str, reply: dict[str, Any]) -> list[bytes]:
    """The same reply as a stream."""
    if path == "/v1/responses":
        kind = {"failed": "failed", "incomplete": "incomplete"}.get(reply["status"], "completed")
        return [sse({"type": f"response.{kind}", "response": reply}, f"response.{kind}")]
    if path == "/v1/messages":
        text = {"type": "text_delta", "text": reply["content"][0]["text"]}
        return [
            sse({"type": "content_block_delta", "index": 0, "delta": text}),
            sse({"type": "message_delta", "delta": {"stop_reason": reply["stop_reason"]}}),
            sse({"type": "message_stop"}),
        ]
    (choice,) = reply["choices"]
    delta = choice.get("message") or {"content": choice["text"]}
    first = {"index": 0, "delta": delta, "finish_reason": None}
    last = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
    if path == "/v1/completions":
        first, last = {**choice, "finish_reason": None}, {**choice, "text": ""}
    return [sse({"choices": [first]}), sse({"choices": [last]}), sse("[DONE]")]


def server(reply: Any, **output: Any) -> Server:
    return Server(reply, rules=[{"output": {"schema": "user", "mode": "enforce", **output}}])


@pytest.mark.parametrize("name", DECLINED)
async def test_it_is_unjudged_and_counted(name: str) -> None:
    path, reply = DECLINED[name]
    before = counted("unjudged")
    made = server(reply, retries=1)
    answer = await made.post(path=path)
    assert (answer.status, answer.json) == (200, reply)
    assert answer.headers["x-schema-valid"] == "unjudged"
    assert counted("unjudged") == before + 1
    assert len(made.requests) == 1, "and nobody asks again"


@pytest.mark.parametrize("name", [name for name in DECLINED if name != "a cancellation"])
async def test_so_it_is_in_a_stream(name: str) -> None:
    path, reply = DECLINED[name]
    sent = chunks(path, reply)
    before = counted("unjudged"), counted("invalid")
    answer = await server(sent).post(chat_request(stream=True), path)
    assert answer.body == b"".join(sent)
    told_by_the_server = name == "a failure"
    assert counted("unjudged") == before[0] + (not told_by_the_server)
    assert counted("invalid") == before[1]


@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_is_judged(name: str) -> None:
    path, reply = ANSWERS[name]
    assert (await server(reply).post(path=path)).status == 500
    if reply.get("choices"):
        answer = await server(chunks(path, reply)).post(chat_request(stream=True), path)
        assert b"InvalidOutputError" in answer.body


async def test_the_other_choices_are_judged() -> None:
    reply = refusing()
    reply["choices"] += [{**chat_reply(BAD)["choices"][0], "index": 1}]
    answer = await server(reply).post()
    assert (answer.status, answer.headers["x-schema-valid"]) == (500, "false")
