"""What a failed request is to the caller: httpx's errors as ours, with what to do about them."""

from __future__ import annotations

import socket
import ssl
from typing import Final, TypeVar
from urllib.parse import urlsplit

from llm_integrations.core.errors import RegistryError, RegistryProtocolError, RegistryUnavailable
from llm_integrations.core.registry.http.exchange import LOGIN_WANTED

__all__ = ["translated"]

E = TypeVar("E", bound=BaseException)

_EXPIRED: Final = 10  # these three are OpenSSL's X509_V_ERR_…
_NOT_YET: Final = 9
_OTHER_HOST: Final = (62, 63, 64)
_OURS_REFUSED: Final = ("UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_EXPIRED", "ACCESS_DENIED")


def translated(
    error: Exception, url: str, *, answering: bool = False, proxy: str | None = None
) -> RegistryError:
    """Our error for one of httpx's, whose own text may quote headers.

    Args:
        answering: the answer had begun.
        proxy: what the request went through; its address is told, its credentials are not.
    """
    import httpx

    if isinstance(error, httpx.RemoteProtocolError):
        if answering:
            return RegistryProtocolError(f"{url} broke off in the middle of its answer")
        if "without sending a response" not in str(error):
            return RegistryProtocolError(f"{url} does not speak HTTP")
        return RegistryUnavailable(f"{url} closed the connection without an answer")
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol | UnicodeError):
        return RegistryProtocolError(f"no request can be made to {url[:200]}")
    if said := _said_of_certificates(error):
        return RegistryUnavailable(f"{url} {said}", retryable=False)
    if isinstance(error, httpx.ProxyError):
        return RegistryUnavailable(_refused(error, url, proxy))
    if isinstance(error, httpx.ConnectError):
        return RegistryUnavailable(_not_connected(error, url, proxy))
    way = f", through the proxy {_address(proxy)}," if proxy else ""
    hint = "" if answering or proxy else f"; {_question(url)}"
    return RegistryUnavailable(f"the connection to {url}{way} broke ({type(error).__name__}){hint}")


def _question(url: str) -> str:
    """The likely reason why a server breaks off instead of answering."""
    if url.startswith("http://"):
        return "does this port speak https?"
    return "does it ask for a certificate of ours (cert and key)?"


def _said_of_certificates(error: Exception) -> str:
    """Empty where no certificate is at fault."""
    failed = _cause(error, ssl.SSLError)
    if isinstance(failed, ssl.SSLCertVerificationError):
        shown = {
            _EXPIRED: "that has expired: it needs a new one, if this machine's clock is right",
            _NOT_YET: "that is not valid yet: is this machine's clock right?",
            **dict.fromkeys(_OTHER_HOST, "for another host: connect by a name that it bears"),
        }.get(
            failed.verify_code,
            "that is not trusted: name its CA by TLSOptions(ca=…), --ca or "
            "LLM_INTEGRATIONS_REGISTRY_CA",
        )
        return f"shows a certificate {shown}"
    reason = (failed and failed.reason) or ""
    if "CERTIFICATE_REQUIRED" in reason:
        return "asks for a certificate of ours: TLSOptions(cert=…, key=…), or --cert and --key"
    if "ALERT" in reason and reason.endswith(_OURS_REFUSED):
        return "does not take the certificate of ours that TLSOptions(cert=…) or --cert names"
    return ""


def _refused(error: Exception, url: str, proxy: str | None) -> str:
    words = f"the proxy {_address(proxy)} does not let through to {url}"
    if str(error).startswith("407"):
        return f"{words}: {LOGIN_WANTED}"
    return words


def _not_connected(error: Exception, url: str, proxy: str | None) -> str:
    if _cause(error, ssl.SSLError):
        return f"cannot connect to {url}: {_why(error)}"
    return f"cannot connect to {f'the proxy {_address(proxy)}' if proxy else url}: {_why(error)}"


def _why(error: Exception) -> str:
    """What the system said of a connection that did not come about; its words hold no secret."""
    if _cause(error, socket.gaierror):
        return "its host's name is not known (is it misspelt?)"
    if _cause(error, ConnectionRefusedError):
        return "nothing listens on that port"
    if failed := _cause(error, ssl.SSLError):
        is_plain = "WRONG_VERSION_NUMBER" in str(failed) or "RECORD_LAYER" in str(failed)
        return "the port does not speak TLS: write http://" if is_plain else _tls_failed(failed)
    system = _cause(error, OSError)
    return (system and system.strerror) or type(error).__name__


def _tls_failed(error: ssl.SSLError) -> str:
    if error.reason and error.reason.endswith("HANDSHAKE_FAILURE"):
        return (
            "it has no TLS version or cipher in common with us, or asks for a certificate of ours"
        )
    return f"TLS failed ({error.reason})" if error.reason else "TLS failed"


def _cause(error: BaseException, kind: type[E]) -> E | None:
    found: BaseException | None = error
    while found is not None and not isinstance(found, kind):
        found = found.__cause__ or found.__context__
    return found


def _address(proxy: str | None) -> str:
    """Where a proxy is, without its credentials."""
    return urlsplit(proxy or "").netloc.rpartition("@")[2]
