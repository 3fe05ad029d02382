"""What becomes of each document of a run, and when so many failed that the rest is not tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final, TypeVar

from llama_index.core.schema import BaseNode

from llm_integrations.core.observability import get_logger
from llm_integrations.llamaindex.affected import ReindexResult
from llm_integrations.llamaindex.upkeep.reasons import each, reason_of

__all__ = ["GivenUpError", "Tally"]

log = get_logger(__name__)

T = TypeVar("T", str, BaseNode)
_GIVE_UP: Final = 20
"""Documents in a row that may fail; then a few others tell whether it is the documents."""
_IN: Final = ("reindexed", "in_place")
"""What becomes of documents that are in the index afterwards."""
_TOLD: Final = {
    "missing": "are not kept in the docstore and stay as they are",
    "failed": "failed and stay as they are; the result says why",
}


class GivenUpError(Exception):
    """So many documents failed that the others are not tried."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(f"not tried, for {_GIVE_UP} in a row failed; the last: {reason}")
        self.stage = stage


class Tally:
    """Outcomes by document, and how many failed in a row at each stage."""

    def __init__(self, index: str) -> None:
        self._index = index
        self._outcome: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        self._in_a_row: Counter[str] = Counter()
        self.tried: set[str] = set()

    def __contains__(self, name: str) -> bool:
        """Whether it is known what becomes of a document."""
        return name in self._outcome

    def put(self, names: Iterable[str], outcome: str) -> None:
        self._outcome.update(dict.fromkeys(names, outcome))

    def is_in(self, name: str) -> bool:
        """Whether a document is in the index by the version of this run."""
        return self._outcome.get(name) in _IN

    def left(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if name not in self.tried and name not in self]

    def each(self, work: Callable[[Sequence[T]], object], items: Sequence[T]) -> None:
        """Work on all, and if that fails on each alone. A stage is called as what it works with.

        Raises:
            GivenUpError: too many in a row failed.
        """
        stage = work.__name__

        def counted(part: Sequence[T]) -> None:
            work(part)
            self._in_a_row[stage] = 0

        each(counted, items, partial(self._fail, stage))

    def gets_through(self, stage: str) -> bool:
        """Whether the last document that came to a stage got through it."""
        return not self._in_a_row[stage]

    def give_up(self, error: GivenUpError, names: Sequence[str]) -> None:
        log.warning("%s: %s", self._index, error)
        self.put(names, "failed")
        self._reasons.update(dict.fromkeys(names, str(error)))

    def result(self, reference: str, names: Sequence[str]) -> ReindexResult:
        def of(*wanted: str) -> tuple[str, ...]:
            return tuple(name for name in names if self._outcome.get(name) in wanted)

        for outcome, told in _TOLD.items():
            if count := len(of(outcome)):
                about = {"llmi_index": self._index}
                log.warning("%s: %d documents %s", self._index, count, told, extra=about)
        return ReindexResult(
            self._index,
            reference,
            reindexed=of(*_IN),
            set_aside=of("set_aside"),
            missing=of("missing"),
            failed=tuple((name, self._reasons[name]) for name in of("failed")),
            in_place=of("in_place"),
        )

    def _fail(self, stage: str, item: str | BaseNode, error: Exception) -> None:
        name, document = (item, None) if isinstance(item, str) else (item.id_, item)
        reason = reason_of(error, document)
        self._outcome[name], self._reasons[name] = "failed", reason
        self._in_a_row[stage] += 1
        if self._in_a_row[stage] >= _GIVE_UP:
            raise GivenUpError(stage, reason)
