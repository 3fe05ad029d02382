"""The files and folders of a file registry, and the errors of the file system as ours."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from llm_integrations.core.errors import (
    InvalidReference,
    RegistryAuthError,
    RegistryProtocolError,
    RegistryUnavailable,
)
from llm_integrations.core.model.reference import LATEST, Version, parse_version
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry.local.file.documents import SUFFIXES

__all__ = [
    "SIDECAR",
    "document",
    "entries",
    "has_versions",
    "registry_errors",
    "remove_leftovers",
    "version_of",
    "warn_about_other_names",
]

SIDECAR: Final = "meta"
_REFUSED: Final = (errno.EACCES, errno.EPERM, errno.EROFS)
_WRONG_KIND: Final = (errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG)

_log = get_logger(__name__)


@contextmanager
def registry_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"{error.filename or path}: {error.strerror or type(error).__name__}"
        if error.errno in _REFUSED:
            raise RegistryAuthError(f"no right to use {what}") from None
        if error.errno in _WRONG_KIND:
            raise RegistryProtocolError(what) from None
        raise RegistryUnavailable(what) from None


def entries(folder: Path) -> list[Path]:
    """The paths in a folder, by name and without hidden ones; none if there is no such folder."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return []


def document(folder: Path, stem: str) -> Path | None:
    found = [path for suffix in SUFFIXES if (path := folder / f"{stem}{suffix}").exists()]
    if len(found) > 1:
        raise RegistryProtocolError(f"{found[0]} and {found[1].name}: keep one of them")
    return found[0] if found else None


def version_of(path: Path) -> Version | None:
    """The version that a file's name means, or None for any other file."""
    if path.suffix not in SUFFIXES:
        return None
    try:
        version = parse_version(path.stem)
    except InvalidReference:
        return None
    return None if version == LATEST else version


def has_versions(folder: Path) -> bool:
    return any(version_of(path) is not None for path in entries(folder))


def warn_about_other_names(folder: Path) -> None:
    others = [p.name for p in entries(folder) if p.suffix in SUFFIXES and p.stem != SIDECAR]
    if others:
        _log.warning("%s holds no version: call %s 1.json or 1.0.0.json", folder, others[0])


def remove_leftovers(folder: Path) -> None:
    """Remove what a writer that was killed left behind; whoever holds the lock is the only one."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)
