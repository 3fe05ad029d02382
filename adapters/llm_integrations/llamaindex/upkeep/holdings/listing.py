"""What docstore and vector store of an index say at one moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from llm_integrations.core.stamp import InForce, Stamp, stamp_of, stamps_of
from llm_integrations.llamaindex.kept import says_valid
from llm_integrations.llamaindex.stores import StampQuery, StoredNode

if TYPE_CHECKING:
    from llm_integrations.llamaindex.index import Index

__all__ = ["Listing", "Nodes", "grouped"]

Nodes = dict[str, tuple[str, ...]]
"""For each document's id the ids of its nodes in the vector store."""


class Listing:
    """The docstore's hashes are read first: who changes a document after that is noticed."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.hashes = index.known.hashes()

    def found(self, query: StampQuery) -> Nodes:
        """The documents of the nodes that a query finds."""
        return grouped(self.index.nodes.stamped(query))

    def stale(self, subject: str, in_force: InForce) -> Nodes:
        """Documents that another version stamped, with those of their nodes; none that is kept."""
        query = StampQuery(subject, not_fingerprint=in_force.fingerprint)
        kept = self._kept(subject, in_force)
        if "_every" in self.__dict__ and self.index.nodes.lists_everything:  # read already
            left = (node for node in self._every if node.document not in kept)
            return grouped(node for node in left if query.matches(node.metadata))
        return self.found(query)  # here, nothing is kept

    def _kept(self, subject: str, in_force: InForce) -> set[str]:
        """Documents all of whose nodes bear one stamp, that of a version which is as good."""
        older, transform = self.index.older, self.index.transform_for(subject)
        if not (older and transform and self.index.nodes.lists_everything):
            return set()
        stamps: defaultdict[str, set[Stamp | None]] = defaultdict(set)
        for node in self._every:
            stamp = stamp_of(node.metadata, subject)
            vouches = stamp is not None and says_valid(node.metadata, stamp)
            stamps[node.document].add(stamp if vouches else None)
        alike = {name: found.pop() for name, found in stamps.items() if len(found) == 1}
        given = {stamp for stamp in alike.values() if stamp is not None}
        kept = older.kept(given, in_force.validator, transform.client)
        return {name for name, stamp in alike.items() if stamp in kept}

    @cached_property
    def present(self) -> Nodes:
        """Every document in the vector store, with all its nodes."""
        return grouped(self._every)

    @cached_property
    def stamped(self) -> set[str]:
        """The documents in the vector store that a schema of this index stamped."""
        return {node.document for node in self._every if self._subjects & _subjects(node)}

    @cached_property
    def _every(self) -> list[StoredNode]:
        return list(self.index.nodes.every(sorted(self._subjects)))

    @property
    def _subjects(self) -> set[str]:
        return {transform.subject for transform in self.index.transforms}

    def in_order(self, names: Collection[str]) -> list[str]:
        """Names in the docstore's order, and after them those that it does not know."""
        return [n for n in self.hashes if n in names] + sorted(set(names) - self.hashes.keys())

    def absent(self, aside: Collection[str]) -> list[str]:
        """Documents that the docstore knows, and that are neither in the store nor set aside."""
        if not self.index.known.is_complete:
            return []  # a VectorStoreIndex keeps hashes of documents that were deleted
        return [n for n in self.hashes if n not in self.present and n not in aside]


def _subjects(node: StoredNode) -> set[str]:
    return {stamp.subject for stamp in stamps_of(node.metadata)}


def grouped(nodes: Iterable[StoredNode]) -> Nodes:
    """Nodes by their documents."""
    found: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for node in nodes:
        found[node.document][node.node_id] = None
    return {document: tuple(ids) for document, ids in found.items()}
