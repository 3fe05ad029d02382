"""lm-evaluation-harness: nothing runs on the wrong schema, and nothing is dropped in silence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from lm_eval.tasks import TaskManager

from llm_integrations.core.errors import ConfigurationError, InvalidEvaluation, PinMismatch
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, connect
from llm_integrations.lm_eval import BenchmarkPins, check_results, evaluate_with_schemas
from tests.support.untidy import UNTIDY

pytestmark = UNTIDY

CASE = {
    "type": "object",
    "properties": {"question": {"type": "string", "minLength": 3}, "answer": {"type": "string"}},
    "required": ["question", "answer"],
}
CHOICE = {
    "type": "object",
    "properties": {"choices": {"type": "array", "minItems": 2}, "gold": {"type": "integer"}},
    "required": ["choices", "gold"],
}
RESULT = {
    "type": "object",
    "properties": {"resps": {"type": "array", "minItems": 1}, "doc_id": {"type": "integer"}},
    "required": ["doc_id", "doc", "resps"],
}
METRICS = {"type": "object", "patternProperties": {"^(acc|exact_match),": {"minimum": 0}}}
CASES = [{"question": f"What is {n}?", "answer": str(n)} for n in range(4)]
BAD_CASE = {"question": "?", "answer": "x"}


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        for subject, body in {
            "qa-case": CASE,
            "choice-case": CHOICE,
            "qa-result": RESULT,
            "qa-metrics": METRICS,
        }.items():
            client.register(subject, body, compatibility="NONE")
        yield client


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hf")
    monkeypatch.setattr("datasets.config.HF_DATASETS_OFFLINE", True)


class Tasks:
    """A folder of local tasks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, cases: list[dict[str, Any]], **config: Any) -> None:
        data = self.folder / f"{name}.jsonl"
        data.write_text("".join(json.dumps(case) + "\n" for case in cases))
        task = {
            "task": name,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(data)}},
            "test_split": "test",
            "output_type": "generate_until",
            "doc_to_text": "{{question}}",
            "doc_to_target": "{{answer}}",
            "generation_kwargs": {"until": ["\n"]},
            "metric_list": [{"metric": "exact_match"}],
        }
        self.write(name, {**task, **config})

    def write(self, name: str, config: dict[str, Any]) -> None:
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(config))

    def manager(self) -> TaskManager:
        return TaskManager(include_path=str(self.folder), include_defaults=False)


@pytest.fixture
def tasks(tmp_path: Path) -> Tasks:
    folder = tmp_path / "tasks"
    folder.mkdir()
    return Tasks(folder)


FUNCTION = "!function helpers.nothing"
SCHEMAS = {"case": "qa-case@1", "result": "qa-result@1", "metric": "qa-metrics@1"}


def run(tasks: Tasks, registry: Registry, *names: str, **kwargs: Any) -> Any:
    return evaluate_with_schemas(
        "dummy",
        list(names or ["qa"]),
        registry=registry,
        task_manager=tasks.manager(),
        bootstrap_iters=0,
        **kwargs,
    )


def test_a_run_carries_its_pins_and_what_was_validated(tasks: Tasks, registry: Registry) -> None:
    tasks.add("qa", CASES, metadata={"version": 1.0, "schemas": SCHEMAS})
    results = run(tasks, registry)
    found = results["schemas"]["qa"]
    assert found["pins"]["case"]["version"] == 1
    assert len(found["pins"]["case"]["fingerprint"]) == 64
    assert {role: tally["total"] for role, tally in found["validation"].items()} == {
        "case": 4,
        "result": 4,
        "metric": 1,
    }
    assert all(tally["invalid"] == 0 for tally in found["validation"].values())
    assert len(results["samples"]["qa"]) == 4


def test_an_invalid_case_stops_the_run_before_any_model_call(
    tasks: Tasks, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lm_eval.models.dummy import DummyLM

    calls: list[Any] = []
    monkeypatch.setattr(DummyLM, "generate_until", lambda *args, **kwargs: calls.append(args))
    tasks.add("qa", [*CASES, BAD_CASE], metadata={"schemas": SCHEMAS})
    with pytest.raises(InvalidEvaluation, match=r"1 of 5 cases invalid by qa-case@1"):
        run(tasks, registry)
    assert calls == []


def test_invalid_cases_set_aside_are_counted_and_kept(
    tasks: Tasks, registry: Registry, tmp_path: Path
) -> None:
    tasks.add("qa", [BAD_CASE, *CASES], metadata={"schemas": SCHEMAS})
    results = run(tasks, registry, on_invalid="set_aside", quarantine=tmp_path / "bad")
    tally = results["schemas"]["qa"]["validation"]["case"]
    assert (tally["total"], tally["valid"], tally["invalid"]) == (5, 4, 1)
    assert [sample["doc"] for sample in results["samples"]["qa"]] == CASES
    [record] = Quarantine(tmp_path / "bad").records()
    assert record.value == BAD_CASE


def test_no_valid_case_and_no_case_at_all_are_errors(tasks: Tasks, registry: Registry) -> None:
    tasks.add("qa", [BAD_CASE, BAD_CASE], metadata={"schemas": SCHEMAS})
    with pytest.raises(InvalidEvaluation, match="none of the 2 test cases"):
        run(tasks, registry, on_invalid="set_aside")
    tasks.add(
        "empty",
        CASES,
        metadata={"schemas": SCHEMAS},
        process_docs="!function helpers.nothing",
    )
    (tasks.folder / "helpers.py").write_text("def nothing(docs):\n    return docs.select([])\n")
    text = (tasks.folder / "empty.yaml").read_text()
    (tasks.folder / "empty.yaml").write_text(
        text.replace("'!function helpers.nothing'", "!function helpers.nothing")
    )
    with pytest.raises(InvalidEvaluation, match="no test case at all"):
        run(tasks, registry, "empty")


def test_results_and_metrics_are_judged_and_not_lost(tasks: Tasks, registry: Registry) -> None:
    registry.register("strict-result", {"properties": {"exact_match": {"const": 1.0}}})
    tasks.add("qa", CASES, metadata={"schemas": {**SCHEMAS, "result": "strict-result@1"}})
    with pytest.raises(InvalidEvaluation, match="4 of 4 results invalid") as caught:
        run(tasks, registry)
    assert caught.value.results is not None
    assert len(caught.value.results["samples"]["qa"]) == 4


def test_a_metric_that_is_nan_is_an_error(
    tasks: Tasks, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lm_eval.evaluator import simple_evaluate

    def spoiled(*args: Any, **kwargs: Any) -> Any:
        results: Any = simple_evaluate(*args, **kwargs)
        results["results"]["qa"]["exact_match,none"] = float("nan")
        return results

    monkeypatch.setattr("llm_integrations.lm_eval.run.simple_evaluate", spoiled)
    tasks.add("qa", CASES, metadata={"schemas": SCHEMAS})
    with pytest.raises(InvalidEvaluation, match="1 of 1 metrics invalid"):
        run(tasks, registry)


def test_a_multiple_choice_task_and_a_group_work(tasks: Tasks, registry: Registry) -> None:
    cases = [{"question": f"{n}?", "choices": ["a", "b"], "gold": n % 2} for n in range(3)]
    tasks.add(
        "choice",
        cases,
        output_type="multiple_choice",
        doc_to_target="{{gold}}",
        doc_to_choice="{{choices}}",
        metric_list=[{"metric": "acc"}],
        metadata={"schemas": {**SCHEMAS, "case": "choice-case@1"}},
    )
    tasks.add("qa", CASES, metadata={"schemas": SCHEMAS})
    tasks.write("both", {"group": "both", "task": ["choice", "qa"]})
    results = run(tasks, registry, "both")
    assert set(results["schemas"]) == {"choice", "qa"}
    assert results["schemas"]["choice"]["validation"]["case"]["valid"] == 3


def test_samples_are_judged_even_if_nobody_keeps_them(tasks: Tasks, registry: Registry) -> None:
    tasks.add("qa", CASES, metadata={"schemas": SCHEMAS})
    results = run(tasks, registry, log_samples=False)
    assert "samples" not in results
    assert results["schemas"]["qa"]["validation"]["result"]["total"] == 4


def test_arguments_win_over_metadata_and_may_name_tasks(tasks: Tasks, registry: Registry) -> None:
    tasks.add("qa", CASES, metadata={"schemas": {"case": "no-such-schema@1"}})
    results = run(tasks, registry, schemas={"case": "qa-case@1"})
    assert results["schemas"]["qa"]["pins"]["case"]["subject"] == "qa-case"
    results = run(tasks, registry, schemas={"qa": {"case": "qa-case@1"}})
    assert results["schemas"]["qa"]["pins"]["case"]["subject"] == "qa-case"


def test_schemas_for_a_task_that_does_not_run_are_refused(tasks: Tasks, registry: Registry) -> None:
    tasks.add("qa", CASES)
    with pytest.raises(ConfigurationError, match=r"names \['qq'\], not among \['qa'\]"):
        run(tasks, registry, schemas={"qq": {"case": "qa-case@1"}})


def test_the_wrong_version_refuses_to_run_until_it_is_pinned_again(
    tasks: Tasks, registry: Registry, tmp_path: Path
) -> None:
    tasks.add("qa", CASES, metadata={"schemas": {"case": "qa-case@latest"}})
    pins = BenchmarkPins(tmp_path / "benchmarks.lock", registry)
    with pytest.raises(PinMismatch, match="not pinned"):
        run(tasks, registry, pins=pins)
    pins.pin("qa", case="qa-case@latest")
    assert run(tasks, registry, pins=tmp_path / "benchmarks.lock")
    registry.register("qa-case", {**CASE, "required": ["question"]})
    with pytest.raises(PinMismatch, match=r"names qa-case@2, is pinned to qa-case@1"):
        run(tasks, registry, pins=pins)
    pins.update("qa")
    assert run(tasks, registry, pins=pins)


def test_a_task_without_any_schema_is_refused(tasks: Tasks, registry: Registry) -> None:
    tasks.add("qa", CASES)
    with pytest.raises(PinMismatch, match="names no schema"):
        run(tasks, registry)


def test_choices_that_do_not_exist_are_refused(tasks: Tasks, registry: Registry) -> None:
    with pytest.raises(ConfigurationError, match="set_aside"):
        run(tasks, registry, on_invalid="ignore")


def test_stored_results_are_whole_and_can_be_checked_afterwards(
    tasks: Tasks, registry: Registry, tmp_path: Path
) -> None:
    tasks.add("qa", CASES, metadata={"schemas": SCHEMAS})
    run(tasks, registry, output=tmp_path / "out")
    check = check_results(tmp_path / "out", registry=registry)
    assert check
    assert check.tasks["qa"].tallies["result"].total == 4
    strict = check_results(
        check.path, registry=registry, schemas={"result": "qa-case@1", "metric": "qa-metrics@1"}
    )
    assert not strict
    assert "4 of 4 results invalid" in strict.problems()[0]


def test_the_harnesss_own_files_can_be_checked(
    tasks: Tasks, registry: Registry, tmp_path: Path
) -> None:
    from lm_eval.evaluator import simple_evaluate
    from lm_eval.loggers import EvaluationTracker

    tasks.add("qa", CASES, metadata={"schemas": SCHEMAS})
    tracker = EvaluationTracker(output_path=str(tmp_path / "out"))
    results: Any = simple_evaluate(
        "dummy",
        tasks=["qa"],
        task_manager=tasks.manager(),
        evaluation_tracker=tracker,
        bootstrap_iters=0,
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    tracker.save_results_samples(task_name="qa", samples=samples["qa"])
    check = check_results(tmp_path / "out", registry=registry)
    assert check.tasks["qa"].tallies["result"].total == 4
    assert check


@pytest.mark.parametrize("which", ["results_*.json", "samples_*.jsonl"])
def test_a_file_cut_in_half_is_named(
    tasks: Tasks, registry: Registry, tmp_path: Path, which: str
) -> None:
    tasks.add("qa", CASES, metadata={"schemas": SCHEMAS})
    run(tasks, registry, output=tmp_path / "out")
    [path] = (tmp_path / "out").glob(which)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - len(whole) // 3])
    with pytest.raises(InvalidEvaluation, match=path.name):
        check_results(tmp_path / "out", registry=registry)


def test_an_empty_folder_says_what_it_lacks(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="results_"):
        check_results(tmp_path, registry=registry)
