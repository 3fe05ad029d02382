"""docs/llamaindex.md runs as it is written."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.llms import MockLLM

from llm_integrations.core.events import InMemoryEventBus
from llm_integrations.core.registry import connect
from tests.support.rag import QDRANT_WARNINGS, RELAXED, V1, CountingEmbedding, document, qdrant

PAGE = Path(__file__).parents[2] / "docs/llamaindex.md"

pytestmark = QDRANT_WARNINGS


async def test_every_block_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 9
    with connect("memory://") as registry:
        registry.register("doc-meta", V1, compatibility="NONE")
        store, embedding = qdrant(), CountingEmbedding()
        index = VectorStoreIndex.from_vector_store(store, embed_model=embedding)
        monkeypatch.setattr(index, "as_query_engine", _with_a_model(index))
        names: dict[str, Any] = {
            "registry": registry,
            "store": store,
            "embedding": embedding,
            "index": index,
            "bus": InMemoryEventBus(),
            "in_memory": False,
        }
        for number, block in enumerate(blocks):
            code = compile(block, PAGE.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            waiting = eval(code, names)
            if inspect.isawaitable(waiting):
                await waiting
            if number == 0:
                names["pipeline"].run(documents=[document("doc-17"), document("b", kind="x")])
                registry.register("doc-meta", RELAXED)
    assert capsys.readouterr().out.splitlines() == [
        "handbook: 2 documents, 1 in place, 1 released; "
        "1 nodes, 1 texts of 84 tokens to embed (doc-meta@2)",
        "handbook: 1 reindexed, 0 set aside, 1 released (doc-meta@2)",
        "handbook: 1 documents, nothing wrong (doc-meta@2) True",
    ]


def _with_a_model(index: VectorStoreIndex) -> Any:
    make = index.as_query_engine
    return lambda **options: make(llm=MockLLM(), **options)
