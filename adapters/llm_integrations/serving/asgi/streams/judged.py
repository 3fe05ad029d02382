"""A stream, judged while it passes: each choice at its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from llm_integrations.serving.asgi.body import RequestBody
from llm_integrations.serving.asgi.streams.decoding import Decoder, Undecodable
from llm_integrations.serving.asgi.types import Message, Send, drop
from llm_integrations.serving.judging.judging import judge_answers
from llm_integrations.serving.judging.pieces import Part, judge_parts, parts_of
from llm_integrations.serving.judging.verdicts import Verdicts
from llm_integrations.serving.rules.checks import REQUIRED, Field
from llm_integrations.serving.rules.plan import Answers
from llm_integrations.serving.rules.resolve import pass_unjudged
from llm_integrations.serving.runtime.runtime import Runtime
from llm_integrations.serving.shapes import Answer
from llm_integrations.serving.shapes.base import prefilled
from llm_integrations.serving.shapes.failure import Failure, answer_too_large, invalid_answer
from llm_integrations.serving.shapes.jsontext import read_fields
from llm_integrations.serving.shapes.sse import NO_DATA, Event, EventParser, EventTooLarge

__all__ = ["EnforcedStream", "JudgedStream", "WatchedStream"]


class JudgedStream(ABC):
    """Takes the place of ``send`` once a stream has begun."""

    _gave_up = False
    _has_answered = False
    _has_declined = False

    def __init__(
        self,
        send: Send,
        by: Answers,
        verdicts: Verdicts,
        body: RequestBody,
        runtime: Runtime,
        prefills: Sequence[str],
        decoder: Decoder | None = None,
    ) -> None:
        self._decoder = decoder
        self._prefills = prefills
        self._send = send
        self._request = body
        self._by = by
        self._verdicts = verdicts
        self._limit = runtime.config.max_answer
        self._max_event = runtime.config.max_event
        self._parser = EventParser(self._max_event)
        self._collector = by.shape.collector(texts=by.content is not None)
        self._found: set[Field] = set()

    @abstractmethod
    async def __call__(self, message: Message) -> None: ...

    def _read(self, message: Message) -> Sequence[Event]:
        """The events that are complete with a message, at its end the last one too.

        Raises:
            EventTooLarge: more is held than may be.
            Undecodable: it is compressed, and nobody can read it.
        """
        data, decoder = message.get("body", b""), self._decoder
        if decoder is not None:
            data = decoder.feed(data, self._max_event)
        events = self._parser.feed(data)
        if message.get("more_body", False):
            return events
        if decoder is not None and not decoder.is_done:
            raise Undecodable
        return [*events, *self._parser.finish()]

    def _judge(self, answers: Sequence[Answer]) -> bool:
        """Whether they may go out."""
        # A server ends the choices of a client that has left; they are no answers.
        return self._request.disconnected or judge_answers(self._by, answers, self._verdicts)

    def _answers(self, event: Event) -> Sequence[Answer]:
        """The answers that are complete with an event. Raises EventTooLarge."""
        collector = self._collector
        try:
            answers = collector.take(event)
        except Exception:  # noqa: BLE001 - whatever the app said, it is not for us to fail at it
            answers = ()
        if collector.kept > self._limit:
            raise EventTooLarge
        if not answers:
            return ()
        self._has_answered = True
        if self._by.checks and any(answer.declined for answer in answers):
            self._has_declined = True
        return prefilled(answers, self._prefills) if self._prefills else answers

    def _parts(self, event: Event) -> Sequence[Part]:
        """What the rule's checks find in an event; a value comes whole in one."""
        by = self._by
        if not by.checks or event.data in NO_DATA:
            return ()
        body = by.shape.like_a_reply(read_fields(event.data))
        found = () if body is None else parts_of(by, body)
        parts = [part for part in found if part.piece.problem != REQUIRED]
        self._found.update(part.check for part in parts)
        return parts

    def _judge_parts(self, parts: Sequence[Part]) -> bool:
        return self._request.disconnected or judge_parts(self._by, parts, self._verdicts)

    def _has_all_parts(self) -> bool:
        """At the end: whether everything came that is required. What did not is invalid."""
        missing = [
            Part(check, validator, check.nowhere(), None)
            for check, validator in self._by.checks
            if check.required and check not in self._found
        ]
        return self._has_declined or self._judge_parts(missing)

    def _is_whole(self) -> bool:
        """At the end: whether everything was judged. What was not is counted."""
        if self._request.disconnected or self._collector.failed:
            return True
        if self._has_answered and not self._collector.is_unfinished():
            return not self._by.checks or self._has_all_parts()
        pass_unjudged(self._by.rule.judge, "its stream has no end, or is not known")
        return False

    def _give_up(self) -> None:
        self._gave_up = True
        self._parser.rest()
        self._collector = self._by.shape.collector()
        pass_unjudged(self._by.rule.judge, "its stream is too long, or passes by itself")


class WatchedStream(JudgedStream):
    """``warn``: everything passes at once and as it is, and is read afterwards."""

    async def __call__(self, message: Message) -> None:
        await self._send(message)
        if self._gave_up or message["type"] != "http.response.body":
            return
        try:
            for event in self._read(message):
                if answers := self._answers(event):
                    self._judge(answers)
                if parts := self._parts(event):
                    self._judge_parts(parts)
            if not message.get("more_body", False):
                self._is_whole()
        except (EventTooLarge, Undecodable):
            self._give_up()


class EnforcedStream(JudgedStream):
    """``enforce``: the end of an invalid choice is held back, and the stream ends with an error.

    The other choices, and all that came before, pass at once. Half an event waits for its other
    half, since it may be the one to hold back; no client can use it earlier. An answer that comes
    to no end is as an invalid one.
    """

    _withheld = False
    _over = False

    async def __call__(self, message: Message) -> None:
        if self._gave_up or message["type"] == "http.response.trailers":
            await self._send(message)
            return
        if message["type"] != "http.response.body":  # as a file by its path
            await self._cut_off()
            return
        more = message.get("more_body", False)
        try:
            passed = b"".join(map(self._pass, self._read(message)))
        except (EventTooLarge, Undecodable):
            await self._cut_off()
            return
        if not more and not self._over:
            passed += self._ending()
        if passed or not more:
            await self._send({**message, "body": passed})

    def _pass(self, event: Event) -> bytes:
        """What goes out for an event."""
        if self._over:
            return b""
        answers = self._answers(event)
        passes = (not answers or self._judge(answers)) and not self._collector.reopened
        if parts := self._parts(event):
            passes = self._judge_parts(parts) and passes
        self._withheld = self._withheld or not passes
        if self._collector.ended:
            return self._ending() or event.raw
        return event.raw if passes else b""

    def _ending(self) -> bytes:
        self._withheld = not self._is_whole() or self._withheld  # what was not judged is counted
        return self._error(invalid_answer(self._verdicts.invalid)) if self._withheld else b""

    def _error(self, failure: Failure) -> bytes:
        self._over = True
        return self._by.shape.stream_error(failure)

    async def _cut_off(self) -> None:
        """What cannot be held in memory cannot be judged either."""
        self._give_up()
        error = self._error(answer_too_large(self._limit))
        await self._send({"type": "http.response.body", "body": error, "more_body": False})
        self._send = drop
