"""Who is told about schemas."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from llm_integrations.serving.config.section import HeaderName, Section

__all__ = ["KEY_HEADERS", "AuthConfig"]

KEY_HEADERS: Final = ("authorization", "x-api-key")


class AuthConfig(Section):
    """Keys that the middleware compares itself. Whoever has none of them gets 401."""

    keys_env: tuple[str, ...] = Field(
        min_length=1, description="Environment variables that hold a key each."
    )
    headers: tuple[HeaderName, ...] = Field(
        default=KEY_HEADERS,
        min_length=1,
        description="Request headers that may hold the key, with or without Bearer.",
    )
