"""Releasing documents from the quarantine when their schema relaxes."""

from __future__ import annotations

from collections.abc import Sequence

from llama_index.core.schema import BaseNode
from llama_index.core.storage.docstore.utils import json_to_doc

from llm_integrations.core.observability import get_logger
from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord
from llm_integrations.core.stamp import InForce
from llm_integrations.llamaindex.index import Index
from llm_integrations.llamaindex.transform import DOCUMENT, HASH, SchemaTransform

__all__ = ["release"]

log = get_logger(__name__)


def release(index: Index, transform: SchemaTransform, in_force: InForce) -> tuple[str, ...]:
    """Ingest the quarantined documents that are valid now; returns their ids.

    They leave the quarantine after they are in the index, so that a crash loses none. A document
    that a later text has replaced leaves it without being ingested.
    """
    quarantine = Quarantine.of(transform.quarantine)
    if quarantine is None:
        return ()
    released: dict[str, None] = {}

    def into(records: Sequence[QuarantinedRecord]) -> None:
        documents = _current(index, records)
        if documents:
            index.ingest(list(documents.values()), in_force)
            released.update(dict.fromkeys(documents))

    quarantine.release(in_force.validator, into, subject=transform.subject)
    return tuple(released)


def _current(index: Index, records: Sequence[QuarantinedRecord]) -> dict[str, BaseNode]:
    """The documents to ingest, by id: the whole document also where one node was set aside."""
    found: dict[str, BaseNode] = {}
    for record in sorted(records, key=lambda record: record.at):
        value = record.value
        node = json_to_doc(value[DOCUMENT])
        known = index.docstore.get_document(node.ref_doc_id or node.id_, raise_error=False)
        if known is None:
            found[node.id_] = node
        elif node.ref_doc_id is not None:
            found[known.id_] = known
        elif value[HASH] in (known.hash, index.docstore.get_document_hash(known.id_)):
            found[node.id_] = node  # with its media, which docstores do not keep
        else:
            log.info("%s: a later text replaced a document that was set aside", index.name)
    return found
