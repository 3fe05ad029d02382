"""The registry client that the configuration asks for."""

from __future__ import annotations

import os

from llm_integrations.core.config import (
    ApiKeyAuth,
    Auth,
    BasicAuth,
    BearerAuth,
    CacheOptions,
    TLSOptions,
)
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry import Registry, connect
from llm_integrations.serving.config import MiddlewareConfig, RegistryConfig

__all__ = ["open_registry"]


def open_registry(config: MiddlewareConfig) -> Registry:
    """A client that is not connected yet.

    Raises:
        ConfigurationError: no registry is named, a URL is wrong, or a secret is not set.
    """
    given = config.registry
    options = given if isinstance(given, RegistryConfig) else RegistryConfig(url=given)
    return connect(
        options.url,
        timeout=options.timeout,
        cache=CacheOptions(ttl=options.ttl, stale_ttl=options.stale_ttl),
        validation=config.validation.options(),
        auth=_auth(options),
        tls=_tls(options),
        allow_insecure=options.allow_insecure,
    )


def _auth(options: RegistryConfig) -> Auth | None:
    if options.bearer_env:
        return BearerAuth(_secret(options.bearer_env))
    if options.api_key_env:
        return ApiKeyAuth(_secret(options.api_key_env))
    if options.username and options.password_env:
        return BasicAuth(options.username, _secret(options.password_env))
    return None


def _tls(options: RegistryConfig) -> TLSOptions | None:
    if options.ca or options.cert:
        return TLSOptions(options.ca, options.cert, options.key)
    return None


def _secret(variable: str) -> str:
    value = os.environ.get(variable)
    if not value:
        raise ConfigurationError(f"registry: {variable} is not set")
    return value
