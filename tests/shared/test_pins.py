"""Pinned benchmarks: the wrong version refuses to run, and moving a pin says what it means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_integrations.core.errors import (
    ConfigurationError,
    InvalidSchema,
    PinMismatch,
    SchemaNotFound,
)
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.model.schema import SchemaReference
from llm_integrations.core.pins import BenchmarkPins, EvaluationFrameworkIntegration, compare
from llm_integrations.core.registry import Registry, connect
from tests.support.clients import elsewhere

CASE_1 = {
    "type": "object",
    "properties": {"question": {"type": "string"}, "answer": {"type": "string"}},
    "required": ["question", "answer"],
}
CASE_2 = {**CASE_1, "properties": {**CASE_1["properties"], "answer": {"enum": ["yes", "no"]}}}  # type: ignore[dict-item]
CASE_DOCS = {**CASE_1, "description": "A question and its answer."}


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("qa-case", CASE_1, compatibility="NONE")
        yield client


@pytest.fixture
def pins(tmp_path: Path, registry: Registry) -> BenchmarkPins:
    return BenchmarkPins(tmp_path / "benchmarks.lock", registry)


def test_latest_is_pinned_as_the_exact_version_that_it_meant(pins: BenchmarkPins) -> None:
    pinned = pins.pin("qa", case="qa-case@latest")
    assert pinned.pins["case"].version == 1
    assert BenchmarkPins(pins.path, pins.registry).get("qa") == pinned


def test_an_untouched_benchmark_may_run(pins: BenchmarkPins) -> None:
    pins.pin("qa", case="qa-case@1")
    assert pins.check("qa") == []
    elsewhere(pins.registry).register("qa-case", CASE_2)
    assert pins.require("qa", {"case": "qa-case@1"}).name == "qa"


def test_a_benchmark_that_names_another_version_is_refused(pins: BenchmarkPins) -> None:
    pins.pin("qa", case="qa-case@1")
    elsewhere(pins.registry).register("qa-case", CASE_2)
    with pytest.raises(PinMismatch, match=r"names qa-case@2, is pinned to qa-case@1"):
        pins.require("qa", {"case": "qa-case@latest"})


def test_an_unpinned_benchmark_is_refused_and_told_how_to_pin(pins: BenchmarkPins) -> None:
    with pytest.raises(PinMismatch, match="pin add other"):
        pins.require("other")


def test_a_role_without_a_pin_is_refused(pins: BenchmarkPins) -> None:
    pins.pin("qa", case="qa-case@1")
    with pytest.raises(PinMismatch, match=r"qa\.metric"):
        pins.require("qa", {"metric": "qa-case@1"})


def test_a_version_whose_content_changed_is_refused(pins: BenchmarkPins) -> None:
    pins.pin("qa", case="qa-case@1")
    text = pins.path.read_text()
    fingerprint = pins.get("qa").pins["case"].fingerprint
    pins.path.write_text(text.replace(fingerprint, "0" * 64))
    with pytest.raises(PinMismatch, match="something else than when pinned"):
        pins.require("qa")


def test_a_version_that_is_gone_is_refused(pins: BenchmarkPins) -> None:
    pins.pin("qa", case="qa-case@1")
    elsewhere(pins.registry).register("qa-case", CASE_2)
    pins.registry.delete("qa-case@1")
    pins.registry.invalidate()
    with pytest.raises(PinMismatch, match="no longer in the registry"):
        pins.require("qa")


def test_a_deprecated_version_warns_and_runs(pins: BenchmarkPins) -> None:
    pins.pin("qa", case="qa-case@1")
    elsewhere(pins.registry).register("qa-case", CASE_2)
    pins.registry.deprecate("qa-case@1")
    [finding] = pins.check("qa")
    assert not finding.blocking
    assert pins.require("qa")


def test_updating_moves_to_the_latest_with_a_guide_and_says_what_results_mean(
    pins: BenchmarkPins,
) -> None:
    pins.pin("qa", case="qa-case@1")
    elsewhere(pins.registry).register("qa-case", CASE_2)
    [move] = pins.update("qa")
    assert (move.old.version, move.new.version) == (1, 2)
    assert not move.comparison.comparable
    assert move.guide is not None
    assert "answer" in move.guide.to_markdown()
    assert pins.require("qa", {"case": "qa-case@2"})
    assert pins.update("qa") == []


def test_only_documentation_changed_means_comparable() -> None:
    assert compare(CASE_1, CASE_DOCS).comparable
    assert not compare(CASE_1, CASE_2).comparable


@pytest.mark.parametrize(
    "text", ["not toml [", "format = 9", "format = 1\n[benchmarks.qa.case]\nsubject = 'x'"]
)
def test_a_damaged_lock_file_is_named(pins: BenchmarkPins, text: str) -> None:
    pins.path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"benchmarks\.lock"):
        pins.check("qa")


def test_pinning_nothing_or_an_unknown_role_is_an_error(pins: BenchmarkPins) -> None:
    with pytest.raises(ConfigurationError):
        pins.pin("qa")
    with pytest.raises(ConfigurationError, match="answer"):
        pins.pin("qa", answer="qa-case@1")


async def test_a_change_that_means_something_holds_the_benchmark_until_it_is_pinned_again(
    pins: BenchmarkPins,
) -> None:
    pins.pin("qa", case="qa-case@1")
    pins.pin("docs", case="qa-case@1")
    schema = elsewhere(pins.registry).register("qa-case", CASE_2)
    told: list[str] = []
    integration = EvaluationFrameworkIntegration(
        pins.registry,
        pins=pins,
        on_affected=lambda _, affected: told.extend(one.benchmark for one in affected),
    )
    event = SchemaEvent.updated(schema.id, "", "qa-case", 2, 1, event_id="e1")
    await integration.handle_schema_event(event)
    await integration.handle_schema_event(event)
    assert told == ["docs", "qa"] * 2
    assert len(pins.holds("qa")) == 1
    with pytest.raises(PinMismatch, match="held since a schema changed"):
        pins.require("qa")
    pins.pin("qa", case="qa-case@1")
    assert pins.require("qa")
    with pytest.raises(PinMismatch):
        pins.require("docs")


async def test_a_change_of_words_holds_nothing(pins: BenchmarkPins) -> None:
    pins.pin("qa", case="qa-case@1")
    schema = elsewhere(pins.registry).register("qa-case", CASE_DOCS)
    integration = EvaluationFrameworkIntegration(pins.registry, pins=pins)
    event = SchemaEvent.updated(schema.id, "", "qa-case", 2, 1)
    [affected] = await integration.affected_by(event)
    assert affected.comparable
    await integration.handle_schema_event(event)
    assert pins.require("qa")


async def test_a_deleted_pin_holds_and_another_version_deleted_does_not(
    pins: BenchmarkPins,
) -> None:
    pins.pin("qa", case="qa-case@1")
    integration = EvaluationFrameworkIntegration(pins.registry, pins=pins)
    await integration.handle_schema_event(SchemaEvent.deleted(None, "", "qa-case", 2))
    assert pins.holds("qa") == []
    await integration.handle_schema_event(SchemaEvent.deleted(None, "", "qa-case", 1))
    assert len(pins.holds("qa")) == 1


async def test_another_subject_concerns_nobody(pins: BenchmarkPins) -> None:
    pins.pin("qa", case="qa-case@1")
    integration = EvaluationFrameworkIntegration(pins.registry, pins=pins)
    assert await integration.affected_by(SchemaEvent.updated("x", "", "other", 2, 1)) == []


# -- what a schema refers to ----------


def refer(registry: Registry) -> None:
    """``order@1`` refers to ``line@1``, which refers to ``amount@1``."""
    registry.register("amount", {"type": "integer"})
    for subject, other in (("line", "amount"), ("order", "line")):
        body = {"type": "object", "properties": {"x": {"$ref": other}}}
        registry.register(subject, body, references=[SchemaReference(other, other, 1)])


@pytest.mark.parametrize("subject", ["amount", "line"])
def test_an_edited_schema_that_a_pinned_one_refers_to_is_found(
    tmp_path: Path, subject: str
) -> None:
    folder = tmp_path / "schemas"
    lock = tmp_path / "benchmarks.lock"
    with connect(folder) as registry:
        refer(registry)
        pinned = BenchmarkPins(lock, registry).pin("qa", case="order@1")
        assert {*pinned.pins["case"].references} == {"line@1", "amount@1"}
        assert BenchmarkPins(lock, registry).get("qa") == pinned
        assert BenchmarkPins(lock, registry).check("qa") == []
    path = folder / subject / "1.json"
    path.write_text(path.read_text().replace("integer", "string").replace("object", "array"))
    with connect(folder) as registry:
        pins = BenchmarkPins(lock, registry)
        with pytest.raises(PinMismatch, match=f"refers to {subject}@1, which says something else"):
            pins.require("qa")
        [move] = pins.update("qa")
        assert not move.comparison.comparable
        assert pins.check("qa") == []


def test_a_lock_of_before_is_warned_of_what_it_does_not_pin(
    pins: BenchmarkPins, registry: Registry
) -> None:
    refer(registry)
    pins.pin("qa", case="order@1")
    text = pins.path.read_text()
    pins.path.write_text(text[: text.index("[benchmarks.qa.case.references]")])
    [finding] = pins.check("qa")
    assert not finding.blocking
    assert "pin it again" in finding.message
    assert pins.require("qa")


def test_updating_with_references_says_what_moved(pins: BenchmarkPins, registry: Registry) -> None:
    refer(registry)
    pins.pin("qa", case="order@1")
    registry.register("line", {"type": "object"}, compatibility="NONE")
    body = {"type": "object", "properties": {"x": {"$ref": "line"}}}
    other = SchemaReference("line", "line", 2)
    registry.register("order", body, references=[other], compatibility="NONE")
    [move] = pins.update("qa")
    assert (move.old.version, move.new.version) == (1, 2)
    assert {*move.new.references} == {"line@2"}
    assert move.guide is not None


def test_a_pin_whose_schema_is_gone_can_be_moved(pins: BenchmarkPins, registry: Registry) -> None:
    pins.pin("qa", case="qa-case@1")
    registry.register("qa-case", CASE_2, compatibility="NONE")
    registry.delete("qa-case@1", permanent=True)
    [move] = pins.update("qa")
    assert "no longer in the registry" in move.comparison.reason
    assert (move.comparison.comparable, move.guide) == (False, None)
    assert pins.require("qa")


def test_a_lock_does_not_move_when_moving_fails(
    pins: BenchmarkPins, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins.pin("qa", case="qa-case@1")
    registry.register("qa-case", CASE_2, compatibility="NONE")
    before = pins.path.read_bytes()
    with pytest.raises(SchemaNotFound):
        pins.update("qa", result="gone@1")

    def failing(*_: object) -> None:
        raise InvalidSchema("it cannot be compared")

    monkeypatch.setattr("llm_integrations.core.pins.pins.migration_guide", failing)
    with pytest.raises(InvalidSchema):
        pins.update("qa")
    assert pins.path.read_bytes() == before


# -- holding and letting go ----------


@pytest.mark.parametrize("version", [1, 2])
async def test_a_change_of_before_that_is_told_again_holds_nothing(
    pins: BenchmarkPins, registry: Registry, version: int
) -> None:
    registry.register("qa-case", CASE_2, compatibility="NONE")
    pins.pin("qa", case="qa-case@2")
    evaluation = EvaluationFrameworkIntegration(registry, pins=pins)
    event = SchemaEvent.updated("x", "", "qa-case", version, 1)
    await evaluation.handle_schema_event(event)
    assert pins.holds("qa") == []


async def test_a_change_that_was_answered_by_staying_holds_no_more(
    pins: BenchmarkPins, registry: Registry
) -> None:
    pins.pin("qa", case="qa-case@1")
    registry.register("qa-case", CASE_2, compatibility="NONE")
    evaluation = EvaluationFrameworkIntegration(registry, pins=pins)
    event = SchemaEvent.updated("x", "", "qa-case", 2, 1)
    await evaluation.handle_schema_event(event)
    with pytest.raises(PinMismatch) as refused:
        pins.require("qa")
    assert "stay: llm-integrations pin add qa --case qa-case@1" in str(refused.value)
    assert "move: llm-integrations pin update qa" in str(refused.value)
    pins.pin("qa", case="qa-case@1")
    await evaluation.handle_schema_event(event)
    assert pins.require("qa")


async def test_deleting_what_a_pinned_schema_refers_to_holds_it(
    pins: BenchmarkPins, registry: Registry
) -> None:
    refer(registry)
    pins.pin("qa", case="order@1")
    evaluation = EvaluationFrameworkIntegration(registry, pins=pins)
    await evaluation.handle_schema_event(SchemaEvent.updated("x", "", "amount", 2, 1))
    await evaluation.handle_schema_event(SchemaEvent.deleted(None, "", "amount", 2))
    assert pins.holds("qa") == []
    await evaluation.handle_schema_event(SchemaEvent.deleted(None, "", "amount", 1))
    assert "which order@1 refers to" in pins.holds("qa")[0].reason


def test_a_benchmark_that_is_removed_is_pinned_no_more(pins: BenchmarkPins) -> None:
    pins.pin("qa", case="qa-case@1")
    pins.pin("other", case="qa-case@1")
    assert pins.remove("qa").name == "qa"
    assert {*pins.benchmarks()} == {"other"}
    with pytest.raises(PinMismatch, match="qa is not pinned"):
        pins.remove("qa")


# -- the file ----------


def test_conflict_markers_are_named(pins: BenchmarkPins) -> None:
    pins.pin("qa", case="qa-case@1")
    lines = pins.path.read_text().splitlines()
    lines[3:3] = ["<<<<<<< ours", "=======", ">>>>>>> theirs"]
    pins.path.write_text("\n".join(lines))
    with pytest.raises(ConfigurationError, match="line 4: a merge left its conflict markers"):
        pins.check("qa")


def test_the_lock_is_found_up_to_the_projects_root(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    deep = project / "tasks" / "qa"
    deep.mkdir(parents=True)
    (project / "pyproject.toml").touch()
    monkeypatch.chdir(deep)
    (tmp_path / "benchmarks.lock").touch()  # beyond the root
    assert BenchmarkPins("benchmarks.lock", registry).path == Path("benchmarks.lock")
    BenchmarkPins(project / "benchmarks.lock", registry).pin("qa", case="qa-case@1")
    assert BenchmarkPins("benchmarks.lock", registry).get("qa")
