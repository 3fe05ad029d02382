"""Saves a pipeline over and over: ``python -m tests.support.rag_persist_worker FOLDER``.

For each line on standard input one child is forked, which writes a dot to standard output and saves
until it is killed; its process id comes first. So one start pays for many kills.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import Document
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore

from llm_integrations.llamaindex import persist_pipeline
from tests.support.rag import CountingEmbedding
from tests.support.rag_replicas import say

__all__ = ["DOCUMENTS", "filled"]

DOCUMENTS = 300


def filled() -> IngestionPipeline:
    """A pipeline with documents, in memory."""
    steps = IngestionPipeline(
        transformations=[CountingEmbedding()],
        docstore=SimpleDocumentStore(),
        vector_store=SimpleVectorStore(),
    )
    steps.run(documents=[Document(id_=str(n), text=f"{n} " * 200) for n in range(DOCUMENTS)])
    return steps


def save_for_ever(folder: Path) -> None:
    steps = filled()
    say("ready")
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            os.write(1, b".")
            while True:
                persist_pipeline(steps, folder)
        say(str(child))
        os.waitpid(child, 0)
        say("dead")


if __name__ == "__main__":
    save_for_ever(Path(sys.argv[1]))
