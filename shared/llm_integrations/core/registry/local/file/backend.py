"""A registry in a folder, to be kept in git: ``<root>/<subject>/<version>.json``."""

from __future__ import annotations

import os
from pathlib import Path

from llm_integrations.core.registry.local.backend import LocalBackend
from llm_integrations.core.registry.local.file.folder import FolderStore

__all__ = ["FileBackend"]


class FileBackend(LocalBackend):
    """RegistryBackend over a folder. Pickles as its path; several processes may write at once.

    Args:
        path: the folder, relative to the working directory of this moment; made when first written.
        lock_timeout: seconds to wait for another process that is writing.
    """

    def __init__(self, path: str | os.PathLike[str], *, lock_timeout: float = 5.0) -> None:
        root = Path(path).expanduser()
        super().__init__(FolderStore(root, lock_timeout=lock_timeout))
        self._url = root.absolute().as_uri()

    @property
    def url(self) -> str:
        return self._url
