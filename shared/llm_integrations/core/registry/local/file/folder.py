"""The file registry's storage: a folder that people keep in git and edit by hand.

Writers hold a lock. Readers need none: a version exists from the moment its file is renamed into
place, and what the sidecar says about it was written before.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from llm_integrations.core.errors import (
    InvalidReference,
    RegistryError,
    RegistryProtocolError,
    RegistryUnavailable,
)
from llm_integrations.core.files import atomic_write
from llm_integrations.core.model.reference import SchemaRef, Version, version_key
from llm_integrations.core.model.schema import JsonSchema, fingerprint_of
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry.local.file.documents import dump_document
from llm_integrations.core.registry.local.file.entries import (
    nested_version,
    registry_errors,
    remove_leftovers,
)
from llm_integrations.core.registry.local.file.fingerprints import (
    read_fingerprints,
    record_fingerprints,
)
from llm_integrations.core.registry.local.file.index import FolderIndex, FolderName, Listing, Place
from llm_integrations.core.registry.local.file.names import (
    decode_subject,
    encode_distinctly,
    encode_subject,
)
from llm_integrations.core.registry.local.file.sidecar import Sidecar
from llm_integrations.core.registry.local.file.subject_folder import (
    SIDECAR,
    SubjectFolder,
    read_sidecar,
)
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
        self._root = str(self.root)
        self._index = FolderIndex(self._root)

    def __reduce__(self) -> tuple[Any, ...]:
        return _make, (self.root, self._lock_timeout)

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

    def at(self, subject: str) -> SubjectFolder:
        with registry_errors(self.root):
            return self._look(subject, self._index.place_of(subject))

    def names(self) -> list[str]:
        with registry_errors(self.root):
            return sorted(self._names(self._index.current()))

    def every(
        self, names: Iterable[str] | None = None
    ) -> Iterator[tuple[str, SubjectFolder | RegistryError]]:
        with registry_errors(self.root):
            listing = self._index.current()
        for name in self._names(listing) if names is None else names:
            try:
                found = self._look(name, listing.of(name))
            except RegistryError as error:
                yield name, error
            else:
                if not found.is_empty:
                    yield name, found
                elif (otherwise := self.laid_out_otherwise(found)) is not None:
                    yield name, otherwise

    def laid_out_otherwise(self, found: SubjectFolder) -> RegistryProtocolError | None:
        """What to do with the files of a folder that holds no version; None if none is meant so."""
        if (meant := found.meant_as_version()) is not None:
            return RegistryProtocolError(
                f"{meant} is no version by its name: call it 1.json, or let "
                f"`llm-integrations import {self._root} -r NEW-FOLDER` do it"
            )
        nested = nested_version(found.path)
        return None if nested is None else _nested(nested, self._root)

    def _names(self, listing: Listing) -> set[str]:
        told = (self._subject_of(folder) for folder in listing.abbreviated.values())
        return {
            *listing.by_subject,
            *listing.flat,
            *(subject for subject in told if subject is not None),
        }

    def _subject_of(self, abbreviated: FolderName) -> str | None:
        """What the sidecar says where a folder's name does not; None if it is none of ours."""
        try:
            subject = self._look("", Place([abbreviated])).sidecar.subject
            return SchemaRef(subject).subject if subject is not None else None
        except InvalidReference:
            return None
        except RegistryProtocolError as error:
            _log.warning("folder left out: %s", error)
            return None

    def _look(self, subject: str, place: Place) -> SubjectFolder:
        folders, flat = place
        if len(folders) > 1:
            one, other = sorted(self._path(folder.name) for folder in folders)[:2]
            raise RegistryProtocolError(
                f"{one} and {other} are both the subject {subject!r}: keep one of them"
            )
        if not folders:
            path = self._path(encode_subject(subject))
            return SubjectFolder(subject, path, self._root, is_there=False, flat=flat)
        path, is_link = self._path(folders[0].name), folders[0].is_link
        return SubjectFolder(subject, path, self._root, is_link=is_link, flat=flat)

    def _path(self, name: str) -> str:
        return f"{self._root}{os.sep}{name}"

    def add(self, ledger: Ledger, version: Version, body: JsonSchema) -> None:
        with registry_errors(self.root):
            folder = self._folder(ledger.subject)
            remove_leftovers(folder.path)
            self._save(folder, ledger)
            with atomic_write(Path(folder.path) / f"{version}.json") as stream:
                stream.write(dump_document(body))
            published = SchemaRef(ledger.subject, version), fingerprint_of(body)
            record_fingerprints(self.root, [published])

    def record_all(self) -> int:
        """Take every version for published as it is now; returns how many had no fingerprint."""
        with registry_errors(self.root):
            self._prepare()
            known = read_fingerprints(self.root)
            every = {ref: now for ref, now in self._fingerprints() if ref not in known}
            record_fingerprints(self.root, every.items())
        return len(every)

    def edited(self, subject: str | None = None) -> list[SchemaRef]:
        """The versions whose text is another one than when they were published, ascending."""
        with registry_errors(self.root):
            known = read_fingerprints(self.root)
        wanted = (ref for ref in known if subject in (None, ref.subject))
        found = [ref for ref in wanted if self._now(ref) not in (None, known[ref])]
        return sorted(found, key=lambda ref: (ref.subject, version_key(ref.version)))

    def _now(self, ref: SchemaRef) -> str | None:
        """A version's fingerprint; None where it is gone, or so damaged that doctor names it."""
        try:
            return fingerprint_of(self.at(ref.subject).body(ref.version))
        except RegistryError:
            return None

    def _fingerprints(self) -> Iterator[tuple[SchemaRef, str]]:
        for subject, found in self.every():
            if isinstance(found, RegistryError):
                continue  # doctor names it
            for version in sorted(found.numbers(), key=version_key):
                with suppress(RegistryError):
                    yield SchemaRef(subject, version), fingerprint_of(found.body(version))

    def save(self, ledger: Ledger) -> None:
        with registry_errors(self.root):
            self._save(self._folder(ledger.subject), ledger)

    def erase(self, ledger: Ledger, versions: Iterable[Version]) -> None:
        with registry_errors(self.root):
            folder = self.at(ledger.subject)
            for version in versions:
                if version in folder.files:
                    Path(folder.files[version].path).unlink(missing_ok=True)
            if ledger.entries:
                self._save(folder, ledger)
            else:
                self._remove(Path(folder.path), folder.sidecar)

    def level(self) -> str | None:
        with registry_errors(self.root):
            return self._config().compatibility

    def set_level(self, level: str) -> None:
        with registry_errors(self.root):
            config = self._config()
            self._write_sidecar(config, {**config.content, "compatibility": level})

    def _config(self) -> Sidecar:
        return read_sidecar(self._root, _CONFIG, self._root)

    def _folder(self, subject: str) -> SubjectFolder:
        """The subject's folder, made if it has none."""
        place = self._index.place_of(subject)
        if not place.folders:
            made = FolderName(self._make_folder(subject), subject, is_link=False)
            place = place._replace(folders=[made])
        return self._look(subject, place)

    def _make_folder(self, subject: str) -> str:
        name = encode_subject(subject)
        if not self._index.takes(name):
            name = encode_distinctly(subject)
        folder = self.root / name
        if decode_subject(name) is None:
            with atomic_write(folder / f"{SIDECAR}.json") as stream:
                stream.write(dump_document({"subject": subject}))
        folder.mkdir(exist_ok=True)
        return name

    def _save(self, folder: SubjectFolder, ledger: Ledger) -> None:
        content = folder.sidecar.updated(ledger)
        if content != folder.sidecar.content:
            self._write_sidecar(folder.sidecar, content)

    def _write_sidecar(self, sidecar: Sidecar, content: Mapping[str, Any]) -> None:
        path = Path(sidecar.source)
        with atomic_write(path) as stream:
            stream.write(dump_document(content, path.suffix))

    def _remove(self, folder: Path, sidecar: Sidecar) -> None:
        """The sidecar goes, and the folder unless people keep something else in it."""
        remove_leftovers(folder)
        Path(sidecar.source).unlink(missing_ok=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _nested(nested: str, root: str) -> RegistryProtocolError:
    subject, _, _ = nested.removeprefix(f"{root}{os.sep}").rpartition(os.sep)
    return RegistryProtocolError(
        f"{nested} lies in a folder within a folder: a subject is one folder, as "
        f"{subject.replace(os.sep, '.')}; `llm-integrations import {root} -r NEW-FOLDER` does it"
    )


def _make(root: Path, lock_timeout: float) -> FolderStore:
    return FolderStore(root, lock_timeout=lock_timeout)
