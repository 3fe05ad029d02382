"""A registry's folder elsewhere, as the storage of a registry that is only read."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NoReturn

from llm_integrations.core.errors import (
    InvalidReference,
    RegistryError,
    RegistryProtocolError,
    Unsupported,
)
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry.local.file.documents import SUFFIXES
from llm_integrations.core.registry.local.file.index import subject_of
from llm_integrations.core.registry.local.file.names import (
    encode_distinctly,
    encode_subject,
    is_abbreviated,
)
from llm_integrations.core.registry.local.file.subject_documents import one_of
from llm_integrations.core.registry.local.remote.storage import RemoteFile, Storage
from llm_integrations.core.registry.local.remote.subject import (
    Reader,
    RemoteSubject,
    newest,
    sidecars,
)

__all__ = ["RemoteStore"]

_CONFIG: Final = "registry"
_TOGETHER: Final = 100  # subjects whose files are read at once
_LARGEST_TOGETHER: Final = 16 * 2**20  # bytes
_TRUSTED: Final = 5.0  # seconds that a list of everything serves the pages of one look

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Listing:
    """All files at one moment: the folders of each subject, and the files of each folder."""

    folders: Mapping[str, list[str]] = field(default_factory=dict)
    files: Mapping[str, list[RemoteFile]] = field(default_factory=dict)
    at: float = -math.inf


class RemoteStore:
    """``<url>/<subject>/<version>.json`` with ``meta.json`` beside it, as a folder has it."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._listing = _Listing()  # replaced whole: several threads read it

    def at(self, subject: str) -> RemoteSubject:
        names = [encode_subject(subject), encode_distinctly(subject)]
        for name in dict.fromkeys([*names, subject] if "/" not in subject else names):
            found = self._storage.files(name).get(name)
            if found:
                return self._look(subject, name, found, Reader(self._storage))
        return self._look(subject, names[0], (), Reader(self._storage))

    def names(self) -> list[str]:
        return sorted(self._list().folders)

    def every(
        self, names: Iterable[str] | None = None
    ) -> Iterator[tuple[str, RemoteSubject | RegistryError]]:
        listing = self._listing
        if names is None or time.monotonic() - listing.at > _TRUSTED:
            listing = self._list()
        folders, files = listing.folders, listing.files
        wanted = sorted(folders) if names is None else list(names)
        for start in range(0, len(wanted), _TOGETHER):
            some = {name: folders.get(name, []) for name in wanted[start : start + _TOGETHER]}
            held = [files[folder] for found in some.values() for folder in found]
            groups = [*_parts(map(sidecars, held)), *_parts(map(newest, held))]
            reader = Reader(self._storage, groups)
            for name, found in some.items():
                if len(found) > 1:
                    yield name, self._twice(name, found)
                elif found:
                    subject = self._look(name, found[0], files[found[0]], reader)
                    if not subject.is_empty:
                        yield name, subject

    def _list(self) -> _Listing:
        """Lists all files, which storages of objects do by the thousand."""
        files = self._storage.files()
        if not files:
            raise RegistryProtocolError(
                f"{self._storage.url} holds nothing: a registry's folder was expected there, as "
                "<subject>/<version>.json"
            )
        folders: dict[str, list[str]] = {}
        abbreviated = {folder: files[folder] for folder in files if is_abbreviated(folder)}
        reader = Reader(self._storage, _parts(map(sidecars, abbreviated.values())))
        for folder in files:
            if folder in abbreviated:
                subject = self._told(folder, files[folder], reader)
            else:
                subject = None if folder.startswith(".") else subject_of(folder)
            if subject is not None:
                folders.setdefault(subject, []).append(folder)
        self._listing = _Listing(folders, files, time.monotonic())
        return self._listing

    def _told(self, folder: str, found: Sequence[RemoteFile], reader: Reader) -> str | None:
        """What the sidecar says where a folder's name does not; None if it is none of ours."""
        try:
            subject = self._look("", folder, found, reader).sidecar.subject
            return SchemaRef(subject).subject if subject is not None else None
        except InvalidReference:
            return None
        except (RegistryProtocolError, FileNotFoundError) as error:
            _log.warning("folder left out: %s", error)
            return None

    def _look(
        self, subject: str, folder: str, found: Iterable[RemoteFile], reader: Reader
    ) -> RemoteSubject:
        return RemoteSubject(subject, f"{self._storage.url}/{folder}", found, reader)

    def _twice(self, subject: str, folders: Sequence[str]) -> RegistryProtocolError:
        one, other = sorted(folders)[:2]
        return RegistryProtocolError(
            f"{one} and {other} in {self._storage.url} are both the subject {subject!r}: keep one "
            "of them"
        )

    def level(self) -> str | None:
        files = [self._storage.in_root(f"{_CONFIG}{suffix}") for suffix in SUFFIXES]
        reader = Reader(self._storage, [files])
        found = []
        for file in files:
            try:
                found.append((file, reader.document(file)))
            except FileNotFoundError:
                continue
        documents = {file.path: document for file, document in found}
        there = [file for file, _ in found]
        config = one_of(self._storage.url, _CONFIG, there, lambda file: documents[file.path])
        return config.compatibility

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise Unsupported(
            f"{self._storage.url} is only read: write into the folder that it is a copy of"
        )

    lock = add = save = erase = set_level = _refuse


def _parts(groups: Iterable[Iterable[RemoteFile]]) -> Iterator[list[RemoteFile]]:
    """Files in their order, in parts that memory has room for."""
    part: list[RemoteFile] = []
    size = 0
    for file in chain.from_iterable(groups):
        if part and size + file.size > _LARGEST_TOGETHER:
            yield part
            part, size = [], 0
        part.append(file)
        size += file.size
    if part:
        yield part
