"""The way back: a reply is judged before it goes out, a stream while it does."""

from __future__ import annotations

import json
from typing import Final, Literal

from llm_integrations.core.jsontext import read_json
from llm_integrations.core.observability import get_logger
from llm_integrations.vllm.asgi import Headers, Message, Send, drop, header
from llm_integrations.vllm.failure import Failure, invalid_answer
from llm_integrations.vllm.judging import judge_answers
from llm_integrations.vllm.plan import Answers
from llm_integrations.vllm.resolve import count_unjudged, raises
from llm_integrations.vllm.shapes import Shape
from llm_integrations.vllm.stream import stream_for
from llm_integrations.vllm.verdicts import Verdicts

__all__ = ["Again", "HeaderSend", "Responder", "send_failure"]

log = get_logger(__name__)

_OK: Final = range(200, 300)
_REFUSALS: Final = (400, 422, 500)

Again = Literal["", "retry", "unconstrained"]
"""Whether the app has to be called once more: for another answer, or without our constraint."""


async def send_failure(send: Send, shape: Shape, failure: Failure) -> None:
    body = json.dumps(shape.error(failure)).encode()
    headers = failure.response_headers(len(body))
    await send({"type": "http.response.start", "status": failure.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


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
        max_event_bytes: longest event of a stream that is judged.
        retry: hold back an invalid answer and ask for another.
        constrained: the request holds a constraint of ours, so a refusal may be our fault.

    Attributes:
        again: set when nothing was sent and the app has to be called once more.
        status: of the app's reply.
    """

    __slots__ = (
        "_by",
        "_constrained",
        "_held",
        "_max_event_bytes",
        "_next",
        "_retry",
        "_send",
        "_start",
        "_verdicts",
        "again",
        "status",
    )

    def __init__(
        self,
        send: Send,
        by: Answers,
        verdicts: Verdicts,
        *,
        max_event_bytes: int,
        retry: bool = False,
        constrained: bool = False,
    ) -> None:
        self._send = send
        self._by = by
        self._verdicts = verdicts
        self._max_event_bytes = max_event_bytes
        self._retry = retry
        self._constrained = constrained
        self._next: Send | None = None
        self._start: Message | None = None
        self._held: list[Message] = []
        self.again: Again = ""
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if self._next is not None:
            await self._next(message)
        elif self._start is not None:
            await self._hold(self._start, message)
        elif message["type"] == "http.response.start":
            self.status = message["status"]
            self._start = message
            if (send_now := self._begin(message)) is not None:
                await self._send(send_now)
        else:
            await self._send(message)

    def _begin(self, start: Message) -> Message | None:
        """Choose what to do with the reply; what to send at once, if anything."""
        if self.status in _REFUSALS and self._constrained:
            self.again = "unconstrained"
            self._next = drop
            return None
        if self.status not in _OK:
            self._next = self._send
            return start
        headers: Headers = start.get("headers") or []
        if header(headers, b"content-type").lower().startswith(b"text/event-stream"):
            self._next = stream_for(self._send, self._by, self._verdicts, self._max_event_bytes)
            # The verdict comes after the headers; they can only say what it will be by.
            return _with_headers(start, [(b"x-schema", self._by.header())])
        return None

    async def _hold(self, start: Message, message: Message) -> None:
        self._held.append(message)
        if message["type"] != "http.response.body":
            # A file or trailers: whatever it is, there is nothing here to read.
            await self._finish(start, self._unjudged())
        elif not message.get("more_body", False):
            await self._finish(start, self._judge(start))

    def _judge(self, start: Message) -> bool:
        """Whether the reply that is held may go out."""
        held = self._held
        data = held[0].get("body", b"")
        if len(held) > 1:
            data = b"".join(message.get("body", b"") for message in held)
        if header(start.get("headers") or [], b"content-encoding") not in (b"", b"identity"):
            return self._unjudged()
        try:
            reply = read_json(data)
            # null is the server's answer to a client that has left.
            answers = () if reply is None else self._by.shape.answers(reply)
        except Exception:  # noqa: BLE001 - whatever the app said, it is not for us to fail at it
            return self._unjudged()
        return judge_answers(self._by, answers, self._verdicts)

    def _unjudged(self) -> bool:
        """A reply in a form that nobody expected."""
        count_unjudged(self._by.rule.judge)
        self._verdicts.unjudged()
        log.warning("vllm output passed no judge: its form is not known")
        return not raises(self._by.rule.judge)

    async def _finish(self, start: Message, passes: bool) -> None:
        if passes or not (self._retry or self._by.rule.enforces):
            self._next = self._send
            await self._send(_with_headers(start, self._verdicts.headers()))
            for message in self._held:
                await self._send(message)
            return
        self._next = drop
        if self._retry:
            self.again = "retry"
        else:
            failure = invalid_answer(self._verdicts.invalid)
            failure = failure.with_headers(self._verdicts.headers())
            await send_failure(self._send, self._by.shape, failure)


def _with_headers(start: Message, headers: Headers) -> Message:
    return {**start, "headers": [*(start.get("headers") or ()), *headers]}
