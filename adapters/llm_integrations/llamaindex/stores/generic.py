"""Any vector store that can list nodes by their metadata, through LlamaIndex's own interface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from llm_integrations.core.errors import Unsupported
from llm_integrations.core.observability import get_logger
from llm_integrations.core.stamp import SUBJECT
from llm_integrations.llamaindex.parts import parts
from llm_integrations.llamaindex.stores.query import (
    Changes,
    StampQuery,
    StoredNode,
    document_of,
    renewed,
)

if TYPE_CHECKING:
    from llm_integrations.llamaindex.stores.qdrant_copy import QdrantCopy

__all__ = ["DirectNodes", "StoredNodes"]

log = get_logger(__name__)

_PAGE: Final = 1000
"""Nodes that are deleted in one request."""


class StoredNodes:
    """The nodes of one store.

    Raises:
        Unsupported: the store cannot list nodes by their metadata.
    """

    def __init__(self, store: BasePydanticVectorStore) -> None:
        self.store: Any = store
        self.check()

    def check(self) -> None:
        kind, base = type(self.store), BasePydanticVectorStore
        if kind.get_nodes is base.get_nodes:
            raise self._unsupported()
        self.deletes_by_id = kind.delete_nodes is not base.delete_nodes
        try:
            self._get_nodes({SUBJECT: ""}, {})
        except Unsupported:
            raise
        except Exception as error:  # noqa: BLE001 - the store's, which may be away, or not be filled yet
            log.info("%s cannot be asked yet (%s)", kind.__name__, type(error).__name__)

    @property
    def lists_everything(self) -> bool:
        """Whether ``every`` names nodes without a stamp too."""
        return False

    def stamped(self, query: StampQuery) -> Iterator[StoredNode]:
        """The nodes that a query finds. A store may answer with a part: ask again."""
        seen: set[str] = set()
        for equal, unlike in query.conditions:
            for node in self._get_nodes(equal, unlike):
                if query.matches(node.metadata) and node.node_id not in seen:
                    seen.add(node.node_id)
                    document = document_of(node.ref_doc_id, node.node_id)
                    yield StoredNode(node.node_id, document, node.metadata)

    def every(self, subjects: Sequence[str]) -> Iterator[StoredNode]:
        """All nodes with a stamp of these subjects."""
        for subject in subjects:
            yield from self.stamped(StampQuery(subject))

    def metadata_of(self, node_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """The metadata of nodes, in its order, by their ids."""
        return {node.node_id: node.metadata for node in self._get_by_id(list(node_ids))}

    def write(self, nodes: Sequence[BaseNode]) -> None:
        """Put nodes in the place of those with the same ids, if there are any."""
        self.make_room(nodes)
        self.store.add(list(nodes))

    def make_room(self, nodes: Sequence[BaseNode]) -> None:
        """Delete what has the ids of nodes that are to be added, where ``add`` does not."""
        if self.deletes_by_id:
            self.delete([node.node_id for node in nodes])

    def delete(self, node_ids: Sequence[str]) -> None:
        for part in parts(node_ids, _PAGE):
            self.store.delete_nodes(node_ids=list(part))

    def delete_documents(self, document_ids: Sequence[str]) -> None:
        """Delete every node of these documents, stamped or not."""
        for document in document_ids:
            self.store.delete(document)

    def can_stamp(self, node_id: str) -> bool:
        """Whether ``stamp`` could change a node."""
        return self.deletes_by_id and any(
            node.embedding is not None for node in self._get_by_id([node_id])
        )

    def stamp(self, changes: Mapping[str, Changes]) -> set[str]:
        """Change metadata of nodes, by their ids, and nothing else of them.

        Returns:
            The ids of the nodes that could be changed: here, those whose vectors the store gives
            back.
        """
        if not (self.deletes_by_id and changes):
            return set()
        nodes = [node for node in self._get_by_id(list(changes)) if node.embedding is not None]
        for node in nodes:
            node.metadata = renewed(node.metadata, changes[node.node_id])
        if nodes:
            self.write(nodes)
        return {node.node_id for node in nodes}

    # -- copies ----------

    def copied(self) -> QdrantCopy:
        """An empty collection of the same kind beside this one.

        Raises:
            Unsupported: the store has no aliases.
        """
        raise self._no_aliases()

    def unsettled(self) -> QdrantCopy | None:
        """The copy that is in place here since a swap that did not come to its end."""
        return None

    def restore(self) -> None:
        """Move the alias back to what it stood for before it was moved."""
        raise self._no_aliases()

    def _no_aliases(self) -> Unsupported:
        return Unsupported(
            f"{type(self.store).__name__} has no aliases that move from one collection to another "
            "in one step; Qdrant has. Without swap=, new nodes are written before old ones go"
        )

    def _get_by_id(self, node_ids: list[str]) -> list[BaseNode]:
        try:
            return list(self.store.get_nodes(node_ids=node_ids))
        except (NotImplementedError, TypeError):
            return []

    def _get_nodes(self, equal: Mapping[str, str], unlike: Mapping[str, str]) -> Sequence[BaseNode]:
        try:
            return list(self.store.get_nodes(filters=_filters(equal, unlike)))
        except (NotImplementedError, TypeError, ValueError) as error:
            if unlike:  # an operator that it may lack; who asks looks at what differs, too
                return self._get_nodes(equal, {})
            raise self._unsupported() from error

    def _unsupported(self) -> Unsupported:
        return Unsupported(
            f"{type(self.store).__name__} cannot list nodes by their metadata, so what a change "
            "affects cannot be found in it; Qdrant and SimpleVectorStore can, and so can Chroma, "
            "LanceDB and pgvector"
        )


class DirectNodes(StoredNodes):
    """Nodes of a store that is asked past LlamaIndex: for all it has, by id, and to stamp."""

    def check(self) -> None:
        self.deletes_by_id = True

    @property
    def lists_everything(self) -> bool:
        return True

    def can_stamp(self, node_id: str) -> bool:
        return True


def _filters(equal: Mapping[str, str], unlike: Mapping[str, str]) -> MetadataFilters:
    no = FilterOperator.NE
    wanted = [MetadataFilter(key=key, value=value) for key, value in equal.items()]
    wanted += [MetadataFilter(key=k, value=value, operator=no) for k, value in unlike.items()]
    return MetadataFilters(filters=list(wanted))
