"""Weak references without callbacks.

The collector may run at any depth of the stack, as where nested JSON is read, and a callback of
``weakref``'s collections needs a few calls more: at the limit it fails, which Python tells as an
exception that nobody can catch, and what it was to take out stays in. Nothing is called here.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

__all__ = ["HeldWeakly", "Keepers", "OneEach"]

K = TypeVar("K")
T = TypeVar("T")

_FEW: Final = 16


class HeldWeakly(Generic[T]):
    """Things that somebody else holds. Change it under a lock."""

    def __init__(self) -> None:
        self._references: list[weakref.ref[T]] = []
        self._enough = _FEW

    def add(self, thing: T) -> None:
        if len(self._references) >= self._enough:
            self._references = [one for one in self._references if one() is not None]
            self._enough = max(_FEW, 2 * len(self._references))
        self._references.append(weakref.ref(thing))

    def discard(self, thing: T) -> None:
        self._references = [one for one in self._references if one() is not thing]

    def __iter__(self) -> Iterator[T]:
        """Each once, though it was added twice."""
        alive = (one() for one in tuple(self._references))
        return iter({id(thing): thing for thing in alive if thing is not None}.values())


class Keepers:
    """What is to be done once somebody is gone, where ``look`` is called now and then."""

    def __init__(self) -> None:
        self._acts: list[tuple[weakref.ref[object], Callable[[], None]]] = []

    def when_gone(self, keeper: object, act: Callable[[], None]) -> None:
        self.look()
        self._acts.append((weakref.ref(keeper), act))

    def look(self) -> None:
        """Do it. From several threads at once it is done once."""
        for entry in tuple(self._acts):
            if entry[0]() is None:
                try:
                    self._acts.remove(entry)
                except ValueError:  # another thread was here first
                    continue
                entry[1]()


class OneEach(Generic[K, T]):
    """A value for each thing that somebody holds, made when it is first asked for."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[int, tuple[weakref.ref[K], T]] = {}

    def of(self, thing: K) -> T:
        found = self._made.get(id(thing))
        if found is not None and found[0]() is thing:
            return found[1]
        for name, (one, _) in tuple(self._made.items()):
            if one() is None:
                self._made.pop(name, None)
        return self._made.setdefault(id(thing), (weakref.ref(thing), self._make()))[1]
