"""Reading an endpoint's URL, once and in one way."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry.address import refuse_at_sign
from llm_integrations.core.webhooks.addresses import leads_nowhere, literal_address

if TYPE_CHECKING:
    import httpx

__all__ = ["label_of", "parse_url"]

_LABEL: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")
_NUMERIC: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_LONGEST_HOST: Final = 253


def parse_url(url: str) -> httpx.URL:
    """The URL in its parts; ConfigurationError, which never quotes it, if no request can be sent.

    That is: it is no URL, is not http(s), or has a host or port that can be nowhere.
    """
    import httpx

    try:
        parsed = httpx.URL(url)
        host = parsed.host
    # ValueError: half a pair of surrogates, or an xn-- label that stands for no name
    except (httpx.InvalidURL, TypeError, ValueError):
        raise ConfigurationError("WebhookConfig.url cannot be read as a URL") from None
    refuse_at_sign(url)
    if parsed.scheme not in ("http", "https") or not host:
        raise ConfigurationError("WebhookConfig.url must be https://host/path")
    if parsed.port is not None and not 1 <= parsed.port <= 65_535:
        raise ConfigurationError("WebhookConfig.url: a port is between 1 and 65535")
    if not _can_be_reached(parsed.raw_host.decode("ascii")):
        raise ConfigurationError("WebhookConfig.url: its host can be neither a name nor an address")
    return parsed


def _can_be_reached(host: str) -> bool:
    if ":" in host:
        try:
            return "%" not in host and not leads_nowhere(ipaddress.IPv6Address(host))
        except ValueError:
            return False
    labels = host.removesuffix(".").split(".")
    if _NUMERIC.fullmatch(labels[-1]):  # no name ends in a number
        return literal_address(".".join(labels)) is not None
    return len(host) <= _LONGEST_HOST and all(map(_LABEL.fullmatch, labels))


def label_of(url: httpx.URL) -> str:
    """Scheme, host, port and path: no credentials, no query."""
    path = url.raw_path.partition(b"?")[0]
    return f"{url.scheme}://{url.netloc.decode('ascii')}{path.decode('ascii')}"
