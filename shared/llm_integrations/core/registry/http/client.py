"""Runs protocol operations over HTTP: on several base URLs, with limits on size and time."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar
from urllib.parse import urlencode

from llm_integrations.core.config import Auth, OAuthClientCredentials, TLSOptions
from llm_integrations.core.errors import (
    RegistryError,
    RegistryProtocolError,
    RegistryUnavailable,
)
from llm_integrations.core.registry.address import read_addresses
from llm_integrations.core.registry.http.credentials import auth_headers
from llm_integrations.core.registry.http.exchange import (
    HttpRequest,
    HttpResponse,
    Operation,
    ReplyTooLarge,
    is_retryable_status,
    shorten,
    unavailable,
)
from llm_integrations.core.registry.http.oauth import Tokens, token_request, token_server
from llm_integrations.core.tls import tls_context

if TYPE_CHECKING:
    import httpx

__all__ = ["HttpClient"]

T = TypeVar("T")
Opened: TypeAlias = "tuple[asyncio.AbstractEventLoop, asyncio.Task[httpx.AsyncClient]]"
Sign = Callable[[str, str, bytes, Mapping[str, str]], Awaitable[dict[str, str]]]
"""Called with the method, the URL, the body and the headers; returns the headers to send."""

MAX_RESPONSE: Final = 16 * 2**20
_LARGE: Final = 2**16  # bytes whose reading holds up the event loop for about a millisecond
_FAILED_FOR: Final = 30.0  # seconds that a base URL which failed is tried last


class HttpClient:
    """Runs operations against the first of several base URLs that answers.

    Args:
        urls: base URLs of one registry, in order of preference.
        media_type: sent as Accept, and as Content-Type with a body.
        auth: credentials; a token is fetched when the first request needs one.
        headers: sent with each request.
        proxy: the http(s) URL of a proxy that requests go through.
        timeout: seconds for one request on one URL, all of its body included.
        max_bytes: the largest body that is read.
        sign: adds to a request's headers what depends on all of it.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        media_type: str = "application/json",
        auth: Auth | None = None,
        tls: TLSOptions | None = None,
        headers: Sequence[tuple[str, str]] = (),
        proxy: str | None = None,
        timeout: float = 5.0,
        max_bytes: int = MAX_RESPONSE,
        sign: Sign | None = None,
    ) -> None:
        addresses = read_addresses(urls)
        self.urls = tuple(address.location for address in addresses)
        self._credentials: TokenClient | None = None
        if isinstance(auth, OAuthClientCredentials):
            self._credentials = TokenClient(auth, tls=tls, proxy=proxy, timeout=timeout)
            self._auth: dict[str, dict[str, str]] = {url: {} for url in self.urls}
        else:
            self._auth = {a.location: auth_headers(auth or a.auth) for a in addresses}
        self._sign = sign
        self._headers = dict(headers)
        self._proxy = proxy
        self._media_type = media_type
        self._tls = tls
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._failed: dict[str, float] = {}
        self._opened: Opened | None = None

    async def run(self, operation: Operation[T]) -> T:
        """The operation's result; only RegistryErrors and ConfigurationErrors get out."""
        step: Step[T] = _step(operation, None)
        while isinstance(step, HttpRequest):
            try:
                answer: HttpResponse | RegistryError = await self._send(step)
            except RegistryError as error:
                answer = error
            if isinstance(answer, HttpResponse) and len(answer.body) > _LARGE:
                # Reading it takes a while, and this thread serves everybody.
                step = await asyncio.to_thread(_step, operation, answer)
            else:
                step = _step(operation, answer)
        return step.value

    async def close(self) -> None:
        opened, self._opened = self._opened, None
        if self._credentials is not None:
            await self._credentials.close()
        if opened is None or opened[0] is not asyncio.get_running_loop():
            return
        opening = opened[1]
        if opening.done():
            await opening.result().aclose()
        else:
            opening.cancel()

    async def _send(self, request: HttpRequest) -> HttpResponse:
        """The answer, with a new token where the one in force is refused."""
        if self._credentials is None:
            return await self._ask(request, {})
        token = await self._credentials.tokens.headers()
        response = await self._ask(request, token)
        if response.status == 401:
            self._credentials.tokens.refused(token)
            response = await self._ask(request, await self._credentials.tokens.headers())
        return response

    async def _ask(self, request: HttpRequest, token: Mapping[str, str]) -> HttpResponse:
        failure: RegistryUnavailable | None = None
        for base in self._in_order():
            try:
                response = await self._exchange(base, request, token)
                problem = unavailable(response, time.time())
            except RegistryUnavailable as error:
                problem = error
            else:
                if problem is None:
                    self._failed.pop(base, None)
                    return response
            failure = failure or problem
            if not problem.counts_as_failure:  # the limit is on us, not on that server
                raise problem
            self._failed[base] = time.monotonic()
        assert failure is not None  # noqa: S101 - there is at least one URL
        raise failure

    def _in_order(self) -> list[str]:
        """As given, but those that failed lately last."""
        recent = time.monotonic() - _FAILED_FOR
        return sorted(self.urls, key=lambda url: max(recent, self._failed.get(url, recent)))

    async def _exchange(
        self, base: str, request: HttpRequest, token: Mapping[str, str]
    ) -> HttpResponse:
        url = base + request.path
        answering = False
        client = await self._client()
        import httpx

        try:
            async with asyncio.timeout(self._timeout):
                content = _content(request)
                headers = {**self._request_headers(base, request), **token}
                if self._sign is not None:
                    target = base + request.target
                    headers = await self._sign(request.method, target, content or b"", headers)
                async with client.stream(
                    request.method, base + request.target, content=content, headers=headers
                ) as answer:
                    answering = True
                    body = await self._read(answer, url)
        except (TimeoutError, httpx.TimeoutException):
            raise RegistryUnavailable(f"{url} did not answer within {self._timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, UnicodeError) as e:
            by = "" if self._proxy is None else " through the proxy"
            raise _translated(e, f"{url}{by}", answering) from None
        received = {name.lower(): value for name, value in answer.headers.items()}
        return HttpResponse(answer.status_code, received, body, url)

    async def _read(self, answer: httpx.Response, url: str) -> bytes:
        """The body as it came over the wire, which is the only size that a limit can hold."""
        encoding = answer.headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity"):
            if is_retryable_status(answer.status_code):
                return b""  # the status says it all
            raise RegistryProtocolError(
                f"{url} answered with the content encoding {shorten(encoding, 40)}, "
                "which was not asked for"
            )
        body = bytearray()
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > self._max_bytes:
                raise ReplyTooLarge(f"{url} answered with more than {self._max_bytes // 2**20} MB")
        return bytes(body)

    def _request_headers(self, base: str, request: HttpRequest) -> dict[str, str]:
        headers = {"Accept": self._media_type, **self._headers, **self._auth[base]}
        if request.form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        elif request.body is not None:
            headers["Content-Type"] = self._media_type
        return {**headers, **request.headers}

    async def _client(self) -> httpx.AsyncClient:
        """The client of the running loop: connections cannot change their loop."""
        loop = asyncio.get_running_loop()
        if self._opened is None or self._opened[0] is not loop:
            self._opened = (loop, loop.create_task(self._open()))
        opening = self._opened[1]
        # One caller's end is not another's. Only the call's deadline bounds this: it is our own
        # start, and says nothing of the server.
        return opening.result() if opening.done() else await asyncio.shield(opening)

    async def _open(self) -> httpx.AsyncClient:
        try:
            # Importing httpx and reading CAs take a while, and this thread serves everybody.
            return await asyncio.to_thread(self._make)
        except BaseException:
            self._opened = None  # the files may be there next time
            raise

    def _make(self) -> httpx.AsyncClient:
        import httpx

        return httpx.AsyncClient(
            verify=self._verify(),
            timeout=self._timeout,
            trust_env=False,
            proxy=self._proxy,
            follow_redirects=False,
            headers={
                "User-Agent": _user_agent(),
                # A few kB of zipped zeros can stand for gigabytes.
                "Accept-Encoding": "identity",
            },
        )

    def _verify(self) -> ssl.SSLContext:
        if not any(url.startswith("https:") for url in self.urls):
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used, and loading CAs is slow
        what = f"the registry at {self.urls[0]}"
        return tls_context(self._tls, what, roots=_roots)


def _roots() -> ssl.SSLContext:
    """The CAs that the system trusts, or SSL_CERT_FILE and SSL_CERT_DIR name.

    A container may have no certificates of its own: certifi's are trusted too, unless the
    environment says which ones are meant.
    """
    import certifi

    context = ssl.create_default_context()
    if not (os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")):
        context.load_verify_locations(certifi.where())
    return context


@dataclass(frozen=True, slots=True)
class _Result(Generic[T]):
    value: T


Step: TypeAlias = "HttpRequest | _Result[T]"


def _step(operation: Operation[T], answer: HttpResponse | RegistryError | None) -> Step[T]:
    """The next request of an operation, or its result."""
    try:
        if isinstance(answer, RegistryError):
            return operation.throw(answer)
        return next(operation) if answer is None else operation.send(answer)
    except StopIteration as done:
        return _Result(done.value)


def _user_agent() -> str:
    try:
        return f"llm-integrations/{version('llm-integrations')}"
    except PackageNotFoundError:
        return "llm-integrations"


def _content(request: HttpRequest) -> bytes | None:
    if request.form:
        return urlencode(request.form).encode()
    if request.body is None:
        return None
    return json.dumps(request.body, ensure_ascii=False, separators=(",", ":")).encode()


class TokenClient:
    """Asks an OAuth server for tokens, through the same proxy and by the same CA."""

    def __init__(
        self,
        auth: OAuthClientCredentials,
        *,
        tls: TLSOptions | None,
        proxy: str | None,
        timeout: float,
    ) -> None:
        base, client = token_server(auth)
        self._http = HttpClient(
            base, auth=client, tls=tls, proxy=proxy, timeout=timeout, max_bytes=2**20
        )
        self.tokens = Tokens(lambda: self._http.run(token_request(auth)))

    async def close(self) -> None:
        await self.tokens.close()
        await self._http.close()


def _translated(error: Exception, url: str, answering: bool) -> RegistryError:
    """Our error for one of httpx's, whose own text may quote headers."""
    import httpx

    if isinstance(error, httpx.RemoteProtocolError):
        if answering:
            return RegistryProtocolError(f"{url} broke off in the middle of its answer")
        if "without sending a response" not in str(error):
            return RegistryProtocolError(f"{url} does not speak HTTP")
        return RegistryUnavailable(f"{url} closed the connection without an answer")
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol | UnicodeError):
        return RegistryProtocolError(f"no request can be made to {url[:200]}")
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return RegistryUnavailable(
            f"{url} shows a certificate that is not trusted: name its CA by "
            "TLSOptions(ca=…), --ca or LLM_INTEGRATIONS_REGISTRY_CA",
            retryable=False,
        )
    if isinstance(error, httpx.ProxyError):
        return RegistryUnavailable(f"no way to {url}: it does not let us")
    if isinstance(error, httpx.ConnectError):
        return RegistryUnavailable(f"cannot connect to {url}: {_why(error)}")
    hint = "; does this port speak https?" if url.startswith("http://") else ""
    return RegistryUnavailable(f"the connection to {url} broke ({type(error).__name__}){hint}")


def _why(error: BaseException) -> str:
    """What the system said of a connection that did not come about; its words hold no secret."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "its host's name is not known (is it misspelt?)"
        if isinstance(cause, ConnectionRefusedError):
            return "nothing listens on that port"
        if isinstance(cause, ssl.SSLError):
            is_plain = "WRONG_VERSION_NUMBER" in str(cause) or "RECORD_LAYER" in str(cause)
            return "the port does not speak TLS: write http://" if is_plain else "TLS failed"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
