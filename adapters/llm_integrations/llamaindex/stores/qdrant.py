"""Qdrant: pages of any length, deletes by point id, stamps as payload of points that stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from llama_index.core.schema import BaseNode

from llm_integrations.core.errors import Unsupported
from llm_integrations.core.stamp import STAMP_KEYS, suffix_of
from llm_integrations.llamaindex.stores.content import (
    CONTENT,
    SOURCES,
    metadata_in,
    source_in,
    with_changes,
)
from llm_integrations.llamaindex.stores.generic import DirectNodes
from llm_integrations.llamaindex.stores.qdrant_local import is_local, one_commit
from llm_integrations.llamaindex.stores.query import (
    GONE,
    Changes,
    StampQuery,
    StoredNode,
    document_of,
)

if TYPE_CHECKING:
    from llm_integrations.llamaindex.stores.qdrant_copy import QdrantCopy

__all__ = ["QdrantNodes"]

_PAGE: Final = 1000
_LOCAL_PAGE: Final = 100_000


class QdrantNodes(DirectNodes):
    def check(self) -> None:
        if self.store.client is None:
            raise Unsupported("give QdrantVectorStore a client= besides its aclient=")
        super().check()

    def stamped(self, query: StampQuery) -> Iterator[StoredNode]:
        if is_local(self.store.client):  # which looks at every point once for each page
            filters: list[Any] = [None]
        else:
            filters = [_filter(equal, unlike) for equal, unlike in query.conditions]
        for wanted in filters:
            found = self.scroll(wanted, [query.subject])
            yield from (node for node in found if query.matches(node.metadata))

    def every(self, subjects: Sequence[str]) -> Iterator[StoredNode]:
        return self.scroll(None, subjects)

    def scroll(self, wanted: Any, subjects: Sequence[str] = ()) -> Iterator[StoredNode]:
        """The nodes that a filter of Qdrant's finds, with the stamps of subjects."""
        if not self._exists():
            return
        suffixes = ["", *map(suffix_of, subjects)]
        keys = [*SOURCES, *(key + suffix for suffix in suffixes for key in STAMP_KEYS)]
        offset: Any = None
        page = _LOCAL_PAGE if is_local(self.store.client) else _PAGE
        while True:
            points, offset = self.store.client.scroll(
                collection_name=self.store.collection_name,
                scroll_filter=wanted,
                limit=page,
                offset=offset,
                with_payload=keys,
                with_vectors=False,
            )
            for point in points:
                payload, node = point.payload or {}, str(point.id)
                yield StoredNode(node, document_of(source_in(payload), node), payload)
            if offset is None:
                return

    def make_room(self, nodes: Sequence[BaseNode]) -> None:
        """Nothing: ``add`` replaces."""

    def metadata_of(self, node_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        return {str(p.id): metadata_in(p.payload[CONTENT]) for p in self._contents(node_ids)}

    def _contents(self, node_ids: Sequence[str], besides: Sequence[str] = ()) -> Sequence[Any]:
        client, name = self.store.client, self.store.collection_name
        told: Any = {"with_payload": [CONTENT, *besides], "with_vectors": False}
        return client.retrieve(name, list(node_ids), **told)  # type: ignore[no-any-return]  # theirs

    def delete(self, node_ids: Sequence[str]) -> None:
        if node_ids and self._exists():
            from qdrant_client.models import PointIdsList

            wanted = PointIdsList(points=list(node_ids))
            client, name = self.store.client, self.store.collection_name
            with one_commit(client, name):
                client.delete(name, points_selector=wanted)

    def delete_documents(self, document_ids: Sequence[str]) -> None:
        if self._exists():
            super().delete_documents(document_ids)

    def stamp(self, changes: Mapping[str, Changes]) -> set[str]:
        """A point that was deleted meanwhile stays so."""
        client, name = self.store.client, self.store.collection_name
        gone = {key for change in changes.values() for key, v in change.items() if v is GONE}
        points = self._contents(list(changes), sorted(gone))
        try:
            if points:
                self._stamp(points, changes)
        except Exception:
            left = {str(p.id) for p in client.retrieve(name, list(changes), with_payload=False)}
            if len(left) == len(points):
                raise
            self.stamp({node: change for node, change in changes.items() if node in left})
        return set(changes)

    def _stamp(self, points: Sequence[Any], changes: Mapping[str, Changes]) -> None:
        client, name = self.store.client, self.store.collection_name
        told = [(point.id, *_told(point, changes[str(point.id)])) for point in points]
        if not is_local(client):
            client.batch_update_points(name, update_operations=_operations(told))
            return
        with one_commit(client, name):  # and no request to save, so no models of one
            for point, payload, gone in told:
                client.set_payload(name, payload, points=[point])
                if gone:
                    client.delete_payload(name, gone, points=[point])

    def copied(self) -> QdrantCopy:
        from llm_integrations.llamaindex.stores.qdrant_copy import QdrantCopy

        return QdrantCopy.empty(self.store)

    def unsettled(self) -> QdrantCopy | None:
        from llm_integrations.llamaindex.stores.qdrant_copy import QdrantCopy

        return QdrantCopy.unsettled_in(self.store)

    def restore(self) -> None:
        from llm_integrations.llamaindex.stores.qdrant_copy import restore

        restore(self.store)

    def _exists(self) -> bool:
        """False for a collection that nothing was ever written to; it raises on any query."""
        return bool(self.store.client.collection_exists(self.store.collection_name))


def _told(point: Any, change: Changes) -> tuple[dict[str, Any], list[str]]:
    """The payload to set, and the keys to take away."""
    gone = {key for key, value in change.items() if value is GONE and key in point.payload}
    payload = {key: value for key, value in change.items() if value is not GONE}
    payload[CONTENT] = with_changes(point.payload[CONTENT], change)
    return payload, sorted(gone)


def _operations(told: Sequence[tuple[Any, dict[str, Any], list[str]]]) -> list[Any]:
    from qdrant_client.models import (
        DeletePayload,
        DeletePayloadOperation,
        SetPayload,
        SetPayloadOperation,
    )

    operations: list[Any] = []
    for point, payload, gone in told:
        new = SetPayload(payload=payload, points=[point])
        operations.append(SetPayloadOperation(set_payload=new))
        if gone:
            old = DeletePayload(keys=gone, points=[point])
            operations.append(DeletePayloadOperation(delete_payload=old))
    return operations


def _filter(equal: Mapping[str, str], unlike: Mapping[str, str]) -> Any:
    from qdrant_client.models import FieldCondition, Filter, MatchValue

    def of(pairs: Mapping[str, str]) -> list[Any]:
        return [FieldCondition(key=k, match=MatchValue(value=value)) for k, value in pairs.items()]

    return Filter(must=of(equal), must_not=of(unlike))
