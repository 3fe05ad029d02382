"""Two processes bring one index up to date at the same time, and no document is doubled.

This process is one of the two, and holds the store.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from llama_index.core.schema import TextNode
from qdrant_client import QdrantClient

from llm_integrations.core.registry import connect
from llm_integrations.core.stamp import VERSION
from llm_integrations.llamaindex.upkeep.node_ids import by_document, name_nodes
from tests.support.rag import RELAXED, V1, document, points, qdrant
from tests.support.rag_replicas import open_replica, serve

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning"),
    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning"),
]


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
    worker = [
        sys.executable,
        "-m",
        "tests.support.rag_replicas",
        str(tmp_path),
        str(server.address[1]),
    ]
    with subprocess.Popen(worker, stdin=-1, stdout=-1, stderr=-1) as replica:
        assert replica.stdin is not None
        assert replica.stdout is not None
        replica.stdout.readline()
        with connect(tmp_path / "schemas") as registry:
            integration, _ = open_replica(tmp_path, registry, served)
            replica.stdin.write(b"go\n")  # both are ready
            replica.stdin.flush()
            [result] = registry.run(integration.catch_up())
        told, errors = replica.communicate(timeout=100)
    assert replica.returncode == 0, errors.decode()
    assert b"docs: " in told
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
        groups = by_document(made())
        assert set(groups) == {"d"}
        name_nodes(groups, fingerprint)
        ids.append([node.id_ for node in groups["d"]])
    assert ids[0] == ids[1]
    assert set(ids[0]).isdisjoint(ids[2])
    own = TextNode(id_="chapter-1", text="x")
    name_nodes({"d": [own]}, "f")
    assert own.id_ == "chapter-1"
