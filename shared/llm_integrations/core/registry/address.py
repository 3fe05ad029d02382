"""Reading registry URLs: which protocol, which place, which credentials."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from llm_integrations.core.config import Auth, BasicAuth
from llm_integrations.core.errors import ConfigurationError

__all__ = [
    "APICURIO_API",
    "Address",
    "Protocol",
    "absolute",
    "is_loopback",
    "origin_of",
    "read_addresses",
    "refuse_at_sign",
]

Protocol: TypeAlias = Literal[
    "memory", "file", "remote", "confluent", "llm_registry", "apicurio", "glue"
]

_PROTOCOLS: Final[dict[str, Protocol]] = {
    "memory": "memory",
    "file": "file",
    "http": "confluent",
    "https": "confluent",
    "llm+http": "llm_registry",
    "llm+https": "llm_registry",
    "apicurio": "apicurio",
    "apicurio+http": "apicurio",
    "apicurio+https": "apicurio",
    "glue": "glue",
}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: C:\ is a path
_KNOWN = (
    "memory://, file://, http(s):// (Confluent API), llm+http(s)://, apicurio+http(s)://, "
    "glue://region/registry or s3://bucket/folder, or give a path"
)
# host:port, which is neither a scheme with something behind it nor a folder
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}(/[A-Za-z0-9/_.-]*)?")
_AT_BEHIND_HOST: Final = re.compile(r"[^/?#]*[/?#][^?#]*@")
# Confluent's default one, which would be taken for a step in the path.
_DEFAULT_CONTEXT: Final = re.compile(r"/contexts/\.$")
_SEVERAL: Final = ({"confluent"}, {"llm_registry"}, {"apicurio"})
APICURIO_API: Final = "/apis/registry/v3"
# Of the storages that fsspec reads, those that people name first; it is asked about others.
_STORAGES: Final = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "hf"})
_STORAGE = re.compile(r"//(?P<host>[^/?#:]*)(?P<secret>:[^/?#@]*)?(?P<path>(?:/[^?#]*)?)")
_GLUE = re.compile(r"//([a-z0-9-]+)/([A-Za-z0-9_$#.-]+)/?")


@dataclass(frozen=True, slots=True)
class Address:
    """One base URL, or one folder.

    Attributes:
        protocol: who speaks there.
        location: a URL without credentials, a folder, the name of a memory, or a region and the
            name of a registry there.
        auth: the credentials that stood in the URL.
    """

    protocol: Protocol
    location: str
    auth: Auth | None = None


def read_addresses(url: str | os.PathLike[str] | Sequence[str]) -> tuple[Address, ...]:
    """Read one URL or path, or a list of base URLs of one registry.

    Raises:
        ConfigurationError: for an unknown scheme, a list that mixes protocols, a URL without host.
    """
    urls: list[Any] = list(url) if isinstance(url, list | tuple) else [url]
    for one in urls:
        if not isinstance(one, str | os.PathLike):
            raise ConfigurationError(
                f"a registry's URL is text, a path or a list of URLs, not {type(one).__name__}"
            )
    addresses = tuple(_read(one) for one in urls)
    protocols = {address.protocol for address in addresses}
    if not addresses:
        raise ConfigurationError("connect() needs a URL")
    if len(addresses) > 1 and protocols not in _SEVERAL:
        raise ConfigurationError(
            "several URLs must all be http(s)://, all llm+http(s):// or all apicurio+http(s)://"
        )
    return addresses


def absolute(address: Address) -> Address:
    """The same folder, wherever the process is by then."""
    if address.protocol != "file":
        return address
    return replace(address, location=str(Path(address.location).absolute()))


def _read(url: str | os.PathLike[str]) -> Address:
    text = os.fspath(url)
    if not isinstance(text, str) or not text.strip():
        raise ConfigurationError(f"a registry's URL is text such as {_KNOWN}")
    match = None if isinstance(url, os.PathLike) else _SCHEME.match(text)
    is_known = match is not None and match[1].lower() in _PROTOCOLS
    if isinstance(url, str) and not is_known and _HOST_PORT.fullmatch(text):
        raise ConfigurationError(f"{text!r} has no scheme: write http://{text}")
    if match is None:
        return Address("file", str(Path(text).expanduser()))
    scheme = match[1].lower()
    rest = text[match.end() :]
    protocol = _PROTOCOLS.get(scheme)
    if protocol is None and _is_storage(scheme):
        return Address("remote", _storage(scheme, rest))
    if protocol is None:
        # The rest of the URL may hold a password.
        raise ConfigurationError(f"unknown scheme {scheme!r} in a registry's URL: write {_KNOWN}")
    if protocol == "file":
        return Address(protocol, _folder(rest))
    if protocol == "memory":
        return Address(protocol, rest.strip("/"))
    if protocol == "glue":
        return Address(protocol, _glue(rest))
    if protocol == "apicurio":
        return _apicurio(scheme.removeprefix("apicurio").removeprefix("+"), rest)
    return _http(protocol, scheme.removeprefix("llm+"), rest)


def _folder(rest: str) -> str:
    # file://schemas is relative on purpose; only three slashes make it absolute.
    folder = unquote(rest.removeprefix("//"))
    if not folder:
        raise ConfigurationError("a file registry needs a folder: file://schemas, file:///srv/x")
    return folder


def _is_storage(scheme: str) -> bool:
    if scheme in _STORAGES:
        return True
    try:
        from fsspec import available_protocols  # type: ignore[import-untyped]  # publishes no types
    except ImportError:
        return False
    return scheme in available_protocols() and scheme != "ftp"  # which encrypts nothing


def _storage(scheme: str, rest: str) -> str:
    found = _STORAGE.fullmatch(rest)
    if found is None or rest.strip("/") == "" or (found["secret"] and "@" in found["path"]):
        raise ConfigurationError(
            f"a registry's folder elsewhere is {scheme}://bucket/folder, without a password, "
            "?query or #fragment: credentials are found as the storage's own tools find them"
        )
    return f"{scheme}:{rest.rstrip('/')}"


def _glue(rest: str) -> str:
    found = _GLUE.fullmatch(rest)
    if found is None:
        raise ConfigurationError(
            "an AWS Glue registry is glue://region/registry, as glue://eu-central-1/contracts; "
            "credentials are found as AWS's own tools find them"
        )
    return f"{found[1]}/{found[2]}"


def _apicurio(scheme: str, rest: str) -> Address:
    """Of a group: ``//host[/group]``, or with all of the API's path, as behind a gateway.

    Without http or https in its scheme it is https, and http to this machine.
    """
    if not scheme:
        scheme = "http" if is_loopback(f"http:{rest}") else "https"
    address = _http("apicurio", scheme, rest)
    parts = urlsplit(address.location)
    before, api, group = parts.path.rpartition(APICURIO_API)
    if not api:
        before, group = "", parts.path
    group = group.strip("/").removeprefix("groups/") or "default"
    if "/" in group:
        raise ConfigurationError(
            "an Apicurio Registry is apicurio+https://host/group (without a group: default), or "
            f"apicurio+https://host/gateway{APICURIO_API}/groups/group"
        )
    location = parts._replace(path=f"{before}{APICURIO_API}/groups/{group}").geturl()
    return Address("apicurio", location, address.auth)


def _http(protocol: Protocol, scheme: str, rest: str) -> Address:
    refuse_at_sign(rest)
    try:
        parts = urlsplit(f"{scheme}:{rest}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError("a registry's URL has an unreadable host or port") from None
    if not host:
        raise ConfigurationError(f"a registry's URL needs a host: {scheme}://host:port")
    if parts.query or parts.fragment:
        raise ConfigurationError("a registry's URL has no ?query and no #fragment")
    netloc = f"[{host}]" if ":" in host else host
    netloc = netloc if port is None else f"{netloc}:{port}"
    path = _DEFAULT_CONTEXT.sub("/contexts/:.:", parts.path.rstrip("/"))
    location = urlunsplit((scheme, netloc, path, "", ""))
    return Address(protocol, location, _userinfo(parts))


def refuse_at_sign(url: str) -> None:
    """Raise ConfigurationError for a URL with an ``@`` behind its host: what stands there is the
    end of a password, and what stands before it no host."""
    if _AT_BEHIND_HOST.match(url.partition("//")[2]):
        raise ConfigurationError(
            "a URL has an '@' behind its first '/', '?' or '#': write these in a password as %2F, "
            "%3F and %23, and an '@' in a path as %40"
        )


def _userinfo(parts: SplitResult) -> Auth | None:
    if parts.username is None:
        return None
    return BasicAuth(unquote(parts.username), unquote(parts.password or ""))


def origin_of(location: str) -> tuple[str, str, int]:
    """Scheme, host and port of an http(s) URL: what decides where credentials may go."""
    parts = urlsplit(location)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, (parts.hostname or "").lower(), port


def is_loopback(location: str) -> bool:
    """Whether a URL's host is this machine."""
    try:
        host = urlsplit(location).hostname or ""
        if host == "localhost" or host.endswith(".localhost"):
            return True
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
