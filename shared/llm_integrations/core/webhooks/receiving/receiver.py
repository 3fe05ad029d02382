"""The receiver: an ASGI application that verifies an event, stores it and then answers 200."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

from llm_integrations.core.errors import ConfigurationError, EventError, WebhookError
from llm_integrations.core.events.cloudevents import from_json
from llm_integrations.core.events.delivery.deliverer import Handler
from llm_integrations.core.events.delivery.options import DeliveryOptions
from llm_integrations.core.observability import get_logger
from llm_integrations.core.webhooks.receiving.inbox_bus import InboxBus
from llm_integrations.core.webhooks.signing import Verifier, parse_secrets

__all__ = ["WebhookReceiver"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

_LOG = get_logger(__name__)
_SIGNED: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
_LONGEST_ID: Final = 256


class _HttpError(Exception):
    """Ends a request with this status and an empty body."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Disconnected(Exception):
    """The sender closed the connection before its answer."""


class WebhookReceiver(InboxBus):
    """Takes signed schema events over HTTP, each once, and is the bus that hands them on.

    A pure ASGI application: mount it in FastAPI or Starlette (``app.mount("/webhooks",
    receiver)``) or run it alone under uvicorn. It answers 200 once the event is in the inbox, or
    was there already; 401 to whatever does not verify (or is 5 minutes off), 400 to a signed body
    that is no schema event, 413 beyond ``max_body``, 405, 408; never why. Handlers run behind the
    inbox: give it to an ``EventListener`` as a bus, or ``subscribe``, or pass ``handlers``. What
    was accepted before a crash is handled after it.

    Run alone, the server's lifespan starts and closes it. Mounted, it starts with its first
    request; ``async with receiver`` in the lifespan of your application does it in time.

    Args:
        secret: one or several, any of which may have signed; as in WebhookConfig.
        inbox: SQLite file for events and ids; made on first use.
        handlers: each gets every event, in one process if several share the inbox.
        max_body: bytes; a schema event has a few hundred.
        body_timeout: seconds within which a body must have arrived.
        retention, poll, delivery: see InboxBus.

    Raises:
        ConfigurationError: there is no secret, or it is too short.
        MissingExtra: without ``llm-integrations[webhooks]``.
    """

    def __init__(
        self,
        secret: str | Sequence[str],
        inbox: str | Path = "inbox.db",
        *,
        handlers: Iterable[Handler] = (),
        max_body: int = 262_144,
        body_timeout: float = 10.0,
        retention: float = 86_400.0,
        poll: float = 0.25,
        delivery: DeliveryOptions | None = None,
    ) -> None:
        super().__init__(inbox, retention=retention, poll=poll, delivery=delivery)
        if max_body < 1 or body_timeout <= 0:
            raise ConfigurationError("WebhookReceiver: max_body and body_timeout must be positive")
        self._verifier = Verifier(parse_secrets(secret))
        self._handlers = tuple(handlers)
        self._max_body = max_body
        self._body_timeout = body_timeout
        self._started = False

    async def start(self) -> None:
        """Subscribe ``handlers`` on this event loop, and open the inbox. Idempotent.

        Raises:
            WebhookError: the inbox cannot be opened.
        """
        if self._started:
            return
        await asyncio.wrap_future(self._inbox.state())
        if self._started:  # by another request meanwhile
            return
        self._started = True
        for number, handler in enumerate(self._handlers):
            await self.subscribe(handler, group=f"handler-{number}")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "lifespan":
                await self._lifespan(receive, send)
            case "websocket":
                await send({"type": "websocket.close", "code": 1000})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            status = await self._take(scope, receive)
        except _HttpError as refused:
            status = refused.status
        except _Disconnected:
            return
        except WebhookError as error:
            # The sender will try again.
            _LOG.error("the inbox does not take an event: %s", error)
            status = 503
        headers = [(b"content-length", b"0")]
        if status == 405:
            headers.append((b"allow", b"POST"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _take(self, scope: Scope, receive: Receive) -> int:
        if scope["method"] != "POST":
            return 405
        headers = _headers(scope)
        body = await self._body(headers.get("content-length"), receive)
        try:
            self._verifier.verify(body, headers)
        except WebhookError:
            return 401
        try:
            event = from_json(body)
        except EventError:
            return 400
        if len(headers["webhook-id"]) > _LONGEST_ID:
            return 400
        await self.start()
        await self._accept(headers["webhook-id"], event, body)
        return 200

    async def _body(self, announced: str | None, receive: Receive) -> bytes:
        if announced is not None and _exceeds(announced, self._max_body):
            raise _HttpError(413)
        try:
            async with asyncio.timeout(self._body_timeout):
                return await self._read(receive)
        except TimeoutError:
            raise _HttpError(408) from None

    async def _read(self, receive: Receive) -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Disconnected
            body += message.get("body", b"")
            if len(body) > self._max_body:
                raise _HttpError(413)
            if not message.get("more_body", False):
                return bytes(body)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except (WebhookError, EventError) as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})


def _exceeds(announced: str, most: int) -> bool:
    """Whether a Content-Length says more; of any length itself, since strangers send it."""
    digits = announced.strip().lstrip("0")
    if not (digits.isascii() and digits.isdecimal()):
        return False  # the body's bytes are counted while it is read
    return len(digits) > len(str(most)) or int(digits) > most


def _headers(scope: Scope) -> dict[str, str]:
    """The signed headers and Content-Length. A signed one that comes twice is ambiguous: 401."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        text = name.lower().decode("latin-1")
        if text in _SIGNED and text in found:
            raise _HttpError(401)
        if text in _SIGNED or text == "content-length":
            found[text] = value.decode("latin-1")
    return found
