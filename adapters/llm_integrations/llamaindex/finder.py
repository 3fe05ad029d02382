"""Finding stamped nodes in a vector store: by metadata filters, or in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from llama_index.core.vector_stores import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    SimpleVectorStore,
)
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from llm_integrations.core.errors import Unsupported
from llm_integrations.core.stamp import FINGERPRINT, SUBJECT, VERSION

__all__ = ["StampQuery", "documents_of", "has_collection"]

_NO_SOURCE: Final = ("None", "", None)
"""Values that stores keep as the source of a node that no parser made."""


@dataclass(frozen=True, slots=True)
class StampQuery:
    """A query for a subject's stamps: of one version, or of any but one fingerprint."""

    subject: str
    version: str | None = None
    not_fingerprint: str | None = None

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        if metadata.get(SUBJECT) != self.subject:
            return False
        if self.version is not None and metadata.get(VERSION) != self.version:
            return False
        return self.not_fingerprint is None or metadata.get(FINGERPRINT) != self.not_fingerprint

    @property
    def filters(self) -> MetadataFilters:
        wanted = [MetadataFilter(key=SUBJECT, value=self.subject)]
        if self.version is not None:
            wanted.append(MetadataFilter(key=VERSION, value=self.version))
        if self.not_fingerprint is not None:
            unlike = FilterOperator.NE
            wanted.append(
                MetadataFilter(key=FINGERPRINT, value=self.not_fingerprint, operator=unlike)
            )
        return MetadataFilters(filters=list(wanted))


def documents_of(store: BasePydanticVectorStore, wanted: StampQuery) -> dict[str, tuple[str, ...]]:
    """For each document the ids of its nodes that match.

    A store may answer with a part only (Qdrant: 9999 nodes): ask again once these are reindexed.

    Raises:
        Unsupported: the store cannot be asked for nodes by their metadata.
    """
    found: defaultdict[str, list[str]] = defaultdict(list)
    for document, node in _nodes(store, wanted):
        found[document].append(node)
    return {document: tuple(nodes) for document, nodes in found.items()}


def has_collection(store: BasePydanticVectorStore) -> bool:
    """False for a Qdrant store that nothing was ever written to, which raises on any query."""
    exists = getattr(getattr(store, "client", None), "collection_exists", None)
    name = getattr(store, "collection_name", None)
    return exists is None or name is None or bool(exists(name))


def _nodes(store: BasePydanticVectorStore, wanted: StampQuery) -> Iterator[tuple[str, str]]:
    if isinstance(store, SimpleVectorStore):
        return _simple(store, wanted)
    if not has_collection(store):
        return iter(())
    return _filtered(store, wanted)


def _simple(store: SimpleVectorStore, wanted: StampQuery) -> Iterator[tuple[str, str]]:
    sources = store.data.text_id_to_ref_doc_id
    for node, metadata in store.data.metadata_dict.items():
        if wanted.matches(metadata):
            yield _document(sources.get(node), node), node


def _filtered(store: BasePydanticVectorStore, wanted: StampQuery) -> Iterator[tuple[str, str]]:
    for node in _get_nodes(store, wanted.filters):
        if wanted.matches(node.metadata):
            yield _document(node.ref_doc_id, node.node_id), node.node_id


def _get_nodes(store: BasePydanticVectorStore, filters: MetadataFilters) -> Iterable[Any]:
    try:
        return store.get_nodes(filters=filters)
    except NotImplementedError:
        raise Unsupported(
            f"{type(store).__name__} cannot list nodes by their metadata, so what a change affects "
            "cannot be found in it; Qdrant and SimpleVectorStore can"
        ) from None


def _document(source: str | None, node: str) -> str:
    return node if source in _NO_SOURCE or source is None else source
