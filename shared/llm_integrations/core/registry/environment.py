"""The registry's URL in the environment, and credentials that go to that URL's origin only."""

from __future__ import annotations

import os
from collections.abc import Sequence

from llm_integrations.core.config import ApiKeyAuth, Auth, BasicAuth, BearerAuth
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry.address import Address, origin_of, read_addresses

__all__ = ["environment_auth", "environment_url"]

_PREFIX = "LLM_INTEGRATIONS_REGISTRY_"


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
    url = environment_url()
    if auth is None or url is None:
        return None
    named = {origin_of(address.location) for address in read_addresses(url)}
    return auth if all(origin_of(a.location) in named for a in addresses) else None


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
    if len(found) > 1:
        raise ConfigurationError(
            f"set one of {_PREFIX}API_KEY, {_PREFIX}TOKEN, and {_PREFIX}USERNAME with _PASSWORD"
        )
    return found[0] if found else None
