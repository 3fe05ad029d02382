"""A run's way through its documents: batch by batch, at a pace, and past those that fail."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

from llama_index.core.schema import BaseNode
from tqdm import tqdm

from llm_integrations.core.stamp import InForce
from llm_integrations.llamaindex.affected import ReindexResult
from llm_integrations.llamaindex.parts import parts
from llm_integrations.llamaindex.upkeep.pace import Pace
from llm_integrations.llamaindex.upkeep.reindexing.batch import Batch
from llm_integrations.llamaindex.upkeep.reindexing.context import Context, Vectors
from llm_integrations.llamaindex.upkeep.reindexing.tally import GivenUpError, Tally

if TYPE_CHECKING:
    from llm_integrations.llamaindex.index import Index

__all__ = ["Reindexing"]

Fetch: TypeAlias = Callable[[Sequence[str]], Mapping[str, BaseNode]]
_SAMPLES: Final = 5
_AT_HAND: Final = 256
"""Documents that are judged and stamped together: a store on disk syncs once for them."""


class Reindexing:
    """One run: documents of an index brought under one version, with a result by document.

    Args:
        index: whose documents.
        in_force: the version to judge by.
        vectors: for each document's id, the ids of its nodes that are to be replaced.
        hashes: what the docstore knew before these were listed.
        anew: the ids of documents whose text is embedded whatever is there.
        pace: a rate limit.
    """

    def __init__(
        self,
        index: Index,
        in_force: InForce,
        vectors: Vectors,
        hashes: Mapping[str, str],
        *,
        anew: Collection[str] = (),
        pace: Pace | None = None,
    ) -> None:
        self._index = index
        self._pace = pace or Pace()
        steps, tally = index.steps(in_force), Tally(index.name)
        whole = index.known.is_loaded
        self._context = Context(index, in_force, vectors, hashes, anew, steps, tally, whole)

    def run(self, names: Sequence[str]) -> ReindexResult:
        """Documents by their ids, from the docstore or the loader."""
        context = self._context

        def fetch(batch: Sequence[str]) -> Mapping[str, BaseNode]:
            return self._index.documents(batch, context.vectors, context.steps)

        return self._run(names, fetch, context)

    def run_documents(self, documents: Mapping[str, BaseNode]) -> ReindexResult:
        """Documents that are at hand, whole."""

        def fetch(batch: Sequence[str]) -> Mapping[str, BaseNode]:
            return {name: documents[name] for name in batch}

        return self._run(list(documents), fetch, replace(self._context, whole=True))

    def _run(self, names: Sequence[str], fetch: Fetch, context: Context) -> ReindexResult:
        tally = context.tally

        def take(batch: Sequence[str]) -> None:
            self._take(batch, fetch, context)

        left = list(names)
        hidden = not (self._index.progress and names)
        title = f"reindexing {self._index.name}"
        with tqdm(total=len(names), desc=title, disable=hidden) as bar:
            while left:
                try:
                    for batch in parts(left, self._size(whole=context.whole)):
                        take(batch)
                        bar.update(len(tally.tried) - bar.n)
                except GivenUpError as error:
                    if not _others_work(take, tally, error.stage, tally.left(names)):
                        tally.give_up(error, tally.left(names))
                left = tally.left(names)
        return tally.result(context.in_force.validator.reference, names)

    def _size(self, *, whole: bool) -> int:
        """How many documents are at hand at once: of a docstore's more than are embedded."""
        size = self._index.batch_size
        return self._pace.batch_size(size if whole else max(size, _AT_HAND))

    def _take(self, names: Sequence[str], fetch: Fetch, context: Context) -> None:
        found: dict[str, BaseNode] = {}
        tally = context.tally

        def read(part: Sequence[str]) -> None:
            found.update(fetch(part))
            tally.put((name for name in part if name not in found), "missing")

        self._pace.documents(len(names))
        tally.each(read, names)
        Batch(context, self._pace, list(found.values())).work()
        tally.tried.update(names)
        self._index.persistence.changed()


def _others_work(
    take: Callable[[Sequence[str]], None], tally: Tally, stage: str, names: Sequence[str]
) -> bool:
    """Whether one of a few documents, spread over the rest, gets through what failed."""
    step = max(1, len(names) // _SAMPLES)
    for name in names[::-1][::step][:_SAMPLES]:
        with suppress(GivenUpError):
            take([name])
        if tally.gets_through(stage):
            return True
    return False
