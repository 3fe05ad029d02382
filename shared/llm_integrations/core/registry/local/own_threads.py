"""A registry whose storage may hang: it waits on threads of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

from llm_integrations.core.registry.local.backend import LocalBackend
from llm_integrations.core.registry.local.store import Store

__all__ = ["InOwnThreads"]

P = ParamSpec("P")
T = TypeVar("T")

_THREADS: Final = 8


class InOwnThreads(LocalBackend):
    """A disk that is away holds the threads that read it, for which other registries would wait."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._threads = _new_threads()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_threads"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._threads = _new_threads()

    async def _in_thread(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(work, *args, **kwargs))

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _new_threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="registry-files")
