"""Keeping locks usable across fork: a child must not inherit one that another thread holds."""

from __future__ import annotations

import os
import threading
from typing import Any, Final, Protocol

from llm_integrations.core.concurrency.weak import HeldWeakly

__all__ = ["ForkAware", "survive_fork"]


class ForkAware(Protocol):
    """An object whose lock is held for moments only, and never together with another such lock."""

    lock: threading.Lock

    def after_fork(self) -> None:
        """In the child: replace the lock, whose holder exists in the parent only."""


_fork_aware: Final[HeldWeakly[Any]] = HeldWeakly()
_fork_aware_lock = threading.Lock()
_held: list[ForkAware] = []


def survive_fork(thing: ForkAware) -> None:
    """From now on a fork waits until no thread holds the lock of ``thing``."""
    with _fork_aware_lock:
        _fork_aware.add(thing)


def _before() -> None:
    _fork_aware_lock.acquire()
    for thing in _fork_aware:
        thing.lock.acquire()
        _held.append(thing)


def _in_parent() -> None:
    while _held:
        _held.pop().lock.release()
    _fork_aware_lock.release()


def _in_child() -> None:
    global _fork_aware_lock
    while _held:
        _held.pop().after_fork()
    _fork_aware_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
