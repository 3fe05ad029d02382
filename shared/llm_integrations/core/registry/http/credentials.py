"""Credentials on their way into a request, and out of everything that people read."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

from llm_integrations.core.config import ApiKeyAuth, Auth, BasicAuth, BearerAuth
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry.address import is_loopback

__all__ = ["auth_headers", "redact_url", "refuse_clear_text"]


def auth_headers(auth: Auth | None) -> dict[str, str]:
    """The request headers that carry the credentials.

    Raises:
        ConfigurationError: when they cannot stand in a header (a line break, not Latin-1 or ASCII).
    """
    match auth:
        case None:
            return {}
        case BasicAuth(username, password):
            if ":" in username:
                raise ConfigurationError("a user name cannot hold a colon")
            pair = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
            return {"Authorization": f"Basic {pair}"}
        case BearerAuth(token):
            return {"Authorization": f"Bearer {_header_safe(token, 'token')}"}
        case ApiKeyAuth(key):
            return {"X-API-Key": _header_safe(key, "API key")}


def _header_safe(secret: str, what: str) -> str:
    # Checked here because the HTTP library's own complaint would quote the secret.
    if not secret.isascii() or not secret.isprintable() or secret != secret.strip():
        raise ConfigurationError(f"the {what} holds characters that no HTTP header can carry")
    return secret


def redact_url(url: str) -> str:
    """The URL without user, password, query and fragment; safe in messages and metrics."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return "(an unreadable URL)"
    host = f"[{host}]" if ":" in host else host
    return urlunsplit((parts.scheme, f"{host}{port}", parts.path, "", ""))


def refuse_clear_text(
    urls: Iterable[str], auth: Auth | None, *, allow_insecure: bool = False
) -> None:
    """Raise ConfigurationError if credentials would cross a network unencrypted."""
    if auth is None or allow_insecure:
        return
    for url in urls:
        if url.startswith("http://") and not is_loopback(url):
            raise ConfigurationError(
                f"credentials would go to {redact_url(url)} unencrypted: use https://, "
                "or say allow_insecure=True"
            )
