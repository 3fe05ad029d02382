"""The file registry's storage: a folder that people keep in git and edit by hand.

Writers hold a lock. Readers need none: a version exists from the moment its file is renamed into
place, and what the sidecar says about it was written before.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from llm_integrations.core.errors import (
    InvalidReference,
    InvalidSchema,
    RegistryAuthError,
    RegistryProtocolError,
    RegistryUnavailable,
    SchemaNotFound,
)
from llm_integrations.core.files import atomic_write
from llm_integrations.core.registry.documents import SUFFIXES, dump_document, read_document
from llm_integrations.core.registry.ledger import Ledger, check_level
from llm_integrations.core.registry.names import (
    decode_subject,
    encode_distinctly,
    encode_subject,
)
from llm_integrations.core.registry.reference import (
    LATEST,
    Version,
    parse_version,
    version_key,
)
from llm_integrations.core.registry.schema import JsonSchema
from llm_integrations.core.registry.sidecar import Sidecar

__all__ = ["FolderStore"]

_SIDECAR: Final = "meta"
_CONFIG: Final = "registry"
_LOCK: Final = ".lock"
_REFUSED: Final = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def _own_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"{error.filename or path}: {error.strerror or type(error).__name__}"
        if error.errno in _REFUSED:
            raise RegistryAuthError(f"no right to use {what}") from None
        raise RegistryUnavailable(what) from None


class FolderStore:
    """``<root>/<subject>/<version>.json`` with ``meta.json`` beside it.

    Args:
        root: the folder; made by the first registration.
        lock_timeout: seconds to wait for another process that is writing.
    """

    def __init__(self, root: Path, *, lock_timeout: float = 5.0) -> None:
        self.root = root.absolute()
        self._lock_timeout = lock_timeout

    @contextmanager
    def lock(self) -> Iterator[object]:
        from filelock import FileLock, Timeout

        path = self.root / _LOCK
        with _own_errors(self.root):
            self._prepare()
            try:
                with FileLock(path, timeout=self._lock_timeout, poll_interval=0.01):
                    yield None
            except Timeout:
                raise RegistryUnavailable(
                    f"another process has been writing for {self._lock_timeout:g} s: {path}"
                ) from None

    def _prepare(self) -> None:
        """Make the folder, and keep what only this machine needs out of git."""
        if (self.root / _LOCK).exists():
            return
        self.root.mkdir(parents=True, exist_ok=True)
        ignore = self.root / ".gitignore"
        if not ignore.exists():
            with atomic_write(ignore) as stream:
                stream.write(f"{_LOCK}\n.*.tmp\n".encode())

    def subjects(self) -> Iterable[str]:
        with _own_errors(self.root):
            folders = self._folders()
            return [name for name, folder in folders.items() if _has_versions(folder)]

    def ledger(self, subject: str) -> Ledger:
        with _own_errors(self.root):
            folder = self._folder(subject)
            if folder is None:
                return Ledger(subject)
            # In this order: what is said about a version is written before its file appears.
            versions = list(self._files(folder))
            sidecar = self._sidecar(folder)
            ledger = Ledger(subject, compatibility=sidecar.compatibility)
            for version in versions:
                ledger = ledger.with_entry(sidecar.entry(version))
            return ledger

    def body(self, subject: str, version: Version) -> JsonSchema:
        with _own_errors(self.root):
            folder = self._folder(subject)
            path = self._files(folder).get(version) if folder is not None else None
            if path is None:
                raise SchemaNotFound(f"{subject!r} has no version {version}")
            try:
                body = read_document(self._inside(path))
            except FileNotFoundError:
                raise SchemaNotFound(f"{subject!r} has no version {version} any more") from None
            if not isinstance(body, dict | bool):
                raise InvalidSchema(f"{path} is no JSON Schema: neither an object nor a boolean")
            return body

    def add(self, ledger: Ledger, version: Version, body: JsonSchema) -> None:
        with _own_errors(self.root):
            folder = self._folder(ledger.subject) or self._make_folder(ledger.subject)
            _sweep(folder)
            self._save(folder, ledger)
            with atomic_write(folder / f"{version}.json") as stream:
                stream.write(dump_document(body))

    def save(self, ledger: Ledger) -> None:
        with _own_errors(self.root):
            self._save(self._folder(ledger.subject) or self._make_folder(ledger.subject), ledger)

    def erase(self, ledger: Ledger, versions: Iterable[Version]) -> None:
        with _own_errors(self.root):
            folder = self._folder(ledger.subject)
            if folder is None:
                return
            files = self._files(folder)
            for version in versions:
                self._inside(files[version]).unlink(missing_ok=True)
            if ledger.entries:
                self._save(folder, ledger)
            else:
                self._remove(folder)

    def level(self) -> str | None:
        with _own_errors(self.root):
            path = _document(self.root, _CONFIG)
            content = read_document(self._inside(path)) if path is not None else {}
            level = content.get("compatibility") if isinstance(content, dict) else None
            return check_level(level) if level is not None else None

    def set_level(self, level: str) -> None:
        with _own_errors(self.root):
            path = _document(self.root, _CONFIG) or self.root / f"{_CONFIG}.json"
            content = read_document(self._inside(path)) if path.exists() else {}
            with atomic_write(path) as stream:
                stream.write(dump_document({**content, "compatibility": level}, path.suffix))

    def _folders(self) -> dict[str, Path]:
        """Every subject's folder. Names that differ in encoding alone would be one subject."""
        found: dict[str, Path] = {}
        for folder in _entries(self.root):
            if not folder.is_dir():
                continue
            subject = decode_subject(folder.name) or self._told(folder)
            if subject is None:
                continue
            if subject in found:
                raise RegistryProtocolError(
                    f"{found[subject]} and {folder} are both the subject {subject!r}"
                )
            found[subject] = folder
        return found

    def _told(self, folder: Path) -> str | None:
        """The subject of a folder with an abbreviated name, if it is the right one."""
        subject = self._sidecar(folder).subject
        if subject is None or folder.name not in (
            encode_subject(subject),
            encode_distinctly(subject),
        ):
            return None
        return subject

    def _folder(self, subject: str) -> Path | None:
        folder = self._folders().get(subject)
        return None if folder is None else self._inside(folder)

    def _make_folder(self, subject: str) -> Path:
        name = encode_subject(subject)
        taken = {entry.name.casefold() for entry in _entries(self.root)}
        if name.casefold() in taken:  # one folder where case makes no difference
            name = encode_distinctly(subject)
        folder = self.root / name
        if decode_subject(name) is None:
            with atomic_write(folder / f"{_SIDECAR}.json") as stream:
                stream.write(dump_document({"subject": subject}))
        folder.mkdir(exist_ok=True)
        return folder

    def _inside(self, path: Path) -> Path:
        """The path, unless a link leads out of the registry's folder."""
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise RegistryProtocolError(f"{path} is a link that leaves the registry's folder")
        return path

    def _files(self, folder: Path) -> dict[Version, Path]:
        files: dict[Version, Path] = {}
        seen: dict[object, Path] = {}
        for path in _entries(folder):
            version = _version_of(path)
            if version is None:
                continue
            key = (version_key(version), str(version).partition("+")[2])
            if key in seen:
                raise RegistryProtocolError(f"{seen[key]} and {path} are the same version")
            files[version] = seen[key] = path
        return files

    def _sidecar(self, folder: Path) -> Sidecar:
        path = _document(folder, _SIDECAR)
        if path is None:
            return Sidecar(str(folder / f"{_SIDECAR}.json"))
        return Sidecar.read(str(path), read_document(self._inside(path)))

    def _save(self, folder: Path, ledger: Ledger) -> None:
        sidecar = self._sidecar(folder)
        content = sidecar.updated(ledger)
        if content == sidecar.content:
            return
        path = Path(sidecar.source)
        with atomic_write(path) as stream:
            stream.write(dump_document(content, path.suffix))

    def _remove(self, folder: Path) -> None:
        """The sidecar goes, and the folder unless people keep something else in it."""
        _sweep(folder)
        path = _document(folder, _SIDECAR)
        if path is not None:
            path.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()


def _entries(folder: Path) -> list[Path]:
    """What stands in a folder, by name and without hidden entries; nothing if it is not there."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return []


def _document(folder: Path, stem: str) -> Path | None:
    found = [path for suffix in SUFFIXES if (path := folder / f"{stem}{suffix}").exists()]
    if len(found) > 1:
        raise RegistryProtocolError(f"{found[0]} and {found[1].name}: keep one of them")
    return found[0] if found else None


def _version_of(path: Path) -> Version | None:
    """The version that a file's name means, or None for any other file."""
    if path.suffix not in SUFFIXES:
        return None
    try:
        version = parse_version(path.stem)
    except InvalidReference:
        return None
    return None if version == LATEST else version


def _has_versions(folder: Path) -> bool:
    return any(_version_of(path) is not None for path in _entries(folder))


def _sweep(folder: Path) -> None:
    """Remove what a writer that was killed left behind; whoever holds the lock is the only one."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)
