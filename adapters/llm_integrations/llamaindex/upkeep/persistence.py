"""Saving a pipeline whose docstore or vector store lives in memory: whole files, at a pace."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from llama_index.core import VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.ingestion.cache import DEFAULT_CACHE_NAME
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.storage.docstore.types import DEFAULT_PERSIST_FNAME as DOCSTORE_FNAME
from llama_index.core.storage.index_store import SimpleIndexStore
from llama_index.core.storage.index_store.types import DEFAULT_PERSIST_FNAME as INDEXES_FNAME
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.simple import DEFAULT_VECTOR_STORE, NAMESPACE_SEP
from llama_index.core.vector_stores.types import DEFAULT_PERSIST_FNAME

from llm_integrations.core.files import atomic_write

__all__ = ["Persistence", "persist_pipeline"]

_VECTORS: Final = f"{DEFAULT_VECTOR_STORE}{NAMESPACE_SEP}{DEFAULT_PERSIST_FNAME}"


def persist_pipeline(pipeline: IngestionPipeline | VectorStoreIndex, folder: str | Path) -> None:
    """Save what a pipeline holds in memory: its docstore, cache and SimpleVectorStore.

    A VectorStoreIndex is saved for ``StorageContext.from_defaults(persist_dir=folder)``.

    Each file is written beside the old one and takes its place in one step, so that a process that
    is killed at any moment leaves files that can be read. ``IngestionPipeline.load(folder)`` and
    ``SimpleVectorStore.from_persist_dir(folder)`` read them. What keeps itself is left alone.

    Raises:
        OSError: a file cannot be written.
    """
    contents: dict[str, Any] = {}
    docstore, store = pipeline.docstore, pipeline.vector_store
    if isinstance(pipeline, VectorStoreIndex):
        indexes = pipeline.storage_context.index_store
        if isinstance(indexes, SimpleIndexStore):
            contents[INDEXES_FNAME] = indexes.to_dict()
    elif isinstance(cache := pipeline.cache.cache, SimpleKVStore):  # unused too: load asks for it
        contents[DEFAULT_CACHE_NAME] = cache.to_dict()
    if isinstance(docstore, SimpleDocumentStore):
        contents[DOCSTORE_FNAME] = docstore.to_dict()
    if isinstance(store, SimpleVectorStore):
        contents[_VECTORS] = store.data.to_dict()
    with ExitStack() as stack:  # all are written before the first takes its place
        for name, content in contents.items():
            stream = stack.enter_context(atomic_write(Path(folder) / name, mode=0o600))
            stream.write(json.dumps(content, default=str).encode())  # a URL is its text


class Persistence:
    """Calls a function when something changed: not more often than every so many seconds.

    Args:
        save: the function.
        every: seconds between two calls.
        clock: tells seconds.
    """

    def __init__(
        self,
        save: Callable[[], object],
        every: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._save = save
        self._every = every
        self._clock = clock
        self._is_due = False
        self._last = clock()

    def changed(self) -> None:
        """Note that something changed; save it if it is time."""
        self._is_due = True
        if self._clock() - self._last >= self._every:
            self.flush()

    def flush(self) -> None:
        """Save what changed, now."""
        if self._is_due:
            self._save()
            self._is_due = False
            self._last = self._clock()
