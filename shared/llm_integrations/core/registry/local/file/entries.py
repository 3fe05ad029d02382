"""The files and folders of a file registry, and the errors of the file system as ours."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from llm_integrations.core.errors import (
    InvalidReference,
    RegistryAuthError,
    RegistryProtocolError,
    RegistryUnavailable,
)
from llm_integrations.core.files import reason_of
from llm_integrations.core.model.reference import LATEST, Version, parse_version, version_key
from llm_integrations.core.registry.local.file.documents import SUFFIXES

__all__ = [
    "FileName",
    "changed_since",
    "entries",
    "inside",
    "is_settled",
    "name_of",
    "nested_version",
    "registry_errors",
    "remove_leftovers",
]

_REFUSED: Final = (errno.EACCES, errno.EPERM, errno.EROFS)
_WRONG_KIND: Final = (errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG)
_LOOKED_INTO: Final = 100  # folders
_TICK: Final = 100_000_000  # nanoseconds, of any clock that counts parts of a second
_COARSE_TICK: Final = 2_100_000_000  # of one that counts seconds, or every second one


class registry_errors:  # noqa: N801 - reads as contextlib's; a generator would take four times as long
    """Within it, an OSError becomes ours."""

    __slots__ = ("_path",)

    def __init__(self, path: str | Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, OSError):
            return
        what = f"{error.filename or self._path}: {reason_of(error)}"
        if error.errno in _REFUSED:
            raise RegistryAuthError(f"no right to use {what}") from None
        if error.errno in _WRONG_KIND:
            raise RegistryProtocolError(what) from None
        raise RegistryUnavailable(what) from None


def changed_since(paths: Iterable[str], moment: int) -> list[str]:
    """The files and folders that may have changed after a moment (in nanoseconds), or are gone."""
    changed = []
    for path in paths:
        try:
            status = os.stat(path)  # noqa: PTH116 - one call, and no Path to make
        except OSError:
            changed.append(path)
            continue
        # People set the latter.
        if not is_settled(max(status.st_ctime_ns, status.st_mtime_ns), moment):
            changed.append(path)
    return changed


def is_settled(changed: int, moment: int | None = None) -> bool:
    """Whether any change after a moment (None: now) shows another time than this one.

    In nanoseconds.
    """
    age = (time.time_ns() if moment is None else moment) - changed
    return age > _COARSE_TICK or (age > _TICK and changed % 1_000_000_000 != 0)


def entries(folder: str) -> list[os.DirEntry[str]]:
    """What is in a folder, without hidden ones; nothing if there is no such folder."""
    try:
        with os.scandir(folder) as found:
            return [entry for entry in found if not entry.name.startswith(".")]
    except FileNotFoundError:
        return []


def inside(path: str, root: str) -> str:
    """The path, unless a link leads out of the registry's folder."""
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        raise RegistryProtocolError(f"{path} is a link that leaves the registry's folder")
    return path


class FileName(NamedTuple):
    """What a document's name says, of a version also its place in the order of versions."""

    stem: str
    bare: str
    """Without ``.schema`` at its end."""
    version: Version | None = None
    order: tuple[tuple[Any, ...], str] = ((), "")
    """Build metadata come last: they make another version, which is no later one."""


@lru_cache(maxsize=4096)  # the same few names in every folder
def name_of(file: str) -> FileName | None:
    """None for what is no document. ``v1`` and ``1.schema`` are version 1, as people write it."""
    stem, dot, suffix = file.rpartition(".")
    if (dot + suffix).lower() not in SUFFIXES:
        return None
    bare = stem[:-7] if stem.lower().endswith(".schema") else stem
    is_prefixed = bare[:1] in ("v", "V") and bare[1:2].isdigit()
    try:
        version = parse_version(bare[1:] if is_prefixed else bare)
    except InvalidReference:
        version = LATEST
    if version == LATEST:
        return FileName(stem, bare)
    build = str(version).partition("+")[2]
    return FileName(stem, bare, version, (version_key(version), build))


def nested_version(folder: str) -> str | None:
    """A version that lies deeper than in the folder itself, if one is soon found."""
    for seen, (place, folders, files) in enumerate(os.walk(folder)):
        if seen == _LOOKED_INTO:
            return None
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in sorted(files) if place != folder else ():
            named = name_of(name)
            if named is not None and named.version is not None:
                return f"{place}{os.sep}{name}"
    return None


def remove_leftovers(folder: str | Path) -> None:
    """Remove what a writer that was killed left behind; whoever holds the lock is the only one."""
    for path in Path(folder).glob(".*.tmp"):
        path.unlink(missing_ok=True)
