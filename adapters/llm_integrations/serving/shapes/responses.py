"""/v1/responses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from llm_integrations.serving.shapes.base import (
    Answer,
    Body,
    Collector,
    Prompt,
    Shape,
    openai_error,
)
from llm_integrations.serving.shapes.failure import Failure
from llm_integrations.serving.shapes.jsontext import as_dict, as_list, joined_text, read_fields
from llm_integrations.serving.shapes.sse import Event

__all__ = ["Responses"]

_FINISHED: Final = ("completed", "incomplete")
_FAILED: Final = (b"error", b"response.failed")
_LAST: Final = (b"response.completed", b"response.incomplete")


class Responses(Shape):
    name = "responses"
    tool = ("parameters",)
    defers = "background"

    def prompts(self, request: Body) -> Iterator[Prompt]:
        given = request.get("input")
        if isinstance(given, str):
            yield Prompt(("input",), "user", given)
        for index, item in enumerate(as_list(given)):
            if isinstance(item, dict) and "role" in item:
                text = joined_text(item.get("content"), ("input_text", "text"))
                yield Prompt(("input", index, "content"), str(item["role"]), text)

    def answers(self, reply: Any) -> Sequence[Answer]:
        # A response that runs in the background has no answer yet.
        if not isinstance(reply, dict) or reply.get("status") not in _FINISHED:
            return ()
        texts: list[str] = []
        calls: list[tuple[str, str]] = []
        for item in as_list(reply.get("output")):
            item = as_dict(item)
            if item.get("type") == "message":
                texts.append(joined_text(item.get("content"), ("output_text",)) or "")
            elif item.get("type") == "function_call":
                calls.append((str(item.get("name")), str(item.get("arguments", ""))))
        cut = as_dict(reply.get("incomplete_details")).get("reason") == "max_output_tokens"
        return [Answer(0, "".join(texts) or None, tuple(calls), cut)]

    def collector(self, *, texts: bool = True) -> Collector:
        return _LastEvent(self)

    def stream_error(self, failure: Failure) -> bytes:
        fields = {
            "type": "error",
            "code": failure.kind,
            "message": failure.message,
            "param": failure.param,
            "sequence_number": 0,
            **openai_error(failure),
        }
        return b"event: error\ndata: %b\n\n" % json.dumps(fields).encode()


class _LastEvent(Collector):
    """The last event repeats the whole response, so that no other has to be read."""

    def __init__(self, shape: Responses) -> None:
        self._shape = shape

    def take(self, event: Event) -> Sequence[Answer]:
        self.failed = self.failed or event.name in _FAILED
        if event.name not in _LAST:
            return ()
        self.ended = True
        return self._shape.answers(read_fields(event.data).get("response"))
