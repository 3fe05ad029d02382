"""Saves a pipeline over and over, until its process is killed."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path

from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import Document
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore

from llm_integrations.llamaindex import persist_pipeline
from tests.support.rag import CountingEmbedding

__all__ = ["DOCUMENTS", "filled", "save_for_ever"]

DOCUMENTS = 100


def filled() -> IngestionPipeline:
    """A pipeline with documents, in memory."""
    steps = IngestionPipeline(
        transformations=[CountingEmbedding()],
        docstore=SimpleDocumentStore(),
        vector_store=SimpleVectorStore(),
    )
    steps.run(documents=[Document(id_=str(n), text=f"{n} " * 200) for n in range(DOCUMENTS)])
    return steps


def save_for_ever(folder: Path, parent: Connection) -> None:
    steps = filled()
    parent.send("begun")
    while True:
        persist_pipeline(steps, folder)
