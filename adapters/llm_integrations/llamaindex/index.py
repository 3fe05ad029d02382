"""An index that can be brought up to date: a pipeline with its docstore and vector store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import Any, Final, TypeAlias

from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.schema import BaseNode, Document
from llama_index.core.storage.docstore import BaseDocumentStore
from llama_index.core.vector_stores.types import BasePydanticVectorStore
from tqdm import tqdm

from llm_integrations.core.config import check_name
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.observability import get_logger
from llm_integrations.core.stamp import InForce
from llm_integrations.llamaindex.affected import AffectedDocuments, ReindexResult
from llm_integrations.llamaindex.finder import StampQuery, documents_of, has_collection
from llm_integrations.llamaindex.transform import SchemaTransform

__all__ = ["Index", "Loader"]

log = get_logger(__name__)

Loader: TypeAlias = Callable[[Sequence[str]], Iterable[Document]]
"""From ids to documents as they are at their source now."""

_MARK: Final = "stale:"
_ROUNDS: Final = 1000


class Index:
    """A pipeline, which is never changed, with its stores. Only one reindexing runs at a time.

    The arguments are those of ``RAGPipelineIntegration.add_index``, and whether to show progress.
    """

    def __init__(
        self,
        name: str,
        pipeline: IngestionPipeline,
        *,
        documents: Loader | None = None,
        persist: Callable[[], object] | None = None,
        batch_size: int = 32,
        progress: bool = False,
    ) -> None:
        check_name("the index's name", name)
        if batch_size < 1:
            raise ConfigurationError(f"batch_size must be at least 1, not {batch_size}")
        self.name = name
        self.pipeline = pipeline
        self.transforms = [t for t in pipeline.transformations if isinstance(t, SchemaTransform)]
        self.docstore, self.store = _stores(name, pipeline)
        self.lock = threading.Lock()
        self._load = documents
        self._persist = persist or (lambda: None)
        self._batch_size = batch_size
        self._progress = progress
        for transform in self.transforms:
            if transform.mode == "enforce" and transform.quarantine is None:
                raise ConfigurationError(
                    f"index {name!r}: give its SchemaTransform a quarantine, or documents that a "
                    "new version refuses would be lost when they leave the index"
                )
        if not self.transforms:
            raise ConfigurationError(f"index {name!r}: its pipeline has no SchemaTransform")

    def transform_for(self, subject: str) -> SchemaTransform | None:
        return next((t for t in self.transforms if t.subject == subject), None)

    def stale(self, subject: str, in_force: InForce) -> AffectedDocuments:
        """Documents that another version stamped, or that an interrupted run left marked."""
        wanted = StampQuery(subject, not_fingerprint=in_force.fingerprint)
        vectors = documents_of(self.store, wanted)
        interrupted = (i for i in self._interrupted() if i not in vectors)
        vectors.update((document, ()) for document in interrupted)
        reference = in_force.validator.reference
        return AffectedDocuments(self.name, subject, reference, "stale", vectors)

    def stamped_by(self, subject: str, version: str) -> Mapping[str, tuple[str, ...]]:
        """The documents that one version stamped, with their nodes."""
        return documents_of(self.store, StampQuery(subject, version=version))

    def reindex(self, affected: AffectedDocuments, in_force: InForce) -> ReindexResult:
        """Run just these documents through the pipeline again.

        A document is marked in the docstore before its vectors go, so that after a crash
        ``stale`` finds it, whatever is left of it.
        """
        available = self._available(affected.document_ids)
        missing = tuple(i for i in affected.document_ids if i not in available)
        if missing:
            log.warning(
                "%s: %d documents are not kept in the docstore and stay as they are",
                self.name,
                len(missing),
                extra={"llmi_index": self.name},
            )
        self._mark(available, in_force)
        done: set[str] = set()
        for batch in self._batches(available):
            done |= self._run(batch, affected.vectors, in_force)
        return ReindexResult(
            self.name,
            affected.reference,
            reindexed=tuple(i for i in available if i in done),
            set_aside=tuple(i for i in available if i not in done),
            missing=missing,
        )

    def bring_up_to_date(self, subject: str, in_force: InForce) -> ReindexResult:
        """Find and reindex until nothing new is found: a store may list only a part at a time."""
        seen: set[str] = set()
        total = ReindexResult(self.name, in_force.validator.reference)
        for _ in range(_ROUNDS):
            affected = self.stale(subject, in_force)
            if seen.issuperset(affected.document_ids):
                break
            seen.update(affected.document_ids)
            total = _added(total, self.reindex(affected, in_force))
        return total

    def ingest(self, documents: Sequence[BaseNode], in_force: InForce) -> None:
        """Run documents that the docstore would skip as unchanged, such as those set aside."""
        ids = [document.id_ for document in documents]
        if has_collection(self.store):
            self._mark(ids, in_force)
        else:  # there are no vectors to replace, and none could be deleted
            for document in ids:
                self.docstore.delete_document(document, raise_error=False)
        self._pinned(in_force).run(nodes=list(documents))
        self._persist()

    def _run(
        self, ids: Sequence[str], vectors: Mapping[str, Sequence[str]], in_force: InForce
    ) -> set[str]:
        """Run a batch through the pipeline; returns the ids that are in the index now."""
        documents = self._documents(ids)
        # The pipeline deletes old nodes by their source document; these have none.
        orphans = [node for document in ids for node in vectors[document] if node == document]
        if orphans:
            self.store.delete_nodes(node_ids=orphans)
        nodes = self._pinned(in_force).run(documents=documents)
        self._persist()
        return {node.ref_doc_id or node.id_ for node in nodes}

    def _pinned(self, in_force: InForce) -> IngestionPipeline:
        """A copy of the pipeline that judges by one version throughout.

        It has no cache, which takes documents of equal text for one, and no sources of its own;
        it deletes no document for being missing from its input.
        """
        subject = in_force.validator.subject
        steps = [
            t.pinned_to(in_force) if isinstance(t, SchemaTransform) and t.subject == subject else t
            for t in self.pipeline.transformations
        ]
        return self.pipeline.model_copy(
            update={
                "transformations": steps,
                "docstore_strategy": DocstoreStrategy.UPSERTS,
                "disable_cache": True,
                "documents": None,
                "readers": None,
            }
        )

    def _mark(self, ids: Iterable[str], in_force: InForce) -> None:
        # Each document gets a hash of its own: a docstore lists one id for each hash.
        for document in ids:
            self.docstore.set_document_hash(document, f"{_MARK}{in_force.fingerprint}:{document}")
        self._persist()

    def _interrupted(self) -> list[str]:
        hashes = self.docstore.get_all_document_hashes()
        return [document for hash_, document in hashes.items() if hash_.startswith(_MARK)]

    def _available(self, ids: Sequence[str]) -> list[str]:
        if self._load is not None:
            there = {document.id_ for document in self._load(ids)}
            return [i for i in ids if i in there]
        return [i for i in ids if self.docstore.document_exists(i)]

    def _documents(self, ids: Sequence[str]) -> list[Any]:
        if self._load is not None:
            wanted = set(ids)
            return [document for document in self._load(ids) if document.id_ in wanted]
        return [self.docstore.get_document(i) for i in ids]

    def _batches(self, ids: Sequence[str]) -> Iterator[Sequence[str]]:
        with tqdm(
            total=len(ids), desc=f"reindexing {self.name}", disable=not (self._progress and ids)
        ) as bar:
            for first in range(0, len(ids), self._batch_size):
                batch = ids[first : first + self._batch_size]
                yield batch
                bar.update(len(batch))


def _stores(
    name: str, pipeline: IngestionPipeline
) -> tuple[BaseDocumentStore, BasePydanticVectorStore]:
    if pipeline.docstore is None or pipeline.vector_store is None:
        raise ConfigurationError(
            f"index {name!r}: its pipeline needs a docstore, which knows the documents, and a "
            "vector store, which knows what they were stamped with"
        )
    return pipeline.docstore, pipeline.vector_store


def _added(one: ReindexResult, other: ReindexResult) -> ReindexResult:
    index, reference, *parts = zip(astuple(one), astuple(other), strict=True)
    return ReindexResult(index[0], reference[0], *(first + second for first, second in parts))
