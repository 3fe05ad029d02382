"""Two results side by side: which documents came out otherwise, and which compare at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lm_eval.loggers import EvaluationTracker
from typer.testing import CliRunner

from llm_integrations.core.cli.app import app
from llm_integrations.core.errors import ConfigurationError, InvalidEvaluation
from llm_integrations.core.registry import Registry, connect
from llm_integrations.lm_eval import check_results, compare_results
from tests.support.lm_eval_tasks import BAD, CASE, GOOD, AsAsked, Oracle, plain, run, task_of
from tests.support.untidy import UNTIDY

pytestmark = UNTIDY

SCORED = {"properties": {"exact_match": {"type": "number"}}, "required": ["exact_match"]}
RENAMED = {"properties": {"score": {"type": "number"}}, "required": ["score"]}
MIGRATION = """
def migrate(sample):
    sample["score"] = sample.pop("exact_match")
    return sample
"""


class WrongAt(AsAsked):
    """A model that is right but for one question."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._question = f"What is {number}?"

    def generate_until(self, requests: list[Any], **kwargs: Any) -> list[str]:
        answers = super().generate_until(requests, **kwargs)
        pairs = zip(requests, answers, strict=True)
        return ["no" if r.doc["question"] == self._question else answer for r, answer in pairs]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with connect(tmp_path / "schemas") as client:
        client.register("case", CASE)
        client.register("case", {**CASE, "title": "In other words"})
        client.register("case", {"properties": {"answer": {"type": "string"}}})
        client.register("result", SCORED)
        client.register("result", RENAMED, compatibility="NONE")
        yield client


@pytest.fixture
def stored(registry: Registry, tmp_path: Path) -> Any:
    def store(name: str, *tasks: Any, model: Any = None, **kwargs: Any) -> Path:
        run(registry, *tasks, model=model or AsAsked(), output=tmp_path / name, **kwargs)
        return tmp_path / name

    return store


def test_a_result_is_the_same_as_itself(registry: Registry, stored: Any) -> None:
    paths = [stored(name, task_of(GOOD)) for name in ("old", "new")]
    found = compare_results(*paths, registry=registry)
    assert found
    assert found.outcome == "same"
    task = found.tasks["qa"]
    assert (task.same, task.comparable, task.pins, task.inputs) == (6, True, {}, [])


def test_samples_that_changed_are_named(registry: Registry, stored: Any) -> None:
    old, new = stored("old", task_of(GOOD)), stored("new", task_of(GOOD), model=WrongAt(4))
    found = compare_results(old, new)
    assert found.outcome == "changed"
    task = found.tasks["qa"]
    assert task.comparable
    [change] = task.changed
    assert (change.place, change.responses) == ((4, "none"), True)
    assert change.metrics == {"exact_match": (1.0, 0.0)}
    assert task.metrics["exact_match,none"] == (1.0, pytest.approx(5 / 6))
    assert task.same == 5


def test_documents_that_were_left_out_move_no_other(registry: Registry, stored: Any) -> None:
    rows = [BAD, *GOOD]
    old = stored("old", task_of(rows), schemas={"case": "case@3"})
    new = stored("new", task_of(rows), on_invalid="set_aside", schemas={"case": "case@1"})
    task = compare_results(old, new, registry=registry).tasks["qa"]
    assert (task.same, task.incomparable, task.only_old) == (6, [], [(0, "none")])
    assert not task.comparable
    assert not task.schemas["case"].comparable
    words = stored("words", task_of(GOOD), schemas={"case": "case@2"})
    same = compare_results(stored("plain", task_of(GOOD)), words, registry=registry)
    assert same.tasks["qa"].pins.keys() == {"case"}
    assert same.tasks["qa"].comparable


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"doc_to_text": "Well: {{question}}"}, ("prompt",)),
        ({"doc_to_target": "It is {{answer}}"}, ("target",)),
    ],
    ids=["prompt", "target"],
)
def test_what_is_no_longer_the_same_question_is_not_compared(
    stored: Any, change: dict[str, Any], parts: tuple[str, ...]
) -> None:
    found = compare_results(
        stored("old", task_of(GOOD)), stored("new", task_of(GOOD, **change), model=Oracle())
    )
    task = found.tasks["qa"]
    assert [each.moved for each in task.incomparable] == [parts] * 6
    assert (task.same, task.changed, task.comparable) == (0, [], False)
    assert found.outcome == "changed"
    edited = [*GOOD[:5], {"question": "What is 5?", "answer": "0"}]
    other = compare_results(stored("a", task_of(GOOD)), stored("b", task_of(edited)))
    [last] = other.tasks["qa"].incomparable
    assert (last.place.doc_id, last.moved) == (5, ("document", "target"))


def test_tasks_and_filters_of_one_side_are_told(stored: Any) -> None:
    filters = [{"name": name, "filter": [{"function": "take_first"}]} for name in ("one", "two")]
    old = stored("old", task_of(GOOD, filter_list=filters), task_of(GOOD, "gone"))
    new = stored("new", task_of(GOOD, filter_list=filters[:1]), task_of(GOOD, "fresh"))
    found = compare_results(old, new)
    assert (found.only_old, found.only_new) == (["gone"], ["fresh"])
    assert {place.filter for place in found.tasks["qa"].only_old} == {"two"}
    assert found.tasks["qa"].same == 6


def test_the_harnesss_files_compare_with_ours_and_missing_samples_are_told(
    stored: Any, tmp_path: Path
) -> None:
    tracker = EvaluationTracker(output_path=str(tmp_path / "theirs"))
    results = plain(task_of(GOOD), model=AsAsked(), evaluation_tracker=tracker)
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    tracker.save_results_samples(task_name="qa", samples=samples["qa"])
    ours = stored("ours", task_of(GOOD))
    assert compare_results(tmp_path / "theirs", ours).outcome == "same"
    [file] = ours.glob("samples_*")
    file.unlink()
    found = compare_results(tmp_path / "theirs", ours)
    assert "gone" in found.tasks["qa"].doubts[0]
    assert (found.outcome, bool(found)) == ("unjudged", False)


def test_old_results_are_judged_anew_with_a_migration(registry: Registry, stored: Any) -> None:
    path = stored("old", task_of(GOOD), schemas={"case": "case@1", "result": "result@1"})
    assert check_results(path, registry=registry)
    anew = {"result": "result@2"}
    assert check_results(path, registry=registry, schemas=anew).outcome == "invalid"

    def migrate(sample: Any) -> Any:
        return {**sample, "score": sample.pop("exact_match")}

    check = check_results(path, registry=registry, schemas=anew, migrate={"result": migrate})
    assert check
    assert check.tasks["qa"].pins["result"].version == 2
    with pytest.raises(InvalidEvaluation, match=r"sample 0 \(none\): migrate failed for a result"):
        check_results(path, registry=registry, schemas=anew, migrate={"result": lambda s: s["x"]})
    with pytest.raises(ConfigurationError, match="results"):
        check_results(path, registry=registry, migrate={"results": migrate})


def command(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["results", *map(str, arguments)])


def test_the_command_compares(stored: Any) -> None:
    old, new = stored("old", task_of(GOOD)), stored("new", task_of(GOOD), model=WrongAt(4))
    assert command("compare", old, old).exit_code == 0
    found = command("compare", old, new)
    assert found.exit_code == 1
    assert "qa: document 4 (none): exact_match 1.0 → 0.0" in found.output
    [file] = old.glob("samples_*")
    file.unlink()
    assert command("compare", old, old).exit_code == 2


def test_the_command_checks_with_three_exit_codes(
    registry: Registry, stored: Any, tmp_path: Path
) -> None:
    options = ("--registry", tmp_path / "schemas")
    path = stored("old", task_of(GOOD), schemas={"case": "case@1", "result": "result@1"})
    good = command("check", path, *options)
    assert (good.exit_code, good.output) == (0, "valid\n")
    bad = command("check", path, "--result", "result@2", *options)
    assert bad.exit_code == 1
    assert "6 of 6 results invalid by result@2" in bad.output
    draft = tmp_path / "draft.py"
    draft.write_text(MIGRATION)
    migrated = command("check", path, "--result", "result@2", "--migrate", draft, *options)
    assert migrated.exit_code == 0, migrated.output
    [file] = path.glob("samples_*")
    file.unlink()
    unjudged = command("check", path, *options)
    assert unjudged.exit_code == 2
    assert "qa: results not judged" in unjudged.output
    with pytest.raises(ConfigurationError, match="needs one of"):
        raise command("check", path, "--migrate", draft, *options).exception
