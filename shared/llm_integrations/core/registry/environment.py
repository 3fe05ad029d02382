"""The registry's URL in the environment, and what goes to that URL's origin only: credentials, TLS
files, a proxy."""

from __future__ import annotations

import os
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from llm_integrations.core.config import (
    ApiKeyAuth,
    Auth,
    BasicAuth,
    BearerAuth,
    OAuthClientCredentials,
    TLSOptions,
)
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry.address import Address, origin_of, read_addresses

__all__ = [
    "environment_allows_insecure",
    "environment_auth",
    "environment_proxy",
    "environment_tls",
    "environment_url",
    "unknown_variables",
]

_PREFIX: Final = "LLM_INTEGRATIONS_REGISTRY_"
_YES: Final = frozenset({"1", "true", "yes", "on"})
_NO: Final = frozenset({"0", "false", "no", "off"})


_READ: Final = (
    "URL CA CERT KEY KEY_PASSWORD PROXY ALLOW_INSECURE USERNAME PASSWORD TOKEN API_KEY "
    "OAUTH_TOKEN_URL OAUTH_CLIENT_ID OAUTH_CLIENT_SECRET OAUTH_SCOPE OAUTH_IDENTITY_POOL "
    "OAUTH_LOGICAL_CLUSTER"
)
_OTHERS: Final = ("DRIFT_KEY", "SERVING_CONFIG", "VERBOSE", "VLLM_CONFIG", "WEBHOOK_SECRET")
_NAMES: Final = (
    *(f"{_PREFIX}{name}" for name in _READ.split()),
    *(f"LLM_INTEGRATIONS_{name}" for name in _OTHERS),
)
"""Every variable that this library reads."""
_OF_URL: Final = frozenset(
    ["LLM", "INTEGRATION", "INTEGRATIONS", "SCHEMA", "REGISTRY", "URL", "URI"]
)
"""Of these words alone people make the name of the registry's URL."""


def unknown_variables() -> list[str]:
    """A line for each variable that looks like one of ours and is none, with what is meant."""
    found = []
    for name in sorted(os.environ):
        upper = name.upper()
        is_ours = "LLM_INTEGRATION" in upper or "LLMINTEGRATION" in upper
        is_url = is_ours and _OF_URL.issuperset(upper.split("_"))
        full = f"{_PREFIX}URL" if is_url else upper
        near = get_close_matches(full, _NAMES, 1, cutoff=0.8)
        if name in _NAMES or not (is_ours or near):
            continue
        meant = near or get_close_matches(full, _NAMES, 1, cutoff=0.5)
        found.append(f"{name} is set and not read" + (f": {meant[0]} is" if meant else ""))
    return found


def _get(name: str) -> str | None:
    return os.environ.get(_PREFIX + name, "").strip() or None


def environment_url() -> str | list[str] | None:
    """``LLM_INTEGRATIONS_REGISTRY_URL``: one URL or path, or several URLs with commas between."""
    text = _get("URL")
    if text is None or "," not in text or "://" not in text:
        return text
    return [url.strip() for url in text.split(",") if url.strip()]


def environment_auth(addresses: Sequence[Address]) -> Auth | None:
    """Credentials from the environment, if every address is of an origin that it names.

    Raises:
        ConfigurationError: when it holds several kinds of credentials, or half of one.
    """
    auth = _credentials()
    return auth if auth is not None and _names(addresses) else None


def environment_tls(
    addresses: Sequence[Address], given: TLSOptions | None = None
) -> TLSOptions | None:
    """``given``, and for the same addresses what it leaves open: ``…_CA``, ``…_CERT``, ``…_KEY``
    (paths of files) and ``…_KEY_PASSWORD``.

    Raises:
        ConfigurationError: a key, or its password, without a certificate.
    """
    held = TLSOptions(_get("CA"), _get("CERT"), _get("KEY"), _get("KEY_PASSWORD"))
    tls = given or TLSOptions()
    if held != TLSOptions() and _names(addresses):
        tls = TLSOptions(
            ca=tls.ca or held.ca,
            cert=tls.cert or held.cert,
            key=tls.key or (held.key if tls.cert is None else None),
            password=tls.password or held.password,
        )
    if tls.cert is None and (tls.key or tls.password) is not None:
        raise ConfigurationError(
            "a client's key needs its certificate: TLSOptions(cert=…, key=…), "
            f"{_PREFIX}CERT or --cert"
        )
    return tls if tls != TLSOptions() else None


def environment_proxy(addresses: Sequence[Address]) -> str | None:
    """``…_PROXY``, for the same addresses."""
    return _get("PROXY") if _get("PROXY") and _names(addresses) else None


def environment_allows_insecure(addresses: Sequence[Address]) -> bool:
    """``…_ALLOW_INSECURE``, for the same addresses."""
    said = (_get("ALLOW_INSECURE") or "false").lower()
    if said not in _YES | _NO:
        raise ConfigurationError(f"{_PREFIX}ALLOW_INSECURE is true or false")
    return said in _YES and _names(addresses)


def _names(addresses: Sequence[Address]) -> bool:
    """Whether the environment's URL is of every address's origin."""
    url = environment_url()
    if url is None:
        return False
    named = {_origin(address) for address in read_addresses(url)}
    return all(_origin(address) in named for address in addresses)


def _origin(address: Address) -> tuple[str, ...]:
    """Whom credentials and files would go to."""
    if "://" not in address.location:
        return address.protocol, address.location
    return tuple(map(str, origin_of(address.location)))


def _credentials() -> Auth | None:
    # No secret is a local where an error is raised: error trackers send the locals of frames.
    found: list[Auth] = []
    if _get("USERNAME"):
        found.append(BasicAuth(_get("USERNAME") or "", _get("PASSWORD") or ""))
    elif _get("PASSWORD"):
        raise ConfigurationError(f"{_PREFIX}PASSWORD is set, but not {_PREFIX}USERNAME")
    if _get("TOKEN"):
        found.append(BearerAuth(_get("TOKEN") or ""))
    if _get("API_KEY"):
        found.append(ApiKeyAuth(_get("API_KEY") or ""))
    if _get("OAUTH_TOKEN_URL"):
        found.append(_oauth())
    if len(found) > 1:
        raise ConfigurationError(
            f"set one of {_PREFIX}API_KEY, {_PREFIX}TOKEN, {_PREFIX}OAUTH_TOKEN_URL with its like, "
            f"and {_PREFIX}USERNAME with _PASSWORD"
        )
    return found[0] if found else None


def _oauth() -> OAuthClientCredentials:
    if not (_get("OAUTH_CLIENT_ID") and _get("OAUTH_CLIENT_SECRET")):
        raise ConfigurationError(
            f"{_PREFIX}OAUTH_TOKEN_URL needs {_PREFIX}OAUTH_CLIENT_ID and …_OAUTH_CLIENT_SECRET"
        )
    return OAuthClientCredentials(
        _get("OAUTH_TOKEN_URL") or "",
        _get("OAUTH_CLIENT_ID") or "",
        _get("OAUTH_CLIENT_SECRET") or "",
        scope=_get("OAUTH_SCOPE"),
        identity_pool=_get("OAUTH_IDENTITY_POOL"),
        logical_cluster=_get("OAUTH_LOGICAL_CLUSTER"),
    )
