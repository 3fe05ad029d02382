"""A request whose answers are judged: the app's reply, or its second one, before it goes out."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal

from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.observability import UNKNOWN_SUBJECT
from llm_integrations.serving.asgi.body import RequestBody
from llm_integrations.serving.asgi.replies import (
    failure_messages,
    kept_headers,
    with_headers,
    without_encoding,
)
from llm_integrations.serving.asgi.rewrite import changed, without_encodings
from llm_integrations.serving.asgi.streams.decoding import Decoder, decoder_for
from llm_integrations.serving.asgi.streams.held import HeldStream
from llm_integrations.serving.asgi.streams.judged import EnforcedStream, JudgedStream, WatchedStream
from llm_integrations.serving.asgi.types import ASGIApp, Message, Scope, Send, drop
from llm_integrations.serving.judging.judging import judge_answer
from llm_integrations.serving.judging.reask import complaint, count_dropped, joined_usage
from llm_integrations.serving.judging.replies import judge_reply
from llm_integrations.serving.judging.verdicts import Verdicts, schema_header
from llm_integrations.serving.rules.client_schemas import CLIENT
from llm_integrations.serving.rules.plan import Answers
from llm_integrations.serving.rules.resolve import pass_unjudged, raises
from llm_integrations.serving.runtime.request_log import REPLY_ID
from llm_integrations.serving.runtime.runtime import Runtime
from llm_integrations.serving.shapes.base import prefilled
from llm_integrations.serving.shapes.failure import Failure, answer_too_large, invalid_answer
from llm_integrations.serving.shapes.jsontext import as_dict, read_json

__all__ = ["ResponseHandler"]

_OK: Final = range(200, 300)
_REFUSALS: Final = (400, 422, 500)
_PLAIN: Final = (b"", b"identity")
_NOTHING: Final[Mapping[str, Any]] = {}

Again = Literal["", "retry", "untold", "unconstrained", "compressed"]
"""Why the app has to be called once more: the answer was invalid, what we told the model of that or
our constraint may have been refused, or the reply is compressed and cannot be read."""


class ResponseHandler:
    """Calls the app, and takes the place of ``send`` meanwhile. One per request.

    Attributes:
        scope: as the server made it.
        send: the server's ``send``.
        body: of the request; it knows whether the client has left, and then nothing is judged.
        asked_plain: whether the app was asked for a reply that is not compressed.
        request: what the body says; None where a stored answer is read again.
        fields: top-level fields of the request that are set to something else.
        verdicts: where the verdicts go.
        by: what answers are judged by.
        runtime: what the configuration became.
    """

    # Of the call of the app that is under way:
    asked_plain = False
    _again: Again = ""
    _status = 0
    _readable = False
    _decoder: Decoder | None = None
    _next: Send | None = None
    _size = 0

    def __init__(
        self,
        scope: Scope,
        send: Send,
        body: RequestBody,
        request: Any,
        fields: Mapping[str, Any],
        verdicts: Verdicts,
        by: Answers,
        runtime: Runtime,
    ) -> None:
        self.scope = scope
        self.send = send
        self.body = body
        self.request = request
        self.fields = fields
        self.verdicts = verdicts
        self.by = by
        self.runtime = runtime
        side = by.rule.config
        is_object = by.content is not None and isinstance(request, dict)
        self._prefills = by.shape.prefills(request) if is_object else ()
        self._may_retry = side.retries > 0 and request is not None
        self._told: Mapping[str, Any] = _NOTHING
        self._dropped: Any = None
        self._reply: Any = None
        self._changed: Any = None
        self._constraint = self._constraining() if side.constrain else _NOTHING
        self._held: list[Message] = []
        self._start: Message = {}

    async def answer(self, app: ASGIApp) -> None:
        """Call the app, and again for another answer, or without what its reply suffers from."""
        is_as_it_came = not (self.fields or self._constraint or self.runtime.compresses)
        scope = self.scope if is_as_it_came else self._for_app()
        await app(scope, self.body.receive, self)
        failed = 0
        while self._again and not self.body.disconnected:
            if self._again == "unconstrained":
                failed = self._status
            await self._call_again(app)
        constrainer = self.runtime.constrainer
        if constrainer and self.by.content and self._status == 200:
            if failed:
                # It was the constraint that the server did not take, not the request.
                constrainer.failed(self.by.content, failed)
            elif self._constraint:
                constrainer.took(self.by.content)

    async def _call_again(self, app: ASGIApp) -> None:
        why, self._again = self._again, ""
        match why:
            case "retry":
                self._may_retry = False
                self._told = self._complaint()
            case "untold":
                self._told = _NOTHING
            case "unconstrained":
                self._constraint = _NOTHING
            case "compressed":
                self.runtime.compresses = True
        self.verdicts.forget_answers()
        self.body.rewind()
        self._next, self._held, self._size = None, [], 0
        self._reply = self._changed = None
        await app(self._for_app(), self.body.receive, self)

    def _for_app(self) -> Scope:
        scope = self.scope
        if self.fields or self._constraint or self._told:
            fields = {**self.fields, **self._constraint, **self._told}
            scope = changed(scope, self.body, self.request, fields)
        if self.runtime.compresses:
            self.asked_plain = True
            return without_encodings(scope)
        return scope

    def _constraining(self) -> Mapping[str, Any]:
        """The fields that constrain decoding; none where the client does so itself."""
        by, constrainer = self.by, self.runtime.constrainer
        if by.content is None or constrainer is None or self.request is None:
            return _NOTHING
        if self._prefills or as_dict(self.request).get("echo"):
            return _NOTHING  # a grammar begins anew, where the answer has begun
        return constrainer.fields(by.shape.name, as_dict(self.request), by.content)

    def _complaint(self) -> Mapping[str, Any]:
        """The fields that tell the model what was wrong; none where it is to go on with a text."""
        invalid, request = self.verdicts.answer, as_dict(self.request)
        if invalid is None or self._prefills or not request:
            return _NOTHING
        return self.by.shape.with_message(request, complaint(invalid)) or _NOTHING

    def __call__(self, message: Message) -> Awaitable[None]:
        # Not a coroutine of its own: a stream passes here with every chunk.
        return self._begin(message) if self._next is None else self._next(message)

    async def _begin(self, message: Message) -> None:
        if message["type"] != "http.response.start":
            await self.send(message)
            return
        self._start = message
        self._status = message["status"]
        if self._status in _OK:
            begun = self._begin_ok(message)
            if begun is not None:
                await self.send(begun)
        elif self._status in _REFUSALS and self._constraint:
            self._ask_again("unconstrained")
        elif self._status in _REFUSALS[:2] and self._told:
            self._ask_again("untold")
        else:
            self._next = self.send
            await self.send(message)

    def _begin_ok(self, start: Message) -> Message | None:
        """Decide how the reply is judged; a stream begins to go out at once."""
        given = start.get("headers") or ()
        headers = dict(given)
        if b"content-type" not in headers:  # some apps write names in capitals
            headers = {name.lower(): value for name, value in given}
        if b"x-request-id" in headers:
            self.scope[REPLY_ID] = headers[b"x-request-id"]
        self._next = self._hold
        self._decoder = None
        content_type = headers.get(b"content-type", b"")
        if content_type == b"application/json" and b"content-encoding" not in headers:
            self._readable = True
            return None
        content_type = content_type.strip().lower()
        encoding = headers.get(b"content-encoding", b"").strip().lower()
        if encoding not in _PLAIN:
            if not self.asked_plain:
                self._ask_again("compressed")
                return None
            self._decoder = decoder_for(encoding)
            if self._decoder is None:
                return None
        if content_type.startswith(b"text/event-stream"):
            self._next = self._stream(start)
            if isinstance(self._next, HeldStream):
                return None
            if self._decoder is not None and self.by.rule.enforces:
                start = without_encoding(start)
            # The verdict comes after the headers; they can only say what it will be by.
            return with_headers(start, [(b"x-schema", schema_header(*self.by.references()))])
        self._readable = b"json" in content_type
        return None

    def _stream(self, start: Message) -> JudgedStream:
        kind: Callable[..., JudgedStream] = WatchedStream
        if self.by.rule.enforces:
            holds = self.by.rule.config.stream == "hold"
            kind = partial(HeldStream, start) if holds else EnforcedStream
        return kind(
            self.send,
            self.by,
            self.verdicts,
            self.body,
            self.runtime,
            self._prefills,
            self._decoder,
        )

    async def _hold(self, message: Message) -> None:
        """Hold a reply back until it is whole and judged, or too large to be."""
        self._held.append(message)
        self._size += len(message.get("body", b""))
        limit = self.runtime.config.max_answer
        failure = None
        if self._size > limit:
            passes = self._unjudged("it is larger than max_answer")
            failure = answer_too_large(limit)
        elif not self._readable or message["type"] != "http.response.body":
            passes = self._unjudged("its form is not known")
        elif message.get("more_body", False):
            return
        else:
            passes = self._judge()
        for ready in self._finish(failure, passes=passes):
            await self.send(ready)

    def _judge(self) -> bool:
        """Whether the reply that is held may go out."""
        if self.body.disconnected:
            return True
        held = self._held
        data = held[0].get("body", b"")
        if len(held) > 1:
            data = b"".join(message.get("body", b"") for message in held)
        try:
            if self._decoder is not None:
                data = self._decoder.whole(data, self.runtime.config.max_answer)
            reply = read_json(data)
            self._reply = reply
            answers = self.by.shape.answers(reply)
        except Exception:  # noqa: BLE001 - whatever the app said, it is not for us to fail at it
            answers = ()
        if answers:
            if self._prefills:
                answers = prefilled(answers, self._prefills)
            if len(answers) > 1 or self.by.checks:
                passes, self._changed = judge_reply(self.by, self._reply, answers, self.verdicts)
                return passes
            return judge_answer(self.by, answers[0], self.verdicts)
        # Some servers say null to a client that left before they knew of it.
        return data == b"null" or self._unjudged("its form is not known")

    def _unjudged(self, why: str) -> bool:
        """A reply that nobody can judge, and whether it may go out."""
        pass_unjudged(self.by.rule.judge, why)
        self.verdicts.unjudged()
        return not raises(self.by.rule.judge)

    def _finish(self, failure: Failure | None, *, passes: bool) -> Sequence[Message]:
        """What goes out now that there is a verdict."""
        held, self._held = self._held, []
        if passes or not (self._may_retry or self.by.rule.enforces):
            self._next = self.send
            start = with_headers(self._start, self.verdicts.headers())
            if self._dropped is None and self._changed is None:
                return (start, *held)
            return self._written_anew(start, held)
        self._drop()
        if self._may_retry and failure is None:
            self._ask_again("retry")
            return ()
        self._next = drop
        failure = failure or invalid_answer(self.verdicts.invalid)
        failure = failure.with_headers([*self.verdicts.headers(), *kept_headers(self._start)])
        return failure_messages(self.by.shape.error, failure)

    def _drop(self) -> None:
        """The reply's tokens were paid for in vain."""
        report = self.verdicts.invalid
        named = None if report is None else report.schema
        subject = UNKNOWN_SUBJECT
        if named and named != CLIENT:
            subject = SchemaRef.parse(named).subject
        usage = as_dict(self._reply).get("usage")
        count_dropped(self.by.rule.judge.module, subject, usage)
        self._dropped = joined_usage(self._dropped, usage)

    def _written_anew(self, start: Message, held: Sequence[Message]) -> Sequence[Message]:
        """The reply without dropped choices, and with the tokens of the answer before it."""
        reply = self._reply if self._changed is None else self._changed
        if not isinstance(reply, dict):
            return (start, *held)
        usage = joined_usage(self._dropped, reply.get("usage"))
        body = json.dumps({**reply, "usage": usage} if usage else reply).encode()
        length = (b"content-length", str(len(body)).encode())
        return (
            with_headers(without_encoding(start), [length]),
            {"type": "http.response.body", "body": body},
        )

    def _ask_again(self, why: Again) -> None:
        self._again = why
        self._next = drop
