"""/v1/chat/completions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llm_integrations.serving.shapes.base import (
    Answer,
    Body,
    Collector,
    Prompt,
    Shape,
    Tool,
    as_dict,
    as_list,
    joined_text,
)
from llm_integrations.serving.shapes.choices import ChoiceCollector, Part, json_schema_format

__all__ = ["Chat"]


class Chat(Shape):
    name = "chat"
    constrained_fields = ("response_format", "structured_outputs")

    def prompts(self, request: Body) -> Iterator[Prompt]:
        for index, message in enumerate(as_list(request.get("messages"))):
            message = as_dict(message)
            text = joined_text(message.get("content"), ("text",))
            yield Prompt(("messages", index, "content"), str(message.get("role")), text)

    def answers(self, reply: Any) -> Sequence[Answer]:
        choices = reply.get("choices") if isinstance(reply, dict) else None
        return [
            _answer(choice, position)
            for position, choice in enumerate(as_list(choices))
            if isinstance(choice, dict)
        ]

    def collector(self) -> Collector:
        return ChoiceCollector(_add_delta)

    def tools(self, request: Body) -> Iterator[Tool]:
        for index, tool in enumerate(as_list(request.get("tools"))):
            function = as_dict(as_dict(tool).get("function"))
            if isinstance(name := function.get("name"), str):
                path = ("tools", index, "function", "parameters")
                yield Tool(path, name, function.get("parameters"))

    def constraint(self, request: Body, name: str, schema: Body) -> Mapping[str, Any] | None:
        if request.get("tools") and request.get("tool_choice") != "none":
            # A constrained answer could no longer be a tool call.
            return None
        return json_schema_format(name, schema)


def _answer(choice: dict[str, Any], position: int) -> Answer:
    message = as_dict(choice.get("message"))
    content = message.get("content")
    calls = message.get("tool_calls")
    return Answer(
        choice.get("index", position),
        content if isinstance(content, str) else None,
        tuple(_call(call) for call in calls) if isinstance(calls, list) else (),
        choice.get("finish_reason") == "length",
    )


def _call(call: Any) -> tuple[str, str]:
    function = as_dict(as_dict(call).get("function"))
    return str(function.get("name")), str(function.get("arguments", ""))


def _add_delta(part: Part, choice: dict[str, Any]) -> None:
    delta = choice.get("delta")
    if not isinstance(delta, dict):
        return
    if isinstance(content := delta.get("content"), str):
        part.text.append(content)
    if calls := delta.get("tool_calls"):
        for call in as_list(calls):
            call = as_dict(call)
            function = as_dict(call.get("function"))
            part.add_call(call.get("index", 0), function.get("name"), function.get("arguments"))
