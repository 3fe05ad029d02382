"""A registry in a folder, to be kept in git: ``<root>/<subject>/<version>.json``."""

from __future__ import annotations

import os
from pathlib import Path

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
        super().__init__(FolderStore(root, lock_timeout=lock_timeout))
        self._root = root.absolute()
        self._url = self._root.as_uri()

    @property
    def url(self) -> str:
        return self._url

    async def get_mode(self, subject: str | None = None) -> str:  # noqa: ARG002 - the same for all
        """READONLY where this process may not write into the folder, or make it."""
        return await self._in_thread(self._mode)

    def _mode(self) -> str:
        folder = self._root
        while not folder.exists():
            folder = folder.parent
        return "READWRITE" if os.access(folder, os.W_OK) else "READONLY"
