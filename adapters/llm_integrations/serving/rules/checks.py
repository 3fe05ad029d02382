"""Which parts of a request are judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from llm_integrations.core.jsonschema.pointer import from_pointer
from llm_integrations.serving.config.rules import CheckConfig
from llm_integrations.serving.rules.named import SchemaSource
from llm_integrations.serving.rules.pointer import MISSING, at
from llm_integrations.serving.shapes import Shape
from llm_integrations.serving.shapes.jsontext import as_dict

__all__ = ["Check", "Piece"]


class Piece(NamedTuple):
    """One value to judge. ``problem`` says why there is none to put before the schema."""

    path: tuple[str | int, ...]
    value: Any
    is_text: bool = False
    problem: str | None = None


class Check:
    """One part of the request and where its schema comes from."""

    def __init__(self, config: CheckConfig) -> None:
        self.source = SchemaSource(config.schema_ref, config.named_by)
        self.of = config.of
        self._config = config
        self._path = from_pointer(config.of) if config.of.startswith("/") else ()

    def pieces(self, shape: Shape, request: Any) -> Sequence[Piece]:
        if self.of == "body":
            return (Piece((), request),)
        if self.of == "messages":
            return self._texts(shape, request)
        return self._field(request)

    def _texts(self, shape: Shape, request: Any) -> Sequence[Piece]:
        roles = self._config.roles
        found = [p for p in shape.prompts(as_dict(request)) if p.role in roles]
        if not found:
            return (Piece((), None, problem=f"no message has the role {' or '.join(roles)}"),)
        if self._config.which == "last":
            found = found[-1:]
        return [
            Piece(p.path, p.text, is_text=True, problem=None if p.text else "holds no text")
            for p in found
        ]

    def _field(self, request: Any) -> Sequence[Piece]:
        value = at(request, self._path)
        if value is MISSING:
            missing = Piece(self._path, None, problem="is required")
            return (missing,) if self._config.required else ()
        if not self._config.json_text:
            return (Piece(self._path, value),)
        problem = None if isinstance(value, str) else "is not text"
        return (Piece(self._path, value, is_text=True, problem=problem),)
