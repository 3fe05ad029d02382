"""A stream, judged while it passes: each choice at its end."""

from __future__ import annotations

from abc import ABC, abstractmethod

from llm_integrations.core.observability import get_logger
from llm_integrations.serving.asgi.body import RequestBody
from llm_integrations.serving.asgi.types import Message, Send, drop
from llm_integrations.serving.judging.judging import judge_answers
from llm_integrations.serving.judging.verdicts import Verdicts
from llm_integrations.serving.rules.plan import Answers
from llm_integrations.serving.rules.resolve import count_unjudged
from llm_integrations.serving.shapes.failure import invalid_answer
from llm_integrations.serving.shapes.sse import Event, EventParser, EventTooLarge

__all__ = ["EnforcedStream", "JudgedStream", "WatchedStream"]

log = get_logger(__name__)


class JudgedStream(ABC):
    """Takes the place of ``send`` once a stream has begun."""

    def __init__(
        self, send: Send, by: Answers, verdicts: Verdicts, body: RequestBody, limit: int
    ) -> None:
        self._send = send
        self._request = body
        self._by = by
        self._verdicts = verdicts
        self._parser = EventParser(limit)
        self._collector = by.shape.collector()
        self._gave_up = False

    @abstractmethod
    async def __call__(self, message: Message) -> None: ...

    def _judge(self, event: Event) -> bool:
        """Whether it may go out, as far as judging goes."""
        try:
            answers = self._collector.take(event)
        except Exception:  # noqa: BLE001 - whatever the app said, it is not for us to fail at it
            answers = ()
        # A server ends the choices of a client that has left; they are no answers.
        if not answers or self._request.disconnected:
            return True
        return judge_answers(self._by, answers, self._verdicts)

    def _give_up(self) -> None:
        self._gave_up = True
        count_unjudged(self._by.rule.judge)
        log.warning("%s output passed no judge: its stream is too long", self._by.rule.judge.module)


class WatchedStream(JudgedStream):
    """``warn``: everything passes at once and as it is, and is read afterwards."""

    async def __call__(self, message: Message) -> None:
        await self._send(message)
        if self._gave_up or message["type"] != "http.response.body":
            return
        try:
            events = self._parser.feed(message.get("body", b""))
        except EventTooLarge:
            self._give_up()
            return
        if not message.get("more_body", False):
            events += self._parser.finish()
        for event in events:
            self._judge(event)


class EnforcedStream(JudgedStream):
    """``enforce``: the end of an invalid choice is held back, and the stream ends with an error.

    The other choices, and all that came before, pass at once. Half an event waits for its other
    half, since it may be the one to hold back; no client can use it earlier.
    """

    _withheld = False
    _over = False

    async def __call__(self, message: Message) -> None:
        if self._gave_up or message["type"] != "http.response.body":
            await self._send(message)
            return
        more = message.get("more_body", False)
        try:
            events = self._parser.feed(message.get("body", b""))
        except EventTooLarge:
            await self._cut_off()
            return
        if not more:
            events += self._parser.finish()
        passed = b"".join(map(self._pass, events))
        if not more and not self._over:
            passed += self._ending()
        if passed or not more:
            await self._send({**message, "body": passed})

    def _pass(self, event: Event) -> bytes:
        """What goes out for an event."""
        if self._over:
            return b""
        passes = self._judge(event)
        self._withheld = self._withheld or not passes
        if self._collector.ended:
            return self._ending() or event.raw
        return event.raw if passes else b""

    def _ending(self) -> bytes:
        if not self._withheld:
            return b""
        self._over = True
        return self._by.shape.stream_error(invalid_answer(self._verdicts.invalid))

    async def _cut_off(self) -> None:
        """An event that cannot be held in memory cannot be judged either."""
        self._give_up()
        error = self._by.shape.stream_error(invalid_answer(None))
        await self._send({"type": "http.response.body", "body": error, "more_body": False})
        self._send = drop
