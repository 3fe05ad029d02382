"""Which parts of a request or a reply are judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from llm_integrations.core.jsonschema.pointer import from_pointer
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.serving.config.rules import CheckConfig, ReplyCheckConfig
from llm_integrations.serving.rules.named import SchemaSource
from llm_integrations.serving.rules.pointer import MISSING, at, each_at
from llm_integrations.serving.shapes import Prompt, Shape
from llm_integrations.serving.shapes.jsontext import as_dict

__all__ = ["REQUIRED", "Check", "Field", "Piece"]


REQUIRED: Final = "is required"
_HOLD_TEXTS: Final = ("messages", "input", "content")
_READ: Final = frozenset((*_HOLD_TEXTS, "prompt", "role", "text", "type"))
_DEEPEST: Final = 6
"""Of a part of a message's content, where there are several conversations."""


class Piece(NamedTuple):
    """One value to judge. ``problem`` says why there is none to put before the schema."""

    path: tuple[str | int, ...]
    value: Any
    is_text: bool = False
    problem: str | None = None


class Field:
    """A field of a body by its pointer, and where its schema comes from."""

    def __init__(self, config: CheckConfig | ReplyCheckConfig) -> None:
        self.source = SchemaSource(config.schema_ref, config.named_by)
        self.of = config.of
        self.required = config.required
        self._is_text = config.json_text
        self._path = from_pointer(config.of) if config.of.startswith("/") else ()

    def nowhere(self) -> Piece:
        """Where a stream had nothing of it."""
        return Piece(tuple(self._path), None, problem=REQUIRED)

    def found(self, body: Any) -> Iterator[Piece]:
        """Each value that it leads to, and each that is missing and required."""
        for place, value in each_at(body, self._path):
            if value is not MISSING:
                problem = "is not text" if self._is_text and not isinstance(value, str) else None
                yield Piece(place, value, self._is_text, problem)
            elif self.required:
                yield Piece(place, None, problem=REQUIRED)


def _twice(value: Any, place: tuple[str | int, ...] = ()) -> tuple[str | int, ...] | None:
    """A key of what holds texts that differs from another, or from one that is read, only by
    capitals or a long s: a server in Go takes the two for one, and the last of them counts."""
    inside: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        seen: set[str] = set()
        for key in value:
            name = key.casefold()
            if name in seen or (name in _READ and name != key):
                return (*place, key)
            seen.add(name)
        inside = [(key, value[key]) for key in _HOLD_TEXTS if isinstance(value.get(key), list)]
    elif isinstance(value, list) and len(place) < _DEEPEST:
        inside = [each for each in enumerate(value) if isinstance(each[1], dict | list)]
    found = (_twice(each, (*place, key)) for key, each in inside)
    return next(filter(None, found), None)


def _spelt_otherwise(
    value: Any, path: Sequence[str], place: tuple[str | int, ...] = ()
) -> tuple[str | int, ...] | None:
    """A key that such a server takes for one of the path."""
    if not path:
        return None
    if path[0] == "*" and isinstance(value, list):
        found = (_spelt_otherwise(v, path[1:], (*place, n)) for n, v in enumerate(value))
        return next(filter(None, found), None)
    for key in value if isinstance(value, dict) else ():
        if key != path[0] and key.casefold() == path[0].casefold():
            return (*place, key)
    return _spelt_otherwise(at(value, path[:1]), path[1:], (*place, path[0]))


class Check(Field):
    """One part of the request and where its schema comes from."""

    def __init__(self, config: CheckConfig) -> None:
        super().__init__(config)
        self.shadow = None if config.shadow is None else str(SchemaRef.parse(config.shadow))
        self._config = config
        self._roles = {role.casefold() for role in config.roles}

    def pieces(self, shape: Shape, request: Any) -> Sequence[Piece]:
        if self.of == "body":
            return (Piece((), request),)
        if self.of == "messages":
            return self._texts(shape, request)
        if other := _spelt_otherwise(request, self._path):
            return (Piece(other, None, problem="is spelt in other capitals than its check"),)
        return tuple(self.found(request))

    def _texts(self, shape: Shape, request: Any) -> Sequence[Piece]:
        if twice := _twice(request):
            return (Piece(twice, None, problem="is spelt in capitals, or there twice so"),)
        prompts = list(shape.prompts(as_dict(request)))
        pieces = self._each(prompts) if shape.batches else self._judged(prompts)
        for piece in pieces:
            # A request without a problem has the form that it should have.
            if not piece.problem:
                continue
            if shape.goes_on(as_dict(request)) and not self._has_a_say(prompts):
                return ()
            if field := shape.misformed(request):
                problem = "is nothing that texts can be read from"
                return (Piece((field,), None, problem=problem),)
        return pieces

    def _has_a_say(self, prompts: list[Prompt]) -> bool:
        """Whether there is more than what tools gave back, if that is not to be judged. What every
        request repeats, as the ``instructions`` beside its input, is not."""
        roles = {prompt.role for prompt in prompts if prompt.path != ("instructions",)}
        return roles != {"tool"} or "tool" in self._roles

    def _each(self, prompts: list[Prompt]) -> Sequence[Piece]:
        by_conversation: dict[int, list[Prompt]] = {}
        for prompt in prompts:
            by_conversation.setdefault(prompt.conversation, []).append(prompt)
        found = [piece for texts in by_conversation.values() for piece in self._judged(texts)]
        return found or self._judged([])

    def _judged(self, texts: list[Prompt]) -> Sequence[Piece]:
        """What is judged of a conversation."""
        found = [text for text in texts if text.role.strip().casefold() in self._roles]
        if not found:
            return (self._nothing(texts[0].path[:-2] if texts else ()),)
        if self._config.which == "last":
            found = found[-1:]
        return [
            Piece(p.path, p.text, is_text=True, problem=None if p.text else "holds no text")
            for p in found
        ]

    def _nothing(self, path: tuple[str | int, ...]) -> Piece:
        roles = " or ".join(self._config.roles)
        return Piece(path, None, problem=f"no message has the role {roles}")
