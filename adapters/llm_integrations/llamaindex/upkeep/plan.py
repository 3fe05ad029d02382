"""What bringing an index up to date would do and cost, told before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llama_index.core.schema import BaseNode

from llm_integrations.core.observability import get_logger
from llm_integrations.core.stamp import InForce
from llm_integrations.llamaindex.node_record import has_lost_media
from llm_integrations.llamaindex.parts import parts
from llm_integrations.llamaindex.transform import SchemaTransform
from llm_integrations.llamaindex.upkeep.chunks import chunks_of, tokens_in
from llm_integrations.llamaindex.upkeep.holdings.listing import Listing
from llm_integrations.llamaindex.upkeep.holdings.release import Held
from llm_integrations.llamaindex.upkeep.node_ids import by_document
from llm_integrations.llamaindex.upkeep.reasons import each, reason_of

if TYPE_CHECKING:
    from llm_integrations.llamaindex.index import Index

__all__ = ["ReindexPlan", "plan"]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReindexPlan:
    """What ``catch_up`` would do to one index, for one of its schemas.

    Attributes:
        documents: the ids of those that it would take on.
        in_place: those of which only stamps would be written.
        refused: those that would leave the index for the quarantine, and those that failed.
        failed: those whose text, migration or chunks cannot be had, each with the reason; they
            would stay as they are.
        released: those that would come back from the quarantine.
        missing: those without a text in the docstore or the loader; they would stay as they are.
        unknown: those in the quarantine that are valid now and that the docstore does not know.
        nodes: how many nodes in the vector store would be stamped, replaced or deleted.
        texts: how many texts would be embedded.
        tokens: how many tokens these have, by LlamaIndex's tokenizer.
    """

    index: str
    reference: str = ""
    documents: tuple[str, ...] = ()
    in_place: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    released: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    nodes: int = 0
    texts: int = 0
    tokens: int = 0
    failed: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.documents)

    def __str__(self) -> str:
        parts = [f"{len(self)} documents", f"{len(self.in_place)} in place"]
        for name in ("refused", "failed", "released", "missing", "unknown"):
            count = len(getattr(self, name))
            parts += [f"{count} {name}"] if count else []
        cost = f"{self.nodes} nodes, {self.texts} texts of {self.tokens} tokens to embed"
        return f"{self.index}: {', '.join(parts)}; {cost} ({self.reference})"


def plan(index: Index, transform: SchemaTransform, in_force: InForce) -> ReindexPlan:
    """Nothing is written, counted or embedded; the loader, if there is one, is asked for texts."""
    listing = Listing(index)
    held = Held.of(listing, transform, in_force)
    vectors = index.work(listing, held, transform, in_force, compare=True)
    draft = _Draft(index, in_force, vectors, listing, held)
    names = listing.in_order({*held.documents, *vectors})
    for batch in parts(names, index.batch_size):
        draft.add(list(held.documents_of(batch).values()), whole=True)
        draft.fetch([name for name in batch if name not in held.documents])
    failed = tuple((name, draft.failed[name]) for name in names if name in draft.failed)
    for name, reason in failed:
        log.warning("%s: %s failed: %s", index.name, name, reason)
    left = {*draft.refused, *draft.failed}
    released = tuple(name for name in names if name in held.records and name not in left)
    return ReindexPlan(
        index.name,
        in_force.validator.reference,
        documents=tuple(names),
        in_place=tuple(draft.in_place),
        refused=tuple(name for name in names if name in left),
        released=released,
        missing=tuple(draft.missing),
        unknown=tuple(held.unknown),
        nodes=draft.nodes,
        texts=draft.texts,
        tokens=draft.tokens,
        failed=failed,
    )


class _Draft:
    def __init__(
        self,
        index: Index,
        in_force: InForce,
        vectors: Mapping[str, Sequence[str]],
        listing: Listing,
        held: Held,
    ) -> None:
        self._index = index
        self._vectors = vectors
        self._hashes = listing.hashes
        self._anew = held.records
        self.steps = index.steps(in_force)
        self.in_place: list[str] = []
        self.refused: list[str] = []
        self.missing: list[str] = []
        self.failed: dict[str, str] = {}
        self.nodes = self.texts = self.tokens = 0

    def fetch(self, names: Sequence[str]) -> None:
        found: dict[str, BaseNode] = {}

        def read(part: Sequence[str]) -> None:
            found.update(self._index.documents(part, self._vectors, self.steps))
            self.missing += [name for name in part if name not in found]

        each(read, names, lambda name, error: self._fail(name, None, error))
        self.add(list(found.values()), whole=self._index.known.is_loaded)

    def add(self, documents: Sequence[BaseNode], *, whole: bool) -> None:
        def work(part: Sequence[BaseNode]) -> None:
            self._add(part, whole=whole)

        each(work, documents, lambda document, error: self._fail(document.id_, document, error))

    def _fail(self, name: str, document: BaseNode | None, error: Exception) -> None:
        self.failed[name] = reason_of(error, document)

    def _add(self, documents: Sequence[BaseNode], *, whole: bool) -> None:
        first = self.steps.first
        anew: list[BaseNode] = []
        in_place, refused, missing = [], [], []
        for given in documents:
            name, document = given.id_, self._index.migration(given, first)
            if not chunks_of([document], first):
                refused.append(name)
            elif self._stays(name, given, whole=whole):
                in_place.append(name)
            elif not whole and has_lost_media(given, self._index.known.original_hash(name)):
                missing.append(name)
            else:
                anew.append(document)
        chunks = chunks_of(anew, self.steps.rest)
        if not self.steps.judge_whole_documents:
            left = by_document(chunks)
            refused += [document.id_ for document in anew if document.id_ not in left]
        # Nothing is noted before the last step that can fail.
        self.tokens += tokens_in(chunks)
        self.texts += len(chunks)
        self.nodes += sum(len(self._vectors.get(document.id_, ())) for document in documents)
        self.in_place += in_place
        self.refused += refused
        self.missing += missing

    def _stays(self, name: str, document: BaseNode, *, whole: bool) -> bool:
        nodes = self._vectors.get(name)
        if not (nodes and self.steps.judge_whole_documents) or name in self._anew:
            return False
        same = not whole or document.hash == self._hashes.get(name)
        return same and self._index.nodes.can_stamp(nodes[0])
