"""Stored results: one shape of a sample, and nothing counts as checked that was never judged."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lm_eval.loggers import EvaluationTracker

from llm_integrations.core.errors import ConfigurationError, InvalidEvaluation, PinMismatch
from llm_integrations.core.pins import Role
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, connect
from llm_integrations.lm_eval import BenchmarkPins, check_results, evaluate_with_schemas
from llm_integrations.lm_eval.form import file_name, json_line, stored_sample, stored_samples
from llm_integrations.lm_eval.judging import judge_samples
from llm_integrations.lm_eval.names import Names
from llm_integrations.lm_eval.schemas import resolve_schemas
from tests.support.lm_eval_tasks import BAD, CASE, GOOD, AsAsked, group_of, plain, run, task_of
from tests.support.untidy import UNTIDY

pytestmark = UNTIDY

ALL: dict[str, Any] = {"case": "case@1", "result": "sample@1", "metric": "metrics@1"}
CHOICES: dict[str, Any] = {
    "output_type": "multiple_choice",
    "doc_to_choice": ["0", "1", "2"],
    "metric_list": [{"metric": "acc"}],
    "generation_kwargs": None,
}


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("case", CASE)
        client.register("sample", "lm-eval-sample")
        client.register("metrics", "lm-eval-metrics")
        client.register("numbered", {"type": "object", "required": ["doc_id", "resps"]})
        client.register("perfect", {"properties": {"exact_match,none": {"const": 1.0}}})
        yield client


def all_of(rows: Any, name: str = "qa", **config: Any) -> dict[str, Any]:
    return task_of(rows, name, **{"metadata": {"schemas": ALL}, **config})


def harness_files(folder: Path, *tasks: Any, **kwargs: Any) -> Path:
    """Results as the harness's command line stores them; the results file."""
    tracker = EvaluationTracker(output_path=str(folder))
    results = plain(*tasks, evaluation_tracker=tracker, **kwargs)
    samples = results.pop("samples", None)
    tracker.save_results_aggregated(results=results, samples=samples)
    for task, each in (samples or {}).items():
        tracker.save_results_samples(task_name=task, samples=each)
    [path] = folder.rglob("results_*.json")
    return path


def our_files(folder: Path, registry: Registry, *tasks: Any, **kwargs: Any) -> Path:
    run(registry, *tasks, output=folder, **kwargs)
    [path] = folder.glob("results_*.json")
    return path


def samples_beside(results: Path) -> Path:
    [path] = results.parent.glob("samples_*.jsonl")
    return path


# -- one shape ----------


@pytest.mark.parametrize(
    "config", [{}, CHOICES, {"repeats": 2}], ids=["text", "choices", "repeats"]
)
def test_samples_are_judged_and_stored_in_the_harnesss_own_form(
    registry: Registry, tmp_path: Path, config: dict[str, Any]
) -> None:
    task = all_of(GOOD, **config)
    theirs = harness_files(tmp_path / "theirs", task)
    ours = our_files(tmp_path / "ours", registry, task)
    lines = [samples_beside(path).read_text("utf-8").splitlines() for path in (theirs, ours)]
    assert [json.loads(line) for line in lines[0]] == [json.loads(line) for line in lines[1]]
    assert check_results(theirs, registry=registry).outcome == "valid"
    assert check_results(ours, registry=registry).outcome == "valid"


def test_stored_results_say_what_the_harnesss_say(registry: Registry, tmp_path: Path) -> None:
    task = all_of(GOOD)
    arguments = {
        "model": "dummy",
        "model_args": "pretrained=tiny",
        "system_instruction": "Be brief",
    }
    theirs = json.loads(harness_files(tmp_path / "theirs", task, **arguments).read_text())
    ours = json.loads(our_files(tmp_path / "ours", registry, task, **arguments).read_text())
    assert theirs.keys() <= ours.keys()
    for name in ("task_hashes", "model_name", "system_instruction_sha", "chat_template_sha"):
        assert ours[name] == theirs[name]
    assert ours["model_name"] == "tiny"


def test_noting_the_model_draws_nothing_that_a_model_would_draw(
    registry: Registry, tmp_path: Path
) -> None:
    task = all_of(GOOD, **CHOICES)
    stored = run(registry, task, model="dummy", output=tmp_path / "out")
    assert stored["results"] == plain(task, model="dummy")["results"]


@settings(max_examples=40, deadline=None)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
        lambda inner: (
            st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers(), inner)
        ),
        max_leaves=5,
    )
)
def test_a_form_is_what_is_read_back_from_its_line(value: Any) -> None:
    sample: dict[str, Any] = {
        "doc": {"x": value},
        "resps": [[("a", 1)]],
        "filtered_resps": [1],
        "target": 2,
    }
    sample["arguments"] = [("prompt", {"until": []})]
    form = stored_sample(sample)
    assert repr(json.loads(json_line(form))) == repr(form)
    assert repr(stored_samples([sample, sample])) == repr([form, form])
    assert stored_sample(form) == form or "nan" in repr(form)


def test_a_sample_that_holds_itself_ends_the_look_at_it() -> None:
    document: dict[str, Any] = {}
    document["itself"] = document
    sample = {"doc": document}
    assert stored_samples([sample]) == [sample]


def test_the_shipped_schemas_refuse_other_shapes(registry: Registry) -> None:
    found = run(registry, all_of(GOOD))
    sample = found["samples"]["qa"][0]
    assert registry.validator("sample@1").is_valid(stored_sample(sample))
    assert not registry.validator("sample@1").is_valid(sample)
    metrics = registry.validator("metrics@1")
    assert metrics.is_valid({"alias": "qa", "acc,none": 0.5, "acc_stderr,none": "N/A"})
    assert not metrics.is_valid({"alias": "qa", "acc,none": "good"})
    assert not metrics.is_valid({"alias": "qa", "acc_stderr,none": -1})


# -- three outcomes ----------


@pytest.mark.parametrize("form", ["theirs", "ours"])
@pytest.mark.parametrize("name", ["qa (v2)", "mmlu::stem", "a_2026-01-01T00-00-00"])
def test_tasks_of_any_name_find_their_samples(
    registry: Registry, tmp_path: Path, name: str, form: str
) -> None:
    tasks = [all_of(GOOD, name), all_of(GOOD[:2], f"{name[:-1]}]")]
    if form == "theirs":
        path = harness_files(tmp_path, *tasks)
    else:
        path = our_files(tmp_path, registry, *tasks)
    check = check_results(path, registry=registry)
    assert check.outcome == "valid"
    counts = [check.tasks[task["task"]].tallies["result"].total for task in tasks]
    assert counts == [6, 2]


def test_names_of_files_are_never_shared() -> None:
    names = ["qa (v2)", "qa [v2]", "qa__v2_", "a/b", "a_b", "x" * 101, "x" * 102, ".", ""]
    assert len({file_name(name) for name in names}) == len(names)


@pytest.mark.parametrize("form", ["theirs", "ours"])
@pytest.mark.parametrize("fault", ["missing", "cut", "swapped", "unlogged"])
def test_what_was_never_judged_is_no_success(
    registry: Registry, tmp_path: Path, form: str, fault: str
) -> None:
    def stored(folder: str, rows: Any) -> Path:
        kwargs = {"log_samples": fault != "unlogged"}
        if form == "theirs":
            return harness_files(tmp_path / folder, all_of(rows), **kwargs)
        return our_files(tmp_path / folder, registry, all_of(rows), **kwargs)

    path = stored("mine", GOOD)
    if fault != "unlogged":
        samples = samples_beside(path)
        lines = samples.read_bytes().splitlines(keepends=True)
        if fault == "missing":
            samples.unlink()
            # Those of another time are not taken instead.
            (samples.parent / "samples_qa_2020-01-01T00-00-00.jsonl").write_bytes(b"".join(lines))
        elif fault == "cut":
            samples.write_bytes(b"".join(lines[:4]))
        else:
            other = samples_beside(stored("other", GOOD[::-1]))
            samples.write_bytes(other.read_bytes())
    check = check_results(path, registry=registry)
    assert not check
    assert check.outcome == "unjudged"
    assert check.problems() == []
    assert [line.split(":")[:2] for line in check.unjudged()] == [
        ["qa", " cases not judged"],
        ["qa", " results not judged"],
    ]
    assert check_results(path, registry=registry, mode="warn")


def test_an_edited_samples_file_is_judged_and_doubted(registry: Registry, tmp_path: Path) -> None:
    path = our_files(tmp_path, registry, all_of(GOOD))
    samples = samples_beside(path)
    samples.write_text(samples.read_text("utf-8").replace('"resps": [["', '"resps": ["', 1))
    with pytest.raises(InvalidEvaluation, match="line 1"):
        check_results(path, registry=registry)
    samples.write_text(samples.read_text("utf-8").replace('"resps": ["', '"resps": [["', 1))
    samples.write_text(samples.read_text("utf-8").replace('"target": "0"', '"target": 0'))
    check = check_results(path, registry=registry)
    assert check.outcome == "invalid"
    assert "2 of 6 results invalid" in check.problems()[0]
    assert "not those that were stored" in check.unjudged()[0]


def test_cases_are_judged_in_stored_results(registry: Registry, tmp_path: Path) -> None:
    check = check_results(harness_files(tmp_path, all_of([BAD, *GOOD])), registry=registry)
    assert check.outcome == "invalid"
    assert "1 of 7 cases invalid by case@1" in check.problems()[0]


def test_results_are_checked_by_the_schemas_that_they_were_made_by(
    registry: Registry, tmp_path: Path
) -> None:
    path = our_files(tmp_path, registry, task_of(GOOD, metadata={}), schemas=ALL)
    assert check_results(path, registry=registry).tasks["qa"].tallies["result"].total == 6
    document = json.loads(path.read_text())
    document["schemas"]["qa"]["pins"]["case"]["fingerprint"] = "0" * 64
    path.write_text(json.dumps(document))
    with pytest.raises(PinMismatch, match="something else than when"):
        check_results(path, registry=registry)


def test_unknown_tasks_and_roles_are_refused_for_files_too(
    registry: Registry, tmp_path: Path
) -> None:
    path = our_files(tmp_path, registry, all_of(GOOD))
    for wrong in ({"qq": ALL}, {"cases": "case@1"}, {"qa": {"cases": "case@1"}}):
        with pytest.raises(ConfigurationError):
            check_results(path, registry=registry, schemas=wrong)


# -- shots, groups, patterns ----------


def test_shots_are_judged_like_cases(registry: Registry, tmp_path: Path) -> None:
    task = all_of(GOOD, shots=[BAD, BAD], fewshot_split="shots", num_fewshot=1)
    with pytest.raises(InvalidEvaluation, match="2 of 2 few-shot documents invalid by case@1"):
        run(registry, task)
    found = run(registry, task, on_invalid="set_aside", quarantine=tmp_path / "bad")
    assert found["schemas"]["qa"]["validation"]["fewshot"]["invalid"] == 2
    assert found["results"] == plain(task)["results"]
    assert Quarantine(tmp_path / "bad").count() == 2
    # Without shots they stand in no prompt; the run's own number counts.
    assert run(registry, {**task, "num_fewshot": 0}, num_fewshot=1)
    with pytest.raises(InvalidEvaluation, match="few-shot"):
        run(registry, {**task, "num_fewshot": None}, num_fewshot=1)
    written = {"samples": [BAD], "sampler": "first_n"}
    with pytest.raises(InvalidEvaluation, match="1 of 1 few-shot"):
        run(registry, all_of(GOOD, fewshot_config=written, num_fewshot=1))


def test_metrics_of_groups_are_judged(registry: Registry, tmp_path: Path) -> None:
    def group(**config: Any) -> Any:
        return group_of(all_of(GOOD), all_of(GOOD[:3], "other"), **config)

    found = run(registry, group(), model=AsAsked(), output=tmp_path / "out")
    assert found["schemas"]["both"]["validation"]["metric"]["valid"] == 1
    check = check_results(tmp_path / "out", registry=registry)
    assert check
    assert set(check.tasks) == {"qa", "other", "both"}
    strict = {"metric": "perfect@1"}
    own = group(metadata={"schemas": strict})
    assert run(registry, own, model=AsAsked())["schemas"]["both"]["validation"]["metric"]["valid"]
    with pytest.raises(InvalidEvaluation, match=r"^both: 1 of 1 metrics invalid by perfect@1"):
        run(registry, own)
    with pytest.raises(InvalidEvaluation, match="both: 1 of 1 metrics invalid by perfect@1"):
        run(registry, group(), schemas={"both": {**ALL, **strict}})


@pytest.mark.parametrize("name", ["both", "q*", "*"])
def test_a_group_or_a_pattern_pins_its_tasks(registry: Registry, tmp_path: Path, name: str) -> None:
    group = group_of(task_of(GOOD, metadata={}), task_of(GOOD, "q2", metadata={}))
    pins = BenchmarkPins(tmp_path / "benchmarks.lock", registry)
    with pytest.raises(PinMismatch, match="not pinned"):
        run(registry, group, pins=pins)
    pins.pin(name, **ALL)
    found = run(registry, group, pins=pins, output=tmp_path / "out")
    assert found["schemas"]["q2"]["pins"]["case"]["subject"] == "case"
    assert check_results(tmp_path / "out", registry=registry, pins=pins)
    pins.pin("q2", case="case@1", metric="perfect@1")  # its own pins go before
    with pytest.raises(InvalidEvaluation, match="q2: 1 of 1 metrics invalid by perfect@1"):
        run(registry, group, pins=pins)


def test_schemas_may_name_groups_and_patterns_that_there_are(registry: Registry) -> None:
    group = group_of(task_of(GOOD, metadata={}))
    for name in ("both", "q?", "qa"):
        found = run(registry, group, schemas={name: {"case": "case@1"}})
        assert found["schemas"]["qa"]["validation"]["case"]["total"] == 6
    for name in ("bot", "z*"):
        with pytest.raises(ConfigurationError, match="not among"):
            run(registry, group, schemas={name: {"case": "case@1"}})


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"schemas": "case@1"}, "schemas must be a dict"),
        ({"schemas": [("case", "case@1")]}, "schemas must be a dict"),
        ({"limit": "3"}, "limit must be a number"),
        ({"samples": [1]}, "samples must be a dict"),
        ({"samples": {"qa": "01"}}, "by whole numbers"),
        ({"samples": {"qa": [1.5]}}, "by whole numbers"),
        ({"samples": {"qa": 3}}, "by whole numbers"),
        ({"output": "/proc/results"}, "/proc/results cannot be written"),
    ],
    ids=str,
)
def test_an_option_of_another_kind_is_told_before_any_model_call(
    registry: Registry, option: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        evaluate_with_schemas("no model is loaded", [], registry=registry, **option)


def test_results_that_cannot_be_stored_are_not_lost(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("llm_integrations.lm_eval.store.atomic_write", full)
    with pytest.raises(InvalidEvaluation, match=r"cannot be stored in .*: No space left") as lost:
        run(registry, all_of(GOOD), output=tmp_path / "out")
    assert lost.value.results is not None
    assert lost.value.results["n-samples"]["qa"]["effective"] == 6


def test_a_sample_costs_few_calls(registry: Registry) -> None:
    """Calls of C functions count as well: of what is not a number nobody asks what it is."""
    samples = [
        {
            "doc_id": n,
            "doc": {"question": f"What is {n}?"},
            "target": str(n),
            "filter": "none",
            "arguments": [(f"What is {n}?", {"until": ["."]})],
            "resps": [[str(n)]],
            "filtered_resps": [str(n)],
            "metrics": ["exact_match"],
            "exact_match": 1.0,
        }
        for n in range(100)
    ]
    named: dict[Role, str] = {"result": "numbered@1"}
    schemas = resolve_schemas("qa", named, None, registry, Names({}, {}))
    judge_samples(samples, schemas, None)
    calls: list[str] = []

    def heard(frame: FrameType, event: str, _: object) -> None:
        if event in ("call", "c_call"):
            calls.append(frame.f_code.co_name)

    before = sys.getprofile()
    sys.setprofile(heard)
    try:
        judge_samples(samples, schemas, None)
    finally:
        sys.setprofile(before)
    assert schemas.summary.counts_of("result").valid == 200
    assert len(calls) < 30 * len(samples)
