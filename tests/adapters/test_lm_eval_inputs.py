"""A score rests on more than schemas: what moved since a benchmark was pinned is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lm_eval.loggers import EvaluationTracker
from typer.testing import CliRunner

from llm_integrations.core.cli.app import app
from llm_integrations.core.errors import InvalidEvaluation, PinMismatch
from llm_integrations.core.registry import Registry, connect
from llm_integrations.lm_eval import BenchmarkPins, stored_inputs
from tests.support.lm_eval_tasks import CASE, GOOD, Oracle, group_of, plain, run, task_of
from tests.support.untidy import UNTIDY

pytestmark = UNTIDY

SHOTS: dict[str, Any] = {"fewshot_split": "shots", "num_fewshot": 2}


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with connect(tmp_path / "schemas") as client:
        client.register("case", CASE)
        yield client


@pytest.fixture
def pins(registry: Registry, tmp_path: Path) -> BenchmarkPins:
    """A benchmark pinned with what the scores of a first run rest on."""
    pins = BenchmarkPins(tmp_path / "benchmarks.lock", registry)
    run(registry, task_of(GOOD, **SHOTS), output=tmp_path / "out")
    pins.pin("qa", case="case@1", inputs=stored_inputs(tmp_path / "out", "qa"))
    return pins


class Uncalled(Oracle):
    """A model that no run may come to."""

    def generate_until(self, requests: list[Any], **_: Any) -> list[str]:
        raise AssertionError("the model was called")


def test_what_did_not_move_may_run(registry: Registry, pins: BenchmarkPins) -> None:
    assert BenchmarkPins(pins.path, registry).get("qa") == pins.get("qa")
    assert {*pins.get("qa").inputs["qa"]} == {
        *("documents", "prompts", "targets"),
        *("shots", "generation", "prompt template", "scoring"),
    }
    found = run(registry, task_of(GOOD, **SHOTS), pins=pins)
    assert found["schemas"]["qa"]["inputs"] == pins.get("qa").inputs["qa"]
    again = task_of(GOOD, **SHOTS)
    assert run(registry, again, pins=pins, cache_requests=True)["results"] == found["results"]


@pytest.mark.parametrize(
    ("rows", "change", "moved"),
    [
        (GOOD[:5], {}, r"documents \(6 when pinned, 5 now\), prompts .*, targets .*\. Pin"),
        (GOOD[::-1], {}, r"documents, prompts, targets\. Pin"),
        (GOOD, {"doc_to_text": "Well: {{question}}"}, r"prompts, shots, prompt template\. Pin"),
        (GOOD, {"num_fewshot": 1}, r"prompts, shots\. Pin"),
        (GOOD, {"generation_kwargs": {"until": ["?"]}}, r"generation\. Pin"),
        (GOOD, {"repeats": 2}, r"generation\. Pin"),
        (GOOD, {"doc_to_target": "It is {{answer}}"}, r"prompts, targets, shots, scoring\. Pin"),
    ],
    ids=["fewer", "order", "template", "shots", "generation", "repeats", "targets"],
)
def test_what_moved_is_named_before_any_model_call(
    registry: Registry, pins: BenchmarkPins, rows: Any, change: dict[str, Any], moved: str
) -> None:
    task = task_of(rows, **{**SHOTS, **change})
    with pytest.raises(PinMismatch, match=f"qa: moved since it was pinned: {moved}"):
        run(registry, task, pins=pins, model=Uncalled())


def test_options_of_a_run_move_things_too(registry: Registry, pins: BenchmarkPins) -> None:
    for option, moved in (
        ({"fewshot_random_seed": 5}, "prompts"),
        ({"num_fewshot": 1}, "prompts, shots"),
        ({"system_instruction": "Be brief"}, "prompts"),
        ({"gen_kwargs": {"temperature": 1}}, "generation"),
    ):
        with pytest.raises(PinMismatch, match=f"pinned: {moved}\\."):
            run(registry, task_of(GOOD, **SHOTS), pins=pins, model=Uncalled(), **option)


def test_a_run_of_some_documents_is_held_to_what_it_can_tell(
    registry: Registry, pins: BenchmarkPins
) -> None:
    assert run(registry, task_of(GOOD, **SHOTS), pins=pins, limit=2)
    assert run(registry, task_of(GOOD, **SHOTS), pins=pins, samples={"qa": [1, 4]})
    with pytest.raises(PinMismatch, match=r"pinned: shots\."):
        run(registry, task_of(GOOD, **{**SHOTS, "num_fewshot": 1}), pins=pins, limit=2)


def test_the_harnesss_files_and_ours_say_the_same(registry: Registry, tmp_path: Path) -> None:
    def code(doc: Any) -> Any:
        return doc["question"]

    written: dict[str, Any] = {"samples": lambda: GOOD, "sampler": "first_n"}
    task = task_of(GOOD, doc_to_text=code, fewshot_config=written, num_fewshot=1)
    tracker = EvaluationTracker(output_path=str(tmp_path / "theirs"))
    results = plain(task, evaluation_tracker=tracker)
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    tracker.save_results_samples(task_name="qa", samples=samples["qa"])
    run(registry, task, output=tmp_path / "ours")
    theirs, ours = (stored_inputs(tmp_path / name, "qa") for name in ("theirs", "ours"))
    assert theirs == ours
    pins = BenchmarkPins(tmp_path / "benchmarks.lock", registry)
    pins.pin("qa", case="case@1", inputs=theirs)
    assert run(registry, task, pins=pins)


def test_a_group_pins_each_of_its_tasks(registry: Registry, tmp_path: Path) -> None:
    def group(rows: Any) -> Any:
        return group_of(task_of(GOOD), task_of(rows, "other"))

    run(registry, group(GOOD), output=tmp_path / "out")
    pins = BenchmarkPins(tmp_path / "benchmarks.lock", registry)
    pins.pin("both", case="case@1", inputs=stored_inputs(tmp_path / "out", "both"))
    assert {*pins.get("both").inputs} == {"qa", "other"}
    assert run(registry, group(GOOD), pins=pins)
    with pytest.raises(PinMismatch, match="other: moved since it was pinned"):
        run(registry, group(GOOD[:4]), pins=pins)


def test_samples_that_are_not_all_there_pin_nothing(registry: Registry, tmp_path: Path) -> None:
    run(registry, task_of(GOOD), output=tmp_path / "out", log_samples=False)
    with pytest.raises(InvalidEvaluation, match="not logged"):
        stored_inputs(tmp_path / "out", "qa")
    with pytest.raises(InvalidEvaluation, match="no task of other"):
        stored_inputs(tmp_path / "out", "other")


def test_the_command_pins_and_names_what_moved(registry: Registry, tmp_path: Path) -> None:
    def pin(*arguments: object) -> Any:
        options = ("--registry", tmp_path / "schemas", "--lock", tmp_path / "benchmarks.lock")
        return CliRunner().invoke(app, ["pin", *map(str, (*arguments, *options))])

    for name, shots in (("first", 2), ("second", 1)):
        task = task_of(GOOD, **{**SHOTS, "num_fewshot": shots})
        run(registry, task, output=tmp_path / name)
    added = pin("add", "qa", "--case", "case@1", "--results", tmp_path / "first")
    assert added.exit_code == 0, added.output
    assert pin("check", "--results", tmp_path / "first").exit_code == 0
    moved = pin("check", "--results", tmp_path / "second")
    assert moved.exit_code == 1
    assert "qa: moved since it was pinned: prompts, shots" in " ".join(moved.output.split())
    assert pin("update", "qa", "--results", tmp_path / "second").exit_code == 0
    assert pin("check", "--results", tmp_path / "second").exit_code == 0
