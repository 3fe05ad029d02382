"""pgvector: rows found by what their JSON says, and stamped by the primary key, all in one step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from llm_integrations.llamaindex.stores.content import (
    CONTENT,
    metadata_in,
    source_in,
    with_changes,
)
from llm_integrations.llamaindex.stores.generic import DirectNodes
from llm_integrations.llamaindex.stores.query import (
    Changes,
    StampQuery,
    StoredNode,
    document_of,
    renewed,
)

__all__ = ["PostgresNodes"]

_PAGE: Final = 1000


class PostgresNodes(DirectNodes):
    def stamped(self, query: StampQuery) -> Iterator[StoredNode]:
        for equal, unlike in query.conditions:
            told = self._rows.metadata_
            same = [told[key].astext == value for key, value in equal.items()]
            other = [told[k].astext.is_distinct_from(value) for k, value in unlike.items()]
            found = self._listed(*same, *other)
            yield from (node for node in found if query.matches(node.metadata))

    def every(self, subjects: Sequence[str]) -> Iterator[StoredNode]:
        return self._listed()

    def _listed(self, *wanted: Any) -> Iterator[StoredNode]:
        rows = self._rows
        for node, metadata in self._read(_select(rows.node_id, rows.metadata_).where(*wanted)):
            found = dict(metadata)
            found.pop(CONTENT, None)
            yield StoredNode(node, document_of(source_in(found), node), found)

    def metadata_of(self, node_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        rows = self._rows
        wanted = _select(rows.node_id, rows.metadata_).where(rows.node_id.in_(node_ids))
        return {node: metadata_in(metadata[CONTENT]) for node, metadata in self._read(wanted)}

    def stamp(self, changes: Mapping[str, Changes]) -> set[str]:
        """In one transaction; rows that are deleted meanwhile stay so."""
        from sqlalchemy import bindparam, update

        rows, table = self._rows, self._rows.__table__
        wanted = _select(rows.id, rows.node_id, rows.metadata_).where(rows.node_id.in_(changes))
        told = update(table).where(table.c.id == bindparam("row"))
        told = told.values(metadata_=bindparam("new"))
        with self.store._session() as session, session.begin():
            found = session.execute(wanted.with_for_update()).all()
            new = [
                {"row": row, "new": _changed(metadata, changes[node])}
                for row, node, metadata in found
            ]
            if new:
                session.connection().execute(told, new)
        return set(changes)

    @property
    def _rows(self) -> Any:
        """The class of rows; the first look makes the table, as LlamaIndex does."""
        self.store._initialize()
        return self.store._table_class

    def _read(self, statement: Any) -> Iterator[Any]:
        with self.store._session() as session, session.begin():
            yield from session.execute(statement.execution_options(yield_per=_PAGE))


def _changed(metadata: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    content = with_changes(metadata[CONTENT], changes)
    return {**renewed(metadata, changes), CONTENT: content}


def _select(*columns: Any) -> Any:
    from sqlalchemy import select

    return select(*columns)
