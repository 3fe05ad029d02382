"""Sending requests to one endpoint, on a connection whose address was checked."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import httpcore

from llm_integrations.core.config import TLSOptions
from llm_integrations.core.errors import WebhookError
from llm_integrations.core.registry.http.exchange import retry_after
from llm_integrations.core.tls import tls_context
from llm_integrations.core.webhooks.addresses import Address, refusal
from llm_integrations.core.webhooks.config import WebhookConfig, authorization
from llm_integrations.core.webhooks.sending.attempts import Answer
from llm_integrations.core.webhooks.sending.lookup import LookupBusy, Resolver, resolve
from llm_integrations.core.webhooks.sending.stream import AsyncioBackend
from llm_integrations.core.webhooks.urls import parse_url

__all__ = ["Connection", "GuardedBackend", "TargetRefused"]

_IDLE_SECONDS: Final = 30.0
_DRAIN_SECONDS: Final = 1.0
_NETWORK_ERRORS: Final = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.ConnectionNotAvailable,
    OSError,  # ssl.SSLError is one; httpcore does not map it while reading
)


class TargetRefused(WebhookError):
    """The host leads to an address that deliveries may not go to."""


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves a name once, checks the addresses and connects to one of those it checked.

    A name that answers differently when asked again (DNS rebinding) gains nothing: it is not
    asked again. TLS still verifies the certificate against the name.

    Args:
        allow_private: admit loopback and private addresses.
        plain: for http; public addresses are refused, however private the name looked.
        resolver: looks up names.
        inner: connects to addresses.
    """

    def __init__(
        self,
        *,
        allow_private: bool,
        plain: bool = False,
        resolver: Resolver = resolve,
        inner: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._plain = plain
        self._resolver = resolver
        self._inner: httpcore.AsyncNetworkBackend = inner or AsyncioBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = self._admitted(await self._resolver(host, port))
        share = None if timeout is None else timeout / len(addresses)
        for address in addresses[:-1]:
            try:
                return await self._inner.connect_tcp(
                    str(address), port, share, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(
            str(addresses[-1]), port, share, local_address, socket_options
        )

    def _admitted(self, addresses: list[Address]) -> list[Address]:
        verdicts = {address: self._refusal(address) for address in addresses}
        admitted = [address for address, reason in verdicts.items() if reason is None]
        if not admitted:
            reason = next(iter(verdicts.values()), None)
            raise TargetRefused(f"refused: the host leads to {reason or 'no address'}")
        return admitted

    def _refusal(self, address: Address) -> str | None:
        if self._plain and refusal(address, allow_private=False) is None:
            return "a public address, which needs https"
        return refusal(address, allow_private=self._allow_private)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Connection:
    """One kept-alive connection to one endpoint: no redirects, no proxies, no cookies."""

    def __init__(self, config: WebhookConfig, backend: httpcore.AsyncNetworkBackend) -> None:
        url = parse_url(config.url)
        self._timeout = config.timeout_secs
        self._most = config.max_response_bytes
        self._url = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        )
        # Kept here, so that no caller has a credential among its local variables.
        self._fixed = [(b"host", url.netloc), *_own_headers(config)]
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_tls(config.tls) if url.scheme == "https" else None,
            max_connections=1,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=backend,
        )

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """POST a body with these headers and the endpoint's own; any failure is in the Answer.

        Nothing is raised, except cancellation: a traceback would hold the request's headers.
        """
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._pool.handle_async_request(self._request(body, headers))
        except TimeoutError:
            return Answer(failure="timed out")
        except TargetRefused as error:
            return Answer(failure=str(error), final=True)
        except LookupBusy:
            return Answer(failure="earlier look-ups of the host's name hang", ran=False)
        except _NETWORK_ERRORS as error:
            return Answer(failure=f"{type(error).__name__} before an answer")
        except Exception as error:  # noqa: BLE001 - a name, a port or a header that cannot be
            return Answer(failure=f"{type(error).__name__} while connecting", final=True)
        await self._drain(response)
        wait = retry_after(_header(response, b"retry-after"), time.time())
        return Answer(status=response.status, retry_after=wait)

    async def close(self) -> None:
        await self._pool.aclose()

    def _request(self, body: bytes, headers: Mapping[str, str]) -> httpcore.Request:
        own = [*self._fixed, (b"content-length", b"%d" % len(body)), *_encoded(headers)]
        # The backend divides this timeout among the addresses: a dead one must not use it up.
        limits = {"timeout": {"connect": self._timeout}}
        return httpcore.Request("POST", self._url, headers=own, content=body, extensions=limits)

    async def _drain(self, response: httpcore.Response) -> None:
        """Read the body up to the limit, so that the connection can be used again.

        The status decides about the delivery; an error here only closes the connection.
        """
        left = self._most
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                async for chunk in response.aiter_stream():
                    left -= len(chunk)
                    if left < 0:
                        break
        except (TimeoutError, *_NETWORK_ERRORS):
            return
        finally:
            await response.aclose()


def _own_headers(config: WebhookConfig) -> list[tuple[bytes, bytes]]:
    credentials = authorization(config.auth, parse_url(config.url))
    return _encoded({"user-agent": "llm-integrations", **credentials, **config.headers})


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]


def _header(response: httpcore.Response, name: bytes) -> str | None:
    return next((v.decode("latin-1") for n, v in response.headers if n.lower() == name), None)


@lru_cache(maxsize=32)
def _tls(options: TLSOptions | None) -> ssl.SSLContext:
    import httpx

    if options is None:
        # certifi's roots; loading them takes longer than a delivery.
        return httpx.create_ssl_context(trust_env=False)
    return tls_context(options, "webhooks")
