"""/v1/completions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llm_integrations.serving.shapes.base import (
    Answer,
    Body,
    Collector,
    Prompt,
    Shape,
    as_dict,
    as_list,
)
from llm_integrations.serving.shapes.choices import ChoiceCollector, Part, json_schema_format

__all__ = ["Completions"]


class Completions(Shape):
    name = "completions"
    constrained_fields = ("response_format", "structured_outputs")

    def prompts(self, request: Body) -> Iterator[Prompt]:
        prompt = request.get("prompt")
        if isinstance(prompt, str):
            yield Prompt(("prompt",), "user", prompt)
        elif isinstance(prompt, list) and prompt and all(isinstance(p, str) for p in prompt):
            for index, text in enumerate(prompt):
                yield Prompt(("prompt", index), "user", text)
        elif prompt is not None:
            # Token ids, which nobody can read as JSON here.
            yield Prompt(("prompt",), "user", None)

    def answers(self, reply: Any) -> Sequence[Answer]:
        return [
            Answer(
                choice.get("index", position),
                text if isinstance(text := choice.get("text"), str) else None,
                (),
                choice.get("finish_reason") == "length",
            )
            for position, choice in enumerate(as_list(as_dict(reply).get("choices")))
            if isinstance(choice, dict)
        ]

    def collector(self) -> Collector:
        return ChoiceCollector(_add_text)

    def constraint(self, request: Body, name: str, schema: Body) -> Mapping[str, Any] | None:
        return json_schema_format(name, schema)


def _add_text(part: Part, choice: dict[str, Any]) -> None:
    if isinstance(text := choice.get("text"), str):
        part.text.append(text)
