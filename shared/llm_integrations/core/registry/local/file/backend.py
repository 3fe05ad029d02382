"""A registry in a folder, to be kept in git: ``<root>/<subject>/<version>.json``."""

from __future__ import annotations

import os
from pathlib import Path

from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.registry.local.file.folder import FolderStore
from llm_integrations.core.registry.local.own_threads import InOwnThreads

__all__ = ["FileBackend"]


class FileBackend(InOwnThreads):
    """RegistryBackend over a folder. Pickles as its path; several processes may write at once.

    Args:
        path: the folder, relative to the working directory of this moment; made when first written.
        lock_timeout: seconds to wait for another process that is writing.
    """

    def __init__(self, path: str | os.PathLike[str], *, lock_timeout: float = 5.0) -> None:
        root = Path(path).expanduser()
        self._folder = FolderStore(root, lock_timeout=lock_timeout)
        super().__init__(self._folder)
        self._root = root.absolute()
        self._url = self._root.as_uri()

    @property
    def url(self) -> str:
        return self._url

    def hint(self, subject: str) -> str:
        otherwise = self._folder.laid_out_otherwise(self._folder.at(subject))
        if otherwise is not None:
            return f": {otherwise}"
        if self._root.name == subject:
            return f"{super().hint(subject)}; is its folder, {self._root.parent}, meant?"
        parts = subject.split(".")
        folder = self._root.joinpath(*parts)
        if len(parts) == 1 or not all(parts) or "/" in subject or not folder.is_dir():
            return super().hint(subject)
        return (
            f": {folder} is a folder within a folder; call it {self._root / subject}, or let "
            f"`llm-integrations import {self._root} -r NEW-FOLDER` do it"
        )

    async def edited(self, subject: str | None = None) -> list[SchemaRef]:
        return await self._in_thread(self._folder.edited, subject)

    def nowhere(self) -> str:
        if self._root.exists():
            return ""
        return (
            f": there is no folder {self._root}; it is misspelt, or still to be made (by the first "
            "`register`, or by `llm-integrations init`)"
        )

    async def get_mode(self, subject: str | None = None) -> str:  # noqa: ARG002 - the same for all
        """READONLY where this process may not write into the folder, or make it."""
        return await self._in_thread(self._mode)

    def _mode(self) -> str:
        folder = self._root
        while not folder.exists():
            folder = folder.parent
        return "READWRITE" if os.access(folder, os.W_OK) else "READONLY"
