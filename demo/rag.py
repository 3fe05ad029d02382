"""An index over real documents, and a new version of their schema."""

from __future__ import annotations

from collections import Counter

from llama_index.core import MockEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore
from rich.markup import escape

from demo.packages import package_documents
from demo.stage import Stage, schema_document
from llm_integrations.core.events import SchemaEvent
from llm_integrations.core.notify import Notice
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.stamp import VERSION
from llm_integrations.llamaindex import RAGPipelineIntegration, SchemaTransform

LATER = 10
"""Documents that come after the new version is published, and before the event is handled."""


def run(stage: Stage) -> None:
    with stage.step("LlamaIndex: what the installed packages say of themselves, indexed"):
        first = stage.registry.register(
            "package-doc", schema_document("package-doc-1"), metadata={"owner": "team-rag"}
        )
        quarantine = Quarantine(stage.folder / "documents-set-aside")
        transform = SchemaTransform(
            schema="package-doc@latest", registry=stage.registry, quarantine=quarantine
        )
        store = SimpleVectorStore()
        pipeline = IngestionPipeline(
            transformations=[transform, SentenceSplitter(), MockEmbedding(embed_dim=8)],
            docstore=SimpleDocumentStore(),
            vector_store=store,
        )

        async def tell(notice: Notice) -> None:
            stage.say(f"[cyan]{notice.owner} is told[/]  {escape(notice.affected[0])}")

        integration = RAGPipelineIntegration(stage.registry, notifier=tell)
        integration.add_index("packages", pipeline)
        documents = package_documents()
        pipeline.run(documents=documents[:-LATER])
        stage.say(f"{len(documents) - LATER} documents: {_versions(store)} in the index")
        for reason, count in quarantine.reasons().most_common(3):
            stage.say(f"[red]set aside[/]  {count:>3}  {escape(reason)}")
        second = stage.registry.register("package-doc", schema_document("package-doc-2"))
        stage.say(f"[green]registered[/]  {second}, and {LATER} more documents arrive")
        pipeline.run(documents=documents[-LATER:])
        event = SchemaEvent.updated(
            second.id, "", "package-doc", str(second.version), str(first.version),
            metadata={"owner": "team-rag"},
        )  # fmt: skip
        integration.sync.handle_schema_event(event)
        integration.sync.handle_schema_event(event)
        stage.say(
            f"{_versions(store)} in the index, {quarantine.count()} still set aside; what arrived "
            "later was not touched, and the same event again found nothing to do"
        )
        stage.files["documents set aside"] = quarantine.folder


def _versions(store: SimpleVectorStore) -> str:
    pairs = {
        (store.data.text_id_to_ref_doc_id[node], metadata[VERSION])
        for node, metadata in store.data.metadata_dict.items()
    }
    counted = Counter(version for _, version in pairs)
    return ", ".join(f"{count} by version {version}" for version, count in sorted(counted.items()))
