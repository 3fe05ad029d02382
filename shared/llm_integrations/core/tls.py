"""TLS from files: the one place that reads them."""

from __future__ import annotations

import ssl

from llm_integrations.core.config import TLSOptions
from llm_integrations.core.errors import ConfigurationError

__all__ = ["tls_context"]


def tls_context(options: TLSOptions | None, what: str) -> ssl.SSLContext:
    """A client's context, by the system's CAs unless it has one; ConfigurationError if it fails."""
    try:
        context = ssl.create_default_context(cafile=options.ca if options else None)
        if options is not None and options.cert is not None:
            context.load_cert_chain(options.cert, options.key)
    except (OSError, ValueError) as error:  # an ssl.SSLError is an OSError
        raise ConfigurationError(f"TLSOptions for {what}: a file cannot be used: {error}") from None
    return context
