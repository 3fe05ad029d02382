"""LlamaIndex: documents held to their schema, on the way into an index and out of it.

``SchemaTransform`` goes first into an ``IngestionPipeline``, ``SchemaPostprocessor`` into a query
engine; ``RAGPipelineIntegration`` reindexes what a new version of a schema affects.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from llm_integrations.core.extras import require_extra

require_extra("llamaindex", "llama_index.core")

from llm_integrations.llamaindex.postprocessor import SchemaPostprocessor  # noqa: E402
from llm_integrations.llamaindex.transform import SchemaTransform  # noqa: E402

if TYPE_CHECKING:
    from llm_integrations.llamaindex.affected import AffectedDocuments, ReindexResult
    from llm_integrations.llamaindex.integration import RAGPipelineIntegration
    from llm_integrations.llamaindex.upkeep.audit import IndexAudit
    from llm_integrations.llamaindex.upkeep.persistence import persist_pipeline
    from llm_integrations.llamaindex.upkeep.plan import ReindexPlan

__all__ = [
    "AffectedDocuments",
    "IndexAudit",
    "RAGPipelineIntegration",
    "ReindexPlan",
    "ReindexResult",
    "SchemaPostprocessor",
    "SchemaTransform",
    "persist_pipeline",
]

# Ingestion and retrieval alone need no catalogue, notifiers or progress bar.
_ON_DEMAND: Final = {
    "AffectedDocuments": "affected",
    "RAGPipelineIntegration": "integration",
    "IndexAudit": "upkeep.audit",
    "ReindexPlan": "upkeep.plan",
    "ReindexResult": "affected",
    "persist_pipeline": "upkeep.persistence",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ON_DEMAND[name]}"), name)
