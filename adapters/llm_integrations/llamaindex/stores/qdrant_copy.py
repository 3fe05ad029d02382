"""A Qdrant collection beside the one in use, to which its alias can move in one step.

``NAME`` is an alias; copies are collections called ``NAME--1``, ``NAME--2`` and so on, and the
alias ``NAME--before`` stands for what ``NAME`` stood for last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.llamaindex.stores.generic import Copy
from llm_integrations.llamaindex.stores.qdrant import QdrantNodes

__all__ = ["QdrantCopy", "restore"]

_PAGE: Final = 256


class QdrantCopy(QdrantNodes, Copy):
    """An empty collection, made like the one that an alias stands for.

    Copies that an earlier run left, and that no alias stands for, are deleted.

    Raises:
        ConfigurationError: the store's collection_name is not an alias.
    """

    def __init__(self, store: Any) -> None:
        client, self._alias = store.client, store.collection_name
        aliases = _aliases(client)
        if self._alias not in aliases:
            raise ConfigurationError(
                f"{self._alias!r} is a Qdrant collection, and swap= moves an alias: give the "
                f"collection an alias, and QdrantVectorStore(collection_name=) that alias"
            )
        self._live = aliases[self._alias]
        numbers = [int(name.rpartition("--")[2]) for name in _copies(client, self._alias)]
        _sweep(client, self._alias)
        own = f"{self._alias}--{max(numbers, default=0) + 1}"
        _create_like(client, self._live, own)
        super().__init__(store.model_copy(update={"collection_name": own}))
        self.source = QdrantNodes(store.model_copy(update={"collection_name": self._live}))

    def take(self, node_ids: Sequence[str] | None = None) -> None:
        client, told = self.store.client, {"with_payload": True, "with_vectors": True}
        if node_ids is not None:
            for first in range(0, len(node_ids), _PAGE):
                part = list(node_ids[first : first + _PAGE])
                self._upsert(client.retrieve(self._live, part, **told))
            return
        offset: Any = None
        while True:
            points, offset = client.scroll(self._live, limit=_PAGE, offset=offset, **told)
            self._upsert(points)
            if offset is None:
                return

    def replace(self) -> None:
        _move(
            self.store.client,
            {self._alias: self.store.collection_name, _before(self._alias): self._live},
        )

    def sweep(self) -> None:
        _sweep(self.store.client, self._alias)

    def _upsert(self, points: Sequence[Any]) -> None:
        from qdrant_client.models import PointStruct

        if points:
            made = [PointStruct(id=p.id, vector=p.vector, payload=p.payload) for p in points]
            self.store.client.upsert(self.store.collection_name, points=made)


def restore(store: Any) -> None:
    """Let an alias and the one before change places.

    Raises:
        ConfigurationError: it was never moved.
    """
    name, aliases = store.collection_name, _aliases(store.client)
    before = aliases.get(_before(name))
    if before is None or name not in aliases:
        raise ConfigurationError(f"{name!r} was never swapped: there is nothing to go back to")
    _move(store.client, {name: before, _before(name): aliases[name]})


def _before(alias: str) -> str:
    return f"{alias}--before"


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


def _move(client: Any, targets: Mapping[str, str]) -> None:
    """All at once."""
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
