"""An endpoint's credentials as a header."""

from __future__ import annotations

import base64

import httpx

from llm_integrations.core.config import ApiKeyAuth, Auth, BasicAuth, BearerAuth

__all__ = ["authorization"]


def authorization(auth: Auth | None, url: httpx.URL) -> dict[str, str]:
    """From ``auth``, or from the user in the URL; empty without either."""
    if auth is None and url.userinfo:
        auth = BasicAuth(url.username, url.password)
    match auth:
        case BasicAuth(username=username, password=password):
            pair = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
            return {"authorization": f"Basic {pair}"}
        case BearerAuth(token=token):
            return {"authorization": f"Bearer {token}"}
        case ApiKeyAuth(key=key):
            return {"x-api-key": key}
    return {}
