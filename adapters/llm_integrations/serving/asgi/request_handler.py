"""A path that has rules: a request is read and judged before the app sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from llm_integrations.serving.asgi.body import BodyTooLarge, RequestBody
from llm_integrations.serving.asgi.gate import Gate
from llm_integrations.serving.asgi.replies import reply_failure, telling
from llm_integrations.serving.asgi.response_handler import ResponseHandler
from llm_integrations.serving.asgi.rewrite import changed
from llm_integrations.serving.asgi.types import ASGIApp, Receive, Scope, Send, header
from llm_integrations.serving.judging.judging import judge_request
from llm_integrations.serving.judging.verdicts import Verdicts
from llm_integrations.serving.rules.plan import Plan, Planner
from llm_integrations.serving.rules.tools import fill_tools
from llm_integrations.serving.runtime.runtime import Runtime
from llm_integrations.serving.shapes.failure import Refused, too_large
from llm_integrations.serving.shapes.jsontext import read_json

__all__ = ["RequestHandler"]

_UNREADABLE: Final = object()
_JSON: Final = (b"content-type", b"application/json")


class RequestHandler:
    """Judges the requests on a path that has rules, and their answers. One per path.

    Args:
        planners: of the rules of the path; the first that matches a request is its rule.
        runtime: what the configuration became.
        app: the next app, called with the request as it came unless a rule changes it.
        gate: finds out whether the server would let a request in.
    """

    def __init__(
        self, planners: Sequence[Planner], runtime: Runtime, app: ASGIApp, gate: Callable[[], Gate]
    ) -> None:
        self._planners = planners
        self._runtime = runtime
        self._app = app
        self._gate = gate
        self._limit = runtime.config.max_body_bytes
        self._takes_any_type = runtime.config.content_types == "any"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Bodies of another type are for the server to refuse.
        if scope["method"] != "POST" or not (self._takes_any_type or _is_json(scope)):
            await self._app(scope, receive, send)
            return
        gate = self._gate()
        if not (gate.open or await gate.admits(scope, dict(scope["headers"]))):
            await self._app(scope, receive, send)
            return
        body = RequestBody(receive, await receive())
        if not body.complete or len(body.data) > self._limit:
            try:
                await self._read_on(scope, body)
            except BodyTooLarge:
                await reply_failure(
                    send, self._planners[0].rule.shape.error, too_large(self._limit)
                )
                return
        request = _parsed(body)
        planner = (
            None if request is _UNREADABLE else self._runtime.rules.match(self._planners, request)
        )
        if planner is None:
            await self._app(scope, body.receive, send)
            return
        await self._judged(planner, scope, send, body, request)

    async def _judged(
        self, planner: Planner, scope: Scope, send: Send, body: RequestBody, request: Any
    ) -> None:
        rule = planner.rule
        verdicts = Verdicts(rule.name)
        fields: dict[str, Any] = {}
        try:
            plan = planner.ready() or await self._plan(planner, scope, request, fields)
            if plan.unjudged:
                verdicts.unjudged()
            if rule.input is not None:
                judge_request(rule.input, rule.shape, plan, request, verdicts)
        except Refused as refused:
            await reply_failure(send, rule.shape.error, refused.failure)
            return
        if plan.answers is None:
            scope = changed(scope, body, request, fields) if fields else scope
            await self._app(scope, body.receive, telling(send, verdicts))
            return
        runtime = self._runtime
        handler = ResponseHandler(
            scope, send, body, request, fields, verdicts, plan.answers, runtime
        )
        await handler.answer(self._app)

    async def _read_on(self, scope: Scope, body: RequestBody) -> None:
        announced = header(scope, b"content-length")
        if body.complete or (announced.isdigit() and int(announced) > self._limit):
            raise BodyTooLarge
        await body.read_on(self._limit)

    async def _plan(
        self, planner: Planner, scope: Scope, request: Any, fields: dict[str, Any]
    ) -> Plan:
        """The schemas for this request. Tools that get theirs filled in are put into ``fields``."""
        references: Mapping[str, str] = {}
        if planner.rule.fillable is not None:
            filled = await fill_tools(planner.rule, request, self._runtime.registry)
            if filled is not None:
                fields["tools"] = filled.tools
                references = filled.references
        return await planner.make(dict(scope["headers"]), request, references)


def _is_json(scope: Scope) -> bool:
    return _JSON in scope["headers"] or b"json" in header(scope, b"content-type", b"json").lower()


def _parsed(body: RequestBody) -> Any:
    """The body as the server itself would read it; what it cannot read is for it to refuse."""
    if not body.complete:
        return _UNREADABLE
    try:
        return read_json(body.data)
    except (ValueError, RecursionError):
        return _UNREADABLE
