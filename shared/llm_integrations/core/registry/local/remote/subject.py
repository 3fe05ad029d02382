"""One look at a subject on a storage elsewhere, and files that are read together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from llm_integrations.core.registry.local.file.documents import parse_document
from llm_integrations.core.registry.local.file.entries import name_of
from llm_integrations.core.registry.local.file.subject_documents import SIDECAR, SubjectDocuments
from llm_integrations.core.registry.local.remote.storage import RemoteFile, Storage

__all__ = ["Reader", "RemoteSubject", "newest", "sidecars"]


class Reader:
    """Reads files of a storage; the first one of a group that is asked for brings all of it.

    Each file on its way is a round trip: a thousand of them, one by one, would take a minute.
    """

    def __init__(self, storage: Storage, groups: Iterable[Sequence[RemoteFile]] = ()) -> None:
        self._storage = storage
        self._group_of = {file.path: group for group in groups for file in group}
        self._found: dict[str, bytes | Exception] = {}

    def document(self, file: RemoteFile) -> Any:
        """The JSON value of a file. FileNotFoundError when it is gone."""
        if file.path not in self._found:
            self._found.update(self._storage.read(self._group_of.pop(file.path, [file])))
        content = self._found.pop(file.path)
        if isinstance(content, Exception):
            raise content
        return parse_document(file.path, content)


class RemoteSubject(SubjectDocuments[RemoteFile]):
    """What the folder of a subject held when it was listed."""

    def __init__(self, subject: str, path: str, found: Iterable[RemoteFile], reader: Reader):
        super().__init__(subject, path, found)
        self._reader = reader

    def _read(self, document: RemoteFile) -> Any:
        return self._reader.document(document)


def sidecars(found: Iterable[RemoteFile]) -> list[RemoteFile]:
    named = ((name_of(file.name), file) for file in found)
    return [file for name, file in named if name is not None and name.stem == SIDECAR]


def newest(found: Iterable[RemoteFile]) -> list[RemoteFile]:
    """The file that ``latest`` is likely to mean, if there is a version at all."""
    named = ((name_of(file.name), file) for file in found)
    held = [(n.order[0], file) for n, file in named if n is not None and n.version is not None]
    return [max(held, key=lambda one: (one[0][3], one[0]))[1]] if held else []
