"""An index that can be brought up to date: a pipeline with its docstore and vector store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from llama_index.core import VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from llm_integrations.core.config import check_name
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.stamp import InForce
from llm_integrations.llamaindex.affected import AffectedDocuments, ReindexResult
from llm_integrations.llamaindex.kept import OlderStamps
from llm_integrations.llamaindex.node_record import StandIn, has_lost_media
from llm_integrations.llamaindex.plain import (
    PlainDocuments,
    PlainNodes,
    pipeline_of,
    stand_ins,
)
from llm_integrations.llamaindex.stores import StampQuery, nodes_in
from llm_integrations.llamaindex.transform import SchemaTransform
from llm_integrations.llamaindex.upkeep.holdings.documents import KnownDocuments, Loader
from llm_integrations.llamaindex.upkeep.holdings.listing import Listing, Nodes
from llm_integrations.llamaindex.upkeep.holdings.release import Held
from llm_integrations.llamaindex.upkeep.migration import Migrate, Migration
from llm_integrations.llamaindex.upkeep.pace import Pace
from llm_integrations.llamaindex.upkeep.persistence import Persistence, persist_pipeline
from llm_integrations.llamaindex.upkeep.reindexing import Reindexing, Vectors
from llm_integrations.llamaindex.upkeep.steps import Steps

__all__ = ["Index", "Persist"]

Persist = str | Path | Callable[[], object]
"""A folder for ``persist_pipeline``, or a function of one's own."""

_ROUNDS: Final = 1000


class Index:
    """A pipeline with its stores. Only one reindexing runs at a time in a process.

    The arguments are those of ``RAGPipelineIntegration.add_index``, and whether to show progress.
    """

    def __init__(
        self,
        name: str,
        pipeline: IngestionPipeline | VectorStoreIndex,
        *,
        documents: Loader | None = None,
        migrate: Migrate | None = None,
        persist: Persist | None = None,
        persist_every: float = 30.0,
        batch_size: int = 32,
        keep_compatible: bool = False,
        progress: bool = False,
    ) -> None:
        check_name("the index's name", name)
        if batch_size < 1:
            raise ConfigurationError(f"batch_size must be at least 1, not {batch_size}")
        self.name = name
        plain = pipeline if isinstance(pipeline, VectorStoreIndex) else None
        self.pipeline = (
            pipeline if isinstance(pipeline, IngestionPipeline) else pipeline_of(pipeline)
        )
        steps = self.pipeline.transformations
        self.transforms = [step for step in steps if isinstance(step, SchemaTransform)]
        store = _store(name, self.pipeline)
        self.nodes = nodes_in(store)
        if plain is None:
            self.known = KnownDocuments(self.pipeline, documents)
        else:
            self.known = PlainDocuments(self.pipeline, documents)
            self.nodes = PlainNodes(plain, self.nodes)
        self.migration = Migration(migrate)
        self.persistence = Persistence(_saving(pipeline, persist), persist_every)
        self.older = OlderStamps() if keep_compatible else None
        self.lock = threading.Lock()
        self.waiting: list[Callable[[], object]] | None = None
        self.put_off: set[str] = set()
        self.batch_size = batch_size
        self.progress = progress
        for transform in self.transforms:
            if transform.mode == "enforce" and transform.quarantine is None:
                raise ConfigurationError(
                    f"index {name!r}: give its SchemaTransform a quarantine, or documents that a "
                    "new version refuses would be lost when they leave the index"
                )
            if transform.flat_metadata is None:
                transform.flat_metadata = bool(getattr(store, "flat_metadata", False))
        if not self.transforms:
            raise ConfigurationError(
                f"index {name!r}: it has no SchemaTransform: give one first in transformations=, "
                "of the IngestionPipeline or of the VectorStoreIndex"
            )

    def transform_for(self, subject: str) -> SchemaTransform | None:
        return next((t for t in self.transforms if t.subject == subject), None)

    def documents(
        self, names: Sequence[str], vectors: Vectors, steps: Steps
    ) -> dict[str, BaseNode]:
        """The documents that are to be had, by id.

        Of one whose content is nowhere, what its nodes say stands for it as long as the version
        takes it: there is nothing whole to be set aside.
        """
        found, known = self.known.fetch(names), self.known
        if known.is_loaded:
            return found
        if not known.is_complete:
            left = {name: vectors[name] for name in names if name in vectors and name not in found}
            found.update(stand_ins(self.nodes, left))
        hollow = {n for n, d in found.items() if has_lost_media(d, known.original_hash(n))}
        return {n: d for n, d in found.items() if n not in hollow or self._fits(d, steps)}

    def _fits(self, document: BaseNode, steps: Steps) -> bool:
        judges = [step for step in steps.first if isinstance(step, SchemaTransform)]
        if isinstance(document, StandIn) and any(judge.text_field for judge in judges):
            return False
        try:
            form = self.migration(document, judges)
        except Exception:  # noqa: BLE001 - a migration of the user's; the run tells it by document
            return True
        return all(judge.would_pass(form) for judge in judges)

    def stale(self, subject: str, in_force: InForce) -> AffectedDocuments:
        """Documents that another version stamped."""
        vectors = Listing(self).stale(subject, in_force)
        return AffectedDocuments(self.name, subject, in_force.validator.reference, "stale", vectors)

    def stamped_by(self, subject: str, version: str) -> Mapping[str, tuple[str, ...]]:
        """The documents that one version stamped, with their nodes."""
        return Listing(self).found(StampQuery(subject, version=version))

    def bring_up_to_date(
        self,
        transform: SchemaTransform,
        in_force: InForce,
        *,
        compare: bool = False,
        limit: int | None = None,
        asked: Collection[str] = (),
        pace: Pace | None = None,
    ) -> ReindexResult:
        """Reindex what is stale or absent, and release what the version takes.

        Finds and reindexes until nothing new is found: a store may list only a part at a time.

        Args:
            compare: look for documents, too, that the docstore knows and the store lacks.
            limit: how many documents to take on, at the most.
            asked: ids to release from the quarantine though the docstore does not know them.
            pace: a rate limit.

        Raises:
            LLMIntegrationsError: a part of the quarantine is damaged; all else was done.
        """
        seen: set[str] = set()
        total = ReindexResult(self.name, in_force.validator.reference)
        for _ in range(_ROUNDS):
            listing = Listing(self)
            held = Held.of(listing, transform, in_force, asked)
            total = replace(total, unknown=tuple(held.unknown))
            vectors = self.work(listing, held, transform, in_force, compare=compare)
            room = None if limit is None else limit - len(seen)
            names = listing.in_order({*held.documents, *vectors} - seen)
            # What came to nothing last time is last, or a limit would try it alone for ever.
            names = sorted(names, key=self.put_off.__contains__)[:room]
            seen.update(names)
            if names:
                # What was set aside was not embedded, whatever nodes there are of its document.
                run = Reindexing(
                    self, in_force, vectors, listing.hashes, anew=held.records, pace=pace
                )
                result = run.run([name for name in names if name not in held.documents])
                result = result.plus(run.run_documents(held.documents_of(names)))
                total = total.plus(result.releasing(held.records))
                self.put_off.difference_update(names)
                self.put_off.update(result.missing, (name for name, _ in result.failed))
            done = {*total.reindexed, *total.released}
            self.once_in_place(self.persistence.flush)
            self.once_in_place(partial(held.settle, done))
            if not names or (limit is None and self.nodes.lists_everything):
                break
        return total

    def once_in_place(self, remember: Callable[[], object]) -> None:
        """Tell docstore or quarantine what is in the index: now, or when a copy is in its place."""
        if self.waiting is None:
            remember()
        else:
            self.waiting.append(remember)

    def has_work(self, transform: SchemaTransform, in_force: InForce) -> bool:
        """Whether there is a document to reindex or to release."""
        listing = Listing(self)
        held = Held.of(listing, transform, in_force)
        vectors = self.work(listing, held, transform, in_force, compare=True)
        return bool(vectors or held.documents)

    def rollback(self) -> None:
        """Give the store's alias back to the collection that it stood for before."""
        with self.lock:
            self.nodes.restore()

    def work(
        self,
        listing: Listing,
        held: Held,
        transform: SchemaTransform,
        in_force: InForce,
        *,
        compare: bool,
    ) -> Nodes:
        """The documents to run, with the nodes that are to be replaced."""
        absent = listing.absent(held.current) if compare else ()
        vectors = listing.stale(transform.subject, in_force)
        vectors.update((name, ()) for name in absent if name not in vectors)
        # What is there of those that come back is replaced too, where their old stamp was kept.
        back = sorted({*held.again, *held.documents})
        vectors.update((name, listing.present.get(name, ())) for name in back)
        return vectors

    def steps(self, in_force: InForce) -> Steps:
        """The pipeline's steps, judging by one version throughout."""
        return Steps.of(self.pipeline.transformations, in_force)


def _saving(
    pipeline: IngestionPipeline | VectorStoreIndex, persist: Persist | None
) -> Callable[[], object]:
    if persist is None:
        return lambda: None
    if isinstance(persist, str | Path):
        return partial(persist_pipeline, pipeline, persist)
    return persist


def _store(name: str, pipeline: IngestionPipeline) -> BasePydanticVectorStore:
    if pipeline.docstore is None or pipeline.vector_store is None:
        raise ConfigurationError(
            f"index {name!r}: its pipeline needs a docstore, which knows the documents, and a "
            "vector store, which knows what they were stamped with"
        )
    return pipeline.vector_store
