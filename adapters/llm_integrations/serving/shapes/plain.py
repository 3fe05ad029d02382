"""Any endpoint that takes and gives JSON: the whole reply is the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from llm_integrations.serving.shapes.base import Answer, Body, Collector, Parsed, Prompt, Shape
from llm_integrations.serving.shapes.sse import Event

__all__ = ["Plain"]


class Plain(Shape):
    name = "json"

    def prompts(self, request: Body) -> Iterator[Prompt]:
        return iter(())

    def answers(self, reply: Any) -> Sequence[Answer]:
        return [Answer(0, Parsed(reply))]

    def choices_in(self, data: Any) -> Sequence[int]:
        return ()

    def collector(self, *, texts: bool = True) -> Collector:
        return _EachEvent()


class _EachEvent(Collector):
    """Every event's data is an answer of its own."""

    def __init__(self) -> None:
        self._count = 0

    def take(self, event: Event) -> Sequence[Answer]:
        if not event.data or event.data == b"[DONE]":
            self.ended = event.data == b"[DONE]"
            return ()
        self._count += 1
        return [Answer(self._count - 1, event.data.decode("utf-8", "replace"))]
