"""A plain ``VectorStoreIndex``, which has no pipeline and keeps no text of a whole document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import BaseNode

from llm_integrations.core.errors import Unsupported
from llm_integrations.core.stamp import judged_part, stamps_of
from llm_integrations.llamaindex.node_record import StandIn
from llm_integrations.llamaindex.stores import StampQuery, StoredNode, StoredNodes
from llm_integrations.llamaindex.stores.query import Changes, renewed
from llm_integrations.llamaindex.upkeep.holdings.documents import KnownDocuments

if TYPE_CHECKING:
    from llm_integrations.llamaindex.stores.qdrant_copy import QdrantCopy

__all__ = ["PlainDocuments", "PlainNodes", "pipeline_of", "stand_ins"]


def pipeline_of(index: VectorStoreIndex) -> IngestionPipeline:
    """The steps of an index, its embedding model last, over its docstore and vector store."""
    steps = list(index._transformations)
    if not any(isinstance(step, BaseEmbedding) for step in steps):
        steps.append(index._embed_model)
    return IngestionPipeline(
        transformations=steps,
        docstore=index.docstore,
        vector_store=index.vector_store,
        disable_cache=True,
    )


class PlainNodes(StoredNodes):
    """The nodes of an index: those of its vector store, and what the index keeps besides.

    Its docstore holds copies of the nodes whose texts the store does not keep, and its structure
    lists them; both follow what is done to the store.
    """

    def __init__(self, index: VectorStoreIndex, inner: StoredNodes) -> None:
        self._index = index
        self._docstore = index.docstore
        self._inner = inner
        super().__init__(index.vector_store)

    def check(self) -> None:
        self.deletes_by_id = self._inner.deletes_by_id

    @property
    def lists_everything(self) -> bool:
        return self._inner.lists_everything

    def stamped(self, query: StampQuery) -> Iterator[StoredNode]:
        return self._inner.stamped(query)

    def every(self, subjects: Sequence[str]) -> Iterator[StoredNode]:
        return self._inner.every(subjects)

    def metadata_of(self, node_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        kept = ((name, self._kept(name)) for name in node_ids)
        found = {name: node.metadata for name, node in kept if node is not None}
        left = [name for name in node_ids if name not in found]
        return {**self._inner.metadata_of(left), **found} if left else dict(found)

    def write(self, nodes: Sequence[BaseNode]) -> None:
        self._inner.make_room(nodes)
        with self._same_hashes(node.node_id for node in nodes if not node.ref_doc_id):
            self._index.insert_nodes(nodes)

    def delete(self, node_ids: Sequence[str]) -> None:
        self._inner.delete(node_ids)
        self._strike(node_ids)

    def delete_documents(self, document_ids: Sequence[str]) -> None:
        self._inner.delete_documents(document_ids)
        parts = (self._docstore.get_ref_doc_info(name) for name in document_ids)
        self._strike([node for part in parts if part for node in part.node_ids])

    def can_stamp(self, node_id: str) -> bool:
        return self._inner.can_stamp(node_id)

    def stamp(self, changes: Mapping[str, Changes]) -> set[str]:
        done = self._inner.stamp(changes)
        kept = [node for name in done if (node := self._kept(name)) is not None]
        for node in kept:
            node.metadata = renewed(node.metadata, changes[node.node_id])
        with self._same_hashes(node.node_id for node in kept if not node.ref_doc_id):
            self._docstore.add_documents(kept)
        return done

    def copied(self) -> QdrantCopy:
        if self._index.index_struct.nodes_dict:
            raise Unsupported(
                "swap= cannot copy a VectorStoreIndex whose docstore holds nodes, as it does those "
                "of images; without swap=, new nodes are written before old ones go"
            )
        return self._inner.copied()

    def unsettled(self) -> QdrantCopy | None:
        return self._inner.unsettled()

    def restore(self) -> None:
        self._inner.restore()

    def _kept(self, node_id: str) -> BaseNode | None:
        return self._docstore.get_document(node_id, raise_error=False)

    def _strike(self, node_ids: Sequence[str]) -> None:
        """Take nodes out of the docstore and the structure."""
        listed = self._index.index_struct.nodes_dict
        kept = {name: node for name in node_ids if (node := self._kept(name)) is not None}
        with self._same_hashes(node.ref_doc_id or name for name, node in kept.items()):
            for name in kept:
                self._docstore.delete_document(name, raise_error=False)
        if [listed.pop(name) for name in node_ids if name in listed]:
            self._index.storage_context.index_store.add_index_struct(self._index.index_struct)

    @contextmanager
    def _same_hashes(self, names: Iterable[str]) -> Iterator[None]:
        """Documents stay known by the hash that they came in with, whatever becomes of nodes."""
        before = {name: self._docstore.get_document_hash(name) for name in names}
        yield
        self._docstore.set_document_hashes({n: hash_ for n, hash_ in before.items() if hash_})


class PlainDocuments(KnownDocuments):
    """The docstore of an index: hashes of documents, which may be missing, and parts of them."""

    is_complete = False

    def knows(self, name: str) -> bool:
        return super().knows(name) or self.docstore.get_ref_doc_info(name) is not None

    def fetch(self, names: Sequence[str]) -> dict[str, BaseNode]:
        found = super().fetch(names)
        if self.is_loaded:
            return found
        return {
            name: node.model_copy(update={"metadata": _judged(node.metadata)})
            for name, node in found.items()
        }

    def is_unchanged(self, name: str, since: str | None) -> bool:
        found = self.hash_of(name)
        if found == since:
            return True
        kept = self.kept(name) if since is None else None
        return kept is not None and kept.hash == found  # a node that was written as its document

    def news(self, documents: Iterable[BaseNode], *, whole: bool) -> list[BaseNode]:
        return super().news(documents, whole=True) if whole else []

    def keep(self, documents: Sequence[BaseNode], *, whole: bool) -> None:
        self.docstore.set_document_hashes({d.id_: d.hash for d in documents})

    def rewrite(self, documents: Iterable[BaseNode]) -> None:
        """Nothing: there are nodes alone, and they have been written."""


def stand_ins(nodes: StoredNodes, vectors: Mapping[str, Sequence[str]]) -> dict[str, BaseNode]:
    """Documents whose texts are nowhere, by the metadata that their nodes were stamped with.

    Args:
        vectors: for each document's id, the ids of its nodes.
    """
    first = {name: ids[0] for name, ids in vectors.items() if ids}
    metadata = nodes.metadata_of(list(first.values()))
    made: dict[str, BaseNode] = {}
    for name, node in first.items():
        if node in metadata:
            made[name] = StandIn(id_=name)
            made[name].metadata = _judged(metadata[node])
    return made


def _judged(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata that the first stamp vouches for: the document's."""
    stamps = stamps_of(metadata)
    return dict(judged_part(metadata, stamps[0]) if stamps else metadata)
