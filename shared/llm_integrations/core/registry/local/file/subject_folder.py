"""One look at the folder of a subject on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeAlias

from llm_integrations.core.model.reference import Version
from llm_integrations.core.registry.local.file.documents import SUFFIXES, read_document
from llm_integrations.core.registry.local.file.entries import (
    entries,
    inside,
    is_settled,
    registry_errors,
)
from llm_integrations.core.registry.local.file.index import FlatFile
from llm_integrations.core.registry.local.file.sidecar import Sidecar
from llm_integrations.core.registry.local.file.subject_documents import (
    SIDECAR,
    SubjectDocuments,
    one_of,
)

__all__ = ["SIDECAR", "Mark", "SubjectFolder", "read_sidecar"]

Mark: TypeAlias = tuple[int, int, int, int]
"""What a file system says of a file that was left alone: inode, size, times of its changes."""


class SubjectFolder(SubjectDocuments[os.DirEntry[str] | FlatFile]):
    """What a folder held when this was made.

    Args:
        subject: whose folder it is.
        path: the folder.
        root: the registry's folder, which no link may leave.
        is_there: whether there is one, and not another subject's by that name in other letters.
        flat: its files in the root itself.
    """

    def __init__(
        self,
        subject: str,
        path: str,
        root: str,
        *,
        is_there: bool = True,
        is_link: bool = False,
        flat: Sequence[FlatFile] = (),
    ) -> None:
        self._root = root
        with registry_errors(path):
            found = entries(inside(path, root) if is_link else path) if is_there else []
        super().__init__(subject, path, [*found, *flat])

    @property
    def paths(self) -> list[str]:
        """Its documents, those included that are no version."""
        return [entry.path for _, entry in self._documents]

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

    def _read(self, document: os.DirEntry[str] | FlatFile) -> Any:
        is_link = document.is_symlink()
        return read_document(inside(document.path, self._root) if is_link else document.path)


def read_sidecar(folder: str, stem: str, root: str) -> Sidecar:
    """What a document beside other files says; an empty one where there is none."""
    paths = [f"{folder}{os.sep}{stem}{suffix}" for suffix in SUFFIXES]
    found = [_Named(path) for path in paths if os.path.lexists(path)]
    return one_of(folder, stem, found, lambda one: read_document(inside(one.path, root)))


class _Named:
    """A file that was not listed with others."""

    def __init__(self, path: str) -> None:
        self.name = os.path.basename(path)  # noqa: PTH119 - a name, no file
        self.path = path
