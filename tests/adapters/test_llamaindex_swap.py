"""An index is brought up to date beside itself and put in place in one step, at a pace."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.vector_stores import SimpleVectorStore
from qdrant_client import QdrantClient
from qdrant_client.models import CreateAlias, CreateAliasOperation, Distance, VectorParams

from llm_integrations.core.errors import ConfigurationError, Unsupported
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.stamp import VERSION
from llm_integrations.llamaindex import RAGPipelineIntegration, SchemaTransform, persist_pipeline
from llm_integrations.llamaindex.stores.qdrant_copy import QdrantCopy
from llm_integrations.llamaindex.upkeep.pace import Pace
from tests.support.clients import elsewhere
from tests.support.forked import PROCESSES
from tests.support.rag import (
    QDRANT_WARNINGS,
    RELAXED,
    STRICT,
    V1,
    document,
    pipeline,
    points,
    qdrant,
    quarantine,
    registry,
    transform,
)
from tests.support.rag_swap_worker import short, swap
from tests.support.rag_worker import open_index

__all__ = ["quarantine", "registry", "transform"]

pytestmark = QDRANT_WARNINGS


@pytest.fixture
def client(tmp_path: Path) -> Iterator[QdrantClient]:
    client = QdrantClient(path=str(tmp_path / "qdrant"), force_disable_check_same_thread=True)
    with_alias(client)
    yield client
    client.close()


def with_alias(client: QdrantClient) -> None:
    client.create_collection("first", VectorParams(size=4, distance=Distance.COSINE))
    alias = CreateAlias(collection_name="first", alias_name="docs")
    client.update_collection_aliases([CreateAliasOperation(create_alias=alias)])


def versions(client: QdrantClient, name: str = "docs") -> dict[str, str]:
    found, _ = client.scroll(name, limit=1000)
    return {p.payload["document_id"]: p.payload[VERSION] for p in found if p.payload}


def collections(client: QdrantClient) -> set[str]:
    return {found.name for found in client.get_collections().collections}


async def test_an_alias_moves_to_what_was_brought_up_to_date_and_back(
    registry: Registry, transform: SchemaTransform, client: QdrantClient
) -> None:
    steps = pipeline(transform, qdrant(client))
    rag = RAGPipelineIntegration(registry)
    rag.add_index("docs", steps)
    names = ["a", "b"]
    fits = [document(name, title=name, year=2026) for name in names]
    steps.run(documents=[*fits, document("c"), document("d", kind="x")])
    embedded = len(steps.transformations[-1].texts)  # type: ignore[attr-defined]  # counts
    elsewhere(registry).register("doc-meta", STRICT)
    [result] = await rag.catch_up(swap=True)
    assert (result.in_place, result.set_aside) == (("a", "b"), ("c",))
    assert versions(client) == {"a": "2", "b": "2"}
    assert versions(client, "first") == {"a": "1", "b": "1", "c": "1"}
    assert len(steps.transformations[-1].texts) == embedded  # type: ignore[attr-defined]
    assert not (await rag.catch_up(swap=True))[0]  # nothing to do is nothing copied
    assert collections(client) == {"first", "docs--1"}
    await rag.rollback("docs")
    assert versions(client) == {"a": "1", "b": "1", "c": "1"}
    await rag.rollback("docs")
    assert versions(client) == {"a": "2", "b": "2"}
    elsewhere(registry).register("doc-meta", RELAXED)
    await rag.catch_up(swap=True)
    assert set(versions(client).items()) == {(name, "3") for name in "abcd"}
    assert {node.ref_doc_id for node in points(qdrant(client))} == set("abcd")
    elsewhere(registry).register("doc-meta", {**RELAXED, "title": "4"})
    await rag.catch_up(swap=True)
    assert collections(client) == {"first", "docs--2", "docs--3"}  # only the one before is kept


async def test_queries_find_the_old_index_until_the_new_one_is_whole_and_updates_are_kept(
    registry: Registry, transform: SchemaTransform, client: QdrantClient
) -> None:
    seen: list[dict[str, str]] = []

    def load(names: Any) -> Any:
        seen.append(versions(client))
        if len(seen) == 1:
            steps.run(documents=[document("b", "b was updated", title="b", year=1)])
            seen[0] = versions(client)
        return [document(name, f"{name} is new", title=name, year=1) for name in names]

    steps = pipeline(transform, qdrant(client))
    rag = RAGPipelineIntegration(registry)
    rag.add_index("docs", steps, documents=load, batch_size=1)
    steps.run(documents=[document(name, title=name, year=1) for name in "abc"])
    elsewhere(registry).register("doc-meta", {**V1, "title": "2"})
    await rag.catch_up(swap=True)
    assert all(set(found) == set("abc") for found in seen)
    assert {found["a"] for found in seen[:3]} == {"1"}
    texts = sorted(node.get_content() for node in points(qdrant(client)))
    assert "b was updated" in texts
    assert "a is new" in texts
    assert set(versions(client).items()) >= {("a", "2"), ("c", "2")}


async def test_what_is_written_or_deleted_just_before_the_alias_moves_is_kept(
    registry: Registry,
    transform: SchemaTransform,
    client: QdrantClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    move = QdrantCopy.replace

    def late(copy: QdrantCopy) -> None:
        steps.run(documents=[document("late"), document("b", "b was updated")])
        steps.vector_store.delete("c")  # type: ignore[union-attr]  # it has one
        move(copy)

    steps = pipeline(transform, qdrant(client))
    rag = RAGPipelineIntegration(registry)
    rag.add_index("docs", steps)
    steps.run(documents=[document(name) for name in "abc"])
    elsewhere(registry).register("doc-meta", RELAXED)
    monkeypatch.setattr(QdrantCopy, "replace", late)
    await rag.catch_up(swap=True)
    assert set(versions(client)) == {"a", "b", "late"}
    texts = [n.get_content() for n in points(qdrant(client)) if n.ref_doc_id == "b"]
    assert texts == ["b was updated"]


class Killed(BaseException):
    """In the place of a kill, of which nothing of ours hears."""


@pytest.mark.parametrize("way", ["catch up", "audit", "swap", "roll back"])
async def test_what_is_written_just_before_the_alias_moves_is_found_after_a_kill(
    registry: Registry,
    transform: SchemaTransform,
    client: QdrantClient,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    move, rag = QdrantCopy.replace, RAGPipelineIntegration(registry)

    def killed(copy: QdrantCopy) -> None:
        steps.run(documents=[document("late"), document("b", "b was updated"), *again])
        move(copy)
        raise Killed

    def other(names: Any) -> Any:  # so that nodes change their ids
        return [document(name, found.get_content()) for name, found in kept(names)]

    def kept(names: Any) -> Any:
        return [(name, steps.docstore.get_document(name)) for name in names]  # type: ignore[union-attr]

    def texts() -> dict[str, str]:
        return {str(n.ref_doc_id): n.get_content() for n in points(qdrant(client))}

    again = [document("d", "d was updated"), document("e", "e was updated")]
    steps = pipeline(transform, qdrant(client))
    rag.add_index("docs", steps, documents=other)
    steps.run(documents=[document(name, name) for name in "abcde"])
    elsewhere(registry).register("doc-meta", RELAXED)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(QdrantCopy, "replace", killed)
        await rag.catch_up(swap=True)
    assert (texts()["b"], "late" in texts()) == ("b", False)
    steps.run(documents=[document("d", "d was updated again")])  # after the move
    steps.vector_store.delete("e")  # type: ignore[union-attr]  # it has one
    steps.docstore.delete_document("e")  # type: ignore[union-attr]  # it has one
    [found] = await rag.audit()
    assert found.stale == ("b", "late")
    if way == "roll back":
        await rag.rollback("docs")
        assert (texts()["b"], texts()["d"]) == ("b was updated", "d was updated")
        return
    if way == "audit":
        await rag.audit(repair=True)
    else:
        await rag.catch_up(swap=way == "swap")
    assert texts()["b"] == "b was updated"
    assert texts()["d"] == "d was updated again"
    assert set(texts()) == {*"abcd", "late"}
    [found] = await rag.audit()
    assert found.is_sound
    assert set(versions(client).values()) == {"2"}


async def test_a_run_that_ends_early_changes_nothing_for_readers(
    registry: Registry, transform: SchemaTransform, client: QdrantClient
) -> None:
    class Ended(BaseException):
        """What no document is to blame for."""

    def broken(names: Any) -> Any:
        raise Ended

    steps = pipeline(transform, qdrant(client))
    rag = RAGPipelineIntegration(registry)
    rag.add_index("docs", steps, documents=broken)
    steps.run(documents=[document("a")])
    elsewhere(registry).register("doc-meta", STRICT)
    with pytest.raises(Ended):
        await rag.catch_up(swap=True)
    assert versions(client) == {"a": "1"}
    assert collections(client) == {"first"}


def alive(folder: Path) -> dict[str, set[tuple[str, bool]]]:
    """What readers find: each document's versions, and whether texts are new."""
    client = QdrantClient(path=str(folder / "vectors"))
    found: dict[str, set[tuple[str, bool]]] = {}
    for node in points(qdrant(client)):
        is_new = "is new" in node.get_content()
        found.setdefault(str(node.ref_doc_id), set()).add((node.metadata[VERSION], is_new))
    client.close()
    return found


@pytest.mark.timeout(300)
def test_a_swap_that_is_killed_between_any_two_writes_leaves_the_old_index_or_the_new_one(
    tmp_path: Path,
) -> None:
    base = tmp_path / "base"
    given: Any = {"a": {"title": "a"}, "b": {"title": "b"}, "bad": {"kind": "x"}}
    with connect(base / "schemas") as registry:
        registry.register("doc-meta", V1, compatibility="NONE")
        client = QdrantClient(path=str(base / "vectors"))
        with_alias(client)
        client.close()
        _, steps = open_index(base, registry, short)
        steps.run(documents=[document(n, "x", **m) for n, m in given.items()])
        persist_pipeline(steps, base)
        steps.vector_store.client.close()
        registry.register("doc-meta", RELAXED, compatibility="NONE")
    old = {name: {("1", False)} for name in "ab"}
    new = {**{name: {("2", True)} for name in "ab"}, "bad": {("2", False)}}
    states = []
    for number in count(1):
        folder = tmp_path / str(number)
        shutil.copytree(base, folder)
        child = PROCESSES.Process(target=swap, args=(number, folder))
        child.start()
        child.join(100)
        found = alive(folder)
        states.append(found)
        assert found in (old, new)
        assert child.exitcode in (0, -signal.SIGKILL)
        if child.exitcode == 0:
            break
        if number % 2 == 0:
            continue
        with connect(folder / "schemas") as registry:
            rag, steps = open_index(folder, registry, short)
            if found == old:
                registry.run(rag.catch_up(swap=True))
                assert versions(steps.vector_store.client) == dict.fromkeys(new, "2")
                assert len(collections(steps.vector_store.client)) == 2  # none is left over
                assert Quarantine(folder / "aside").count() == 0
            registry.run(rag.rollback("docs"))
            steps.vector_store.client.close()
        assert alive(folder) == old
    assert states.count(old) >= 5
    assert states.count(new) >= 2


async def test_what_is_released_by_a_swap_that_fails_stays_in_the_quarantine(
    registry: Registry,
    transform: SchemaTransform,
    client: QdrantClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(copy: QdrantCopy) -> None:
        raise OSError("the store is away")

    steps = pipeline(transform, qdrant(client))
    rag = RAGPipelineIntegration(registry)
    rag.add_index("docs", steps)
    steps.run(documents=[document("a"), document("bad", kind="x")], store_doc_text=False)
    elsewhere(registry).register("doc-meta", RELAXED)
    assert isinstance(transform.quarantine, Quarantine)
    with monkeypatch.context() as patched:
        patched.setattr(QdrantCopy, "replace", fails)
        with pytest.raises(OSError, match="away"):
            await rag.catch_up(swap=True)
    assert (versions(client), transform.quarantine.count()) == ({"a": "1"}, 1)
    [result] = await rag.catch_up(swap=True)
    assert (result.released, transform.quarantine.count()) == (("bad",), 0)


async def test_an_answer_that_is_lost_after_the_alias_moved_deletes_nothing(
    registry: Registry,
    transform: SchemaTransform,
    client: QdrantClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    move = QdrantCopy.replace

    def unheard(copy: QdrantCopy) -> None:
        move(copy)
        raise TimeoutError

    steps = pipeline(transform, qdrant(client))
    rag = RAGPipelineIntegration(registry)
    rag.add_index("docs", steps)
    steps.run(documents=[document("a")])
    elsewhere(registry).register("doc-meta", RELAXED)
    with monkeypatch.context() as patched:
        patched.setattr(QdrantCopy, "replace", unheard)
        with pytest.raises(TimeoutError):
            await rag.catch_up(swap=True)
    assert versions(client) == {"a": "2"}
    assert not (await rag.catch_up(swap=True))[0]


async def test_what_cannot_be_swapped_says_so(
    registry: Registry, transform: SchemaTransform
) -> None:
    for store, error in ((SimpleVectorStore(), Unsupported), (qdrant(), ConfigurationError)):
        steps = pipeline(transform, store)
        rag = RAGPipelineIntegration(registry)
        rag.add_index("docs", steps)
        steps.run(documents=[document("a")])
        elsewhere(registry).register("doc-meta", {**V1, "title": type(store).__name__})
        with pytest.raises(error, match="alias"):
            await rag.catch_up(swap=True)
        with pytest.raises((ConfigurationError, Unsupported)):
            await rag.rollback("docs")
    with pytest.raises(ConfigurationError, match="no index 'x'"):
        await rag.rollback("x")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_documents_and_tokens_keep_to_their_rate() -> None:
    clock = Clock()
    pace = Pace(4, clock=clock, sleep=clock.sleep)
    assert [pace.batch_size(n) for n in (1, 4, 32)] == [1, 4, 4]
    for _ in range(5):
        pace.documents(2)
    assert clock.now == 2  # ten documents: the last two may begin after two seconds
    slow = Pace(0.5, clock=clock, sleep=clock.sleep)
    assert slow.batch_size(32) == 1
    tokens = Pace(tokens_per_second=10, clock=clock, sleep=clock.sleep)
    began = clock.now
    parts = list(tokens.texts([4, 4, 4, 25, 1], lambda count: count))
    assert parts == [[4, 4], [4], [25], [1]]
    assert clock.now - began == pytest.approx(0.8 + 0.4 + 2.5)
    assert list(Pace(clock=clock, sleep=clock.sleep).texts([1, 2], lambda count: count)) == [[1, 2]]


@pytest.mark.parametrize("bound", [{"documents_per_second": 0}, {"tokens_per_second": -1.0}])
async def test_a_rate_of_nothing_is_refused(registry: Registry, bound: Any) -> None:
    with pytest.raises(ConfigurationError, match="must be above 0"):
        await RAGPipelineIntegration(registry).catch_up(**bound)


async def test_catching_up_at_a_rate_does_the_same_in_smaller_batches(
    registry: Registry, transform: SchemaTransform
) -> None:
    asked: list[list[str]] = []

    def load(names: Any) -> Any:
        asked.append(list(names))
        return [document(name, f"{name} is new. " * 9) for name in names]

    steps = pipeline(transform, SimpleVectorStore())
    rag = RAGPipelineIntegration(registry)
    rag.add_index("docs", steps, documents=load)
    steps.run(documents=[document(str(n)) for n in range(6)])
    elsewhere(registry).register("doc-meta", {**V1, "title": "2"})
    bounds: Any = {"documents_per_second": 100_000, "tokens_per_second": 1e6}
    [result] = await rag.catch_up(limit=2, **bounds)
    assert len(result.reindexed) == 2
    [result] = await rag.catch_up(**{**bounds, "documents_per_second": 3_000})
    assert len(result.reindexed) == 4
    assert [len(names) for names in asked] == [2, 4]
