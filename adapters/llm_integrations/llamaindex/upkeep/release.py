"""What an index's quarantines hold, and which of it a version of the schema takes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llama_index.core.schema import BaseNode
from llama_index.core.storage.docstore.utils import doc_to_json, json_to_doc

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.observability import get_logger
from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord, takes
from llm_integrations.core.stamp import InForce
from llm_integrations.llamaindex.node_record import DOCUMENT, HASH, has_lost_media, read_node
from llm_integrations.llamaindex.transform import SchemaTransform
from llm_integrations.llamaindex.upkeep.listing import Listing

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
    """

    documents: dict[str, BaseNode] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)
    current: set[str] = field(default_factory=set)
    unknown: dict[str, None] = field(default_factory=dict)
    records: dict[str, set[str]] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)
    quarantine: Quarantine | None = None
    damaged: LLMIntegrationsError | None = None

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
            for record in sorted(held._readable(quarantine), key=lambda record: record.at):
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
        found = _node_in(record)
        if found is None:
            return
        node, hash_ = found
        name = node.ref_doc_id or node.id_
        is_current = hash_ == listing.hashes.get(name)
        if is_current or node.ref_doc_id is not None or not _goes_first(transform, listing.index):
            self.current.add(name)
        is_ours = record.schema.rpartition("@")[0] == transform.subject
        if in_force is None or not is_ours or not takes(in_force.validator, record):
            return
        if name in asked:
            self._ingest(name, node, record)
        elif not (listing.index.known.knows(name) or listing.index.known.knows(node.id_)):
            self.unknown[name] = None
        elif node.ref_doc_id is None and is_current:
            self._ingest(name, node, record)
        elif node.ref_doc_id is None and name in listing.present:
            log.info("%s: a later text replaced a document that was set aside", listing.index.name)
            self.replaced.add(record.record_id)
        else:
            self._compare(name, node, record, listing)

    def _compare(
        self, name: str, node: BaseNode, record: QuarantinedRecord, listing: Listing
    ) -> None:
        """In doubt whether a record is the latest form of its document, it stays."""
        kept = listing.index.known.kept(name)
        if kept is not None and node.ref_doc_id is None and _as_kept(node) == kept.hash:
            self._ingest(name, node, record)
        elif kept is not None and not has_lost_media(kept, None):
            self.again.add(name)
            self.records.setdefault(name, set()).add(record.record_id)

    def _ingest(self, name: str, node: BaseNode, record: QuarantinedRecord) -> None:
        self.documents[name] = node
        self.records.setdefault(name, set()).add(record.record_id)


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
            node = _node_in(record)
            sources = {str(record.position)}
            sources |= {node[0].ref_doc_id or node[0].id_, node[0].id_} if node else set()
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


def _node_in(record: QuarantinedRecord) -> tuple[BaseNode, str] | None:
    """The node of a record with its hash at that time; None for what is no node."""
    try:
        value = record.value
        return read_node(value[DOCUMENT]), str(value[HASH])
    except Exception as error:  # noqa: BLE001 - whatever a record of another kind makes it raise
        log.warning("a record in the quarantine is no node (%s)", type(error).__name__)
        return None


def _as_kept(node: BaseNode) -> str:
    """The hash of a docstore's copy of a node."""
    return json_to_doc(doc_to_json(node)).hash
