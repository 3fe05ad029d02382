"""Keeping locks usable across fork: a child must not inherit one that another thread holds."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any, Final, Protocol

__all__ = ["ForkAware", "survive_fork"]


class ForkAware(Protocol):
    """Something with a lock that is only ever held for a moment, and never while another is."""

    lock: threading.Lock

    def after_fork(self) -> None:
        """In the child, where no other thread exists: put a new lock in the place of the held."""


_guarded: Final[weakref.WeakSet[Any]] = weakref.WeakSet()
_guarded_lock = threading.Lock()
_held: list[ForkAware] = []


def survive_fork(thing: ForkAware) -> None:
    """From now on a fork waits until nobody is in the middle of changing ``thing``."""
    with _guarded_lock:
        _guarded.add(thing)


def _before() -> None:
    _guarded_lock.acquire()
    for thing in list(_guarded):
        thing.lock.acquire()
        _held.append(thing)


def _in_parent() -> None:
    while _held:
        _held.pop().lock.release()
    _guarded_lock.release()


def _in_child() -> None:
    global _guarded_lock
    while _held:
        _held.pop().after_fork()
    _guarded_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
