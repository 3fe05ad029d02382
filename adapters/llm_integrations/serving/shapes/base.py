"""What an endpoint's bodies look like: where text, answers, tools and errors are."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, TypeAlias

from llm_integrations.serving.asgi.sse import Event
from llm_integrations.serving.judging.failure import Failure

__all__ = [
    "Answer",
    "Body",
    "Collector",
    "Parsed",
    "Prompt",
    "Shape",
    "Tool",
    "as_dict",
    "as_list",
    "joined_text",
    "openai_error",
]

Body: TypeAlias = Mapping[str, Any]
"""A request or reply, parsed. Nothing about its inside is certain."""


class Parsed(NamedTuple):
    """A value that is JSON already, where others are text that should hold JSON."""

    value: Any


class Answer(NamedTuple):
    """One of the alternatives that a model gave.

    Attributes:
        number: which one.
        content: its text, or None without any; Parsed where the endpoint gives JSON itself.
        calls: tool calls: name and arguments.
        cut: whether the token limit ended it.
    """

    number: int
    content: str | Parsed | None
    calls: tuple[tuple[str, str | Parsed], ...] = ()
    cut: bool = False


class Prompt(NamedTuple):
    """A text of the request: where (path into the body), whose (role), and what, if it is text."""

    path: tuple[str | int, ...]
    role: str
    text: str | None


class Tool(NamedTuple):
    """A tool that the request offers: the path to its parameters, its name, its parameters."""

    path: tuple[str | int, ...]
    name: str
    parameters: Any


class Collector(ABC):
    """Puts a stream's answers together. One per response.

    Attributes:
        ended: set when the event just taken is the stream's last.
    """

    ended: bool = False

    @abstractmethod
    def take(self, event: Event) -> Sequence[Answer]:
        """Take one event; return the answers that are complete with it."""


class Shape(ABC):
    """One endpoint's way to write things down. Stateless."""

    name: ClassVar[str]
    constrained_fields: ClassVar[tuple[str, ...]] = ()
    """Top-level request fields by which a client constrains decoding itself."""
    defers: ClassVar[str] = ""
    """The field by which a request asks for an answer that its reply will not hold."""

    @abstractmethod
    def prompts(self, request: Body) -> Iterator[Prompt]:
        """The texts that the client sends, in their order."""

    @abstractmethod
    def answers(self, reply: Any) -> Sequence[Answer]:
        """The answers in a complete reply; none when it is no reply of this shape."""

    @abstractmethod
    def collector(self) -> Collector:
        """A new collector for one stream."""

    def tools(self, request: Body) -> Iterator[Tool]:
        """The function tools that the request offers."""
        return iter(())

    def is_constrained(self, request: Body) -> bool:
        """Whether the client constrains decoding itself."""
        for field in self.constrained_fields:
            value = request.get(field)
            if value and as_dict(value).get("type") != "text":
                return True
        return False

    def constraint(self, request: Body, name: str, schema: Body) -> Mapping[str, Any] | None:
        """Top-level fields that constrain decoding to a schema; None where that cannot be."""
        return None

    def error(self, failure: Failure) -> Body:
        """A failure as the server would write it."""
        return openai_error(failure)

    def stream_error(self, failure: Failure) -> bytes:
        """The end of a stream that failed, as the server would write it."""
        return b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(self.error(failure)).encode()


def openai_error(failure: Failure) -> dict[str, Any]:
    return {
        "error": {
            "message": failure.message,
            "type": failure.kind,
            "param": failure.param,
            "code": failure.status,
        }
    }


def as_dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def joined_text(content: Any, kinds: tuple[str, ...]) -> str | None:
    """Text as it is, or the text parts of a list of content parts in a row; None without any."""
    if isinstance(content, str):
        return content
    texts = [
        part["text"]
        for part in as_list(content)
        if isinstance(part, dict)
        and part.get("type") in kinds
        and isinstance(part.get("text"), str)
    ]
    return "".join(texts) if texts else None
