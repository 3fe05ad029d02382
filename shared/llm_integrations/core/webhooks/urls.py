"""Reading an endpoint's URL, once and in one way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_integrations.core.errors import ConfigurationError

if TYPE_CHECKING:
    import httpx

__all__ = ["label_of", "parse_url"]


def parse_url(url: str) -> httpx.URL:
    """The URL in its parts; ConfigurationError, which never quotes it, if it is none."""
    import httpx

    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        raise ConfigurationError("WebhookConfig.url cannot be read as a URL") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigurationError("WebhookConfig.url must be https://host/path")
    return parsed


def label_of(url: httpx.URL) -> str:
    """Scheme, host, port and path: no credentials, no query."""
    path = url.raw_path.partition(b"?")[0]
    return f"{url.scheme}://{url.netloc.decode('ascii')}{path.decode('ascii')}"
