"""How an instance is made: the smallest one, a full one, or any."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol, TypeVar

__all__ = ["Chooser", "Full", "Minimal", "Randomly", "Wavering"]

T = TypeVar("T")


class Chooser(Protocol):
    """Makes the choices that a schema leaves open."""

    def pick(self, options: Sequence[T]) -> T:
        """One of the options; the list is never empty and its best comes first."""
        ...

    def includes(self, depth: int) -> bool:
        """Whether to include something optional, at this depth of the instance."""
        ...

    @property
    def likes_examples(self) -> bool:
        """Whether values that the schema itself offers (examples, default) are preferred."""
        ...


class Minimal:
    """The first option each time, and nothing that is not needed."""

    likes_examples = False

    def pick(self, options: Sequence[T]) -> T:
        return options[0]

    def includes(self, depth: int) -> bool:  # noqa: ARG002 - the depth never matters here
        return False


class Full(Minimal):
    """The first option each time, with all that is optional down to a few levels."""

    likes_examples = True

    def __init__(self, levels: int = 4) -> None:
        self._levels = levels

    def includes(self, depth: int) -> bool:
        return depth < self._levels


class Randomly:
    """Random, and the same for the same seed."""

    likes_examples = False

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - test data, no secrets

    def pick(self, options: Sequence[T]) -> T:
        return self._random.choice(options)

    def includes(self, depth: int) -> bool:
        return self._random.random() < 0.6 / (1 + depth / 2)


class Wavering:
    """Mostly what another chooser says; with a probability of ``doubt`` something random."""

    def __init__(self, base: Chooser, seed: int, doubt: float) -> None:
        self._base = base
        self._other = Randomly(seed)
        self._random = random.Random(seed)  # noqa: S311 - test data, no secrets
        self._doubt = doubt
        self.likes_examples = base.likes_examples

    def _now(self) -> Chooser:
        return self._other if self._random.random() < self._doubt else self._base

    def pick(self, options: Sequence[T]) -> T:
        return self._now().pick(options)

    def includes(self, depth: int) -> bool:
        return self._now().includes(depth)
