"""Bearer tokens of the client credentials grant (RFC 6749, 4.4), renewed before they expire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from llm_integrations.core.config import BasicAuth, BearerAuth, OAuthClientCredentials
from llm_integrations.core.errors import ConfigurationError, RegistryAuthError, RegistryError
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry.http.credentials import auth_headers, fits_header
from llm_integrations.core.registry.http.exchange import (
    HttpRequest,
    HttpResponse,
    Operation,
    shorten,
)

__all__ = ["Token", "Tokens", "token_request", "token_server"]

log = get_logger(__name__)

_RENEWED_AT: Final = 0.8  # of its lifetime
_USUAL_LIFETIME: Final = 300.0  # seconds, of a token whose server does not say
_LONGEST_LIFETIME: Final = 86_400.0
_PAUSE: Final = 5.0  # seconds after a renewal that failed, while the old token holds


@dataclass(frozen=True, slots=True)
class Token:
    """Attributes: the request headers that carry it, and for how many seconds it holds."""

    headers: dict[str, str] = field(repr=False)
    lifetime: float


def token_server(auth: OAuthClientCredentials) -> tuple[str, BasicAuth]:
    """The base URL to ask, and the credentials for it."""
    told = ConfigurationError("OAuthClientCredentials.token_url is https://host/path")
    try:
        parts = urlsplit(auth.token_url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        raise told from None
    if not is_url:
        raise told
    base = urlunsplit((parts.scheme, parts.netloc, "", "", ""))
    return base, BasicAuth(auth.client_id, auth.client_secret)


def token_request(auth: OAuthClientCredentials) -> Operation[Token]:
    parts = urlsplit(auth.token_url)
    form = {"grant_type": "client_credentials"}
    if auth.scope:
        form["scope"] = auth.scope
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    response = yield HttpRequest("POST", parts.path or "/", query=query, form=form)
    if 400 <= response.status < 500:
        code = _refusal(response)
        raise RegistryAuthError(f"{response.url} gives no token: it answered {code}")
    if response.status >= 300:
        raise response.protocol_error("instead of a token")
    return _token(response, auth)


def _refusal(response: HttpResponse) -> str:
    """The server's own code, as ``invalid_client``; its description may quote what was sent."""
    try:
        code = response.json().get("error")
    except (RegistryError, AttributeError):
        code = None
    said = [shorten(code, 60)] if isinstance(code, str) else []
    return " ".join([str(response.status), *said])


def _token(response: HttpResponse, auth: OAuthClientCredentials) -> Token:
    # No secret is a local where an error is raised: error trackers send the locals of frames.
    if not _holds_token(response):
        raise response.protocol_error("with no bearer token")
    document = response.json()
    headers = auth_headers(BearerAuth(document["access_token"]))
    if auth.logical_cluster:
        headers["target-sr-cluster"] = auth.logical_cluster
    if auth.identity_pool:
        headers["Confluent-Identity-Pool-Id"] = auth.identity_pool
    return Token(headers, _lifetime(document.get("expires_in")))


def _holds_token(response: HttpResponse) -> bool:
    document = response.json()
    if not isinstance(document, dict):
        return False
    kind, token = document.get("token_type", "bearer"), document.get("access_token")
    is_bearer = isinstance(kind, str) and kind.lower() == "bearer"
    return is_bearer and isinstance(token, str) and bool(token) and fits_header(token)


def _lifetime(said: Any) -> float:
    try:
        seconds = float(said)
    except (TypeError, ValueError, OverflowError):
        return _USUAL_LIFETIME
    return min(seconds, _LONGEST_LIFETIME) if seconds > 0 else _USUAL_LIFETIME


class Tokens:
    """The token in force. One request at a time fetches it, however many callers wait.

    Args:
        fetch: asks the server for a new one.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Token]]) -> None:
        self._fetch = fetch
        self._token: Token | None = None
        self._renew_at = 0.0
        self._expires = 0.0
        self._fetching: asyncio.Task[Token] | None = None

    async def headers(self) -> dict[str, str]:
        """At once while the token holds; towards its end a new one is fetched behind that."""
        now = time.monotonic()
        token = self._token
        if token is None or now >= self._expires:
            return (await asyncio.shield(self._renewal())).headers
        if now >= self._renew_at:
            self._renewal()
        return token.headers

    def refused(self, headers: dict[str, str]) -> None:
        """The registry did not take them: the next ones are of another token."""
        if self._token is not None and self._token.headers is headers:
            self._token = None

    def _renewal(self) -> asyncio.Task[Token]:
        running, loop = self._fetching, asyncio.get_running_loop()
        if running is None or running.done() or running.get_loop() is not loop:
            running = self._fetching = asyncio.ensure_future(self._renewed())
            running.add_done_callback(self._noted)
        return running

    async def _renewed(self) -> Token:
        token = await self._fetch()
        now = time.monotonic()
        self._token = token
        self._renew_at = now + token.lifetime * _RENEWED_AT
        self._expires = now + token.lifetime
        return token

    def _noted(self, renewal: asyncio.Task[Token]) -> None:
        """A renewal ahead of time that fails is tried again after a pause."""
        error = None if renewal.cancelled() else renewal.exception()
        now = time.monotonic()
        if error is not None and self._token is not None and now < self._expires:
            self._renew_at = now + _PAUSE
            log.warning("a token is not renewed yet, and goes on being used: %s", error)

    async def close(self) -> None:
        running, self._fetching = self._fetching, None
        if running is not None and running.get_loop() is asyncio.get_running_loop():
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
