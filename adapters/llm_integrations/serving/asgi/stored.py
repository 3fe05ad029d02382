"""Reading again what the server stored would give what was withheld: it is judged once more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final

from llm_integrations.serving.asgi.body import RequestBody
from llm_integrations.serving.asgi.content import is_overridden
from llm_integrations.serving.asgi.gate import Caller, Gate
from llm_integrations.serving.asgi.refusal import Refuser
from llm_integrations.serving.asgi.stored_reply import StoredReply
from llm_integrations.serving.asgi.types import ASGIApp, Receive, Scope, Send
from llm_integrations.serving.rules.callers import brought_by
from llm_integrations.serving.rules.paths import Stored, stored_at
from llm_integrations.serving.rules.plan import Planner
from llm_integrations.serving.runtime.request_log import under_way
from llm_integrations.serving.runtime.runtime import Runtime
from llm_integrations.serving.shapes.failure import Refused
from llm_integrations.serving.shapes.stored import ONE, REPLIES

__all__ = ["StoredReader"]

_CHANGES: Final = ("POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_READ_WHOLE: Final = (b"accept-encoding", b"range", b"if-range")
_SENT_ELSEWHERE: Final = ("http.response.pathsend", "http.response.zerocopysend")


class StoredReader:
    """Judges the answers that the server gives from what it stored.

    Args:
        runtime: what the configuration became.
        app: the next app.
        gate: finds out who asks.
        planners_on: of the rules for a path.
    """

    def __init__(
        self,
        runtime: Runtime,
        app: ASGIApp,
        gate: Callable[[], Gate],
        planners_on: Callable[[str], tuple[Planner, ...]],
    ) -> None:
        self._runtime = runtime
        self._app = app
        self._gate = gate
        self._planners_on = planners_on
        self._refuser = Refuser(app)

    def _planners(self, stored: Stored) -> tuple[Planner, ...]:
        """Of the rules for the answers that are stored at a place, in their order."""
        found = [p for answered in stored.answered for p in self._planners_on(answered)]
        if all(planner.rule.shape.name == "json" for planner in found):
            found = [p for path in stored.elsewhere for p in self._planners_on(path)] or found
        judging = any(planner.rule.output is not None for planner in found)
        return tuple(sorted(found, key=attrgetter("rule.number"))) if judging else ()

    def handler(self, path: str, otherwise: ASGIApp | None) -> ASGIApp | None:
        """What answers there; ``otherwise`` takes requests that read nothing.

        Where answers are made it is that alone, which hands requests without a body to ``read``.
        """
        stored = stored_at(path)
        if stored is None or stored.listing is REPLIES:
            return otherwise
        planners, own = self._planners(stored), self._planners_on(path)
        if not planners:
            return otherwise

        async def read(scope: Scope, receive: Receive, send: Send) -> None:
            first = next(iter(_reached(own, scope)), None)
            if self.reads(scope) and not (first is not None and _is_open(first)):
                under_way.set(scope)
                await self.read(scope, RequestBody(receive, await receive()), send, planners)
            else:
                await (otherwise or self._app)(scope, receive, send)

        return read

    def lists(self, scope: Scope) -> bool:
        """Whether a request without a body, where answers are made, gets those that are stored."""
        stored = stored_at(scope["path"])
        return stored is not None and stored.listing is REPLIES and self.reads(scope)

    def reads(self, scope: Scope) -> bool:
        """Whether a request gets what is stored; of a chat, what changes it gets it too."""
        stored = stored_at(scope["path"])
        if stored is None:
            return False
        method = scope["method"].upper()
        if method not in _CHANGES or is_overridden(scope):
            return True
        is_chat = stored.listing is ONE and stored.answered[0].endswith("/chat/completions")
        return method == "POST" and is_chat

    async def read(
        self, scope: Scope, body: RequestBody, send: Send, planners: Sequence[Planner]
    ) -> None:
        stored, planners = stored_at(scope["path"]), _reached(planners, scope)
        if stored is None or not any(planner.rule.output for planner in planners):
            await self._app(scope, body.receive, send)
            return
        caller = await self._gate().caller(scope)
        if caller is Caller.REFUSED:
            await self._refuser.turn_away(scope, send, planners[0].rule.shape)
            return
        reply = StoredReply(scope, send, body, planners, stored.listing, self._runtime)
        try:
            await reply.answer(self._app, _whole(scope))
        except Refused as refused:
            await self._refuser.refuse(scope, send, refused.failure, planners[0].rule.shape)


def _is_open(planner: Planner) -> bool:
    """Whether a rule leaves its paths open on purpose, whatever the model is."""
    rule = planner.rule
    return rule.config.output is not None and rule.output is None and rule.models is None


def _reached(planners: Sequence[Planner], scope: Scope) -> tuple[Planner, ...]:
    """Those whose rules a request of this caller can come to, whatever its model is."""
    headers = brought_by(scope["headers"], scope.get("query_string", b""))
    found: list[Planner] = []
    taken: set[str] = set()
    for planner in planners:
        rule = planner.rule
        if rule.shape.name in taken or not (rule.callers is None or rule.callers.match(headers)):
            continue
        found.append(planner)
        if rule.models is None:
            taken.add(rule.shape.name)
    return tuple(found)


def _whole(scope: Scope) -> Scope:
    """A request for all of it, as it is, and here: neither a part nor what is compressed can be
    read, nor a file that the server is to send by itself."""
    kept = [item for item in scope["headers"] if item[0] not in _READ_WHOLE]
    extensions = scope.get("extensions") or {}
    sent_here = {name: each for name, each in extensions.items() if name not in _SENT_ELSEWHERE}
    return {**scope, "headers": kept, "extensions": sent_here}
