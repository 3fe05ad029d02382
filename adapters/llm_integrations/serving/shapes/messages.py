"""/v1/messages, the Anthropic form."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from llm_integrations.serving.shapes.base import Answer, Body, Collector, Parsed, Prompt, Shape
from llm_integrations.serving.shapes.choices import begun_text, message_prompts
from llm_integrations.serving.shapes.failure import Failure
from llm_integrations.serving.shapes.jsontext import as_dict, as_list, joined_text, read_fields
from llm_integrations.serving.shapes.part import Part
from llm_integrations.serving.shapes.sse import Event

__all__ = ["Messages"]

_CUT: Final = "max_tokens"


class Messages(Shape):
    name = "messages"
    tool = ("input_schema",)

    def prompts(self, request: Body) -> Iterator[Prompt]:
        return message_prompts(request.get("messages"))

    def prefills(self, request: Body) -> Sequence[str]:
        last = as_dict((as_list(request.get("messages")) or [None])[-1])
        return (begun_text(last),) if last.get("role") == "assistant" else ()

    def answers(self, reply: Any) -> Sequence[Answer]:
        if not isinstance(reply, dict) or reply.get("type") != "message":
            return ()
        blocks = [block for block in as_list(reply.get("content")) if isinstance(block, dict)]
        calls = tuple(
            (str(block.get("name")), Parsed(block.get("input")))
            for block in blocks
            if block.get("type") == "tool_use"
        )
        text = joined_text(blocks, ("text",))
        return [Answer(0, text, calls, reply.get("stop_reason") == _CUT)]

    def collector(self, *, texts: bool = True) -> Collector:
        return _Blocks(texts=texts)

    def error(self, failure: Failure) -> Body:
        return {"type": "error", "error": {"type": failure.kind, "message": failure.message}}

    def stream_error(self, failure: Failure) -> bytes:
        return b"event: error\ndata: %b\n\n" % json.dumps(self.error(failure)).encode()


class _Blocks(Collector):
    """Collects content blocks; the one answer is complete when a stop reason comes."""

    def __init__(self, *, texts: bool) -> None:
        self._texts = texts
        self._part = Part(text=texts)

    def take(self, event: Event) -> Sequence[Answer]:
        fields = read_fields(event.data)
        match fields.get("type"):
            case "content_block_delta":
                self._add(fields.get("index"), as_dict(fields.get("delta")))
            case "content_block_start":
                self._start(fields.get("index"), as_dict(fields.get("content_block")))
            case "message_delta":
                if reason := as_dict(fields.get("delta")).get("stop_reason"):
                    part, self._part = self._part, Part(text=self._texts)
                    self.kept = 0
                    return [part.answer(0, cut=reason == _CUT)]
            case "message_stop":
                self.ended = True
            case "error":
                self.failed = True
        self.kept = self._part.size
        return ()

    def is_unfinished(self) -> bool:
        return self._part.begun

    def _start(self, index: Any, block: dict[str, Any]) -> None:
        if block.get("type") == "tool_use":
            self._part.add_call(index, block.get("name"), None)
        elif block.get("type") == "text":
            self._part.add_text(str(block.get("text") or ""))

    def _add(self, index: Any, delta: dict[str, Any]) -> None:
        if isinstance(text := delta.get("text"), str):
            self._part.add_text(text)
        elif isinstance(fragment := delta.get("partial_json"), str):
            self._part.add_call(index, None, fragment)
