"""How the endpoints write requests, replies and streams; one file each."""

from __future__ import annotations

from typing import Final

from llm_integrations.serving.shapes.base import Answer, Collector, Parsed, Prompt, Shape, Tool
from llm_integrations.serving.shapes.choices import Batch, Chat, Completions, Invocations
from llm_integrations.serving.shapes.messages import Messages
from llm_integrations.serving.shapes.plain import Plain
from llm_integrations.serving.shapes.responses import Responses

__all__ = ["SHAPES", "Answer", "Collector", "Parsed", "Prompt", "Shape", "Tool"]

SHAPES: Final[dict[str, Shape]] = {
    shape.name: shape
    for shape in (
        Chat(),
        Batch(),
        Completions(),
        Invocations(),
        Responses(),
        Messages(),
        Plain(),
    )
}
