"""A registry in a folder that lies elsewhere (``s3://bucket/schemas``), to be read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ClassVar, Final, ParamSpec, TypeVar

from llm_integrations.core.registry.local.backend import LocalBackend
from llm_integrations.core.registry.local.remote.storage import Storage
from llm_integrations.core.registry.local.remote.store import RemoteStore

__all__ = ["RemoteBackend"]

P = ParamSpec("P")
T = TypeVar("T")

_THREADS: Final = 8


class RemoteBackend(LocalBackend):
    """RegistryBackend over a folder that fsspec reaches. What would write is Unsupported.

    Args:
        url: of the folder, without credentials.
        timeout: seconds for a connection or an answer of S3; others have limits of their own.
    """

    page: ClassVar = 200  # each of their files is a request

    def __init__(self, url: str, *, timeout: float = 5.0) -> None:
        super().__init__(RemoteStore(Storage(url, timeout=timeout)))
        self._url = url
        # Of its own: a storage that hangs holds threads that other registries would wait for.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="registry-remote")

    @property
    def url(self) -> str:
        return self._url

    async def _in_thread(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(work, *args, **kwargs))

    def hint(self, subject: str) -> str:  # noqa: ARG002 - each look there is a request
        return ""

    async def get_mode(self, subject: str | None = None) -> str:  # noqa: ARG002 - the same for all
        return "READONLY"

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
