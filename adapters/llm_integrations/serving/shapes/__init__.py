"""How the endpoints write requests, replies and streams; one file each."""

from __future__ import annotations

from typing import Final

from llm_integrations.serving.shapes.base import Answer, Collector, Parsed, Prompt, Shape, Tool
from llm_integrations.serving.shapes.choices import Chat, Completions
from llm_integrations.serving.shapes.messages import Messages
from llm_integrations.serving.shapes.plain import Plain
from llm_integrations.serving.shapes.responses import Responses

__all__ = ["SHAPES", "Answer", "Collector", "Parsed", "Prompt", "Shape", "Tool", "shape_for"]

SHAPES: Final[dict[str, Shape]] = {
    shape.name: shape for shape in (Chat(), Completions(), Responses(), Messages(), Plain())
}

_PATHS: Final = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
    "/v1/responses": "responses",
    "/v1/messages": "messages",
}


def shape_for(path: str, name: str | None) -> Shape:
    """The shape with this name; without one what the path is known for, else plain JSON."""
    return SHAPES[name or _PATHS.get(path, "json")]
