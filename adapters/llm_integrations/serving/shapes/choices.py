"""What /v1/chat/completions and /v1/completions have in common: ``choices``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from llm_integrations.serving.asgi.sse import Event
from llm_integrations.serving.judging.jsontext import read_json
from llm_integrations.serving.shapes.base import Answer, Body, Collector

__all__ = ["AddDelta", "ChoiceCollector", "Part", "json_schema_format"]


class Part:
    """One choice of a stream, as far as it has come."""

    __slots__ = ("calls", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.calls: dict[Any, tuple[list[str], list[str]]] = {}

    def add_call(self, index: Any, name: Any, arguments: Any) -> None:
        """Add a fragment of a tool call; the name comes once, the arguments in pieces."""
        names, pieces = self.calls.setdefault(_key(index), ([], []))
        if isinstance(name, str):
            names.append(name)
        if isinstance(arguments, str):
            pieces.append(arguments)

    def answer(self, index: Any, *, cut: bool) -> Answer:
        calls = tuple(("".join(names), "".join(pieces)) for names, pieces in self.calls.values())
        return Answer(index, "".join(self.text) or None, calls, cut)


AddDelta: TypeAlias = Callable[[Part, dict[str, Any]], None]


class ChoiceCollector(Collector):
    """Collects by choice, since the choices of one stream interleave."""

    __slots__ = ("_add", "_parts", "ended")

    def __init__(self, add: AddDelta) -> None:
        self._add = add
        self._parts: dict[Any, Part] = {}
        self.ended = False

    def take(self, event: Event) -> Sequence[Answer]:
        data = event.data
        if not data or data == b"[DONE]":
            self.ended = bool(data)
            return ()
        try:
            chunk = read_json(data)
        except (ValueError, RecursionError):
            return ()
        choices = chunk.get("choices") if isinstance(chunk, dict) else None
        finished: list[Answer] = []
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                continue
            index = _key(choice.get("index", 0))
            part = self._parts.get(index)
            if part is None:
                part = self._parts[index] = Part()
            self._add(part, choice)
            if (reason := choice.get("finish_reason")) is not None:
                del self._parts[index]
                finished.append(part.answer(index, cut=reason == "length"))
        return finished


def _key(index: Any) -> Any:
    """A list or object for an index is no index, but must not raise either."""
    return index if isinstance(index, int | str) else 0


def json_schema_format(name: str, schema: Body) -> Mapping[str, Any]:
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": name, "schema": schema, "strict": True},
        }
    }
