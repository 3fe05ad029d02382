"""OpenAI's and Anthropic's chat APIs on a socket, which say what they are told to."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tests.support.http_server import HttpServer, Reply, Request

__all__ = ["ModelServer"]


class ModelServer(HttpServer):
    """Answers each request with the next of ``answers``: as a call where a tool is demanded."""

    answers: list[Any]

    def says(self, *answers: Any) -> None:
        """From now on, as if nothing had been asked before."""
        self.answers = list(answers)
        self.requests.clear()

    @property
    def asked(self) -> list[Any]:
        """The bodies that arrived."""
        return [request.json() for request in self.requests]

    def handle(self, request: Request) -> Reply:
        body = request.json()
        said = json.dumps(self.answers.pop(0))
        is_openai = request.segments[-1] == "completions"
        if body.get("stream"):
            lines = _openai_chunks(body, said) if is_openai else _anthropic_events(body, said)
            return Reply(200, "".join(lines).encode(), {"content-type": "text/event-stream"})
        return Reply(200, _openai(body, said) if is_openai else _anthropic(body, said))


def _openai(body: Any, said: str) -> Any:
    message: dict[str, Any] = {"role": "assistant", "content": said}
    if body.get("tools"):
        call = {"name": body["tools"][0]["function"]["name"], "arguments": said}
        message |= {
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": call}],
        }
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def _openai_chunks(body: Any, said: str) -> Iterable[str]:
    for number, part in enumerate(_parts(said)):
        delta: dict[str, Any] = {"role": "assistant", "content": part}
        if body.get("tools"):
            call: dict[str, Any] = {"index": 0, "function": {"arguments": part}}
            if number == 0:
                call |= {"id": "c1", "type": "function"}
                call["function"]["name"] = body["tools"][0]["function"]["name"]
            delta = {"role": "assistant", "tool_calls": [call]}
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        yield f"data: {json.dumps({**chunk, 'choices': [choice]})}\n\n"
    yield "data: [DONE]\n\n"


def _anthropic(body: Any, said: str) -> Any:
    block = {"type": "text", "text": said}
    if body.get("tools"):
        name = body["tools"][0]["name"]
        block = {"type": "tool_use", "id": "c1", "name": name, "input": json.loads(said)}
    return _anthropic_message([block], "end_turn")


def _anthropic_events(body: Any, said: str) -> Iterable[str]:
    is_call = bool(body.get("tools"))
    block: Any = {"type": "text", "text": ""}
    if is_call:
        block = {"type": "tool_use", "id": "c1", "name": body["tools"][0]["name"], "input": {}}
    deltas: list[Any] = [
        {"type": "input_json_delta", "partial_json": part}
        if is_call
        else {"type": "text_delta", "text": part}
        for part in _parts(said)
    ]
    events: list[Any] = [
        {"type": "message_start", "message": _anthropic_message([], None)},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 1},
        },
        {"type": "message_stop"},
    ]
    for event in events:
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"


def _anthropic_message(content: list[Any], stop: str | None) -> Any:
    return {
        "id": "m1",
        "type": "message",
        "role": "assistant",
        "model": "claude-3-5-sonnet-latest",
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }


def _parts(text: str) -> list[str]:
    return [text[at : at + 7] for at in range(0, len(text), 7)]
