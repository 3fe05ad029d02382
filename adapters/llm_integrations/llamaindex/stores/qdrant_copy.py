"""A Qdrant collection beside the one in use, to which its alias can move in one step.

``NAME`` is an alias; copies are collections called ``NAME--1``, ``NAME--2`` and so on, and the
alias ``NAME--before`` stands for what ``NAME`` stood for last. ``NAME--late`` stands for it too,
from the moment ``NAME`` moves until all that was written just before has been brought over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Self

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.llamaindex.parts import parts
from llm_integrations.llamaindex.stores.qdrant import QdrantNodes
from llm_integrations.llamaindex.stores.qdrant_local import is_local, one_commit
from llm_integrations.llamaindex.stores.query import StoredNode

__all__ = ["QdrantCopy", "restore"]

_PAGE: Final = 256
_MARK: Final = "llm_integrations_copy"
"""A payload key of points that were there when an alias moved: the collection that it moved to."""


class QdrantCopy(QdrantNodes):
    """A copy of what an alias stands for, and its nodes, which bear the copy's mark.

    Attributes:
        source: the nodes of the other collection, also when the alias has moved.
    """

    def __init__(self, store: Any, live: str, own: str) -> None:
        self._alias, self._live = store.collection_name, live
        super().__init__(store.model_copy(update={"collection_name": own}))
        self.source = QdrantNodes(store.model_copy(update={"collection_name": live}))

    @classmethod
    def empty(cls, store: Any) -> Self:
        """A new collection, made like the one that the alias stands for.

        Copies that an earlier run left, and that no alias stands for, are deleted.

        Raises:
            ConfigurationError: the store's collection_name is not an alias.
        """
        client, alias = store.client, store.collection_name
        aliases = _aliases(client)
        if alias not in aliases:
            raise ConfigurationError(
                f"{alias!r} is a Qdrant collection, and swap= moves an alias: give the "
                f"collection an alias, and QdrantVectorStore(collection_name=) that alias"
            )
        numbers = [int(name.rpartition("--")[2]) for name in _copies(client, alias)]
        _sweep(client, alias)
        own = f"{alias}--{max(numbers, default=0) + 1}"
        _create_like(client, aliases[alias], own)
        return cls(store, aliases[alias], own)

    @classmethod
    def unsettled_in(cls, store: Any) -> Self | None:
        """The one that took its place, and to which not all was brought over."""
        with suppress(Exception):  # a key that may not list aliases moved none
            aliases = _aliases(store.client)
            late = aliases.get(_late(store.collection_name))
            return cls(store, late, aliases[store.collection_name]) if late else None
        return None

    def take(self, node_ids: Sequence[str] | None = None) -> None:
        """Copy nodes from the source: these, or all."""
        client, told = self.store.client, {"with_payload": True, "with_vectors": True}
        if node_ids is not None:
            for part in parts(node_ids, _PAGE):
                self._upsert(client.retrieve(self._live, list(part), **told))
            return
        offset: Any = None
        while True:
            points, offset = client.scroll(self._live, limit=_PAGE, offset=offset, **told)
            self._upsert(points)
            if offset is None:
                return

    def mark(self) -> None:
        """Mark what is here and in the source, to tell it from what is written later."""
        from qdrant_client.models import Filter, HasIdCondition

        client, mark = self.store.client, {_MARK: self.store.collection_name}
        for nodes in (self.source, self):
            name = nodes.store.collection_name
            ids: list[Any] = [node.node_id for node in nodes.every(())]
            page = len(ids) if is_local(client) else _PAGE  # it tries a filter on each point
            with one_commit(client, name):
                for part in parts(ids, page or 1):
                    these = HasIdCondition(has_id=list(part))
                    # By a filter, for which what is gone by now is no error.
                    client.set_payload(name, mark, points=Filter(must=[these]))

    def late(self) -> list[StoredNode]:
        """Nodes of the source that were written after it was marked, and are not here."""
        here = {node.node_id for node in self.every(())}
        return [node for node in self.source.scroll(self._unmarked()) if node.node_id not in here]

    def newer(self) -> list[StoredNode]:
        """Nodes that were written here after the mark."""
        return list(self.scroll(self._unmarked()))

    def _unmarked(self) -> Any:
        from qdrant_client.models import FieldCondition, Filter, MatchValue

        value = MatchValue(value=self.store.collection_name)
        return Filter(must_not=[FieldCondition(key=_MARK, match=value)])

    def replace(self) -> None:
        """Move the alias here."""
        own, before, late = self.store.collection_name, _before(self._alias), _late(self._alias)
        _move(self.store.client, {self._alias: own, before: self._live, late: self._live})

    def settle(self) -> None:
        """Note that all that was written to the source is here."""
        _move(self.store.client, {_late(self._alias): None})

    def sweep(self) -> None:
        """Delete the copies, this one too, that no alias stands for."""
        _sweep(self.store.client, self._alias)

    def _upsert(self, points: Sequence[Any]) -> None:
        from qdrant_client.models import PointStruct

        own = self.store.collection_name
        if points:
            made = [
                PointStruct(id=p.id, vector=p.vector, payload={**(p.payload or {}), _MARK: own})
                for p in points
            ]
            self.store.client.upsert(own, points=made)


def restore(store: Any) -> None:
    """Let an alias and the one before change places.

    Raises:
        ConfigurationError: it was never moved.
    """
    name, aliases = store.collection_name, _aliases(store.client)
    before = aliases.get(_before(name))
    if before is None or name not in aliases:
        raise ConfigurationError(f"{name!r} was never swapped: there is nothing to go back to")
    _move(store.client, {name: before, _before(name): aliases[name], _late(name): None})


def _before(alias: str) -> str:
    return f"{alias}--before"


def _late(alias: str) -> str:
    return f"{alias}--late"


def _aliases(client: Any) -> dict[str, str]:
    return {found.alias_name: found.collection_name for found in client.get_aliases().aliases}


def _copies(client: Any, alias: str) -> list[str]:
    found = [found.name for found in client.get_collections().collections]
    parts = [(name, *name.rpartition("--")[::2]) for name in found]
    return [name for name, first, number in parts if first == alias and number.isdigit()]


def _sweep(client: Any, alias: str) -> None:
    """Delete the copies that no alias stands for."""
    in_use = set(_aliases(client).values())
    for name in _copies(client, alias):
        if name not in in_use:
            client.delete_collection(name)


def _move(client: Any, targets: Mapping[str, str | None]) -> None:
    """All at once; None takes an alias away."""
    from qdrant_client.models import (
        CreateAlias,
        CreateAliasOperation,
        DeleteAlias,
        DeleteAliasOperation,
    )

    there = _aliases(client)
    steps: list[Any] = []
    for alias, collection in targets.items():
        if alias in there:
            steps.append(DeleteAliasOperation(delete_alias=DeleteAlias(alias_name=alias)))
        if collection is not None:
            made = CreateAlias(collection_name=collection, alias_name=alias)
            steps.append(CreateAliasOperation(create_alias=made))
    client.update_collection_aliases(change_aliases_operations=steps)


def _create_like(client: Any, model: str, name: str) -> None:
    from qdrant_client.models import HnswConfigDiff

    info = client.get_collection(model)
    params = info.config.params
    hnsw = info.config.hnsw_config
    client.create_collection(
        name,
        vectors_config=params.vectors,
        sparse_vectors_config=params.sparse_vectors,
        shard_number=params.shard_number,
        replication_factor=params.replication_factor,
        write_consistency_factor=params.write_consistency_factor,
        on_disk_payload=params.on_disk_payload,
        hnsw_config=HnswConfigDiff(**hnsw.model_dump(exclude_none=True)) if hnsw else None,
        quantization_config=info.config.quantization_config,
    )
    for field, schema in (info.payload_schema or {}).items():
        client.create_payload_index(name, field, field_schema=schema.params or schema.data_type)
