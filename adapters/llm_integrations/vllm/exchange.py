"""One request on a path that has rules, from its body to its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llm_integrations.vllm.asgi import ASGIApp, Receive, Scope, Send
from llm_integrations.vllm.auth import Gate
from llm_integrations.vllm.body import BodyTooLarge, RequestBody
from llm_integrations.vllm.constrain import schema_name
from llm_integrations.vllm.failure import Failure, too_large
from llm_integrations.vllm.jsontext import read_json
from llm_integrations.vllm.judging import judge_request
from llm_integrations.vllm.plan import Answers, Plan
from llm_integrations.vllm.refused import Refused
from llm_integrations.vllm.responder import HeaderSend, Responder, failure_messages
from llm_integrations.vllm.rewrite import with_fields, with_length
from llm_integrations.vllm.rules import Rule
from llm_integrations.vllm.runtime import Runtime
from llm_integrations.vllm.shapes import Shape
from llm_integrations.vllm.shapes.base import as_dict
from llm_integrations.vllm.tools import fill_tools
from llm_integrations.vllm.verdicts import Verdicts

__all__ = ["Exchange"]

_UNREADABLE: Final = object()
_JSON: Final = b"application/json"


class Exchange:
    """Judges a request and its answer. One per request.

    Args:
        runtime: what the configuration became.
        gate: whether the server would let the request in.
        app: the next app, called with the request as it came unless a rule changes it.
    """

    __slots__ = ("_app", "_gate", "_headers", "_receive", "_runtime", "_scope", "_send")

    def __init__(
        self,
        runtime: Runtime,
        gate: Gate,
        app: ASGIApp,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        self._runtime = runtime
        self._gate = gate
        self._app = app
        self._scope = scope
        self._receive = receive
        self._send = send
        self._headers: Mapping[bytes, bytes] = dict(scope["headers"])

    async def run(self, rules: Sequence[Rule]) -> None:
        # Bodies of another type are for the server to refuse.
        if not (self._headers.get(b"content-type", _JSON) == _JSON or self._may_be_json()):
            await self._app(self._scope, self._receive, self._send)
            return
        if not (self._gate.open or await self._gate.admits(self._scope, self._headers)):
            await self._app(self._scope, self._receive, self._send)
            return
        body = RequestBody(self._receive, await self._receive())
        if not body.complete or len(body.data) > self._runtime.config.max_body_bytes:
            try:
                await self._read_on(body)
            except BodyTooLarge:
                limit = self._runtime.config.max_body_bytes
                await self._fail(rules[0].shape, too_large(limit))
                return
        request = _parsed(body)
        rule = None if request is _UNREADABLE else self._runtime.rules.match(rules, request)
        if rule is None:
            await self._app(self._scope, body.receive, self._send)
            return
        verdicts = Verdicts(rule.name)
        fields: dict[str, Any] = {}
        try:
            plan = rule.plans.ready() or await self._plan(rule, request, fields)
            if plan.unjudged:
                verdicts.unjudged()
            if rule.input is not None:
                judge_request(rule.input, rule.shape, plan, request, verdicts)
        except Refused as refused:
            await self._fail(rule.shape, refused.failure)
            return
        if plan.answers is not None:
            await self._answered(plan.answers, body, request, fields, verdicts)
            return
        scope = self._change(body, request, fields) if fields else self._scope
        await self._app(scope, body.receive, HeaderSend(self._send, verdicts))

    def _may_be_json(self) -> bool:
        if self._runtime.config.content_types == "any":
            return True
        return b"json" in self._headers.get(b"content-type", b"").lower()

    async def _read_on(self, body: RequestBody) -> None:
        limit = self._runtime.config.max_body_bytes
        announced = self._headers.get(b"content-length", b"")
        if body.complete or (announced.isdigit() and int(announced) > limit):
            raise BodyTooLarge
        await body.read_on(limit)

    async def _fail(self, shape: Shape, failure: Failure) -> None:
        for message in failure_messages(shape, failure):
            await self._send(message)

    async def _plan(self, rule: Rule, request: Any, fields: dict[str, Any]) -> Plan:
        """The schemas for this request. Tools that get theirs filled in are put into ``fields``."""
        references: Mapping[str, str] = {}
        if rule.fillable is not None:
            filled = await fill_tools(rule, request, self._runtime.registry)
            if filled is not None:
                fields["tools"] = filled.tools
                references = filled.references
        return await rule.plans.make(self._headers, request, references)

    async def _answered(
        self,
        by: Answers,
        body: RequestBody,
        request: Any,
        fields: Mapping[str, Any],
        verdicts: Verdicts,
    ) -> None:
        """Call the app, and again for another answer, or without what its reply suffers from."""
        constraint = self._constraint(by, as_dict(request)) if by.rule.config.constrain else {}
        retries = by.rule.config.retries
        refused = False
        while True:
            scope = self._scope
            if fields or constraint:
                scope = self._change(body, request, {**fields, **constraint})
            if self._runtime.compresses:
                scope = _without_encodings(scope)
            responder = Responder(
                self._send,
                by,
                verdicts,
                body,
                max_event_bytes=self._runtime.config.max_event_bytes,
                retry=retries > 0,
                constrained=bool(constraint),
                compressible=not self._runtime.compresses,
            )
            await self._app(scope, body.receive, responder)
            if not responder.again or body.disconnected:
                break
            verdicts.forget_answers()
            body.rewind()
            match responder.again:
                case "retry":
                    retries = 0
                case "unconstrained":
                    constraint, refused = {}, True
                case "compressed":
                    self._runtime.compresses = True
        if refused and responder.status == 200 and by.content is not None:
            # It was the constraint that the server did not take, not the request.
            self._runtime.constrainer.refuse(by.content)

    def _constraint(self, by: Answers, request: Mapping[str, Any]) -> Mapping[str, Any]:
        if by.content is None or by.shape.is_constrained(request):
            return {}
        schema = self._runtime.constrainer.schema(by.content)
        if schema is None:
            return {}
        name = schema_name(by.content.reference)
        return by.shape.constraint(request, name, schema) or {}

    def _change(self, body: RequestBody, request: Any, fields: Mapping[str, Any]) -> Scope:
        """Give the app a request with these fields set; the scope that goes with it."""
        data = with_fields(body.data, request, fields)
        body.rewind(data)
        return {**self._scope, "headers": with_length(self._scope["headers"], len(data))}


def _parsed(body: RequestBody) -> Any:
    """The body as the server itself would read it; what it cannot read is for it to refuse."""
    if not body.complete:
        return _UNREADABLE
    try:
        return read_json(body.data)
    except (ValueError, RecursionError):
        return _UNREADABLE


def _without_encodings(scope: Scope) -> Scope:
    """Ask for a reply that is not compressed: it could not be read."""
    kept = [item for item in scope["headers"] if item[0] != b"accept-encoding"]
    return {**scope, "headers": kept}
