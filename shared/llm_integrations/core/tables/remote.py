"""Files that lie elsewhere (``s3://``, ``hf://``, ``https://`` …), copied here to be read."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Final

from llm_integrations.core.errors import ConfigurationError, LLMIntegrationsError, MissingExtra
from llm_integrations.core.files import atomic_write, reason_of

__all__ = ["check_here", "fetch", "is_url"]

_URL: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]+::)*[A-Za-z][A-Za-z0-9+.-]+://")
_CUT: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
"""What ``Path`` makes of a URL."""
_HERE: Final = frozenset({"file", "local"})
_PIECE: Final = 1 << 22


def is_url(place: str | Path) -> bool:
    """Whether it names a file by a scheme.

    Raises:
        ConfigurationError: it is a Path made of a URL, which is one no longer.
    """
    text = str(place)
    if isinstance(place, Path):
        cut = _CUT.match(text)
        if cut is not None and not place.exists():
            raise ConfigurationError(
                f"{text} was a URL before a Path was made of it: give it as text"
            )
        return False
    return _URL.match(text) is not None


def check_here(what: str, place: object, kind: str = "folder") -> None:
    """ConfigurationError for a URL, or what a Path made of one, where a path is needed."""
    if not isinstance(place, str | Path) or Path(place).exists():
        return
    if (_CUT if isinstance(place, Path) else _URL).match(str(place)):
        raise ConfigurationError(
            f"the {what} is a {kind} of this machine, not {_shown(str(place))}"
        )


def fetch(url: str, into: Path) -> dict[str, Path]:
    """The files that a URL names (one, those in a folder, or those of a pattern), copied here.

    A copy is used again as long as the file is what it was.

    Args:
        into: a folder for the copies, which keep the names of their files.

    Returns:
        The copies by the URLs of their files; a file that is here already is its own copy.

    Raises:
        ConfigurationError: there is no such file, or it cannot be read.
        MissingExtra: the scheme needs a package that is not installed.
    """
    with _own_errors(url):
        from fsspec import available_protocols  # type: ignore[import-untyped]  # publishes no types
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]  # publishes no types

        _check_scheme(url, available_protocols())
        system, path = url_to_fs(url)
        found = _named(system, path)
        if _protocols(system) & _HERE:
            return {one: Path(one) for one in found}
        return {system.unstrip_protocol(one): _copied(system, one, into) for one in found}


def _check_scheme(url: str, known: Collection[str]) -> None:
    for scheme in url.partition("://")[0].split("::"):
        if scheme.lower() not in known:
            raise ConfigurationError(
                f"{_shown(url)} cannot be read: {scheme!r} is no scheme of a storage, as s3, gs, "
                "abfs, hf or https are"
            )


def _named(system: Any, path: str) -> list[str]:
    if any(sign in path for sign in "*?["):
        found = sorted(system.glob(path))
    elif system.isdir(path):
        found = sorted(system.find(path))
    else:
        found = [path]
    if not found:
        raise FileNotFoundError(path)
    return [str(one) for one in found]


def _copied(system: Any, path: str, into: Path) -> Path:
    # The time of a listing, a signed URL's expiry and the like would make it another file.
    info = system.info(path)
    about = {key: value for key, value in info.items() if key in _TELLING}
    token = hashlib.sha256(f"{sorted(_protocols(system))}|{path}|{about}".encode()).hexdigest()
    target = into / token[:16] / PurePosixPath(path).name
    if about and target.exists():
        return target
    with system.open(path, "rb") as source, atomic_write(target, mode=0o600) as stream:
        while piece := source.read(_PIECE):
            stream.write(piece)
        if info.get("size") not in (None, stream.tell()):
            raise OSError("it ended too early")
    return target


_TELLING: Final = frozenset(
    {"size", "ETag", "etag", "blob_id", "LastModified", "last_modified", "mtime", "created"}
)
"""What file systems say about a file that changes with its content."""


def _protocols(system: Any) -> frozenset[str]:
    named = system.protocol
    return frozenset([named] if isinstance(named, str) else named)


@contextmanager
def _own_errors(url: str) -> Iterator[None]:
    scheme = _URL.match(url)
    try:
        yield
    except LLMIntegrationsError:
        raise
    except ImportError as error:
        raise MissingExtra(f"{scheme and scheme[0]} needs a package: {error}") from None
    except Exception as error:  # noqa: BLE001 - see below
        # File systems raise what their clients do, and those may quote what they were sent.
        raise ConfigurationError(f"{_shown(url)} cannot be read: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """In our words, as its own may quote credentials."""
    kind = type(error).__name__
    status = getattr(error, "status", None)
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(status, int):
        return f"its server answered {status}"
    if isinstance(getattr(error, "os_error", None), socket.gaierror):
        return "its host's name is not known (is it misspelt?)"
    if "Credential" in kind:
        return f"no credentials where its own tools keep them ({kind})"
    number = (error.errno or 0) if isinstance(error, OSError) else 0
    if number == errno.ECONNREFUSED:
        return "nothing listens on that port"
    return reason_of(OSError(number, os.strerror(number))) if number > 0 else kind


def _shown(url: str) -> str:
    """Without credentials, and without the query, which may hold a signature."""
    return re.sub(r"(:/+)[^/@]*@", r"\1", url).partition("?")[0]
