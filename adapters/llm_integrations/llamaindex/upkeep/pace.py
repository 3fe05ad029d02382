"""A rate limit: so many documents, or tokens to embed, in a second and no more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from llm_integrations.core.errors import ConfigurationError

__all__ = ["Pace"]

T = TypeVar("T")


class Pace:
    """Waits before work that would be too early.

    Args:
        documents_per_second: how many documents to take on; None is no bound.
        tokens_per_second: how many tokens to embed, by LlamaIndex's tokenizer; None is no bound.
        clock: tells seconds.
        sleep: waits for seconds.

    Raises:
        ConfigurationError: a bound is not above 0.
    """

    def __init__(
        self,
        documents_per_second: float | None = None,
        tokens_per_second: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        bounds = {
            "documents_per_second": documents_per_second,
            "tokens_per_second": tokens_per_second,
        }
        for name, bound in bounds.items():
            if bound is not None and not bound > 0:
                raise ConfigurationError(f"{name} must be above 0, not {bound}")
        self._documents = documents_per_second
        self._tokens = tokens_per_second
        self._clock = clock
        self._sleep = sleep
        self._free_at = clock()

    def batch_size(self, wanted: int) -> int:
        """As many documents as were wanted, and not more than those of a second."""
        return wanted if self._documents is None else max(1, min(wanted, int(self._documents)))

    def documents(self, count: int) -> None:
        """Wait until so many documents may be taken on."""
        if self._documents is not None:
            self._take(count / self._documents)

    def texts(self, items: Sequence[T], tokens_of: Callable[[T], int]) -> Iterator[Sequence[T]]:
        """Items in parts of a second's tokens, each when its time has come; one item at least."""
        if self._tokens is None:
            yield items
            return
        part: list[T] = []
        total = 0
        for item in items:
            count = tokens_of(item)
            if part and total + count > self._tokens:
                self._take(total / self._tokens)
                yield part
                part, total = [], 0
            part.append(item)
            total += count
        self._take(total / self._tokens)
        yield part

    def _take(self, seconds: float) -> None:
        wait = self._free_at - self._clock()
        if wait > 0:
            self._sleep(wait)
        self._free_at = max(self._free_at, self._clock()) + seconds
