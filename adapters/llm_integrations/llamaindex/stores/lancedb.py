"""LanceDB, by its table: rows are rewritten whole, by their ids and in one commit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from llm_integrations.llamaindex.parts import parts
from llm_integrations.llamaindex.stores.content import CONTENT, metadata_in, nulled
from llm_integrations.llamaindex.stores.generic import DirectNodes
from llm_integrations.llamaindex.stores.query import (
    Changes,
    StampQuery,
    StoredNode,
    document_of,
    renewed,
)

__all__ = ["LanceNodes"]

_PAGE: Final = 1000
_METADATA: Final = "metadata"


class LanceNodes(DirectNodes):
    """A table's metadata has the keys that its first nodes had, and no others."""

    @property
    def _table(self) -> Any:
        """None before the first node was added."""
        return self.store._table

    @property
    def _keys(self) -> set[str]:
        return {field.name for field in self._table.schema.field(_METADATA).type}

    def stamped(self, query: StampQuery) -> Iterator[StoredNode]:
        for equal, _ in query.conditions:
            if self._table is not None and self._keys >= equal.keys():
                same = (f"{_METADATA}.{key} = {_quoted(value)}" for key, value in equal.items())
                found = self._listed(" AND ".join(same))
                yield from (node for node in found if query.matches(node.metadata))

    def every(self, subjects: Sequence[str]) -> Iterator[StoredNode]:
        return self._listed(None)

    def _listed(self, where: str | None) -> Iterator[StoredNode]:
        source = self.store.doc_id_key
        for row in self._read(where, ["id", source, _METADATA]):
            metadata = {k: v for k, v in row[_METADATA].items() if v is not None and k != CONTENT}
            yield StoredNode(row["id"], document_of(row[source], row["id"]), metadata)

    def _read(self, where: str | None, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        if self._table is None:
            return
        rows = self._table.search().select(list(columns))
        for batch in (rows if where is None else rows.where(where)).to_batches(_PAGE):
            yield from batch.to_pylist()

    def metadata_of(self, node_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        found = self._read(_one_of("id", node_ids), ["id", _METADATA])
        return {row["id"]: metadata_in(row[_METADATA][CONTENT]) for row in found}

    def delete(self, node_ids: Sequence[str]) -> None:
        self._delete("id", node_ids)

    def delete_documents(self, document_ids: Sequence[str]) -> None:
        self._delete(self.store.doc_id_key, document_ids)

    def _delete(self, column: str, values: Sequence[str]) -> None:
        table = self._table
        for part in parts(values, _PAGE):
            if table is not None:
                table.delete(_one_of(column, part))

    def stamp(self, changes: Mapping[str, Changes]) -> set[str]:
        """Nodes that need a key which the table lacks stay as they are."""
        if self._table is None:
            return set()
        keys = self._keys
        able = {node: c for node, c in changes.items() if keys >= set(renewed({}, c))}
        if able:
            # Named one by one: "all columns" fails where nodes differ in their keys (LanceDB 0.40).
            every = self._table.schema.names
            found = self._table.search().where(_one_of("id", able)).select(every).to_arrow()
            rows = found.to_pylist()
            for row in rows:
                row[_METADATA] = nulled(row[_METADATA], able[row["id"]])
            if rows:
                new = type(found).from_pylist(rows, schema=self._table.schema)
                self._table.merge_insert("id").when_matched_update_all().execute(new)
        return set(able)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _one_of(column: str, values: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(map(_quoted, values))})"
