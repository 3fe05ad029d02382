"""Type-checked, never run: the LlamaIndex API as a user writes it."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from llama_index.core import MockEmbedding, VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.events import SchemaEvent
from llm_integrations.core.notify import Notice
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import SchemaRef, connect
from llm_integrations.llamaindex import (
    AffectedDocuments,
    IndexAudit,
    RAGPipelineIntegration,
    ReindexPlan,
    ReindexResult,
    SchemaPostprocessor,
    SchemaTransform,
    persist_pipeline,
)

registry = connect("memory://")

plain = SchemaTransform(schema="doc-meta@latest", registry=registry)
full = SchemaTransform(
    schema=SchemaRef("doc-meta", 2),
    registry="file://schemas",
    mode="warn",
    quarantine=Quarantine(Path("aside")),
    text_field="text",
    source="handbook",
    cacheable=True,
    on_unavailable="pass",
    options=ValidationOptions(formats=False),
)
assert_type(full.resolved_version, str)
assert_type(full.fingerprint, str)

pipeline = IngestionPipeline(
    transformations=[plain, SentenceSplitter(), MockEmbedding(embed_dim=4)],
    docstore=SimpleDocumentStore(),
    vector_store=SimpleVectorStore(),
)

judge = SchemaPostprocessor(registry=registry)
other = SchemaPostprocessor(
    schema="doc-meta", registry=registry, on_invalid="demote", on_stale="drop", demote_factor=0.1
)
assert_type(judge.counts, dict[str, int])


async def tell(notice: Notice) -> None:
    assert_type(notice.affected, tuple[str, ...])


def later(affected: AffectedDocuments) -> None:
    assert_type(affected.document_ids, tuple[str, ...])


async def use(event: SchemaEvent) -> None:
    integration = RAGPipelineIntegration(
        registry, catalogue="catalogue.db", notifier=tell, on_affected=later, progress=True
    )
    integration.add_index("handbook", pipeline, owner="team-rag", batch_size=16)
    integration.add_index(
        "papers", pipeline, persist=Path("storage"), persist_every=5.0, migrate=lambda found: found
    )
    integration.add_index("plain", VectorStoreIndex(nodes=[], transformations=[plain]))
    assert_type(await integration.plan(), list[ReindexPlan])
    assert_type(await integration.audit(repair=True), list[IndexAudit])
    assert_type(await integration.forget(["a"]), int)
    assert_type(await integration.release(["a"]), list[ReindexResult])
    assert_type(await integration.catch_up(limit=10), list[ReindexResult])
    persist_pipeline(pipeline, "storage")
    await integration.handle_schema_event(event)
    assert_type(await integration.affected_documents(event), list[AffectedDocuments])
    assert_type(await integration.catch_up(), list[ReindexResult])
    integration.sync.handle_schema_event(event)
