"""Some documents at a time: judged, then stamped in place or embedded, or taken out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from llama_index.core.schema import BaseNode, TransformComponent

from llm_integrations.llamaindex.node_record import has_lost_media
from llm_integrations.llamaindex.parts import parts
from llm_integrations.llamaindex.transform import SchemaTransform
from llm_integrations.llamaindex.upkeep.chunks import chunks_of, tokens_in
from llm_integrations.llamaindex.upkeep.pace import Pace
from llm_integrations.llamaindex.upkeep.reindexing.anew import embed, replace
from llm_integrations.llamaindex.upkeep.reindexing.context import Context
from llm_integrations.llamaindex.upkeep.reindexing.in_place import stamp_in_place

__all__ = ["Batch"]


class Batch:
    """Documents of a run: as given, as migrated (``forms``), stamped, and refused."""

    def __init__(self, context: Context, pace: Pace, documents: Sequence[BaseNode]) -> None:
        self._context = context
        self._pace = pace
        self._given = {document.id_: document for document in documents}
        self._forms: dict[str, BaseNode] = {}
        self._stamped: dict[str, BaseNode] = {}
        self._refused: list[BaseNode] = []

    def work(self) -> None:
        """All of it; what fails is in the run's tally.

        Raises:
            GivenUpError: too many in a row failed.
        """
        context, each = self._context, self._context.tally.each
        try:
            each(self.judge, list(self._given.values()))
            if context.steps.judge_whole_documents:
                there = [node for name, node in self._stamped.items() if name not in context.anew]
                each(self.stamp, there)
            for paced in self._pace.texts(self._embeddable(), self._tokens_in):
                for part in parts(paced, context.index.batch_size):
                    each(self.embed, part)
                    context.index.persistence.changed()
            each(self.drop, self._refused)
        finally:
            self._keep_migrated()

    def judge(self, part: Sequence[BaseNode]) -> None:
        first = self._context.steps.first
        migrated = [self._context.index.migration(document, first) for document in part]
        self._forms.update((document.id_, document) for document in migrated)
        passed = {node.id_: node for node in _judged(migrated, first)}
        self._stamped.update(passed)
        self._refused.extend(document for document in part if document.id_ not in passed)

    def stamp(self, part: Sequence[BaseNode]) -> None:
        given = [self._given[node.id_] for node in part]
        stamp_in_place(self._context, given, self._stamped, self._forms)

    def embed(self, part: Sequence[BaseNode]) -> None:
        embed(self._context, part, self._given)

    def drop(self, part: Sequence[BaseNode]) -> None:
        replace(self._context, part, {}, "set_aside")

    def _embeddable(self) -> list[BaseNode]:
        context, found = self._context, []
        for name, node in self._stamped.items():
            if name in context.tally:
                continue
            known = context.index.known.original_hash(name)
            if not context.whole and has_lost_media(self._given[name], known):
                context.tally.put([name], "missing")
            else:
                found.append(node)
        return found

    def _tokens_in(self, document: BaseNode) -> int:
        try:
            return tokens_in(chunks_of([document], self._context.steps.rest))
        except Exception:  # noqa: BLE001 - a parser's; embedding tells it by document
            return 0

    def _keep_migrated(self) -> None:
        index, tally = self._context.index, self._context.tally
        changed = [(n, form) for n, form in self._forms.items() if form is not self._given[n]]
        migrated = [form for name, form in changed if tally.is_in(name)]
        if migrated:
            index.once_in_place(partial(index.known.rewrite, migrated))


def _judged(documents: Sequence[BaseNode], first: Sequence[TransformComponent]) -> list[BaseNode]:
    """What the schemas let through, stamped; metadata apart, it shares all with what came."""
    passed = list(documents)
    for step in first:
        if isinstance(step, SchemaTransform):
            passed = step.judged(passed)
    return passed
