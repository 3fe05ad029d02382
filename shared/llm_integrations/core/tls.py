"""TLS from files: the one place that reads them."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from llm_integrations.core.config import TLSOptions
from llm_integrations.core.errors import ConfigurationError

__all__ = ["tls_context"]


def tls_context(
    options: TLSOptions | None,
    what: str,
    *,
    roots: Callable[[], ssl.SSLContext] = ssl.create_default_context,
) -> ssl.SSLContext:
    """A client's context. It reads files, and asks nobody for a password.

    Args:
        what: whose connections these are, for the error.
        roots: makes a context where ``options`` name no CA; else it is by the system's CAs.

    Raises:
        ConfigurationError: a file cannot be used, or its key is encrypted and there is no password.
    """
    tls = options or TLSOptions()
    try:
        context = roots() if tls.ca is None else ssl.create_default_context(cafile=tls.ca)
        if tls.cert is not None:
            context.load_cert_chain(tls.cert, tls.key, password=lambda: _password(tls, what))
    except (OSError, ValueError) as error:  # an ssl.SSLError is an OSError
        files = f"ca={tls.ca}, cert={tls.cert}, key={tls.key}"
        raise ConfigurationError(
            f"TLSOptions for {what}: a file cannot be used ({_reason(error, tls)}): {files}"
        ) from None
    return context


def _password(tls: TLSOptions, what: str) -> str:
    """Called for an encrypted key only. Without it OpenSSL would ask on the terminal, and wait."""
    if tls.password is None:
        raise ConfigurationError(
            f"TLSOptions for {what}: the key {tls.key or tls.cert} is encrypted: give its password="
        )
    return tls.password


def _reason(error: OSError | ValueError, tls: TLSOptions) -> str:
    said = getattr(error, "reason", None)  # OpenSSL's word for it
    if said == "KEY_VALUES_MISMATCH":
        return "the key is not that of the certificate"
    if said == "NO_CERTIFICATE_OR_CRL_FOUND":
        return "ca holds no certificate"
    if isinstance(error, ssl.SSLError) and tls.cert is not None and tls.key is None:
        return "cert holds no key: name the key's file"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
