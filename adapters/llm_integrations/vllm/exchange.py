"""A request that was judged, and the app's answer to it, or its second one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llm_integrations.vllm.asgi import ASGIApp, Scope, Send
from llm_integrations.vllm.body import RequestBody
from llm_integrations.vllm.constrain import schema_name
from llm_integrations.vllm.plan import Answers
from llm_integrations.vllm.responder import Responder
from llm_integrations.vllm.rewrite import with_fields, with_length
from llm_integrations.vllm.runtime import Runtime
from llm_integrations.vllm.shapes.base import as_dict
from llm_integrations.vllm.verdicts import Verdicts

__all__ = ["Exchange", "changed"]

_NOTHING: Final[Mapping[str, Any]] = {}


class Exchange:
    """One request whose answers are judged.

    Args:
        scope: as the server made it.
        send: the server's ``send``.
        body: of the request.
        request: what the body says.
        fields: top-level fields of the request that are set to something else.
        verdicts: where the verdicts go.
    """

    __slots__ = ("_body", "_fields", "_request", "_scope", "_send", "_verdicts")

    def __init__(
        self,
        scope: Scope,
        send: Send,
        body: RequestBody,
        request: Any,
        fields: Mapping[str, Any],
        verdicts: Verdicts,
    ) -> None:
        self._scope = scope
        self._send = send
        self._body = body
        self._request = request
        self._fields = fields
        self._verdicts = verdicts

    async def answer(self, by: Answers, runtime: Runtime, app: ASGIApp) -> None:
        """Call the app, and again for another answer, or without what its reply suffers from."""
        side = by.rule.config
        constraint = self._constraint(by, runtime) if side.constrain else _NOTHING
        retries, refused = side.retries, False
        while True:
            scope = self._for_app(constraint, compresses=runtime.compresses)
            responder = Responder(
                self._send,
                by,
                self._verdicts,
                self._body,
                runtime.config.max_event_bytes,
                retries > 0,
                bool(constraint),
                not runtime.compresses,
            )
            await app(scope, self._body.receive, responder)
            if not responder.again or self._body.disconnected:
                break
            self._verdicts.forget_answers()
            self._body.rewind()
            match responder.again:
                case "retry":
                    retries = 0
                case "unconstrained":
                    constraint, refused = _NOTHING, True
                case "compressed":
                    runtime.compresses = True
        if refused and responder.status == 200 and by.content is not None:
            # It was the constraint that the server did not take, not the request.
            runtime.constrainer.refuse(by.content)

    def _for_app(self, constraint: Mapping[str, Any], *, compresses: bool) -> Scope:
        scope = self._scope
        if self._fields or constraint:
            scope = changed(scope, self._body, self._request, {**self._fields, **constraint})
        return _without_encodings(scope) if compresses else scope

    def _constraint(self, by: Answers, runtime: Runtime) -> Mapping[str, Any]:
        request = as_dict(self._request)
        if by.content is None or by.shape.is_constrained(request):
            return _NOTHING
        schema = runtime.constrainer.schema(by.content)
        if schema is None:
            return _NOTHING
        name = schema_name(by.content.reference)
        return by.shape.constraint(request, name, schema) or _NOTHING


def changed(scope: Scope, body: RequestBody, request: Any, fields: Mapping[str, Any]) -> Scope:
    """Give the app a request with these fields set; the scope that goes with it."""
    data = with_fields(body.data, request, fields)
    body.rewind(data)
    return {**scope, "headers": with_length(scope["headers"], len(data))}


def _without_encodings(scope: Scope) -> Scope:
    """Ask for a reply that is not compressed: it could not be read."""
    kept = [item for item in scope["headers"] if item[0] != b"accept-encoding"]
    return {**scope, "headers": kept}
