"""A path that has rules: a request is read and judged before the app sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from llm_integrations.serving.asgi.auth import Gate
from llm_integrations.serving.asgi.body import BodyTooLarge, RequestBody
from llm_integrations.serving.asgi.replies import HeaderSend, failure_messages
from llm_integrations.serving.asgi.response_handler import Exchange
from llm_integrations.serving.asgi.rewrite import changed
from llm_integrations.serving.asgi.types import ASGIApp, Receive, Scope, Send, header
from llm_integrations.serving.judging.failure import Failure, too_large
from llm_integrations.serving.judging.jsontext import read_json
from llm_integrations.serving.judging.judging import judge_request
from llm_integrations.serving.judging.refused import Refused
from llm_integrations.serving.judging.verdicts import Verdicts
from llm_integrations.serving.rules.plan import Plan
from llm_integrations.serving.rules.rules import Rule
from llm_integrations.serving.rules.tools import fill_tools
from llm_integrations.serving.runtime.runtime import Runtime
from llm_integrations.serving.shapes import Shape

__all__ = ["RuledPath"]

_UNREADABLE: Final = object()
_JSON: Final = (b"content-type", b"application/json")


class RuledPath:
    """Judges the requests on a path that has rules, and their answers. One per path.

    Args:
        rules: those of the path; the first that matches a request is its rule.
        runtime: what the configuration became.
        app: the next app, called with the request as it came unless a rule changes it.
        gate: finds out whether the server would let a request in.
    """

    def __init__(
        self, rules: Sequence[Rule], runtime: Runtime, app: ASGIApp, gate: Callable[[], Gate]
    ) -> None:
        self._rules = rules
        self._runtime = runtime
        self._app = app
        self._find_gate = gate
        self._gate: Gate | None = None
        self._limit = runtime.config.max_body_bytes
        self._takes_any_type = runtime.config.content_types == "any"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Bodies of another type are for the server to refuse.
        if scope["method"] != "POST" or not (self._takes_any_type or _is_json(scope)):
            await self._app(scope, receive, send)
            return
        gate = self._gate or self._found_gate()
        if not (gate.open or await gate.admits(scope, dict(scope["headers"]))):
            await self._app(scope, receive, send)
            return
        body = RequestBody(receive, await receive())
        if not body.complete or len(body.data) > self._limit:
            try:
                await self._read_on(scope, body)
            except BodyTooLarge:
                await _fail(send, self._rules[0].shape, too_large(self._limit))
                return
        request = _parsed(body)
        rule = None if request is _UNREADABLE else self._runtime.rules.match(self._rules, request)
        if rule is None:
            await self._app(scope, body.receive, send)
            return
        await self._judged(rule, scope, send, body, request)

    async def _judged(
        self, rule: Rule, scope: Scope, send: Send, body: RequestBody, request: Any
    ) -> None:
        verdicts = Verdicts(rule.name)
        fields: dict[str, Any] = {}
        try:
            plan = rule.plans.ready() or await self._plan(rule, scope, request, fields)
            if plan.unjudged:
                verdicts.unjudged()
            if rule.input is not None:
                judge_request(rule.input, rule.shape, plan, request, verdicts)
        except Refused as refused:
            await _fail(send, rule.shape, refused.failure)
            return
        if plan.answers is None:
            scope = changed(scope, body, request, fields) if fields else scope
            await self._app(scope, body.receive, HeaderSend(send, verdicts))
            return
        runtime = self._runtime
        exchange = Exchange(scope, send, body, request, fields, verdicts, plan.answers, runtime)
        await exchange.answer(self._app)

    def _found_gate(self) -> Gate:
        self._gate = self._find_gate()
        return self._gate

    async def _read_on(self, scope: Scope, body: RequestBody) -> None:
        announced = header(scope, b"content-length")
        if body.complete or (announced.isdigit() and int(announced) > self._limit):
            raise BodyTooLarge
        await body.read_on(self._limit)

    async def _plan(self, rule: Rule, scope: Scope, request: Any, fields: dict[str, Any]) -> Plan:
        """The schemas for this request. Tools that get theirs filled in are put into ``fields``."""
        references: Mapping[str, str] = {}
        if rule.fillable is not None:
            filled = await fill_tools(rule, request, self._runtime.registry)
            if filled is not None:
                fields["tools"] = filled.tools
                references = filled.references
        return await rule.plans.make(dict(scope["headers"]), request, references)


def _is_json(scope: Scope) -> bool:
    return _JSON in scope["headers"] or b"json" in header(scope, b"content-type", b"json").lower()


async def _fail(send: Send, shape: Shape, failure: Failure) -> None:
    for message in failure_messages(shape, failure):
        await send(message)


def _parsed(body: RequestBody) -> Any:
    """The body as the server itself would read it; what it cannot read is for it to refuse."""
    if not body.complete:
        return _UNREADABLE
    try:
        return read_json(body.data)
    except (ValueError, RecursionError):
        return _UNREADABLE
