"""What an index's quarantines hold, and which of it a version of the schema takes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from llama_index.core.schema import BaseNode
from llama_index.core.storage.docstore.utils import doc_to_json, json_to_doc

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.observability import get_logger
from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord, takes
from llm_integrations.core.stamp import InForce
from llm_integrations.llamaindex.node_record import (
    DOCUMENT,
    HASH,
    has_lost_media,
    names_in,
    read_node,
)
from llm_integrations.llamaindex.transform import SchemaTransform
from llm_integrations.llamaindex.upkeep.holdings.listing import Listing

if TYPE_CHECKING:
    from llm_integrations.llamaindex.index import Index

__all__ = ["Held", "forget_records"]

log = get_logger(__name__)


@dataclass
class Held:
    """Documents in an index's quarantines, by id.

    Attributes:
        documents: to ingest as they were set aside, whole.
        again: to run from the docstore: of these a part was set aside, or a later form.
        current: set aside, and not to be looked for in the index.
        unknown: valid now, but the docstore knows them no more: erased, or never stored.
        records: of each document, the ids of the records that leave once it is in the index.
        replaced: the ids of records that leave anyway: a later text is in the index.
        damaged: the error of a part that cannot be read, to be raised at the end.
        latest: when the record of each of the documents was set aside.
    """

    documents: dict[str, BaseNode] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)
    current: set[str] = field(default_factory=set)
    unknown: dict[str, None] = field(default_factory=dict)
    records: dict[str, set[str]] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)
    quarantine: Quarantine | None = None
    damaged: LLMIntegrationsError | None = None
    latest: dict[str, datetime] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        listing: Listing,
        transform: SchemaTransform,
        in_force: InForce,
        asked: Collection[str] = (),
    ) -> Held:
        """Args:
        asked: ids to release though the docstore does not know them.
        """
        held = cls(quarantine=Quarantine.of(transform.quarantine))
        for quarantine in _quarantines(listing.index):
            mine = held.quarantine is not None and quarantine.folder == held.quarantine.folder
            for record in held._readable(quarantine):
                held._take(record, listing, transform, in_force if mine else None, asked)
        return held

    def documents_of(self, names: Collection[str]) -> dict[str, BaseNode]:
        return {name: self.documents[name] for name in names if name in self.documents}

    def settle(self, done: Collection[str]) -> None:
        """Remove the records of documents that are in the index now.

        Raises:
            LLMIntegrationsError: a part of the quarantine is damaged; the others are done.
        """
        leaving = set(self.replaced)
        for name in done:
            leaving |= self.records.get(name, set())
        if leaving and self.quarantine is not None:
            self.quarantine.forget(leaving)
        if self.damaged is not None:
            raise self.damaged

    def _readable(self, quarantine: Quarantine) -> Iterator[QuarantinedRecord]:
        for part in quarantine.parts():
            try:
                yield from quarantine.read(part)
            except LLMIntegrationsError as error:
                self.damaged = self.damaged or error

    def _take(
        self,
        record: QuarantinedRecord,
        listing: Listing,
        transform: SchemaTransform,
        in_force: InForce | None,
        asked: Collection[str],
    ) -> None:
        piece = _Piece.of(record)
        if piece is None:
            return
        name, known = piece.document, listing.index.known
        is_current = piece.hash == listing.hashes.get(name)
        if is_current or piece.is_part or not _goes_first(transform, listing.index):
            self.current.add(name)
        is_ours = record.schema.rpartition("@")[0] == transform.subject
        if in_force is None or not is_ours or not takes(in_force.validator, record):
            return
        if name in asked or (is_current and not piece.is_part):
            self._ingest(piece)
        elif not (known.knows(name) or known.knows(piece.name)):
            self.unknown[name] = None
        elif name in listing.present and not piece.is_part:
            log.info("%s: a later text replaced a document that was set aside", listing.index.name)
            self.replaced.add(record.record_id)
        else:
            self._compare(piece, known.kept(name))

    def _compare(self, piece: _Piece, kept: BaseNode | None) -> None:
        """In doubt whether a record is the latest form of its document, it stays."""
        node = None if piece.is_part else piece.node
        is_whole = node is not None and not has_lost_media(node, None)
        if kept is not None and node is not None and is_whole and _as_kept(node) == kept.hash:
            self._ingest(piece)
        elif kept is not None and not has_lost_media(kept, None):
            self.again.add(piece.document)
            self.records.setdefault(piece.document, set()).add(piece.record.record_id)

    def _ingest(self, piece: _Piece) -> None:
        """The latest record of a document counts; with it all leave."""
        name, at, node = piece.document, piece.record.at, piece.node
        if node is None:
            return
        if at >= self.latest.setdefault(name, at):
            self.latest[name] = at
            self.documents[name] = node
        self.records.setdefault(name, set()).add(piece.record.record_id)


@dataclass(frozen=True)
class _Piece:
    """A node in the quarantine: a document, or a part of one."""

    record: QuarantinedRecord
    written: Mapping[str, Any]
    hash: str
    name: str
    source: str | None

    @classmethod
    def of(cls, record: QuarantinedRecord) -> _Piece | None:
        """None for a record of another kind."""
        try:
            value = record.value
            return cls(record, value[DOCUMENT], str(value[HASH]), *names_in(value[DOCUMENT]))
        except (LLMIntegrationsError, KeyError, TypeError, AttributeError):
            return None

    @property
    def document(self) -> str:
        return self.source or self.name

    @property
    def is_part(self) -> bool:
        return self.source is not None

    @property
    def node(self) -> BaseNode | None:
        """None, and a log line, for one that cannot be made again; its record stays."""
        try:
            return read_node(self.written)
        except Exception as error:  # noqa: BLE001 - whatever a damaged node makes its class raise
            log.warning("a node in the quarantine cannot be read (%s)", type(error).__name__)
            return None


def forget_records(index: Index, names: Collection[str]) -> set[str]:
    """Erase what the quarantines hold of documents; returns those of which there was something.

    Raises:
        LLMIntegrationsError: a part is damaged; the others are done.
    """
    found: set[str] = set()
    for quarantine in _quarantines(index):
        held = Held()
        records: set[str] = set()
        for record in held._readable(quarantine):
            piece = _Piece.of(record)
            sources = {str(record.position)} | ({piece.document, piece.name} if piece else set())
            if not sources.isdisjoint(names):
                records.add(record.record_id)
                found |= sources.intersection(names)
        if records:
            quarantine.forget(records)
        if held.damaged is not None:
            raise held.damaged
    return found


def _quarantines(index: Index) -> list[Quarantine]:
    found = (Quarantine.of(transform.quarantine) for transform in index.transforms)
    return list({q.folder: q for q in found if q is not None}.values())


def _goes_first(transform: SchemaTransform, index: Index) -> bool:
    steps = index.pipeline.transformations
    before = steps[: next(n for n, step in enumerate(steps) if step is transform)]
    return all(isinstance(step, SchemaTransform) for step in before)


def _as_kept(node: BaseNode) -> str:
    """The hash of a docstore's copy of a node."""
    return json_to_doc(doc_to_json(node)).hash
