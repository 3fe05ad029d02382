"""/v1/messages, the Anthropic form."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from llm_integrations.serving.shapes.base import (
    Answer,
    Body,
    Collector,
    Prompt,
    Shape,
    Tool,
    format_asked,
)
from llm_integrations.serving.shapes.calls import arguments_of
from llm_integrations.serving.shapes.choices import begun_text, further_message, role_of
from llm_integrations.serving.shapes.failure import Failure
from llm_integrations.serving.shapes.jsontext import (
    as_dict,
    as_list,
    joined_text,
    read_fields,
    said_text,
)
from llm_integrations.serving.shapes.part import Part
from llm_integrations.serving.shapes.sse import NO_DATA, Event
from llm_integrations.serving.shapes.unread import unread_texts

__all__ = ["Messages"]

_CUT: Final = ("max_tokens", "model_context_window_exceeded")
_DECLINED: Final = ("refusal", "pause_turn")


class Messages(Shape):
    name = "messages"
    tool = ("input_schema",)

    def texts_in(self, request: Body) -> str:
        return "messages"

    def prompts(self, request: Body) -> Iterator[Prompt]:
        if system := request.get("system"):
            yield Prompt(("system",), "system", said_text(system))
        for index, message in enumerate(as_list(request.get("messages"))):
            message = as_dict(message)
            yield from _prompts(("messages", index, "content"), message)
        yield from unread_texts(request)

    def with_message(self, request: Body, text: str) -> Mapping[str, Any] | None:
        return further_message(request, text)

    def prefills(self, request: Body) -> Sequence[str]:
        last = as_dict((as_list(request.get("messages")) or [None])[-1])
        return (begun_text(last),) if last.get("role") == "assistant" else ()

    def asked(self, request: Body) -> Tool | None:
        return format_asked(request, "output_config", "format") or format_asked(
            request, "output_format"
        )

    def answers(self, reply: Any) -> Sequence[Answer]:
        if not isinstance(reply, dict) or reply.get("type") != "message":
            return ()
        content = reply.get("content")
        calls = tuple(
            (str(block.get("name")), arguments_of(block.get("input")))
            for block in map(as_dict, as_list(content))
            if block.get("type") == "tool_use"
        )
        text = joined_text(content)
        reason = reply.get("stop_reason")
        return [Answer(0, text, calls, reason in _CUT, reason in _DECLINED)]

    def like_a_reply(self, data: Any) -> Any:
        return as_dict(data).get("message")

    def collector(self, *, texts: bool = True) -> Collector:
        return _Blocks(texts=texts)

    def error(self, failure: Failure) -> Body:
        return {"type": "error", "error": {"type": failure.kind, "message": failure.message}}

    def stream_error(self, failure: Failure) -> bytes:
        return b"event: error\ndata: %b\n\n" % json.dumps(self.error(failure)).encode()


def _prompts(path: tuple[str | int, ...], message: dict[str, Any]) -> Iterator[Prompt]:
    """What a tool gave back is the tool's, though it stands in a message of the user."""
    content, role = message.get("content"), role_of(message)
    others: list[Any] = []
    for number, block in enumerate(as_list(content)):
        if as_dict(block).get("type") == "tool_result":
            yield Prompt((*path, number, "content"), "tool", said_text(block.get("content")))
        else:
            others.append(block)
    if others or not as_list(content):
        yield Prompt(path, role, said_text(others or content))


class _Blocks(Collector):
    """Collects content blocks; the one answer is complete when a stop reason comes.

    What a block holds that is neither text nor a call of the client's tools, as the input of a tool
    that the server runs, is none of the answer.
    """

    def __init__(self, *, texts: bool) -> None:
        self._part = Part(text=texts)
        self._has_stopped = self._is_unread = False
        self._others: set[Any] = set()

    def take(self, event: Event) -> Sequence[Answer]:
        fields = read_fields(event.data)
        if not fields and event.data not in NO_DATA:
            self._is_unread = True
        match fields.get("type"):
            case "content_block_delta":
                self.failed = False  # it went on after all
                self._add(fields.get("index"), as_dict(fields.get("delta")))
            case "content_block_start":
                self._start(fields.get("index"), as_dict(fields.get("content_block")))
            case "message_start":
                content = as_list(as_dict(fields.get("message")).get("content"))
                for index, block in enumerate(content):
                    self._start(index, as_dict(block))
            case "message_delta":
                if reason := as_dict(fields.get("delta")).get("stop_reason"):
                    return self._stop(reason)
            case "message_stop":
                self.ended = True
            case "error":
                self.failed = True
        self.kept = self._part.size
        return ()

    def is_unfinished(self) -> bool:
        return self._part.begun or self._is_unread

    def _stop(self, reason: Any) -> Sequence[Answer]:
        if self._has_stopped:
            return ()  # clients join what came since to what was judged
        self._has_stopped = True
        part, self._part = self._part, Part(text=False)
        self.kept = 0
        return [part.answer(0, cut=reason in _CUT, declined=reason in _DECLINED)]

    def _start(self, index: Any, block: dict[str, Any]) -> None:
        if block.get("type") == "tool_use":
            self._part.add_call(index, block.get("name"), block.get("input"), block.get("id"))
        elif block.get("type") == "text":
            self._part.add_text(str(block.get("text") or ""))
        elif isinstance(index, int):
            self._others.add(index)

    def _add(self, index: Any, delta: dict[str, Any]) -> None:
        if isinstance(text := delta.get("text"), str):
            self._part.add_text(text)
        elif "partial_json" in delta and index not in self._others:
            self._part.add_call(index, None, delta["partial_json"])
