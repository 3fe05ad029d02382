"""What an endpoint's bodies look like: where text, answers, tools and errors are."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, NamedTuple, TypeAlias

from llm_integrations.serving.shapes.failure import Failure
from llm_integrations.serving.shapes.jsontext import as_dict, as_list, read_json
from llm_integrations.serving.shapes.sse import Event

__all__ = [
    "Answer",
    "Body",
    "Collector",
    "Parsed",
    "Prompt",
    "Shape",
    "Tool",
    "format_asked",
    "openai_error",
    "prefilled",
    "structured_asked",
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
        declined: it is no answer: the model refused, was stopped by a filter, or paused.
        runs: it has the client run what is no tool of a name: a shell, a computer.
    """

    number: int
    content: str | Parsed | None
    calls: tuple[tuple[str, str | Parsed], ...] = ()
    cut: bool = False
    declined: bool = False
    runs: bool = False


def prefilled(answers: Sequence[Answer], prefills: Sequence[str]) -> Sequence[Answer]:
    """The whole answers, of which the model gave the ends; calls have no beginning."""
    return [
        answer
        if answer.calls or answer.declined or isinstance(answer.content, Parsed)
        else answer._replace(content=_prefill(answer, prefills) + (answer.content or "") or None)
        for answer in answers
    ]


def _prefill(answer: Answer, prefills: Sequence[str]) -> str:
    number = answer.number if isinstance(answer.number, int) else 0
    return prefills[min(max(number, 0), len(prefills) - 1)]


class Prompt(NamedTuple):
    """A text of the request: where (path into the body), whose (role), and what, if it is text.

    ``conversation`` is which of those that the request holds it belongs to.
    """

    path: tuple[str | int, ...]
    role: str
    text: str | None
    conversation: int = 0


class Tool(NamedTuple):
    """A tool that the request offers: the path to its parameters, its name, its parameters.

    Without a name it is the text of the answer: what a schema of the request is for.
    """

    path: tuple[str | int, ...]
    name: str
    parameters: Any


class Collector(ABC):
    """Puts a stream's answers together. One per response.

    Attributes:
        ended: set when the event just taken is the stream's last.
        failed: the server itself has said that the stream failed.
        kept: characters that are held for answers to come.
        reopened: the numbers of answers that went on after their end; what comes there is judged
            by nobody, and clients join it to what was.
    """

    ended: bool = False
    failed: bool = False
    kept: int = 0
    reopened: Collection[Any] = ()

    @abstractmethod
    def take(self, event: Event) -> Sequence[Answer]:
        """Take one event; return the answers that are complete with it."""

    def is_unfinished(self) -> bool:
        """Whether an answer has begun and not come to its end."""
        return False


class Shape(ABC):
    """One endpoint's way to write things down. Stateless."""

    name: ClassVar[str]
    defers: ClassVar[str] = ""
    """The field by which a request asks for an answer that its reply will not hold."""

    batches: ClassVar[bool] = False
    """Whether a request holds several conversations."""

    tool: ClassVar[tuple[str, ...]] = ()
    """Where the parameters of a tool are."""

    @abstractmethod
    def prompts(self, request: Body) -> Iterator[Prompt]:
        """The texts that the client sends, in their order."""

    def misformed(self, request: Any) -> str | None:
        """The field of the texts, where what it holds is none that a server takes."""
        field = self.texts_in(as_dict(request))
        if not field:
            return None
        texts = as_dict(request).get(field)
        if field != "messages":
            return None if isinstance(texts, str | list) else field
        is_list = isinstance(texts, list) and all(isinstance(one, dict | list) for one in texts)
        return None if is_list else field

    def goes_on(self, request: Body) -> bool:
        """Whether the server has the conversation so far, and the request what comes after it."""
        return False

    def with_message(self, request: Body, text: str) -> Mapping[str, Any] | None:
        """The fields of a request that say this to the model too; None where that cannot be."""
        return None

    def texts_in(self, request: Body) -> str:
        """The field that holds the texts of a request, if it is known."""
        return ""

    def prefills(self, request: Body) -> Sequence[str]:
        """The beginnings that the request gives and its reply does not repeat, by conversation.

        None where the answers are whole in the reply.
        """
        return ()

    def asked(self, request: Body) -> Tool | None:
        """The schema that the request wants the text of its answer to have."""
        return None

    def repeats_request(self, reply: Body) -> bool:
        """Whether a stored answer says what its request asked for, be it nothing."""
        return False

    @abstractmethod
    def answers(self, reply: Any) -> Sequence[Answer]:
        """The answers in a complete reply; none when it is no reply of this shape."""

    def without(self, reply: Any, dropped: Collection[int]) -> Any:
        """A reply, or the data of an event, without the choices of these numbers.

        None where nothing is left, or the shape has no choices.
        """
        return None

    def choices_in(self, data: Any) -> Sequence[int]:
        """The numbers of the choices that an event's data is about; by default, the only one."""
        return (0,)

    def like_a_reply(self, data: Any) -> Any:
        """What of an event's data pointers into replies are read in; None for nothing."""
        return data

    @abstractmethod
    def collector(self, *, texts: bool = True) -> Collector:
        """A new collector for one stream; without ``texts`` it keeps tool calls only."""

    def tools(self, request: Body) -> Iterator[Tool]:
        """The function tools that the request offers."""
        if not self.tool:
            return
        *inside, field = self.tool
        for index, tool in enumerate(as_list(request.get("tools"))):
            function = as_dict(tool)
            for key in inside:
                function = as_dict(function.get(key))
            if isinstance(name := function.get("name"), str):
                yield Tool(("tools", index, *self.tool), name, function.get(field))

    def functions(self, request: Body) -> Iterator[Tool]:
        """Those that it offers in the older ``functions``."""
        for index, function in enumerate(map(as_dict, as_list(request.get("functions")))):
            if isinstance(name := function.get("name"), str):
                place = ("functions", index, "parameters")
                yield Tool(place, name, function.get("parameters"))

    def offered(self, request: Body) -> set[str]:
        """The names of all tools that the request offers."""
        return {tool.name for tool in (*self.functions(request), *self.tools(request))}

    def error(self, failure: Failure) -> Body:
        """A failure as the server would write it."""
        return openai_error(failure)

    def stream_error(self, failure: Failure) -> bytes:
        """The end of a stream that failed, as the server would write it."""
        return b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(self.error(failure)).encode()


def format_asked(request: Body, *path: str) -> Tool | None:
    """The schema in the format that a request asks for, which is at this path."""
    form: Any = request
    for key in path:
        form = as_dict(form).get(key)
    kind, inside = as_dict(form).get("type"), as_dict(as_dict(form).get("json_schema"))
    if kind == "json_schema" and inside:  # as chats write it
        return Tool((*path, "json_schema", "schema"), "", inside.get("schema"))
    if kind not in ("json_schema", "json_object"):
        return None
    any_object = {"type": "object"} if kind == "json_object" else None
    return Tool((*path, "schema"), "", form.get("schema", any_object))


def structured_asked(request: Body) -> Tool | None:
    """The schema that vLLM is asked for in its own way, which may be text."""
    given = as_dict(request.get("structured_outputs")).get("json")
    if isinstance(given, str):
        with suppress(ValueError, RecursionError):
            given = read_json(given)
    return None if given is None else Tool(("structured_outputs", "json"), "", given)


def openai_error(failure: Failure) -> dict[str, Any]:
    return {
        "error": {
            "message": failure.message,
            "type": failure.kind,
            "param": failure.param,
            "code": failure.status,
        }
    }
