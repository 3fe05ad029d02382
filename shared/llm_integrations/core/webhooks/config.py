"""One endpoint: where its deliveries go, how they are signed and how often they are tried."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from llm_integrations.core.config import Auth, BasicAuth, TLSOptions
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry.http.credentials import auth_headers
from llm_integrations.core.reprs import never_raises
from llm_integrations.core.webhooks.addresses import literal_address, refusal
from llm_integrations.core.webhooks.signing import parse_secrets
from llm_integrations.core.webhooks.urls import label_of, parse_url

if TYPE_CHECKING:
    import httpx

__all__ = ["WebhookConfig", "authorization"]

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OURS: Final = frozenset(
    {"connection", "content-length", "content-type", "host", "transfer-encoding"}
    | {"webhook-id", "webhook-signature", "webhook-timestamp"}
)


@dataclass(frozen=True, repr=False)
class WebhookConfig:
    """One endpoint. Times are in seconds. The repr holds no secret, credential or query.

    Args:
        url: https, to a public address; a dispatcher with ``allow_private`` also delivers to
            loopback and private addresses, and to these over http.
        headers: sent with every delivery, beside ours.
        max_retries: requests after the first; 3 means up to 4 requests.
        timeout_secs: bound over one whole request.
        secret: signs deliveries; ``whsec_…`` is base64, any other string its UTF-8 bytes, at
            least 24 of them. Several secrets sign side by side, while one replaces another.
        auth: basic, bearer or API key; a user in the URL means basic.
        backoff_secs: upper bound of the first wait; each further one doubles (full jitter).
        max_backoff_secs: no wait is longer, unless Retry-After asks for it.
        max_retry_after_secs: the longest Retry-After that is honoured in full; a day at the most.
        max_response_bytes: of an answer's body, this much is read at the most.
        tls: a private CA, or a client certificate.
        name: what metrics, logs and the outbox call the endpoint, if its URL's path holds a
            secret or is going to change; otherwise scheme, host and path.

    Raises:
        ConfigurationError: says what to write instead.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    max_retries: int = 3
    timeout_secs: float = 10.0
    secret: str | Sequence[str] | None = None
    auth: Auth | None = None
    backoff_secs: float = 0.5
    max_backoff_secs: float = 5.0
    max_retry_after_secs: float = 3600.0
    max_response_bytes: int = 65_536
    tls: TLSOptions | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        url = parse_url(self.url)
        if self.auth is not None and url.userinfo:
            raise ConfigurationError("WebhookConfig: credentials in the URL and in auth=; give one")
        _check_headers(self.headers, set(authorization(self.auth, url)))
        parse_secrets(self.secret)
        if self.max_retries < 0 or self.max_response_bytes < 0:
            raise ConfigurationError("WebhookConfig: max_retries and max_response_bytes >= 0")
        if not self.timeout_secs > 0:  # as NaN is not
            raise ConfigurationError("WebhookConfig.timeout_secs must be positive (seconds)")
        waits = (self.backoff_secs, self.max_backoff_secs, self.max_retry_after_secs)
        if not all(wait >= 0 for wait in waits):
            raise ConfigurationError("WebhookConfig: waits must not be negative (seconds)")

    @property
    def endpoint(self) -> str:
        """The label of metrics and logs: scheme, host and path, or ``name``."""
        return self.name or label_of(parse_url(self.url))

    @property
    def key(self) -> str:
        """The endpoint's identity in the outbox; tells apart URLs that differ in their query."""
        query = parse_url(self.url).query
        if self.name or not query:
            return self.endpoint
        return f"{self.endpoint}#{hashlib.sha256(query).hexdigest()[:16]}"

    def check_target(self, *, allow_private: bool) -> None:
        """Refuse plain http, and hosts that spell out an address which is not allowed."""
        url = parse_url(self.url)
        if url.scheme != "https" and not allow_private:
            raise ConfigurationError(
                f"{self.endpoint}: webhook URLs are https, unless allow_private=True"
            )
        host = url.raw_host.decode("ascii").rstrip(".")
        address = literal_address("127.0.0.1" if host.split(".")[-1] == "localhost" else host)
        reason = address and refusal(address, allow_private=allow_private)
        if reason:
            raise ConfigurationError(
                f"{self.endpoint} is {reason}; private ones need allow_private=True"
            )

    @never_raises
    def __repr__(self) -> str:
        return (
            f"WebhookConfig(endpoint={self.endpoint!r}, max_retries={self.max_retries}, "
            f"timeout_secs={self.timeout_secs}, signed={self.secret is not None})"
        )


def authorization(auth: Auth | None, url: httpx.URL) -> dict[str, str]:
    """The header for ``auth``, or for the user in the URL; empty without either.

    Raises:
        ConfigurationError: they do not fit into a header.
    """
    if auth is None and url.userinfo:
        auth = BasicAuth(url.username, url.password)
    try:
        return auth_headers(auth)
    except UnicodeEncodeError:
        raise ConfigurationError("credentials must be valid Unicode") from None


def _check_headers(headers: Mapping[str, str], credentials: set[str]) -> None:
    """``credentials`` are the names of the headers that auth= or the URL's user stands for."""
    refused = {name.lower() for name in credentials}
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ConfigurationError(f"WebhookConfig.headers: {name!r} is not a valid header")
        if name.lower() in _OURS:
            raise ConfigurationError(f"WebhookConfig.headers: {name!r} is set by the dispatcher")
        if name.lower() in refused:
            raise ConfigurationError(f"WebhookConfig: {name} in headers and auth=; give one")
