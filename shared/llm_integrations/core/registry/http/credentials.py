"""Credentials as request headers, and URLs without them for messages and metrics."""

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
    # No secret is a local where an error is raised: error trackers send the locals of frames.
    match auth:
        case None:
            return {}
        case BasicAuth():
            if ":" in auth.username:
                raise ConfigurationError("a user name cannot hold a colon")
            return {"Authorization": f"Basic {_basic(auth)}"}
        case BearerAuth():
            if not _fits_header(auth.token):
                raise _unfit("token")
            return {"Authorization": f"Bearer {auth.token}"}
        case ApiKeyAuth():
            if not _fits_header(auth.key):
                raise _unfit("API key")
            return {"X-API-Key": auth.key}


def _basic(auth: BasicAuth) -> str:
    return base64.b64encode(f"{auth.username}:{auth.password}".encode()).decode("ascii")


def _fits_header(secret: str) -> bool:
    # Asked here because the HTTP library's own complaint would quote the secret.
    return secret.isascii() and secret.isprintable() and secret == secret.strip()


def _unfit(what: str) -> ConfigurationError:
    return ConfigurationError(f"the {what} holds characters that no HTTP header can carry")


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
