"""Blocks judged by several processes."""

from __future__ import annotations

import gc
import multiprocessing
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from typing import Any, Final, TypeVar

from llm_integrations.core.errors import ConfigurationError, LLMIntegrationsError

__all__ = ["checked_processes", "in_processes"]

T = TypeVar("T")
R = TypeVar("R")

_AHEAD: Final = 2
"""Blocks for each process that wait to be judged, or to be counted."""


def checked_processes(num_proc: int | None) -> int:
    """The ``num_proc`` argument as a number of processes. ConfigurationError if it is none."""
    if num_proc is None:
        return 1
    if isinstance(num_proc, bool) or not isinstance(num_proc, int) or num_proc < 1:
        raise ConfigurationError(f"num_proc is a number of processes from 1 on, not {num_proc!r}")
    return num_proc


def in_processes(work: Callable[[T], R], tasks: Iterable[T], processes: int) -> Iterator[R]:
    """The results of ``work(task)`` in the order of the tasks, whichever process ends first.

    Raises:
        LLMIntegrationsError: a process ended before its work did. Errors of the work, too.
    """
    pool = ProcessPoolExecutor(processes, _context(), initializer=_begin, initargs=(work,))
    under_way: deque[Future[R]] = deque()
    try:
        for task in tasks:
            under_way.append(_submitted(pool, task))
            if len(under_way) > processes * _AHEAD:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    except BrokenProcessPool:
        raise LLMIntegrationsError(
            "a process that judged rows was ended from outside, as for want of memory: call again, "
            "and the run goes on where it was"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _submitted(pool: ProcessPoolExecutor, task: Any) -> Future[Any]:
    with warnings.catch_warnings():
        # Python 3.12 warns of a fork beside threads; the children use no lock of theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        return pool.submit(_do, task)


def _context() -> BaseContext:
    """The start method that `datasets` uses: fork on Linux, so that scripts need no main guard."""
    return multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


_work: Final[list[Callable[[Any], Any]]] = []
"""In a new process: what it does with each task. Handed over once, by the fork itself."""


def _begin(work: Callable[[Any], Any]) -> None:
    # What the parent made is no garbage here, and looking through it would copy its memory.
    gc.freeze()
    _work.append(work)


def _do(task: Any) -> Any:
    return _work[-1](task)
