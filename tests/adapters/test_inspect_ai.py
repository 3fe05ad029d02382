"""inspect_ai: bad records stop, outputs are scored, and a task carries its pins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from inspect_ai import Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.solver import generate

from llm_integrations.core.errors import ConfigurationError, InvalidEvaluation, PinMismatch
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, connect
from llm_integrations.inspect_ai import (
    BenchmarkPins,
    SchemaHooks,
    check_log,
    pinned,
    schema_scorer,
    validated_dataset,
)
from tests.support.inspect_runs import ANSWER, run
from tests.support.untidy import UNTIDY

pytestmark = UNTIDY

CASE = {
    "type": "object",
    "properties": {"input": {"type": "string", "minLength": 3}, "target": {"type": "string"}},
    "required": ["input", "target"],
}
METRICS = {"type": "object", "properties": {"accuracy": {"minimum": 0, "maximum": 1}}}
RECORDS: list[dict[str, Any]] = [{"input": f"Capital {n}?", "target": "x"} for n in range(3)]
BAD_RECORD: dict[str, Any] = {"input": "?", "target": "x"}


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("qa-case", CASE, compatibility="NONE")
        client.register("answer", ANSWER, compatibility="NONE")
        client.register("metrics", METRICS)
        yield client


@pytest.fixture(params=["jsonl", "json", "csv", "records", "dataset"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    records = [*RECORDS, BAD_RECORD]
    match request.param:
        case "jsonl":
            text = "".join(json.dumps(record) + "\n" for record in records)
        case "json":
            text = json.dumps(records)
        case "csv":
            text = "input,target\n" + "".join(f"{r['input']},{r['target']}\n" for r in records)
        case "records":
            return records
        case _:
            return MemoryDataset([Sample(**record) for record in records], name="qa")
    path = tmp_path / f"qa.{request.param}"
    path.write_text(text)
    return str(path)


def test_a_bad_record_stops_before_any_model_sees_it(registry: Registry, source: Any) -> None:
    with pytest.raises(InvalidEvaluation, match=r"1 of 4 records .* record 3: /input"):
        validated_dataset(source, "qa-case@1", registry=registry)


def test_bad_records_set_aside_are_counted_and_kept(
    registry: Registry, source: Any, tmp_path: Path
) -> None:
    dataset = validated_dataset(
        source,
        "qa-case@1",
        registry=registry,
        on_invalid="set_aside",
        quarantine=tmp_path / "bad",
    )
    assert [sample.input for sample in dataset] == [record["input"] for record in RECORDS]
    assert (dataset.total, dataset.invalid) == (4, 1)
    [record] = Quarantine(tmp_path / "bad").records()
    assert record.value["input"] == "?"


def test_fields_can_be_mapped_after_the_record_was_judged(registry: Registry) -> None:
    registry.register("raw", {"type": "object", "required": ["question"]})
    dataset = validated_dataset(
        [{"question": "Why?"}],
        "raw@1",
        registry=registry,
        sample_fields=lambda record: Sample(input=record["question"], target="x"),
    )
    assert dataset[0].input == "Why?"


def test_no_valid_record_and_no_record_are_errors(registry: Registry) -> None:
    with pytest.raises(InvalidEvaluation, match="2 of 2"):
        validated_dataset([BAD_RECORD] * 2, "qa-case@1", registry=registry, on_invalid="set_aside")
    with pytest.raises(InvalidEvaluation, match="no record"):
        validated_dataset([], "qa-case@1", registry=registry)


def test_unknown_choices_and_files_are_refused(registry: Registry) -> None:
    with pytest.raises(ConfigurationError, match="set_aside"):
        validated_dataset([], "qa-case@1", registry=registry, on_invalid="skip")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="xlsx"):
        validated_dataset("cases.xlsx", "qa-case@1", registry=registry)


def test_output_validity_is_a_score_with_its_reasons(registry: Registry, tmp_path: Path) -> None:
    task = Task(
        dataset=validated_dataset(RECORDS, "qa-case@1", registry=registry),
        solver=generate(),
        scorer=schema_scorer("answer@1", registry=registry),
    )
    log = run(task, tmp_path)
    assert log.results is not None
    [scored] = log.results.scores
    assert scored.metrics["accuracy"].value == pytest.approx(1 / 3)
    assert scored.metrics["json_rate"].value == pytest.approx(2 / 3)
    assert log.samples is not None
    scores = [next(iter(sample.scores.values())) for sample in log.samples if sample.scores]
    assert [score.value for score in scores] == ["C", "I", "I"]
    assert scores[1].metadata is not None
    assert scores[1].metadata["errors"][0]["keyword"] == "required"
    assert scores[1].metadata["schema"] == "answer@1"


def pinned_task(registry: Registry, pins: BenchmarkPins, **declared: Any) -> Task:
    return Task(
        name="qa",
        dataset=validated_dataset(RECORDS, "qa-case@1", registry=registry),
        solver=generate(),
        scorer=schema_scorer("answer@1", registry=registry),
        **pinned("qa", pins=pins, **declared),
    )


@pytest.fixture
def pins(registry: Registry, tmp_path: Path) -> BenchmarkPins:
    pins = BenchmarkPins(tmp_path / "benchmarks.lock", registry)
    pins.pin("qa", case="qa-case@1", result="answer@1", metric="metrics@1")
    return pins


def test_the_wrong_version_is_refused_when_the_task_is_made(
    registry: Registry, pins: BenchmarkPins
) -> None:
    before = pinned_task(registry, pins, result="answer@latest")
    registry.register("answer", {**ANSWER, "required": ["city", "country"]})
    with pytest.raises(PinMismatch, match=r"names answer@2, is pinned to answer@1"):
        pinned_task(registry, pins, result="answer@latest")
    pins.update("qa")
    after = pinned_task(registry, pins, result="answer@latest")
    assert before.version != after.version


@pytest.mark.parametrize("form", ["eval", "json"])
def test_a_log_carries_its_pins_and_can_be_checked(
    registry: Registry, pins: BenchmarkPins, tmp_path: Path, form: str
) -> None:
    log = run(pinned_task(registry, pins), tmp_path, form=form)
    assert log.location.endswith(f".{form}")
    check = check_log(log.location, registry=registry, pins=pins)
    assert check.totals == {"result": 3, "metric": 1}
    assert len(check.problems) == 2
    assert not check
    assert check_log(
        run(pinned_task(registry, pins), tmp_path, *['{"city": "x"}'] * 3).location,
        registry=registry,
    )
    registry.register("answer", {**ANSWER, "required": []})
    pins.update("qa")
    with pytest.raises(PinMismatch, match="answer@1"):
        check_log(log.location, registry=registry, pins=pins)


def test_a_log_cut_in_half_or_without_pins_is_an_error(
    registry: Registry, pins: BenchmarkPins, tmp_path: Path
) -> None:
    log = run(pinned_task(registry, pins), tmp_path)
    path = Path(log.location)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidEvaluation, match=path.name):
        check_log(path, registry=registry)
    unpinned = run(Task(dataset=MemoryDataset([Sample(input="Why?")])), tmp_path)
    with pytest.raises(InvalidEvaluation, match="names no schema"):
        check_log(unpinned.location, registry=registry)


def test_hooks_observe_outputs_and_record_what_was_wrong(
    registry: Registry, pins: BenchmarkPins, tmp_path: Path
) -> None:
    enabled = SchemaHooks.enable(registry, quarantine=tmp_path / "bad", name="observer")
    run(pinned_task(registry, pins), tmp_path)
    [record] = enabled.finished
    assert (record.total, record.valid, record.invalid) == (3, 1, 2)
    assert record.schema == "answer@1"
    assert "city" in record.reasons[0]
    assert Quarantine(tmp_path / "bad").count() == 2


def test_hooks_leave_a_task_alone_that_names_no_schema_and_survive_a_missing_one(
    registry: Registry, tmp_path: Path
) -> None:
    enabled = SchemaHooks.enable(registry, name="observer-2")
    samples = MemoryDataset([Sample(input="Why?")])
    run(Task(dataset=samples), tmp_path)
    assert enabled.finished == []
    run(Task(dataset=samples, metadata={"schemas": {"result": "gone@1"}}), tmp_path)
    [record] = enabled.finished
    assert (record.schema, record.total, record.unjudged) == ("gone@1", 1, 1)
