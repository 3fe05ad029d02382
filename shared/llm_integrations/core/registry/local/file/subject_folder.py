"""One look at the folder of a subject: which versions it holds, and what is said about them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Final, TypeAlias

from llm_integrations.core.errors import InvalidSchema, RegistryProtocolError, SchemaNotFound
from llm_integrations.core.model.reference import Version, version_key
from llm_integrations.core.model.schema import JsonSchema
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry.local.file.documents import SUFFIXES, read_document
from llm_integrations.core.registry.local.file.entries import (
    entries,
    inside,
    is_settled,
    registry_errors,
    split_name,
    version_of,
)
from llm_integrations.core.registry.local.file.sidecar import Sidecar
from llm_integrations.core.registry.local.ledger import Ledger

__all__ = ["SIDECAR", "Mark", "SubjectFolder", "read_sidecar"]

SIDECAR: Final = "meta"

Mark: TypeAlias = tuple[int, int, int, int]
"""What a file system says of a file that was left alone: inode, size, times of its changes."""

_log = get_logger(__name__)


class SubjectFolder:
    """What a folder held when this was made; its files are read when they are asked for.

    In this order, since what is said about a version is written before its file appears.

    Args:
        subject: whose folder it is.
        path: the folder, which need not be there.
        root: the registry's folder, which no link may leave.
    """

    def __init__(self, subject: str, path: str, root: str, *, is_link: bool = False) -> None:
        self.subject = subject
        self.path = path
        self._root = root
        with registry_errors(path):
            found = entries(inside(path, root) if is_link else path)
        named = ((split_name(entry.name), entry) for entry in found)
        self._documents = [(parts[0], entry) for parts, entry in named if parts is not None]

    @property
    def is_empty(self) -> bool:
        return not any(version_of(stem) for stem, _ in self._documents)

    @property
    def paths(self) -> list[str]:
        """Its documents, those included that are no version."""
        return [entry.path for _, entry in self._documents]

    @cached_property
    def files(self) -> Mapping[Version, os.DirEntry[str]]:
        """Raises RegistryProtocolError where two files are the same version."""
        files: dict[Version, os.DirEntry[str]] = {}
        seen: dict[object, os.DirEntry[str]] = {}
        for stem, entry in self._documents:
            version = version_of(stem)
            if version is None:
                continue
            key = (version_key(version), str(version).partition("+")[2])
            if key in seen:
                raise _same_version(seen[key].path, entry.path)
            files[version] = seen[key] = entry
        return files

    @property
    def ledger(self) -> Ledger:
        return self._ledger

    @cached_property
    def _ledger(self) -> Ledger:
        with registry_errors(self.path):
            files, sidecar = self.files, self.sidecar
            if not files:
                self._warn_about_other_names()
            held = (sidecar.entry(version) for version in files)
            return Ledger.of(self.subject, held, sidecar.compatibility)

    @cached_property
    def sidecar(self) -> Sidecar:
        found = [(e.path, e.is_symlink()) for stem, e in self._documents if stem == SIDECAR]
        return _sidecar(self.path, SIDECAR, found, self._root)

    def numbers(self) -> list[Version]:
        return list(self.files)

    def mark(self, version: Version) -> Mark | None:
        """The same at a later look if its file was left alone; None where that cannot be told.

        Taken before the file is read, it never vouches for what was not read.
        """
        entry = self.files[version]
        try:
            if entry.is_symlink():
                return None
            status = entry.stat()
        except OSError:
            return None
        changed = max(status.st_ctime_ns, status.st_mtime_ns)  # people set the latter
        if not is_settled(changed):
            return None
        return status.st_ino, status.st_size, status.st_ctime_ns, status.st_mtime_ns

    def body(self, version: Version) -> JsonSchema:
        with registry_errors(self.path):
            entry = self.files.get(version)
            if entry is None:
                raise SchemaNotFound(f"{self.subject!r} has no version {version}")
            try:
                path = inside(entry.path, self._root) if entry.is_symlink() else entry.path
                body = read_document(path)
            except FileNotFoundError:
                raise SchemaNotFound(
                    f"{self.subject!r} has no version {version} any more"
                ) from None
            if not isinstance(body, dict | bool):
                raise InvalidSchema(
                    f"{entry.path} is no JSON Schema: neither an object nor a boolean"
                )
            return body

    def _warn_about_other_names(self) -> None:
        others = [entry.name for stem, entry in self._documents if stem != SIDECAR]
        if others:
            _log.warning(
                "%s holds no version: call %s 1.json or 1.0.0.json", self.path, min(others)
            )


def read_sidecar(folder: str, stem: str, root: str) -> Sidecar:
    """What a document beside other files says; an empty one where there is none."""
    paths = (f"{folder}{os.sep}{stem}{suffix}" for suffix in SUFFIXES)
    return _sidecar(folder, stem, [(path, True) for path in paths if os.path.lexists(path)], root)


def _sidecar(folder: str, stem: str, found: list[tuple[str, bool]], root: str) -> Sidecar:
    if len(found) > 1:
        (one, _), (other, _) = sorted(found)[:2]
        raise RegistryProtocolError(f"{one} and {other}: keep one of them")
    if not found:
        return Sidecar(f"{folder}{os.sep}{stem}.json")
    path, is_link = found[0]
    return Sidecar.read(path, read_document(inside(path, root) if is_link else path))


def _same_version(one: str, other: str) -> RegistryProtocolError:
    one, other = sorted((one, other))
    return RegistryProtocolError(
        f"{one} and {other} are the same version, as when two branches add the same one: keep "
        "one of them, and register the other's schema again, as the next version"
    )
