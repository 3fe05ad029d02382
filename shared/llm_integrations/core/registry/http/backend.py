"""What the backends over HTTP have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from llm_integrations.core.config import Auth, TLSOptions
from llm_integrations.core.registry.backend import RegistryBackend
from llm_integrations.core.registry.http.client import HttpClient

__all__ = ["HttpBackend"]


class HttpBackend(RegistryBackend):
    """Runs a protocol's operations by one HTTP client.

    Args:
        urls: base URLs of one registry, tried in order.
        headers: sent with each request.
        proxy: the http(s) URL of a proxy that requests go through.
        timeout: seconds for one request.
    """

    media_type: ClassVar[str] = "application/json"

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        auth: Auth | None = None,
        tls: TLSOptions | None = None,
        headers: Sequence[tuple[str, str]] = (),
        proxy: str | None = None,
        timeout: float = 5.0,
    ) -> None:
        self._http = HttpClient(
            urls,
            media_type=self.media_type,
            auth=auth,
            tls=tls,
            headers=headers,
            proxy=proxy,
            timeout=timeout,
        )

    @property
    def url(self) -> str:
        return self._http.urls[0]

    async def close(self) -> None:
        await self._http.close()
