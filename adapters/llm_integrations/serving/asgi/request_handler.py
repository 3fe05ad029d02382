"""A path that has rules: a request is read and judged before the app sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from llm_integrations.core.observability import get_logger
from llm_integrations.serving.asgi.body import RequestBody
from llm_integrations.serving.asgi.content import check_content, is_harmless
from llm_integrations.serving.asgi.gate import Caller, Gate
from llm_integrations.serving.asgi.refusal import Refuser
from llm_integrations.serving.asgi.replies import telling
from llm_integrations.serving.asgi.response_handler import ResponseHandler
from llm_integrations.serving.asgi.rewrite import changed
from llm_integrations.serving.asgi.stored import StoredReader
from llm_integrations.serving.asgi.types import ASGIApp, Receive, Scope, Send
from llm_integrations.serving.judging.judging import judge_request
from llm_integrations.serving.judging.verdicts import Verdicts
from llm_integrations.serving.rules.callers import brought_by
from llm_integrations.serving.rules.paths import model_in
from llm_integrations.serving.rules.plan import Planner
from llm_integrations.serving.rules.resolve import count_unjudged, raises
from llm_integrations.serving.runtime.request_log import under_way
from llm_integrations.serving.runtime.runtime import Runtime
from llm_integrations.serving.shapes.failure import Failure, Refused, bad_request
from llm_integrations.serving.shapes.jsontext import KeyTwice, read_json, read_unambiguous

__all__ = ["RequestHandler"]

log = get_logger(__name__)

_JSON: Final = b"application/json"
_TOO_LARGE: Final = 413
_BARE: Final = bad_request("the request is not valid")


class RequestHandler:
    """Judges the requests on a path that has rules, and their answers.

    One for all paths with the same planners.

    Args:
        planners: of the rules of the path; the first that matches a request is its rule.
        runtime: what the configuration became.
        app: the next app, called with the request as it came unless a rule changes it.
        gate: finds out who asks.
        stored: judges what a request without a body reads again.
    """

    def __init__(
        self,
        planners: Sequence[Planner],
        runtime: Runtime,
        app: ASGIApp,
        gate: Callable[[], Gate],
        stored: StoredReader,
    ) -> None:
        self._stored = stored
        self._planners = planners
        self._runtime = runtime
        self._app = app
        self._gate = gate
        self._refuser = Refuser(app)
        self._shape = planners[0].rule.shape
        self._only = planners[0] if planners[0].rule.matches_all else None
        self._read = read_unambiguous if runtime.is_elsewhere else read_json
        self._limit = runtime.config.max_body
        self._takes_any_type = runtime.config.content_types == "any"
        sides = [side for p in planners for side in (p.rule.input, p.rule.output) if side]
        self._judges = {side.judge.side: side.judge for side in sides}
        self._is_strict = any(raises(side.judge) for side in sides)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        under_way.set(scope)
        body = RequestBody(receive, await receive())
        if scope["method"] != "POST" and await is_harmless(scope, body):
            if self._shape.name != "json" and self._stored.lists(scope):
                await self._stored.read(scope, body, send, self._planners)
            else:
                await self._app(scope, body.receive, send)
            return
        gate = self._gate()
        caller = gate.always or await gate.caller(scope)
        if caller is Caller.REFUSED:
            await self._refuser.turn_away(scope, send, self._shape)
            return
        headers = dict(scope["headers"])
        try:
            if (
                headers.get(b"content-type") != _JSON
                or b"content-encoding" in headers
                or len(headers) != len(scope["headers"])
            ):
                check_content(scope["headers"], any_type=self._takes_any_type)
            if not body.complete or len(body.data) > self._limit:
                await body.read_on(headers.get(b"content-length", b""), self._limit)
            request = _parsed(body.data, self._read) if body.complete else None
        except Refused as refused:
            await self._unread(scope, send, body, refused.failure)
            return
        planner = self._only
        if not body.complete:
            planner = None  # what a client that left did not send is the app's to notice
        elif planner is None:
            query = scope.get("query_string", b"")
            brought = brought_by(scope["headers"], query)
            model = model_in(scope["path"], query)
            planner = self._runtime.rules.match(self._planners, request, brought, model)
        if planner is None:
            await self._app(scope, body.receive, send)
        else:
            await self._judged(planner, scope, headers, send, body, request, caller)

    async def _unread(self, scope: Scope, send: Send, body: RequestBody, failure: Failure) -> None:
        if failure.status != _TOO_LARGE and self.passes_unjudged(failure.message):
            await self._app(scope, body.receive, send)
        else:
            await self._refuser.refuse(scope, send, failure, self._shape)

    def passes_unjudged(self, why: str) -> bool:
        """Whether no rule of this path enforces; counts what cannot be judged."""
        for judge in self._judges.values():
            count_unjudged(judge)
        log.warning("%s request was not judged: %s", self._runtime.server.name, why)
        return not self._is_strict

    async def _judged(
        self,
        planner: Planner,
        scope: Scope,
        headers: Mapping[bytes, bytes],
        send: Send,
        body: RequestBody,
        request: Any,
        caller: Caller,
    ) -> None:
        rule, runtime = planner.rule, self._runtime
        verdicts = Verdicts(rule.name)
        if runtime.set_aside is not None:
            verdicts.set_aside = runtime.set_aside.of(rule.name, request, len(body.data))
        try:
            plan = planner.ready() or await planner.make(headers, request)
            if plan.unjudged:
                verdicts.unjudged()
            if rule.input is not None:
                judge_request(rule.input, rule.shape, plan, request, verdicts)
            if (by := plan.answers) is not None:
                handler = ResponseHandler(
                    scope, send, body, request, plan.fields, verdicts, by, runtime
                )
                await handler.answer(self._app)
                return
            if plan.fields:
                scope = changed(scope, body, request, plan.fields)
            tell = telling(send, verdicts, always=caller is Caller.KNOWN)
            await self._app(scope, body.receive, tell)
        except Refused as refused:
            is_stranger = caller is Caller.STRANGER
            failure = _told(planner, refused.failure) if is_stranger else refused.failure
            await self._refuser.refuse(scope, send, failure, rule.shape)


def _parsed(data: bytes, read: Callable[[bytes], Any]) -> Any:
    """The request as the server itself would read it. Raises Refused for what is no JSON."""
    try:
        return read(data)
    except KeyTwice:
        raise Refused(bad_request("an object of the body has a key twice", "body")) from None
    except (ValueError, RecursionError):
        raise Refused(bad_request("the body is not JSON that can be read", "body")) from None


def _told(planner: Planner, failure: Failure) -> Failure:
    """What a stranger hears of a failure."""
    return _BARE if failure.status == _BARE.status or planner.names else failure
