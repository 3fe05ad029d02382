"""Credentials as request headers, and URLs without them for messages and metrics."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from llm_integrations.core.config import (
    ApiKeyAuth,
    Auth,
    BasicAuth,
    BearerAuth,
    OAuthClientCredentials,
)
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry.address import is_loopback

__all__ = [
    "auth_headers",
    "check_headers",
    "check_proxy",
    "fits_header",
    "redact_url",
    "refuse_clear_text",
]

_IS_SECRET: Final = re.compile("auth|cookie|key|pass|secret|token", re.IGNORECASE)
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS: Final = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "host"}
    | {"te", "trailer", "transfer-encoding", "upgrade"}
)


def auth_headers(auth: Auth | None) -> dict[str, str]:
    """The request headers that carry the credentials.

    Raises:
        ConfigurationError: when they cannot stand in a header (a line break, not Latin-1 or ASCII).
    """
    # No secret is a local where an error is raised: error trackers send the locals of frames.
    match auth:
        case None:
            return {}
        case OAuthClientCredentials():
            raise ConfigurationError("OAuthClientCredentials are for registries over HTTP alone")
        case BasicAuth():
            if ":" in auth.username:
                raise ConfigurationError("a user name cannot hold a colon")
            if not (_is_unicode(auth.username) and _is_unicode(auth.password)):
                raise ConfigurationError("a user name and a password are valid Unicode, in UTF-8")
            return {"Authorization": f"Basic {_basic(auth)}"}
        case BearerAuth():
            if not fits_header(auth.token):
                raise _unfit("token")
            return {"Authorization": f"Bearer {auth.token}"}
        case ApiKeyAuth():
            if not fits_header(auth.key):
                raise _unfit("API key")
            return {"X-API-Key": auth.key}


def _basic(auth: BasicAuth) -> str:
    return base64.b64encode(f"{auth.username}:{auth.password}".encode()).decode("ascii")


def _is_unicode(secret: str) -> bool:
    try:  # the codec's error holds the whole text
        return bool(secret.encode()) or not secret
    except UnicodeEncodeError:
        return False


def fits_header(secret: str) -> bool:
    """Whether a text can be the value of a header."""
    # Asked here because the HTTP library's own complaint would quote the secret.
    return secret.isascii() and secret.isprintable() and secret == secret.strip()


def _unfit(what: str) -> ConfigurationError:
    return ConfigurationError(f"the {what} holds characters that no HTTP header can carry")


def check_headers(headers: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """Headers to send with each request; ConfigurationError, without a value, for others."""
    if headers is not None and not isinstance(headers, Mapping):
        raise ConfigurationError(f"headers must be a dict of texts, not {type(headers).__name__}")
    given = tuple((headers or {}).items())
    for name, value in given:
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name.lower() in _OURS:
            raise ConfigurationError(f"headers= cannot hold {name!r}")
        if not isinstance(value, str) or not fits_header(value):
            raise _unfit(f"header {name}")
    return given


def check_proxy(proxy: str | None) -> str | None:
    """A proxy's URL; ConfigurationError, without quoting it, for what is none."""
    if proxy is None:
        return None
    told = ConfigurationError("proxy= is http(s)://[user:password@]host:port and nothing more")
    try:
        parts = urlsplit(proxy)
        is_proxy = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (ValueError, AttributeError):
        raise told from None
    if not is_proxy or parts.path.strip("/") or parts.query or parts.fragment:
        raise told
    return proxy


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
    urls: Iterable[str],
    auth: Auth | None,
    *,
    headers: Iterable[tuple[str, str]] = (),
    proxy: str | None = None,
    allow_insecure: bool = False,
) -> None:
    """Raise ConfigurationError if credentials would cross a network unencrypted.

    Args:
        headers: sent with each request; some are credentials by their name.
        proxy: what lies between us and the URLs.
    """
    told = auth is not None or any(_IS_SECRET.search(name) for name, _ in headers)
    if not told or allow_insecure:
        return
    if isinstance(auth, OAuthClientCredentials):
        urls = (*urls, auth.token_url)
    for url in urls:
        is_here = is_loopback(url) and (proxy is None or is_loopback(proxy))
        if url.lower().startswith("http://") and not is_here:
            raise ConfigurationError(
                f"credentials would go to {redact_url(url)} unencrypted: use https://, "
                "or say allow_insecure=True"
            )
