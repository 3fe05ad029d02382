"""Replicas over one store, in processes.

A Qdrant store on disk can be opened by one process at a time, so one opens it and serves it to the
others (``serve``); a replica waits until it is told to go on, catches up, and says the result.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any

from llama_index.core.storage.docstore import SimpleDocumentStore
from qdrant_client import QdrantClient

from llm_integrations.core.registry import Registry, connect
from llm_integrations.llamaindex import RAGPipelineIntegration, SchemaTransform
from tests.support.rag import pipeline, qdrant
from tests.support.rag_worker import changed

__all__ = ["catch_up_when_told", "open_replica", "serve"]

_KEY = b"only these tests"


class _Manager(BaseManager):
    pass


class _Desk:
    """Calls a client for other processes, one call at a time."""

    def __init__(self, client: QdrantClient) -> None:
        self._client = client
        self._lock = threading.Lock()

    def call(self, name: str, args: Any, options: Any) -> Any:
        with self._lock:
            return getattr(self._client, name)(*args, **options)


class _Remote:
    """A client behind a desk, of this process or another."""

    def __init__(self, desk: Any) -> None:
        self._desk = desk

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **options: self._desk.call(name, args, options)


def serve(client: QdrantClient) -> tuple[Any, Any]:
    """A server of a client's calls to other processes, and the client as this process uses it."""

    class Serving(BaseManager):
        pass

    desk = _Desk(client)
    Serving.register("desk", callable=lambda: desk)
    return Serving(address=("127.0.0.1", 0), authkey=_KEY).get_server(), _Remote(desk)


def open_replica(folder: Path, registry: Registry, client: Any) -> tuple[Any, Any]:
    """The integration and pipeline of one replica, with a docstore of its own."""
    kept = folder / "docstore.json"
    docstore = (
        SimpleDocumentStore.from_persist_path(str(kept)) if kept.exists() else SimpleDocumentStore()
    )
    transform = SchemaTransform(schema="doc-meta", registry=registry, quarantine=folder / "aside")
    steps = pipeline(transform, qdrant(client), docstore=docstore)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, batch_size=1, documents=changed)
    return integration, steps


def catch_up_when_told(folder: Path, port: int, parent: Connection) -> None:
    _Manager.register("desk")
    manager = _Manager(address=("127.0.0.1", port), authkey=_KEY)
    manager.connect()
    client = _Remote(manager.desk())  # type: ignore[attr-defined]  # registered above
    with connect(folder / "schemas") as registry:
        integration, _ = open_replica(folder, registry, client)
        parent.send("ready")
        parent.recv()
        [result] = registry.run(integration.catch_up())
        parent.send(str(result))
