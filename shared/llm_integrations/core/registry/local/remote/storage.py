"""Files on a storage that fsspec reaches: listed, and read many at once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from llm_integrations.core.errors import (
    LLMIntegrationsError,
    MissingExtra,
    RegistryAuthError,
    RegistryUnavailable,
)
from llm_integrations.core.extras import require_extra
from llm_integrations.core.registry.glue.signing import never_asking
from llm_integrations.core.registry.local.file.documents import check_size

__all__ = ["RemoteFile", "Storage"]

_KEPT: Final = 32 * 2**20  # bytes
_TELLING: Final = ("ETag", "etag", "md5Hash", "blob_id", "sha")
"""What storages say of a file's content; a time would be the same for two changes in a second."""
_OF_RIGHTS: Final = ("Credential", "Token", "Auth", "Forbidden", "Permission")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file. ``key`` is what the storage calls it, ``tag`` changes with its content."""

    name: str
    path: str
    key: str
    size: int
    tag: str | None


class Storage:
    """The files below one URL. Usable from any thread. Contents whose tag is the same are kept.

    Args:
        url: of a folder, without credentials.
        timeout: seconds for a connection or an answer, where the storage can be told.
    """

    def __init__(self, url: str, *, timeout: float) -> None:
        self.url = url
        self._timeout = timeout
        self._lock = threading.Lock()
        self._one_at_a_time = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._size = 0

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """The file system, and the folder as it calls it."""
        require_extra("s3", "fsspec", *(["s3fs"] if self.url.startswith("s3") else []))
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]  # publishes no types

        options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
        if self.url.startswith("s3"):
            from aiobotocore.session import get_session

            options["session"] = never_asking(get_session())
            limits = {"connect_timeout": self._timeout, "read_timeout": self._timeout}
            options["config_kwargs"] = {**limits, "retries": {"max_attempts": 0}}
        system, root = url_to_fs(self.url, **options)
        system.retries = 1  # of s3fs, which would try five times; the client does that
        return system, str(root).rstrip("/")

    def files(self, folder: str | None = None) -> dict[str, list[RemoteFile]]:
        """The files of one folder, or of every folder below the URL, by the folder's name."""
        found: dict[str, list[RemoteFile]] = {}
        with self._own_errors(), self._turn():
            system, root = self._opened
            try:
                if folder is None:
                    listed = system.find(root, detail=True).values()
                else:
                    listed = system.ls(f"{root}/{folder}", detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return {}
            for info in listed:
                below = str(info["name"]).removeprefix(f"{root}/").split("/")
                if info.get("type") == "file" and len(below) == 2:
                    found.setdefault(below[0], []).append(self._file(info, *below))
        return found

    def _file(self, info: Mapping[str, Any], folder: str, name: str) -> RemoteFile:
        told = next((info[key] for key in _TELLING if info.get(key)), None)
        size = int(info.get("size") or 0)
        tag = None if told is None else f"{size} {told}"
        return RemoteFile(name, f"{self.url}/{folder}/{name}", str(info["name"]), size, tag)

    def in_root(self, name: str) -> RemoteFile:
        """A file beside the folders, which need not be there."""
        with self._own_errors():
            return RemoteFile(name, f"{self.url}/{name}", f"{self._opened[1]}/{name}", 0, None)

    def read(self, files: Iterable[RemoteFile]) -> dict[str, bytes | Exception]:
        """Contents by path, or why one cannot be read: FileNotFoundError, or an error of ours."""
        found: dict[str, bytes | Exception] = {}
        wanted: list[RemoteFile] = []
        for file in files:
            kept = self._known(file)
            if kept is not None:
                found[file.path] = kept
                continue
            try:
                check_size(file.path, file.size)
            except LLMIntegrationsError as error:
                found[file.path] = error
            else:
                wanted.append(file)
        if wanted:
            with self._own_errors(), self._turn():
                # Unlike cat(), it does not ask first whether each is there.
                contents = self._opened[0].cat_ranges(
                    [file.key for file in wanted], None, None, on_error="return"
                )
            for file, content in zip(wanted, contents, strict=True):
                found[file.path] = self._outcome(file, content)
        return found

    def _outcome(self, file: RemoteFile, content: bytes | Exception) -> bytes | Exception:
        if isinstance(content, bytes):
            self._keep(file, content)
            return content
        return content if isinstance(content, FileNotFoundError) else self._as_ours(content)

    def _known(self, file: RemoteFile) -> bytes | None:
        if file.tag is None:
            return None
        with self._lock:
            return self._kept.get((file.key, file.tag))

    def _keep(self, file: RemoteFile, content: bytes) -> None:
        if file.tag is None or len(content) != file.size:  # it has changed since it was listed
            return
        with self._lock:
            self._size += len(content) - len(self._kept.pop((file.key, file.tag), b""))
            self._kept[file.key, file.tag] = content
            while self._size > _KEPT:
                self._size -= len(self._kept.popitem(last=False)[1])

    def _turn(self) -> AbstractContextManager[object]:
        """Several threads at once are for the storages that say that they can."""
        return nullcontext() if self._opened[0].async_impl else self._one_at_a_time

    @contextmanager
    def _own_errors(self) -> Iterator[None]:
        try:
            yield
        except LLMIntegrationsError:
            raise
        except Exception as error:  # noqa: BLE001 - storages raise what their clients do
            raise self._as_ours(error) from None

    def _as_ours(self, error: Exception) -> LLMIntegrationsError:
        """Without its text, which may quote what was sent."""
        kind = type(error).__name__
        if isinstance(error, ImportError):
            return MissingExtra(f"{self.url} needs a package: {error}")
        if isinstance(error, PermissionError) or any(word in kind for word in _OF_RIGHTS):
            return RegistryAuthError(
                f"no right to read {self.url} ({kind}): credentials are found as the storage's "
                "own tools find them"
            )
        return RegistryUnavailable(f"{self.url} cannot be read: {kind}")
