"""Docstore, vector store and quarantine of an index held against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_integrations.core.observability import get_logger
from llm_integrations.core.stamp import InForce
from llm_integrations.llamaindex.parts import parts
from llm_integrations.llamaindex.transform import SchemaTransform
from llm_integrations.llamaindex.upkeep.chunks import chunks_of, unforeseen_steps
from llm_integrations.llamaindex.upkeep.holdings.listing import Listing
from llm_integrations.llamaindex.upkeep.holdings.release import Held
from llm_integrations.llamaindex.upkeep.node_ids import by_document
from llm_integrations.llamaindex.upkeep.reasons import each, reason_of
from llm_integrations.llamaindex.upkeep.reindexing import Reindexing
from llm_integrations.llamaindex.upkeep.steps import Steps
from llm_integrations.llamaindex.upkeep.swapping import late_in

if TYPE_CHECKING:
    from llm_integrations.llamaindex.index import Index

__all__ = ["IndexAudit", "audit", "repair"]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class IndexAudit:
    """What is wrong with an index, for one of its schemas: ids of documents.

    Attributes:
        reference: the version in force.
        documents: how many documents the docstore knows.
        missing: known to the docstore, and neither in the vector store nor in the quarantine.
        doubled: with more nodes in the vector store than the pipeline makes of them.
        stale: stamped by another version, or older than what a swap that was killed left behind.
        unknown: stamped in the vector store, and not known to the docstore; never repaired:
            ``forget`` them, or ingest them again.
        unchecked: steps of the pipeline that make doubled documents impossible to tell.
    """

    index: str
    reference: str = ""
    documents: int = 0
    missing: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether nothing is missing, doubled, stale or unknown."""
        return not (self.missing or self.doubled or self.stale or self.unknown)

    def __str__(self) -> str:
        names = ("missing", "doubled", "stale", "unknown")
        wrong = [f"{len(ids)} {name}" for name in names if (ids := getattr(self, name))]
        found = ", ".join(wrong) or "nothing wrong"
        return f"{self.index}: {self.documents} documents, {found} ({self.reference})"


def audit(index: Index, transform: SchemaTransform, in_force: InForce) -> IndexAudit:
    """Reads everything, embeds and writes nothing."""
    listing = Listing(index)
    held = Held.of(listing, transform, in_force)
    steps = index.steps(in_force)
    unchecked = unforeseen_steps(steps.rest)
    present = listing.in_order(listing.present)
    here = [name for name in present if name in listing.hashes]
    stale = {**listing.stale(transform.subject, in_force), **late_in(index)}
    return IndexAudit(
        index.name,
        in_force.validator.reference,
        documents=len(listing.hashes),
        missing=tuple(listing.absent(held.current)),
        doubled=() if unchecked else tuple(_doubled(index, listing, here, steps)),
        stale=tuple(listing.in_order(stale)),
        unknown=tuple(_unknown(index, listing, present)),
        unchecked=unchecked,
    )


def repair(index: Index, in_force: InForce, found: IndexAudit) -> None:
    """Embed what is doubled anew, in the place of all its nodes. ``catch_up`` does the rest."""
    if found.doubled:
        listing = Listing(index)
        run = Reindexing(index, in_force, listing.present, listing.hashes, anew=found.doubled)
        log.info("%s", run.run(found.doubled))
        index.persistence.flush()


def _unknown(index: Index, listing: Listing, names: Sequence[str]) -> list[str]:
    known = index.known
    return [n for n in names if known.is_complete and n in listing.stamped and not known.knows(n)]


def _doubled(index: Index, listing: Listing, names: Sequence[str], steps: Steps) -> list[str]:
    doubled: list[str] = []

    def look(batch: Sequence[str]) -> None:
        documents = list(index.known.fetch(batch).values())
        chunks = by_document(chunks_of(documents, [*steps.first, *steps.rest]))
        made = Counter({name: len(nodes) for name, nodes in chunks.items()})
        doubled.extend(n for n in batch if 0 < made[n] < len(listing.present[n]))

    def failed(name: str, error: Exception) -> None:
        log.warning("%s: %s cannot be counted: %s", index.name, name, reason_of(error, None))

    for batch in parts(names, index.batch_size):
        each(look, batch, failed)
    return doubled
