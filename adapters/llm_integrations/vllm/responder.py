"""The way back: a reply is judged before it goes out, a stream while it does."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping, Sequence
from typing import Final, Literal

from llm_integrations.core.observability import get_logger
from llm_integrations.vllm.asgi import Headers, Message, Send, drop
from llm_integrations.vllm.body import RequestBody
from llm_integrations.vllm.failure import Failure, invalid_answer
from llm_integrations.vllm.jsontext import read_json
from llm_integrations.vllm.judging import judge_answers
from llm_integrations.vllm.plan import Answers
from llm_integrations.vllm.resolve import count_unjudged, raises
from llm_integrations.vllm.shapes import Shape
from llm_integrations.vllm.stream import EnforcedStream, JudgedStream, WatchedStream
from llm_integrations.vllm.verdicts import Verdicts

__all__ = ["Again", "HeaderSend", "Responder", "failure_messages"]

log = get_logger(__name__)

_OK: Final = range(200, 300)
_REFUSALS: Final = (400, 422, 500)

Again = Literal["", "retry", "unconstrained", "compressed"]
"""Why the app has to be called once more: the answer was invalid, our constraint may have been
refused, or the reply is compressed and cannot be read."""


def failure_messages(shape: Shape, failure: Failure) -> list[Message]:
    """A whole reply that says what went wrong."""
    body = json.dumps(shape.error(failure)).encode()
    headers = failure.response_headers(len(body))
    return [
        {"type": "http.response.start", "status": failure.status, "headers": headers},
        {"type": "http.response.body", "body": body},
    ]


class HeaderSend:
    """Adds the verdict on the request to a reply that is not judged itself."""

    __slots__ = ("_send", "_verdicts")

    def __init__(self, send: Send, verdicts: Verdicts) -> None:
        self._send = send
        self._verdicts = verdicts

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = _with_headers(message, self._verdicts.headers())
        await self._send(message)


class Responder:
    """Takes the place of ``send`` for one call of the app.

    Args:
        send: the server's ``send``.
        by: what answers are judged by.
        verdicts: where the verdicts go.
        body: of the request; it knows whether the client has left, and then nothing is judged.
        max_event_bytes: longest event of a stream that is judged.
        retry: hold back an invalid answer and ask for another.
        constrained: the request holds a constraint of ours, so a refusal may be our fault.
        compressible: the request left it to the app to compress its reply.

    Attributes:
        again: set when nothing was sent and the app has to be called once more.
        status: of the app's reply.
    """

    again: Again = ""
    status = 0
    _next: Send | None = None
    _start: Message | None = None
    _readable = False

    def __init__(
        self,
        send: Send,
        by: Answers,
        verdicts: Verdicts,
        body: RequestBody,
        max_event_bytes: int,
        retry: bool,
        constrained: bool,
        compressible: bool,
    ) -> None:
        self._send = send
        self._by = by
        self._verdicts = verdicts
        self._body = body
        self._max_event_bytes = max_event_bytes
        self._retry = retry
        self._constrained = constrained
        self._compressible = compressible
        self._held: list[Message] = []

    def __call__(self, message: Message) -> Awaitable[None]:
        # Not a coroutine of its own: a stream passes here with every chunk.
        return self._next(message) if self._next is not None else self._advance(message)

    async def _advance(self, message: Message) -> None:
        for ready in self._take(message):
            await self._send(ready)

    def _take(self, message: Message) -> Sequence[Message]:
        """What goes out now that this message has come."""
        if self._start is not None:
            return self._hold(self._start, message)
        if message["type"] != "http.response.start":
            return (message,)
        self._start = message
        self.status = message["status"]
        if self.status in _OK:
            return self._begin(message, dict(message.get("headers") or ()))
        if self.status in _REFUSALS and self._constrained:
            return self._ask_again("unconstrained")
        self._next = self._send
        return (message,)

    def _begin(self, start: Message, headers: Mapping[bytes, bytes]) -> Sequence[Message]:
        content_type = headers.get(b"content-type", b"").lower()
        if headers.get(b"content-encoding", b"identity") != b"identity":
            return self._ask_again("compressed") if self._compressible else ()
        if content_type.startswith(b"text/event-stream"):
            self._next = self._stream()
            # The verdict comes after the headers; they can only say what it will be by.
            return (_with_headers(start, [(b"x-schema", self._by.header())]),)
        self._readable = b"json" in content_type
        return ()

    def _stream(self) -> JudgedStream:
        kind = EnforcedStream if self._by.rule.enforces else WatchedStream
        return kind(self._send, self._by, self._verdicts, self._body, self._max_event_bytes)

    def _hold(self, start: Message, message: Message) -> Sequence[Message]:
        self._held.append(message)
        if not self._readable or message["type"] != "http.response.body":
            return self._finish(start, passes=self._unjudged())
        if message.get("more_body", False):
            return ()
        return self._finish(start, passes=self._judge())

    def _judge(self) -> bool:
        """Whether the reply that is held may go out."""
        if self._body.disconnected:
            return True
        held = self._held
        data = held[0].get("body", b"")
        if len(held) > 1:
            data = b"".join(message.get("body", b"") for message in held)
        try:
            answers = self._by.shape.answers(read_json(data))
        except Exception:  # noqa: BLE001 - whatever the app said, it is not for us to fail at it
            return self._unjudged()
        return judge_answers(self._by, answers, self._verdicts)

    def _unjudged(self) -> bool:
        """A reply in a form that nobody expected."""
        count_unjudged(self._by.rule.judge)
        self._verdicts.unjudged()
        log.warning("vllm output passed no judge: its form is not known")
        return not raises(self._by.rule.judge)

    def _finish(self, start: Message, *, passes: bool) -> Sequence[Message]:
        if passes or not (self._retry or self._by.rule.enforces):
            self._next = self._send
            return (_with_headers(start, self._verdicts.headers()), *self._held)
        if self._retry:
            return self._ask_again("retry")
        self._next = drop
        failure = invalid_answer(self._verdicts.invalid).with_headers(self._verdicts.headers())
        return failure_messages(self._by.shape, failure)

    def _ask_again(self, why: Again) -> Sequence[Message]:
        self.again = why
        self._next = drop
        return ()


def _with_headers(start: Message, headers: Headers) -> Message:
    return {**start, "headers": [*(start.get("headers") or ()), *headers]}
