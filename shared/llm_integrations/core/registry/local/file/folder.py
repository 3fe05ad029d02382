"""The file registry's storage: a folder that people keep in git and edit by hand.

Writers hold a lock. Readers need none: a version exists from the moment its file is renamed into
place, and what the sidecar says about it was written before.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from llm_integrations.core.errors import (
    InvalidReference,
    InvalidSchema,
    RegistryProtocolError,
    RegistryUnavailable,
    SchemaNotFound,
)
from llm_integrations.core.files import atomic_write
from llm_integrations.core.model.reference import SchemaRef, Version, version_key
from llm_integrations.core.model.schema import JsonSchema
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry.local.file.documents import dump_document, read_document
from llm_integrations.core.registry.local.file.entries import (
    SIDECAR,
    document,
    entries,
    has_versions,
    registry_errors,
    remove_leftovers,
    version_of,
    warn_about_other_names,
)
from llm_integrations.core.registry.local.file.names import (
    decode_subject,
    encode_distinctly,
    encode_subject,
)
from llm_integrations.core.registry.local.file.sidecar import Sidecar
from llm_integrations.core.registry.local.ledger import Ledger

__all__ = ["FolderStore"]

_CONFIG: Final = "registry"
_LOCK: Final = ".lock"

_log = get_logger(__name__)


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
        with registry_errors(self.root):
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
        with registry_errors(self.root):
            named = ((self._subject_of(folder), folder) for folder in entries(self.root))
            return sorted({name for name, folder in named if name and has_versions(folder)})

    def ledger(self, subject: str) -> Ledger:
        with registry_errors(self.root):
            folder = self._folder(subject)
            if folder is None:
                return Ledger(subject)
            # In this order: what is said about a version is written before its file appears.
            versions = self._files(folder)
            sidecar = self._sidecar(folder)
            held = (sidecar.entry(version) for version in versions)
            return Ledger.of(subject, held, sidecar.compatibility)

    def body(self, subject: str, version: Version) -> JsonSchema:
        with registry_errors(self.root):
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
        with registry_errors(self.root):
            folder = self._folder(ledger.subject) or self._make_folder(ledger.subject)
            remove_leftovers(folder)
            self._save(folder, ledger)
            with atomic_write(folder / f"{version}.json") as stream:
                stream.write(dump_document(body))

    def save(self, ledger: Ledger) -> None:
        with registry_errors(self.root):
            self._save(self._folder(ledger.subject) or self._make_folder(ledger.subject), ledger)

    def erase(self, ledger: Ledger, versions: Iterable[Version]) -> None:
        with registry_errors(self.root):
            folder = self._folder(ledger.subject)
            if folder is None:
                return
            files = self._files(folder)
            for version in versions:
                if version in files:
                    files[version].unlink(missing_ok=True)
            if ledger.entries:
                self._save(folder, ledger)
            else:
                self._remove(folder)

    def level(self) -> str | None:
        with registry_errors(self.root):
            return self._read_sidecar(self.root, _CONFIG).compatibility

    def set_level(self, level: str) -> None:
        with registry_errors(self.root):
            config = self._read_sidecar(self.root, _CONFIG)
            self._write_sidecar(config, {**config.content, "compatibility": level})

    def _subject_of(self, folder: Path) -> str | None:
        """The subject that a folder holds, or None if it is none of ours."""
        if not folder.is_dir():
            return None
        subject = decode_subject(folder.name)
        try:
            subject = subject or self._sidecar(folder).subject
            return SchemaRef(subject).subject if subject is not None else None
        except InvalidReference:
            return None
        except RegistryProtocolError as error:
            _log.warning("folder left out: %s", error)
            return None

    def _folder(self, subject: str) -> Path | None:
        """Any encoding of the name will do, since people make folders too."""
        names = (encode_subject(subject), encode_distinctly(subject))
        found = [
            folder
            for folder in entries(self.root)
            if (folder.name in names or decode_subject(folder.name) == subject) and folder.is_dir()
        ]
        if len(found) > 1:
            raise RegistryProtocolError(
                f"{found[0]} and {found[1]} are both the subject {subject!r}: keep one of them"
            )
        return self._inside(found[0]) if found else None

    def _make_folder(self, subject: str) -> Path:
        name = encode_subject(subject)
        taken = {entry.name.casefold() for entry in entries(self.root)}
        if name.casefold() in taken:  # where case makes no difference, the same folder
            name = encode_distinctly(subject)
        folder = self.root / name
        if decode_subject(name) is None:
            with atomic_write(folder / f"{SIDECAR}.json") as stream:
                stream.write(dump_document({"subject": subject}))
        folder.mkdir(exist_ok=True)
        return folder

    def _inside(self, path: Path) -> Path:
        """The path, unless a link leads out of the registry's folder."""
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.root)):
            raise RegistryProtocolError(f"{path} is a link that leaves the registry's folder")
        return path

    def _files(self, folder: Path) -> dict[Version, Path]:
        files: dict[Version, Path] = {}
        seen: dict[object, Path] = {}
        for path in entries(folder):
            version = version_of(path)
            if version is None:
                continue
            key = (version_key(version), str(version).partition("+")[2])
            if key in seen:
                raise RegistryProtocolError(f"{seen[key]} and {path} are the same version")
            files[version] = seen[key] = path
        if not files:
            warn_about_other_names(folder)
        return files

    def _sidecar(self, folder: Path) -> Sidecar:
        return self._read_sidecar(folder, SIDECAR)

    def _read_sidecar(self, folder: Path, stem: str) -> Sidecar:
        path = document(folder, stem)
        if path is None:
            return Sidecar(str(folder / f"{stem}.json"))
        return Sidecar.read(str(path), read_document(self._inside(path)))

    def _save(self, folder: Path, ledger: Ledger) -> None:
        sidecar = self._sidecar(folder)
        content = sidecar.updated(ledger)
        if content != sidecar.content:
            self._write_sidecar(sidecar, content)

    def _write_sidecar(self, sidecar: Sidecar, content: Mapping[str, Any]) -> None:
        path = Path(sidecar.source)
        with atomic_write(path) as stream:
            stream.write(dump_document(content, path.suffix))

    def _remove(self, folder: Path) -> None:
        """The sidecar goes, and the folder unless people keep something else in it."""
        remove_leftovers(folder)
        path = document(folder, SIDECAR)
        if path is not None:
            path.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()
