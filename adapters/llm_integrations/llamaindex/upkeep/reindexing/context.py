"""What all steps of a run share: the index, the version, and what was there when it began."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from llama_index.core.schema import BaseNode

from llm_integrations.core.observability import get_logger
from llm_integrations.core.stamp import InForce
from llm_integrations.llamaindex.upkeep.reindexing.tally import Tally
from llm_integrations.llamaindex.upkeep.steps import Steps

if TYPE_CHECKING:
    from llm_integrations.llamaindex.index import Index

__all__ = ["Context", "Vectors"]

log = get_logger(__name__)

Vectors: TypeAlias = Mapping[str, Sequence[str]]
"""For each document's id the ids of its nodes that are to be replaced."""


@dataclass(frozen=True)
class Context:
    """What a run is about; the same for all its documents.

    Attributes:
        hashes: what the docstore knew before the nodes in ``vectors`` were listed. A document that
            changed since is left alone: whoever changed it has put it into the index.
        anew: the ids of documents whose text is embedded whatever is there.
        steps: the pipeline's, judging by the version in force.
        whole: whether documents come from elsewhere than the docstore, with images and sounds.
    """

    index: Index
    in_force: InForce
    vectors: Vectors
    hashes: Mapping[str, str]
    anew: Collection[str]
    steps: Steps
    tally: Tally
    whole: bool

    def live(self, documents: Iterable[BaseNode]) -> list[BaseNode]:
        """Those that nobody changed since the run began."""
        return [document for document in documents if self._is_unchanged(document.id_)]

    def _is_unchanged(self, name: str) -> bool:
        if self.index.known.is_unchanged(name, self.hashes.get(name)):
            return True
        log.info("%s: a document was changed meanwhile, and is left alone", self.index.name)
        return False

    def keep(self, documents: Sequence[BaseNode]) -> None:
        """Tell the docstore of documents that are in the index now, or set aside."""
        known, whole = self.index.known, self.whole
        news = known.news(documents, whole=whole)
        if news:
            self.index.once_in_place(lambda: known.keep(self.live(news), whole=whole))
