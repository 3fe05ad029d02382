"""A request whose answers are judged: the app's reply, or its second one, before it goes out."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Final, Literal

from llm_integrations.core.observability import get_logger
from llm_integrations.serving.asgi.body import RequestBody
from llm_integrations.serving.asgi.replies import failure_messages, with_headers
from llm_integrations.serving.asgi.rewrite import changed, without_encodings
from llm_integrations.serving.asgi.stream import EnforcedStream, JudgedStream, WatchedStream
from llm_integrations.serving.asgi.types import ASGIApp, Message, Scope, Send, drop
from llm_integrations.serving.judging.constrain import schema_name
from llm_integrations.serving.judging.failure import invalid_answer
from llm_integrations.serving.judging.jsontext import read_json
from llm_integrations.serving.judging.judging import judge_answers
from llm_integrations.serving.judging.verdicts import Verdicts
from llm_integrations.serving.rules.plan import Answers
from llm_integrations.serving.rules.resolve import count_unjudged, raises
from llm_integrations.serving.runtime.runtime import Runtime
from llm_integrations.serving.shapes.base import as_dict

__all__ = ["Exchange"]

log = get_logger(__name__)

_OK: Final = range(200, 300)
_REFUSALS: Final = (400, 422, 500)
_NOTHING: Final[Mapping[str, Any]] = {}

Again = Literal["", "retry", "unconstrained", "compressed"]
"""Why the app has to be called once more: the answer was invalid, our constraint may have been
refused, or the reply is compressed and cannot be read."""


class Exchange:
    """Calls the app, and takes the place of ``send`` meanwhile. One per request.

    Args:
        scope: as the server made it.
        send: the server's ``send``.
        body: of the request; it knows whether the client has left, and then nothing is judged.
        request: what the body says.
        fields: top-level fields of the request that are set to something else.
        verdicts: where the verdicts go.
        by: what answers are judged by.
        runtime: what the configuration became.
    """

    # Of the call of the app that is under way:
    _again: Again = ""
    _status = 0
    _asked_plain = False
    _readable = False
    _start: Message | None = None
    _next: Send | None = None

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
        self._scope = scope
        self._send = send
        self._body = body
        self._request = request
        self._fields = fields
        self._verdicts = verdicts
        self._by = by
        self._runtime = runtime
        side = by.rule.config
        self._may_retry = side.retries > 0
        self._constraint = self._constraining() if side.constrain else _NOTHING
        self._held: list[Message] = []

    async def answer(self, app: ASGIApp) -> None:
        """Call the app, and again for another answer, or without what its reply suffers from."""
        await app(self._for_app(), self._body.receive, self)
        refused = False
        while self._again and not self._body.disconnected:
            refused = refused or self._again == "unconstrained"
            await self._call_again(app)
        if refused and self._status == 200 and self._by.content is not None:
            # It was the constraint that the server did not take, not the request.
            self._runtime.constrainer.refuse(self._by.content)

    async def _call_again(self, app: ASGIApp) -> None:
        why, self._again = self._again, ""
        match why:
            case "retry":
                self._may_retry = False
            case "unconstrained":
                self._constraint = _NOTHING
            case "compressed":
                self._runtime.compresses = True
        self._verdicts.forget_answers()
        self._body.rewind()
        self._next, self._held = None, []
        await app(self._for_app(), self._body.receive, self)

    def _for_app(self) -> Scope:
        scope = self._scope
        if self._fields or self._constraint:
            fields = {**self._fields, **self._constraint}
            scope = changed(scope, self._body, self._request, fields)
        if self._runtime.compresses:
            self._asked_plain = True
            return without_encodings(scope)
        return scope

    def _constraining(self) -> Mapping[str, Any]:
        """The fields that constrain decoding; none where the client does so itself."""
        by, request = self._by, as_dict(self._request)
        if by.content is None or by.shape.is_constrained(request):
            return _NOTHING
        schema = self._runtime.constrainer.schema(by.content)
        if schema is None:
            return _NOTHING
        name = schema_name(by.content.reference)
        return by.shape.constraint(request, name, schema) or _NOTHING

    def __call__(self, message: Message) -> Awaitable[None]:
        # Not a coroutine of its own: a stream passes here with every chunk.
        return self._begin(message) if self._next is None else self._next(message)

    async def _begin(self, message: Message) -> None:
        if message["type"] != "http.response.start":
            await self._send(message)
            return
        self._start = message
        self._status = message["status"]
        if self._status in _OK:
            begun = self._begin_ok(message)
            if begun is not None:
                await self._send(begun)
        elif self._status in _REFUSALS and self._constraint:
            self._ask_again("unconstrained")
        else:
            self._next = self._send
            await self._send(message)

    def _begin_ok(self, start: Message) -> Message | None:
        """Decide how the reply is judged; a stream begins to go out at once."""
        headers = dict(start.get("headers") or ())
        content_type = headers.get(b"content-type", b"").lower()
        self._next = self._hold
        if headers.get(b"content-encoding", b"identity") != b"identity":
            if not self._asked_plain:
                self._ask_again("compressed")
        elif content_type.startswith(b"text/event-stream"):
            self._next = self._stream()
            # The verdict comes after the headers; they can only say what it will be by.
            return with_headers(start, [(b"x-schema", self._by.header())])
        else:
            self._readable = b"json" in content_type
        return None

    def _stream(self) -> JudgedStream:
        kind = EnforcedStream if self._by.rule.enforces else WatchedStream
        limit = self._runtime.config.max_event_bytes
        return kind(self._send, self._by, self._verdicts, self._body, limit)

    async def _hold(self, message: Message) -> None:
        """Hold a reply back until it is whole and judged."""
        self._held.append(message)
        if not self._readable or message["type"] != "http.response.body":
            passes = self._unjudged()
        elif message.get("more_body", False):
            return
        else:
            passes = self._judge()
        for ready in self._finish(passes=passes):
            await self._send(ready)

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

    def _finish(self, *, passes: bool) -> Sequence[Message]:
        """What goes out now that there is a verdict."""
        if passes or not (self._may_retry or self._by.rule.enforces):
            self._next = self._send
            return (with_headers(self._start or {}, self._verdicts.headers()), *self._held)
        if self._may_retry:
            self._ask_again("retry")
            return ()
        self._next = drop
        failure = invalid_answer(self._verdicts.invalid).with_headers(self._verdicts.headers())
        return failure_messages(self._by.shape, failure)

    def _ask_again(self, why: Again) -> None:
        self._again = why
        self._next = drop
