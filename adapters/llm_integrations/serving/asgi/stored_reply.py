"""One reply that holds what the server stored: each answer in it is judged before it goes out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from llm_integrations.serving.asgi.body import RequestBody
from llm_integrations.serving.asgi.replies import (
    failure_messages,
    kept_headers,
    with_headers,
    without_encoding,
)
from llm_integrations.serving.asgi.response_handler import ResponseHandler
from llm_integrations.serving.asgi.streams.decoding import decoder_for
from llm_integrations.serving.asgi.types import ASGIApp, Message, Scope, Send, drop
from llm_integrations.serving.judging.judging import judge_answer
from llm_integrations.serving.judging.replies import judge_reply
from llm_integrations.serving.judging.verdicts import Verdicts
from llm_integrations.serving.rules.plan import Answers, Plan, Planner
from llm_integrations.serving.rules.resolve import pass_unjudged, raises
from llm_integrations.serving.rules.rule import OutputRule
from llm_integrations.serving.runtime.runtime import Runtime
from llm_integrations.serving.shapes.failure import (
    Failure,
    Refused,
    answer_too_large,
    invalid_answer,
)
from llm_integrations.serving.shapes.jsontext import as_dict
from llm_integrations.serving.shapes.stored import BATCH, ONE, Listing

__all__ = ["StoredReply"]

_OK: Final = range(200, 300)
_AT_ONCE: Final = 50
"""Answers that are judged before others on the event loop have their turn."""

_LEFT: Final = object()
"""Instead of what is left of a reply: all of it."""


class StoredReply:
    """Takes the place of ``send``. One per request.

    Args:
        planners: of the rules that the answers could be of, in their order.
        listing: how the reply holds them.
    """

    def __init__(
        self,
        scope: Scope,
        send: Send,
        body: RequestBody,
        planners: Sequence[Planner],
        listing: Listing,
        runtime: Runtime,
    ) -> None:
        self._scope = scope
        self._send = send
        self._body = body
        self._planners = planners
        self._listing = listing
        self._runtime = runtime
        self._strictest = _strictest(planners)
        self._plans: dict[int, Plan] = {}
        name = self._strictest.rule.name
        self._verdicts = Verdicts(name)
        if runtime.set_aside is not None:
            self._verdicts.set_aside = runtime.set_aside.of(name, None, 0)
        self._next: Send = self._begin
        self._start: Message = {}
        self._data = bytearray()
        self._may_hold_none = True

    async def answer(self, app: ASGIApp, scope: Scope) -> None:
        """Call the app. Raises Refused, before that, where there is no schema to judge by.

        A file may hold no answers, and then needs none.
        """
        for planner in self._planners if self._listing is not BATCH else ():
            if planner.rule.output is not None:
                await self._answers_by(planner)
        await app(scope, self._body.receive, self)

    async def _answers_by(self, planner: Planner) -> Answers | None:
        """What answers are judged by, whoever asked for them."""
        if id(planner) not in self._plans:
            self._plans[id(planner)] = planner.ready() or await self._plan(planner, None)
        return self._plans[id(planner)].answers

    async def _plan(self, planner: Planner, request: Any) -> Plan:
        return await planner.make(dict(self._scope["headers"]), request)

    async def __call__(self, message: Message) -> None:
        await self._next(message)

    async def _begin(self, message: Message) -> None:
        if message["type"] != "http.response.start":  # as an early hint, before the reply
            await self._send(message)
            return
        self._start = message
        if message["status"] not in _OK:
            self._next = self._send
            await self._send(message)
            return
        self._next = self._hold
        self._may_hold_none = not self._encoding()
        kind = self._header(b"content-type")
        if kind.startswith(b"text/event-stream") and self._listing is ONE:
            await self._stream(message)

    async def _stream(self, start: Message) -> None:
        """Nobody knows yet which model answered, so by the rule that enforces, if there is one."""
        by = await self._answers_by(self._strictest)
        if by is None:
            if self._strictest.names and not self._unjudged("its schema is not known"):
                await self._finish(None)
            else:
                self._next = self._send
                await self._send(start)
            return
        scope, body, send = self._scope, self._body, self._send
        handler = ResponseHandler(scope, send, body, None, {}, self._verdicts, by, self._runtime)
        handler.asked_plain = True
        self._next = handler
        await handler(start)

    def _header(self, name: bytes) -> bytes:
        given = self._start.get("headers") or ()
        found = (value.strip().lower() for key, value in given if key.lower() == name)
        return next(found, b"")

    def _encoding(self) -> bytes:
        return self._header(b"content-encoding").removeprefix(b"identity")

    async def _hold(self, message: Message) -> None:
        limit, chunk = self._runtime.config.max_answer, message.get("body", b"")
        self._data += chunk
        more = message.get("more_body", False)
        if self._holds_none(chunk, more=more):
            await self._pass_on(message)
        elif len(self._data) > limit or message["type"] != "http.response.body":
            is_large = len(self._data) > limit
            why = "it is larger than max_answer" if is_large else "its form is not known"
            if self._unjudged(why):
                await self._pass_on(message)
            else:
                await self._finish(None, answer_too_large(limit) if is_large else None)
        elif not more:
            await self._finish_with(bytes(self._data))

    async def _pass_on(self, message: Message) -> None:
        """What has come so far, and all that comes, as it is."""
        self._next = self._send
        await self._send(with_headers(self._start, self._verdicts.headers()))
        held, self._data = bytes(self._data).removesuffix(message.get("body", b"")), bytearray()
        if held:
            await self._send({"type": "http.response.body", "body": held, "more_body": True})
        await self._send(message)

    def _holds_none(self, chunk: bytes, *, more: bool) -> bool:
        """Whether the reply turns out to hold no answers; one line of it is enough to know."""
        if not self._may_hold_none:
            return False
        is_first = len(chunk) == len(self._data)
        if not (is_first or b"\n" in chunk or not more):
            return False
        self._may_hold_none = b"\n" not in chunk
        return self._listing.holds_none(bytes(self._data))

    async def _judge(self, data: bytes) -> bytes | None:
        """What may go out of the body; None for nothing."""
        try:
            if encoding := self._encoding():
                if (decoder := decoder_for(encoding)) is None:
                    raise ValueError("unknown encoding")
                data = decoder.whole(data, self._runtime.config.max_answer)
                self._start = without_encoding(self._start)
            entries = self._listing.entries(data)
        except Exception:  # noqa: BLE001 - whatever the app said, it is not for us to fail at it
            return data if self._unjudged("its form is not known") else None
        kept: list[Any] = []
        for number, entry in enumerate(entries, 1):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            reply = self._listing.reply_in(entry)
            left = _LEFT if reply is None else await self._judge_entry(reply)
            if left is _LEFT:
                kept.append(entry)
            elif left is None and not self._drops(reply):
                return None
            elif (changed := self._listing.changed(entry, left)) is not None:
                kept.append(changed)
        is_same = len(kept) == len(entries) and all(map(_is, kept, entries))
        return data if is_same else self._listing.written(data, kept)

    async def _judge_entry(self, reply: Any) -> Any:
        """What may go out of an answer: ``_LEFT`` for all of it, None for nothing."""
        planner = self._planner_for(reply)
        side = None if planner is None else planner.rule.output
        if planner is None or side is None:
            return _LEFT
        by, is_known = await self._judged_by(planner, side, reply)
        if by is None:
            passes = is_known or self._unjudged("its schema is not known", planner)
            return _LEFT if passes else None
        passes, left = self._judge_by(by, reply)
        if passes and left is not None:
            return left
        return _LEFT if passes or not side.enforces else None

    def _judge_by(self, by: Answers, reply: Any) -> tuple[bool, Any]:
        verdicts = self._verdicts
        try:
            answers = by.shape.answers(reply)
        except Exception:  # noqa: BLE001 - as above
            answers = ()
        if not answers:
            pass_unjudged(by.rule.judge, "its form is not known")
            verdicts.unjudged()
            return not raises(by.rule.judge), None
        if len(answers) > 1 or by.checks:
            return judge_reply(by, reply, answers, verdicts)
        judge = partial(judge_answer, by, answers[0], verdicts)
        drops = by.rule.drops_choices and self._listing is not ONE
        return (verdicts.dropping(judge) if drops else judge()), None

    async def _judged_by(
        self, planner: Planner, side: OutputRule, reply: Any
    ) -> tuple[Answers | None, bool]:
        """What an answer is judged by, and whether that is what its request was answered by.

        A schema of the client's is known where the server repeats it beside the answer.
        """
        shape, repeated = planner.rule.shape, None
        if side.by_client and shape.repeats_request(as_dict(reply)):
            repeated = {key: reply[key] for key in reply if key != shape.defers}
        if repeated is None:
            return await self._answers_by(planner), not planner.names
        try:
            return (await self._plan(planner, repeated)).answers, True
        except Refused:
            return None, False

    def _planner_for(self, reply: Any) -> Planner | None:
        """Of the rule for the model that the answer names; of one that enforces, where none is.

        What a server calls a model is not always what it was asked for by.
        """
        kind = self._listing.shape_of(reply)
        among = [p for p in self._planners if kind is None or p.rule.shape.name in (kind, "json")]
        name = as_dict(reply).get("model")
        for planner in among:
            rule = planner.rule
            if rule.models is not None and isinstance(name, str) and rule.is_for_model(name):
                return planner
        return _strictest(among) if among else None

    def _drops(self, reply: Any) -> bool:
        planner = self._planner_for(reply)
        side = None if planner is None else planner.rule.output
        return side is not None and side.drops_choices

    def _unjudged(self, why: str, planner: Planner | None = None) -> bool:
        """An answer that nobody can judge, and whether it may go out."""
        side = (planner or self._strictest).rule.output
        if side is None:
            return True
        pass_unjudged(side.judge, why)
        self._verdicts.unjudged()
        return not raises(side.judge)

    async def _finish_with(self, data: bytes) -> None:
        try:
            body, failure = await self._judge(data), None
        except Refused as refused:
            body, failure = None, refused.failure
        await self._finish(body, failure)

    async def _finish(self, body: bytes | None, failure: Failure | None = None) -> None:
        headers = self._verdicts.headers()
        if body is None:
            failure = failure or invalid_answer(self._verdicts.invalid)
            failure = failure.with_headers([*headers, *kept_headers(self._start)])
            write = self._strictest.rule.shape.error
            messages: Sequence[Message] = failure_messages(write, failure)
        else:
            start = with_headers(_sized(self._start, body), headers)
            messages = (start, {"type": "http.response.body", "body": body})
        self._next = drop
        for message in messages:
            await self._send(message)


def _is(one: Any, other: Any) -> bool:
    return one is other


def _sized(start: Message, body: bytes) -> Message:
    kept = [item for item in start.get("headers") or () if item[0].lower() != b"content-length"]
    return {**start, "headers": [*kept, (b"content-length", b"%d" % len(body))]}


def _strictest(planners: Sequence[Planner]) -> Planner:
    """Of the first rule that enforces among those that could be meant."""
    judging = [p for p in planners if p.rule.output is not None]
    enforcing = [p for p in judging if p.rule.output is not None and p.rule.output.enforces]
    return next(iter((*enforcing, *judging, *planners)))
