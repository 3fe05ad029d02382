"""Stores without a way of their own, and what a store of flat metadata cannot hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from llama_index.core.bridge.pydantic import Field
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import BasePydanticVectorStore
from qdrant_client import QdrantClient
from qdrant_client.models import Distance, PointStruct, VectorParams

from llm_integrations.core.errors import SchemaValidationError, Unsupported
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry
from llm_integrations.core.stamp import VERSION
from llm_integrations.llamaindex import RAGPipelineIntegration, SchemaTransform
from llm_integrations.llamaindex.stores.qdrant_local import one_commit
from tests.support.clients import elsewhere
from tests.support.rag import (
    QDRANT_WARNINGS,
    STRICT,
    CountingEmbedding,
    document,
    pipeline,
    points,
    qdrant,
    quarantine,
    registry,
    transform,
)

__all__ = ["quarantine", "registry", "transform"]

pytestmark = QDRANT_WARNINGS


async def test_no_change_of_a_schema_releases_what_the_store_cannot_hold(
    registry: Registry, tmp_path: Path
) -> None:
    transform = SchemaTransform(
        schema="doc-meta", registry=registry, quarantine=tmp_path / "q", flat_metadata=True
    )
    assert transform([document("b", title="b", tags=["x"])]) == []
    registry.register("doc-meta", {}, compatibility="NONE")
    result = Quarantine(tmp_path / "q").release(registry.validator("doc-meta"), lambda _: None)
    assert (result.released, result.kept) == (0, 1)
    alone = SchemaTransform(schema="doc-meta", registry=registry, flat_metadata=True)
    with pytest.raises(SchemaValidationError, match="no nested or list values"):
        alone([document("b", title="b", tags=["x"])])
    open_ = SchemaTransform(schema="doc-meta", registry=registry)
    assert [node.id_ for node in open_([document("b", title="b", tags=["x"])])] == ["b"]


class Listing(BasePydanticVectorStore):
    """A store that lists and deletes, and gives vectors back or not."""

    stores_text: bool = True
    kept: dict[str, Any] = Field(default_factory=dict)
    gives_vectors: bool = True

    @property
    def client(self) -> Any:
        return None

    def add(self, nodes: Any, **_: Any) -> list[str]:
        assert self.kept.keys().isdisjoint(node.node_id for node in nodes)
        self.kept.update({node.node_id: node for node in nodes})
        return [node.node_id for node in nodes]

    def get_nodes(self, node_ids: Any = None, filters: Any = None) -> list[BaseNode]:
        copies = [node.model_copy(deep=True) for node in self.kept.values()]
        found = [node for node in copies if node_ids is None or node.node_id in node_ids]
        for node in found:
            node.embedding = node.embedding if self.gives_vectors else None
        return found

    def delete(self, ref_doc_id: str, **_: Any) -> None:
        self.delete_nodes([n.node_id for n in self.kept.values() if n.ref_doc_id == ref_doc_id])

    def delete_nodes(self, node_ids: Any = None, filters: Any = None, **_: Any) -> None:
        for node in node_ids:
            self.kept.pop(node, None)

    def query(self, query: Any, **_: Any) -> Any: ...


@pytest.mark.parametrize("gives_vectors", [True, False])
async def test_any_other_store_is_stamped_by_writing_its_vectors_back_or_says_that_it_cannot(
    registry: Registry,
    transform: SchemaTransform,
    gives_vectors: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Listing(gives_vectors=gives_vectors)
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    fits = [document(name, title=name, year=2026) for name in ("a", "b")]
    steps.run(documents=[*fits, document("bad", kind="x")])
    model, count = steps.transformations[-1], len(store.kept)
    assert isinstance(model, CountingEmbedding)
    embedded = len(model.texts)
    elsewhere(registry).register("doc-meta", STRICT)
    with caplog.at_level("INFO"):
        [result] = await integration.catch_up()
    assert result.reindexed == ("a", "b")
    assert result.in_place == (("a", "b") if gives_vectors else ())
    assert (len(model.texts) == embedded) is gives_vectors
    assert ("cannot stamp in place" in caplog.text) is not gives_vectors
    assert len(store.kept) == count
    assert {node.metadata[VERSION] for node in store.kept.values()} == {"2"}
    store.delete("a")
    [result] = await integration.catch_up()
    assert result.reindexed == ("a",)
    assert len(store.kept) == count


def test_faiss_is_refused_when_the_index_is_added(
    registry: Registry, transform: SchemaTransform
) -> None:
    faiss = pytest.importorskip("faiss")
    base = pytest.importorskip("llama_index.vector_stores.faiss")
    steps = pipeline(transform, base.FaissVectorStore(faiss_index=faiss.IndexFlatL2(4)))
    with pytest.raises(Unsupported, match="FaissVectorStore cannot list nodes"):
        RAGPipelineIntegration(registry).add_index("docs", steps)


async def test_a_local_store_on_disk_commits_once_for_a_batch_and_not_for_each_point(
    registry: Registry, transform: SchemaTransform, tmp_path: Path
) -> None:
    client = QdrantClient(path=str(tmp_path / "qdrant"), force_disable_check_same_thread=True)
    steps = pipeline(transform, qdrant(client))
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, batch_size=4)
    fits = [document(str(n), title=str(n), year=2026) for n in range(6)]
    steps.run(documents=[*fits, document("c")])
    told: list[str] = []
    connection: Any = client._client.collections["docs"].storage.storage  # type: ignore[attr-defined]
    connection.set_trace_callback(told.append)
    elsewhere(registry).register("doc-meta", STRICT)
    [result] = await integration.catch_up()
    assert (len(result.in_place), result.set_aside) == (6, ("c",))
    assert told.count("COMMIT") == 2  # the stamps, and what was deleted
    client.close()
    again = QdrantClient(path=str(tmp_path / "qdrant"))
    found = points(qdrant(again))
    assert {(node.ref_doc_id, node.metadata[VERSION]) for node in found} == {
        (str(n), "2") for n in range(6)
    }
    again.close()


class Served:
    """A client as one of a server: it holds no collections itself; the calls are kept."""

    def __init__(self, client: QdrantClient, *, is_local: bool) -> None:
        self.calls: list[str] = []
        self._behind = client
        self._client = client._client if is_local else None

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self._behind, name)


@pytest.mark.parametrize("kind", ["local", "served"])
async def test_stamps_and_migrated_keys_of_a_batch_are_told_a_server_in_one_request(
    registry: Registry, transform: SchemaTransform, kind: str
) -> None:
    client = Served(QdrantClient(":memory:"), is_local=kind == "local")
    store = qdrant(client)  # type: ignore[arg-type]  # it passes for one
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, migrate=lambda given: {"name": given["title"], "year": 1})
    steps.run(documents=[document(str(n), "short", title=str(n)) for n in range(40)])
    registry.register("doc-meta", {"required": ["name"]}, compatibility="NONE")
    client.calls.clear()
    [result] = await integration.catch_up()
    assert len(result.in_place) == 40
    assert client.calls.count("batch_update_points") == (1 if kind == "served" else 0)
    for node in points(store):
        assert (node.metadata["name"], node.metadata[VERSION]) == (node.ref_doc_id, "2")
    for point in client.scroll("docs", limit=40)[0]:
        assert (point.payload["name"], "title" in point.payload) == (point.payload["doc_id"], False)


def test_what_was_written_before_an_error_is_committed_as_it_is_in_memory(tmp_path: Path) -> None:
    client = QdrantClient(path=str(tmp_path / "qdrant"))
    client.create_collection("docs", VectorParams(size=1, distance=Distance.COSINE))

    def write() -> None:
        with one_commit(client, "docs"):
            client.upsert("docs", [PointStruct(id=1, vector=[1.0], payload={"n": 1})])
            client.set_payload("docs", {"n": 2}, points=[1, 2])

    with pytest.raises(KeyError):
        write()
    client.set_payload("docs", {"m": 3}, points=[1])  # commits by itself again
    client.close()
    again = QdrantClient(path=str(tmp_path / "qdrant"))
    assert again.retrieve("docs", [1])[0].payload == {"n": 2, "m": 3}
    again.close()
