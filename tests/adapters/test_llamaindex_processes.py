"""What other processes do to an index or its files, and what is left where they are killed."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

from llama_index.core.schema import TextNode
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore
from qdrant_client import QdrantClient

from llm_integrations.core.registry import connect
from llm_integrations.core.stamp import VERSION
from llm_integrations.llamaindex import persist_pipeline
from llm_integrations.llamaindex.upkeep.node_ids import by_document as nodes_by_document
from llm_integrations.llamaindex.upkeep.node_ids import name_nodes
from tests.support.clients import elsewhere
from tests.support.forked import PROCESSES
from tests.support.patience import until
from tests.support.rag import (
    QDRANT_WARNINGS,
    RELAXED,
    STRICT,
    V1,
    by_document,
    document,
    fits,
    points,
    qdrant,
)
from tests.support.rag_persist_worker import DOCUMENTS, filled, save_for_ever
from tests.support.rag_replicas import catch_up_when_told, open_replica, serve
from tests.support.rag_worker import die_while_reindexing, open_index

pytestmark = QDRANT_WARNINGS

KILLS = 4


def test_a_kill_at_any_moment_leaves_files_that_can_be_read(tmp_path: Path) -> None:
    persist_pipeline(filled(), tmp_path)
    for _ in range(KILLS):
        here, there = PROCESSES.Pipe()
        saving = PROCESSES.Process(target=save_for_ever, args=(tmp_path, there), daemon=True)
        saving.start()
        assert here.recv() == "begun"
        until(lambda: list(tmp_path.glob(".*.tmp")))  # in the middle of a write
        saving.kill()
        saving.join()
        docstore = SimpleDocumentStore.from_persist_dir(str(tmp_path))
        store = SimpleVectorStore.from_persist_dir(str(tmp_path))
        assert len(docstore.docs) == len(store.data.embedding_dict) == DOCUMENTS
        for left in tmp_path.glob(".*.tmp"):
            left.unlink()


def test_after_a_kill_in_the_middle_nothing_is_gone_and_the_rest_is_reindexed_once(
    tmp_path: Path,
) -> None:
    with connect(tmp_path / "schemas") as registry:
        registry.register("doc-meta", V1, compatibility="NONE")
        _, steps = open_index(tmp_path, registry)
        steps.run(documents=[fits(str(number)) for number in range(6)])
        persist_pipeline(steps, tmp_path)
        whole = by_document(steps.vector_store)
        steps.vector_store.client.close()
        elsewhere(registry).register("doc-meta", STRICT)
    dying = PROCESSES.Process(target=die_while_reindexing, args=(tmp_path,))
    dying.start()
    dying.join(100)
    assert dying.exitcode == 9
    with connect(tmp_path / "schemas") as registry:
        integration, steps = open_index(tmp_path, registry)
        left = by_document(steps.vector_store)
        assert set(left) == set(whole)
        assert Counter(frozenset(versions) for _, versions in left.values()) == {
            frozenset({"2"}): 2,  # the first batch was whole
            frozenset({"1", "2"}): 2,  # the second had been written, and not yet deleted
            frozenset({"1"}): 2,
        }
        registry.run(integration.catch_up())
        after = by_document(steps.vector_store)
        steps.vector_store.client.close()
    assert after == {name: (count, {"2"}) for name, (count, _) in whole.items()}


def test_two_replicas_that_catch_up_together_double_nothing(tmp_path: Path) -> None:
    client = QdrantClient(path=str(tmp_path / "vectors"), force_disable_check_same_thread=True)
    with connect(tmp_path / "schemas") as registry:
        registry.register("doc-meta", V1, compatibility="NONE")
        _, steps = open_replica(tmp_path, registry, client)
        fits = [document(str(n), title=str(n), year=2026) for n in range(5)]
        steps.run(documents=[*fits, document("bad", kind="x")])
        steps.docstore.persist(str(tmp_path / "docstore.json"))
        registry.register("doc-meta", RELAXED)
    before = Counter(node.ref_doc_id for node in points(qdrant(client)))
    server, served = serve(client)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here, there = PROCESSES.Pipe()
    replica = PROCESSES.Process(
        target=catch_up_when_told, args=(tmp_path, server.address[1], there), daemon=True
    )
    replica.start()
    assert here.recv() == "ready"
    with connect(tmp_path / "schemas") as registry:
        integration, _ = open_replica(tmp_path, registry, served)
        here.send("go")
        [result] = registry.run(integration.catch_up())
    told = here.recv()
    replica.join(100)
    assert replica.exitcode == 0
    assert "docs: " in told
    assert "docs: " in str(result)
    after = points(qdrant(client))
    client.close()
    assert {node.metadata[VERSION] for node in after} == {"2"}
    counts = Counter(node.ref_doc_id for node in after)
    assert {name: counts[name] for name in before} == before
    assert counts["bad"] > 0


def test_ids_follow_from_document_schema_and_number_and_chosen_ones_stay() -> None:
    def made() -> list[TextNode]:
        nodes = [TextNode(text=str(n)) for n in range(3)]
        for node in nodes:
            node.relationships = {"1": {"node_id": "d"}}  # type: ignore[dict-item]  # pydantic reads it
        return [TextNode(**node.model_dump()) for node in nodes]

    ids = []
    for fingerprint in ("f", "f", "g"):
        groups = nodes_by_document(made())
        assert set(groups) == {"d"}
        name_nodes(groups, fingerprint)
        ids.append([node.id_ for node in groups["d"]])
    assert ids[0] == ids[1]
    assert set(ids[0]).isdisjoint(ids[2])
    own = TextNode(id_="chapter-1", text="x")
    name_nodes({"d": [own]}, "f")
    assert own.id_ == "chapter-1"
