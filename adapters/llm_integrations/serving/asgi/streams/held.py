"""A stream of which nothing goes out before it is judged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from llm_integrations.serving.asgi.replies import (
    failure_messages,
    kept_headers,
    with_headers,
    without_encoding,
)
from llm_integrations.serving.asgi.streams.decoding import Undecodable
from llm_integrations.serving.asgi.streams.judged import JudgedStream
from llm_integrations.serving.asgi.types import Message, drop
from llm_integrations.serving.judging.judging import judge_answer
from llm_integrations.serving.judging.pieces import Part
from llm_integrations.serving.shapes import Answer
from llm_integrations.serving.shapes.failure import Failure, answer_too_large, invalid_answer
from llm_integrations.serving.shapes.jsontext import read_fields
from llm_integrations.serving.shapes.sse import NO_DATA, Event, EventTooLarge

__all__ = ["HeldStream"]


class _Held(NamedTuple):
    """An event that waits, and the choices that it is about."""

    event: Event
    choices: Sequence[Any]


class HeldStream(JudgedStream):
    """Holds each choice back until it is judged, and the start of the reply until the first is.

    So the headers hold a verdict, and where nothing passes the reply is an error as any other.
    """

    def __init__(self, start: Message, *args: Any) -> None:
        super().__init__(*args)
        self._start: Message | None = start
        self._passes: dict[Any, bool] = {}
        self._waiting: list[_Held] = []
        self._size = 0
        self._over = False
        self._own: dict[Any, list[Part]] = {}
        self._drops = self._by.rule.config.on_invalid == "drop_choice"

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.trailers":
            await self._send(message)
            return
        if message["type"] != "http.response.body":  # as a file by its path
            await self._give_up_with(invalid_answer(None))
            return
        more = message.get("more_body", False)
        try:
            for event in self._read(message):
                self._take(event)
        except (EventTooLarge, Undecodable):
            await self._give_up_with(answer_too_large(self._limit))
            return
        await self._put(more=more)

    def _take(self, event: Event) -> None:
        if self._over:
            return
        answers = self._answers(event)
        for part in self._parts(event):
            self._own.setdefault(part.number, []).append(part)
        for answer in answers:
            has_left = self._request.disconnected
            self._passes[answer.number] = has_left or self._judge_one(answer)
        for number in self._collector.reopened:
            self._passes[number] = self._request.disconnected
        choices = [answer.number for answer in answers]
        if event.data not in NO_DATA:
            choices += self._by.shape.choices_in(read_fields(event.data))
        self._waiting.append(_Held(event, choices))
        self._size += len(event.raw)
        if self._size > self._limit:
            raise EventTooLarge
        self._over = self._collector.ended

    def _judge_one(self, answer: Answer) -> bool:
        verdicts = self._verdicts

        def judge() -> bool:
            passes = judge_answer(self._by, answer, verdicts)
            return self._judge_parts(self._own.pop(answer.number, ())) and passes

        return verdicts.dropping(judge) if self._drops else judge()

    async def _put(self, *, more: bool) -> None:
        """Send what may go out by now."""
        failure = None
        if (self._over or not more) and not self._is_good():
            failure = invalid_answer(self._verdicts.invalid)
        if failure is not None:  # what tells of the end of a good stream would be in its way
            self._waiting = [held for held in self._waiting if held.choices]
        ready = self._ready(at_end=self._over or not more)
        if failure is not None:
            await self._fail(failure, ready)
        elif ready or not more:
            await self._begin()
            await self._send({"type": "http.response.body", "body": ready, "more_body": more})

    def _is_good(self) -> bool:
        """At the end: whether the client gets an answer that ended as it should."""
        is_whole = self._is_whole()
        rest = [part for parts in self._own.values() for part in parts]
        if not self._judge_parts(rest):
            return False
        if self._request.disconnected or (self._drops and any(self._passes.values())):
            return True
        return is_whole and all(self._passes.values())

    def _ready(self, *, at_end: bool) -> bytes:
        """The events that wait for nothing more, in their order; choices that fail are left out."""
        ready: list[bytes] = []
        waiting: list[_Held] = []
        for held in self._waiting:
            undecided = any(number not in self._passes for number in held.choices)
            is_early = not held.choices and (waiting or not any(self._passes.values()))
            if (undecided or is_early) and not at_end:
                waiting.append(held)
            else:
                ready.append(self._without_failed(held))
                self._size -= len(held.event.raw)
        self._waiting = waiting
        return b"".join(ready)

    def _without_failed(self, held: _Held) -> bytes:
        failed = {number for number in held.choices if not self._passes.get(number, False)}
        if not failed:
            return held.event.raw
        rest = self._by.shape.without(read_fields(held.event.data), failed)
        return b"" if rest is None else b"data: %b\n\n" % json.dumps(rest).encode()

    async def _begin(self) -> None:
        start, self._start = self._start, None
        if start is not None:
            headers = self._verdicts.headers()
            await self._send(with_headers(without_encoding(start), headers))

    async def _fail(self, failure: Failure, ready: bytes = b"") -> None:
        """End with an error: a reply of its own where nothing has gone out yet."""
        shape, start = self._by.shape, self._start
        if start is not None and not ready:
            told = failure.with_headers([*self._verdicts.headers(), *kept_headers(start)])
            messages: Sequence[Message] = failure_messages(shape.error, told)
        else:
            await self._begin()
            ending = ready + shape.stream_error(failure)
            messages = ({"type": "http.response.body", "body": ending, "more_body": False},)
        send, self._send = self._send, drop
        for message in messages:
            await send(message)

    async def _give_up_with(self, failure: Failure) -> None:
        """What cannot be held cannot be judged."""
        self._give_up()
        self._over = True
        await self._fail(failure)
