"""An endpoint's credentials as a header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_integrations.core.config import Auth, BasicAuth
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry.http.credentials import auth_headers

if TYPE_CHECKING:
    import httpx

__all__ = ["authorization"]


def authorization(auth: Auth | None, url: httpx.URL) -> dict[str, str]:
    """From ``auth``, or from the user in the URL; empty without either.

    Raises:
        ConfigurationError: they do not fit into a header.
    """
    if auth is None and url.userinfo:
        auth = BasicAuth(url.username, url.password)
    try:
        return auth_headers(auth)
    except UnicodeEncodeError:
        raise ConfigurationError("credentials must be valid Unicode") from None
