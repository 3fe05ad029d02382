"""Documents that fail, wherever they do, are named and take no other with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.bridge.pydantic import Field
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import Document
from llama_index.core.vector_stores import SimpleVectorStore

from llm_integrations.core.registry import Registry
from llm_integrations.llamaindex import (
    RAGPipelineIntegration,
    ReindexPlan,
    ReindexResult,
    SchemaTransform,
)
from llm_integrations.llamaindex.upkeep.reasons import reason_of
from tests.support.rag import (
    RELAXED,
    CountingEmbedding,
    document,
    pipeline,
    qdrant,
    registry,
    vectors,
)

__all__ = ["registry"]

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning")


class Picky(CountingEmbedding):
    """Refuses texts with a word in them, and gives fewer vectors than it was asked for."""

    refuses: str = "nothing"
    leaves_out: int = 0
    refused: list[str] = Field(default_factory=list)

    def _get_text_embedding(self, text: str) -> list[float]:
        if self.refuses in text:
            self.refused.append(text)
            raise RuntimeError("429: too many requests")
        return super()._get_text_embedding(text)

    def get_text_embedding_batch(self, texts: list[str], *args: Any, **kwargs: Any) -> Any:
        found = super().get_text_embedding_batch(texts, *args, **kwargs)
        return found[: len(found) - self.leaves_out]


class Kept:
    """An index whose documents another version takes, in a text of their own if one is given."""

    def __init__(
        self,
        registry: Registry,
        folder: Path,
        documents: Sequence[Document],
        *,
        load: Callable[[str], Document] | None = None,
        **options: Any,
    ) -> None:
        transform = SchemaTransform(schema="doc-meta", registry=registry, quarantine=folder)
        self.steps: IngestionPipeline = pipeline(transform, SimpleVectorStore())
        self.model = Picky(embed_dim=4)
        self.steps.transformations[-1] = self.model
        self.steps.run(documents=list(documents))
        self.rag = RAGPipelineIntegration(registry)
        if load is not None:
            options["documents"] = lambda names: [load(name) for name in names]
        self.rag.add_index("docs", self.steps, **options)
        registry.register("doc-meta", RELAXED, compatibility="NONE")

    async def catch_up(self, **options: Any) -> ReindexResult:
        [result] = await self.rag.catch_up(**options)
        return result

    async def plan(self) -> ReindexPlan:
        [plan] = await self.rag.plan()
        return plan


NAMES = [f"document-{number:02}" for number in range(60)]


def anew(name: str) -> Document:
    return document(name, f"{'bad' if name < NAMES[25] else 'good'} {name}")


async def test_many_that_cannot_be_embedded_keep_no_later_one_out(
    registry: Registry, tmp_path: Path
) -> None:
    kept = Kept(registry, tmp_path, [document(n, n) for n in NAMES], load=anew)
    kept.model.refuses = "bad"
    result = await kept.catch_up()
    assert [name for name, _ in result.failed] == NAMES[:25]
    assert set(result.reindexed) == set(NAMES[25:])


async def test_a_model_that_is_down_is_asked_for_few(registry: Registry, tmp_path: Path) -> None:
    kept = Kept(registry, tmp_path, [document(n, n) for n in NAMES], load=anew, batch_size=8)
    kept.model.refuses = "document"
    result = await kept.catch_up()
    assert [name for name, _ in result.failed] == NAMES
    assert "not tried, for 20 in a row failed" in result.failed[-6][1]
    assert len(set(kept.model.refused)) == 25


@pytest.mark.parametrize("reason", ["fails", "is missing"])
async def test_a_limit_goes_past_what_came_to_nothing_before(
    registry: Registry, tmp_path: Path, reason: str
) -> None:
    found = anew if reason == "fails" else lambda name: anew(name if name > NAMES[24] else "other")
    kept = Kept(registry, tmp_path, [document(n, n) for n in NAMES[20:30]], load=found)
    kept.model.refuses = "bad"
    first = await kept.catch_up(limit=5)
    assert not first
    second = await kept.catch_up(limit=5)
    assert second.reindexed == tuple(NAMES[25:30])


async def test_a_loader_that_raises_for_one_id_fails_for_that_one(
    registry: Registry, tmp_path: Path
) -> None:
    sources = {name: document(name, f"{name} anew") for name in "acd"}
    given = [document(name) for name in "abcd"]
    kept = Kept(registry, tmp_path, given, load=sources.__getitem__)
    plan = await kept.plan()
    assert plan.failed == (("b", "KeyError while its text was fetched or cut"),)
    assert plan.refused == ("b",)
    result = await kept.catch_up()
    assert (result.reindexed, result.failed) == (("a", "c", "d"), plan.failed)
    [audit] = await kept.rag.audit()
    assert audit.stale == ("b",)


def secret_in_its_error(metadata: dict[str, Any]) -> dict[str, Any]:
    if metadata["title"] == "hidden":
        raise LookupError(f"no author for {metadata['title']}")
    return metadata


def no_metadata(metadata: dict[str, Any]) -> Any:
    return metadata if metadata["title"] != "hidden" else ["hidden"]


@pytest.mark.parametrize("migrate", [secret_in_its_error, no_metadata])
async def test_a_plan_names_a_document_that_cannot_be_migrated_and_goes_on(
    registry: Registry, tmp_path: Path, migrate: Any, caplog: pytest.LogCaptureFixture
) -> None:
    given = [document("a"), document("b", title="hidden"), document("c")]
    kept = Kept(registry, tmp_path, given, migrate=migrate)
    plan = await kept.plan()
    assert (plan.in_place, plan.refused) == (("a", "c"), ("b",))
    assert [name for name, _ in plan.failed] == ["b"]
    assert "b failed" in caplog.text
    assert "hidden" not in f"{plan!r}{caplog.text}"
    result = await kept.catch_up()
    assert (result.in_place, result.failed) == (plan.in_place, plan.failed)


QUOTED: list[tuple[Any, str]] = [
    ("a rather long value " * 20, "bad: {}"),
    ("Ada Lovelace\nSt. James's Square", "bad: {!r}"),
    ("Ada\nKing", "bad: {}"),
    (4111111111111111, "bad: {}"),
    ({"mail": ["ada@example.com"]}, "bad: ada@example.com"),
    ("Ada King", "x" * 195 + " {}"),
]


@pytest.mark.parametrize("number", range(len(QUOTED)))
def test_a_reason_quotes_no_value_however_it_is_written(number: int) -> None:
    value, words = QUOTED[number]
    error = ValueError(words.format(value))
    other = document("a", about={"value": "another one"})
    assert reason_of(error, document("a", about=value)) == "ValueError"
    assert reason_of(error, other).startswith(f"ValueError: {words[:4]}")


@pytest.mark.parametrize("options", [{}, {"tokens_per_second": 1e9}])
async def test_metadata_longer_than_a_chunk_fails_in_the_plan_and_at_any_rate(
    registry: Registry, tmp_path: Path, options: dict[str, float]
) -> None:
    long = document("long", title="long " * 60, year="an invalid one")
    late = document("late", title="late", year="an invalid one")
    kept = Kept(registry, tmp_path, [document("a"), long, late])
    registry.register("doc-meta", {"type": "object"}, compatibility="NONE")
    plan = await kept.plan()
    assert (plan.refused, plan.released) == (("long",), ("late",))
    assert "longer than chunk size" in dict(plan.failed)["long"]
    result = await kept.catch_up(**options)
    assert (result.failed, result.released) == (plan.failed, ("late",))
    [audit] = await kept.rag.audit()
    assert audit.is_sound


async def test_a_chunk_that_a_model_leaves_out_is_not_lost_in_silence(
    registry: Registry, tmp_path: Path
) -> None:
    kept = Kept(registry, tmp_path, [document("a")], load=lambda name: document(name, "x. " * 90))
    before = vectors(kept.steps.vector_store)
    kept.model.leaves_out = 1
    result = await kept.catch_up()
    assert [name for name, _ in result.failed] == ["a"]
    assert vectors(kept.steps.vector_store) == before


class Odd:
    """A value that nothing can write."""


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    "value",
    [b"\xff\xfe", Odd(), [Odd()], {"a": range(3)}, CIRCLE],
    ids=["bytes", "object", "list", "range", "circle"],
)
@pytest.mark.parametrize("kind", ["simple", "qdrant"])
def test_a_value_that_no_store_can_hold_is_told_by_document(
    registry: Registry, tmp_path: Path, kind: str, value: Any
) -> None:
    transform = SchemaTransform(schema="doc-meta", registry=registry, quarantine=tmp_path)
    registry.register("doc-meta", {"type": "object"}, compatibility="NONE")
    store = qdrant() if kind == "qdrant" else SimpleVectorStore()
    given = [document("a"), document("b", title="b", other=value), document("c")]
    pipeline(transform, store).run(documents=given)
    assert {name for name, _ in vectors(store).values()} == {"a", "c"}
    [record] = transform.quarantine.records()  # type: ignore[union-attr]  # a Quarantine by now
    assert (record.position, str(record.errors[0]).split(":")[0]) == ("b", "/other")
