"""/v1/chat/completions and /v1/completions, which both answer with ``choices``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from llm_integrations.serving.shapes.base import (
    Answer,
    Body,
    Collector,
    Prompt,
    Shape,
    Tool,
    format_asked,
    structured_asked,
)
from llm_integrations.serving.shapes.calls import calls_in
from llm_integrations.serving.shapes.jsontext import (
    as_dict,
    as_list,
    joined_text,
    read_json,
    said_text,
)
from llm_integrations.serving.shapes.part import Part, refuses
from llm_integrations.serving.shapes.sse import Event
from llm_integrations.serving.shapes.unread import APART, unread_texts

__all__ = [
    "Batch",
    "Chat",
    "Completions",
    "Invocations",
    "begun_text",
    "further_message",
    "message_prompts",
    "role_of",
]

_FILTERED: Final = "content_filter"
_NO_MESSAGE: Final[Mapping[str, Any]] = {}
_GOES_ON: Final = "null"
"""Beside null and "", a reason of some servers for a choice that goes on."""


class ChoiceCollector(Collector):
    """Collects by choice, since the choices of one stream interleave.

    Args:
        texts: whether text is kept.
    """

    __slots__ = ("_finished", "_parts", "_reopened", "ended", "failed", "kept", "reopened")

    def __init__(self, *, texts: bool) -> None:
        self._parts = defaultdict[Any, Part](partial(Part, text=texts))
        self._finished: set[Any] = set()
        self.ended = self.failed = False
        self.kept = 0
        self.reopened = self._reopened = set[Any]()

    def take(self, event: Event) -> Sequence[Answer]:
        data = event.data
        if not data or data == b"[DONE]":
            self.ended = bool(data)
            return ()
        try:
            fields = read_json(data)
            choices = fields.get("choices")
        except (ValueError, RecursionError, AttributeError):  # the last for what is no object
            self._parts[None].begun = True  # which nobody can judge, and nothing finishes
            return ()
        if choices is None:
            self.failed = self.failed or bool(fields.get("error"))
        elif choices:
            self.failed = False  # it went on after all
        finished: list[Answer] = []
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                self._parts[None].begun = True
                continue
            index = said if type(said := choice.get("index", 0)) is int else _key(said)
            part = self._parts[index]
            before = part.size
            delta = choice.get("delta", choice)  # a completion's text stands in the choice itself
            if isinstance(delta, dict):
                part.add(delta)
            self.kept += part.size - before
            if index in self._finished and part.begun:
                self._reopened.add(index)
            if reason := choice.get("finish_reason"):
                finished += self._finish(index, part, reason)
        return finished

    def _finish(self, index: Any, part: Part, reason: Any) -> Sequence[Answer]:
        again = index in self._finished
        if reason == _GOES_ON or (again and part.begun):
            # What comes after the end is joined by clients to what was judged: it stays here,
            # unfinished.
            return ()
        self._finished.add(index)
        del self._parts[index]
        self.kept -= part.size
        if again:
            return ()
        return (part.answer(index, cut=reason == "length", declined=reason == _FILTERED),)

    def is_unfinished(self) -> bool:
        return any(p.begun or index not in self._finished for index, p in self._parts.items())


def _key(index: Any) -> Any:
    """A list or object for an index is no index, but must not raise either."""
    return index if isinstance(index, int | str) else 0


def message_prompts(
    messages: Any, path: tuple[str | int, ...] = ("messages",), conversation: int = 0
) -> Iterator[Prompt]:
    """The texts of ``messages``, as OpenAI and Anthropic write them."""
    for index, message in enumerate(as_list(messages)):
        message = as_dict(message)
        place, text = (*path, index, "content"), said_text(message.get("content"))
        yield Prompt(place, role_of(message), text, conversation)


def role_of(message: Mapping[str, Any]) -> str:
    """Who says a message; what names nobody could be a user's."""
    return role if isinstance(role := message.get("role"), str) else "user"


class _Choices(Shape):
    """What answers with ``choices``."""

    def texts_in(self, request: Body) -> str:
        return "messages"

    def asked(self, request: Body) -> Tool | None:
        return format_asked(request, "response_format") or structured_asked(request)

    def answers(self, reply: Any) -> Sequence[Answer]:
        choices = reply.get("choices") if isinstance(reply, dict) else None
        answers: list[Answer] = []
        for position, choice in enumerate(choices if isinstance(choices, list) else ()):
            if not isinstance(choice, dict):
                return ()
            answers.append(_answer(choice, position))
        return answers

    def without(self, reply: Any, dropped: Collection[int]) -> Any:
        choices = enumerate(as_list(as_dict(reply).get("choices")))
        kept = [choice for place, choice in choices if _number(choice, place) not in dropped]
        return {**reply, "choices": kept} if kept else None

    def choices_in(self, data: Any) -> Sequence[int]:
        return [_number(each, 0) for each in as_list(as_dict(data).get("choices"))]

    def like_a_reply(self, data: Any) -> Any:
        each = [as_dict(choice) for choice in as_list(as_dict(data).get("choices"))]
        return {**as_dict(data), "choices": [{**c, "message": c.get("delta", {})} for c in each]}

    def collector(self, *, texts: bool = True) -> Collector:
        return ChoiceCollector(texts=texts)


def _number(choice: Any, place: int) -> Any:
    said = as_dict(choice).get("index", place)
    return said if type(said) is int else _key(said)


def _answer(choice: dict[str, Any], position: int) -> Answer:
    message: Any = choice.get("message")
    if not isinstance(message, dict):
        message = _NO_MESSAGE
    content = message.get("content") if "message" in choice else choice.get("text")
    reason = choice.get("finish_reason")
    text = content if isinstance(content, str) else joined_text(content)
    return Answer(
        said if type(said := choice.get("index", position)) is int else _key(said),
        text,
        tuple(calls_in(message)) if "tool_calls" in message or "function_call" in message else (),
        reason == "length",
        reason == _FILTERED or (not text and refuses(message)),
    )


class Chat(_Choices):
    """/v1/chat/completions."""

    name = "chat"
    tool = ("function", "parameters")

    def repeats_request(self, reply: Body) -> bool:
        return "response_format" in reply

    def prompts(self, request: Body) -> Iterator[Prompt]:
        yield from message_prompts(request.get("messages"))
        yield from unread_texts(request)

    def with_message(self, request: Body, text: str) -> Mapping[str, Any] | None:
        return further_message(request, text) if "messages" in request else None

    def prefills(self, request: Body) -> Sequence[str]:
        messages = request.get("messages")
        if not messages or not isinstance(messages, list):
            return ()
        last = messages[-1]
        is_begun = "continue_final_message" in request and request["continue_final_message"]
        if not is_begun and isinstance(last, dict) and ("prefix" in last or "partial" in last):
            is_begun = last.get("role") == "assistant" and True in (
                last.get("prefix"),
                last.get("partial"),
            )
        if not is_begun or request.get("echo"):
            return ()  # an echo repeats the beginning
        return (begun_text(as_dict(last)),)


def further_message(request: Body, text: str) -> Mapping[str, Any]:
    messages = as_list(request.get("messages"))
    return {"messages": [*messages, {"role": "user", "content": text}]}


def begun_text(message: dict[str, Any]) -> str:
    """The text of a message that the model is to go on with."""
    return joined_text(message.get("content")) or ""


class Batch(_Choices):
    """/v1/chat/completions/batch: a list of conversations, and a choice for each."""

    name = "batch"
    batches = True

    def prompts(self, request: Body) -> Iterator[Prompt]:
        for number, messages in enumerate(as_list(request.get("messages"))):
            place = ("messages", number)
            if messages and isinstance(messages, list):
                yield from message_prompts(messages, place, number)
            else:
                yield Prompt((*place, 0, "content"), "", None, number)
        yield from unread_texts(request)

    def prefills(self, request: Body) -> Sequence[str]:
        if request.get("echo") or not request.get("continue_final_message"):
            return ()
        conversations = as_list(request.get("messages"))
        return [begun_text(as_dict(as_list(each)[-1:] and each[-1])) for each in conversations]


class Completions(_Choices):
    """/v1/completions. Each of several prompts is a conversation of its own."""

    name = "completions"
    batches = True

    def texts_in(self, request: Body) -> str:
        return "prompt"

    def prompts(self, request: Body) -> Iterator[Prompt]:
        prompt = request.get("prompt")
        if isinstance(prompt, str):
            yield Prompt(("prompt",), "user", prompt)
        elif isinstance(prompt, list) and prompt and all(isinstance(p, str) for p in prompt):
            for index, text in enumerate(prompt):
                yield Prompt(("prompt", index), "user", text, index)
        elif prompt is not None:
            # Token ids, which nobody can read as JSON here.
            yield Prompt(("prompt",), "user", None)
        if suffix := request.get("suffix"):
            yield Prompt(("suffix",), "user", said_text(suffix), APART - 1)
        yield from unread_texts(request)


class Invocations(Chat):
    """/invocations: a chat or a completion, by what its body has; both, where it has both."""

    name = "invocations"
    batches = True

    def texts_in(self, request: Body) -> str:
        return "messages" if "messages" in request else "prompt"

    def prompts(self, request: Body) -> Iterator[Prompt]:
        # Which of the two a server takes depends on the rest of the body, so both are judged.
        if "messages" in request:
            yield from message_prompts(request["messages"], conversation=APART - 2)
        yield from Completions().prompts(request)
