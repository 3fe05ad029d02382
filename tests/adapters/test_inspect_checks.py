"""inspect_ai: outputs as models give them, epochs, scorers and pins, and what a check never saw."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from inspect_ai import Task, score
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import EvalLog, read_eval_log, write_eval_log
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import includes
from inspect_ai.solver import Generate, Solver, TaskState, generate, solver
from typer.testing import CliRunner

from llm_integrations.core.cli.app import app
from llm_integrations.core.errors import (
    ConfigurationError,
    InvalidEvaluation,
    PinMismatch,
    SchemaNotFound,
)
from llm_integrations.core.pins import Pin
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

GOOD = '{"city": "Paris"}'
METRICS = {"required": ["accuracy", "json_rate"]}


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("case", {"type": "object", "required": ["input"]})
        client.register("answer", ANSWER, compatibility="NONE")
        client.register("metrics", METRICS)
        client.register("other-metrics", {"required": ["accuracy"]})
        yield client


@pytest.fixture
def pins(registry: Registry, tmp_path: Path) -> BenchmarkPins:
    pins = BenchmarkPins(tmp_path / "benchmarks.lock", registry)
    pins.pin("qa", case="case@1", result="answer@1", metric="metrics@1")
    return pins


def questions(count: int) -> MemoryDataset:
    return MemoryDataset([Sample(input=f"Capital {n}?", target="x", id=n) for n in range(count)])


@solver
def failing_at(number: int) -> Solver:
    async def solve(state: TaskState, generate: Generate) -> TaskState:
        if state.sample_id == number:
            raise ValueError("no answer")
        return await generate(state)

    return solve


def metrics_of(log: EvalLog) -> dict[str, float]:
    assert log.results is not None
    return {key: m.value for one in log.results.scores for key, m in one.metrics.items()}


@pytest.mark.parametrize(
    ("outputs", "rate"),
    [(["no", GOOD, GOOD, GOOD], 0.75), ([GOOD, "no", "no", "no"], 0.25)],
    ids=["first no JSON", "only the first"],
)
def test_json_rate_counts_every_epoch(
    registry: Registry, tmp_path: Path, outputs: list[str], rate: float
) -> None:
    task = Task(
        dataset=questions(2),
        solver=generate(),
        scorer=schema_scorer("answer@1", registry=registry),
        epochs=4,
    )
    found = metrics_of(run(task, tmp_path, *sorted(outputs * 2, key=outputs.index)))
    assert found["json_rate"] == pytest.approx(rate)
    assert found["accuracy"] == pytest.approx(rate)
    assert metrics_of(run(task, tmp_path, *[GOOD] * 8))["json_rate"] == 1.0


def test_a_sample_that_ended_in_an_error_gave_no_invalid_output(
    registry: Registry, pins: BenchmarkPins, tmp_path: Path
) -> None:
    enabled = SchemaHooks.enable(registry, name="observer-of-errors")
    task = Task(
        dataset=questions(3),
        solver=failing_at(1),
        scorer=schema_scorer("answer@1", registry=registry),
        **pinned("qa", pins=pins),
    )
    log = run(task, tmp_path, GOOD, GOOD, fail_on_error=False)
    check = check_log(log.location, registry=registry)
    assert check.problems == []
    assert check.totals == {"result": 2, "metric": 1}
    assert check.unjudged == ["sample 1 ended in an error: no output is judged"]
    assert (check.outcome, bool(check)) == ("unjudged", False)
    assert check_log(log.location, registry=registry, mode="warn")
    [record] = enabled.finished
    assert (record.total, record.valid, record.invalid, record.unjudged) == (3, 2, 0, 1)


@pytest.mark.parametrize("fault", ["unlogged", "cancelled", "failed"])
def test_a_log_that_holds_no_outputs_or_not_all_is_no_success(
    registry: Registry, pins: BenchmarkPins, tmp_path: Path, fault: str
) -> None:
    task = Task(
        dataset=questions(2),
        solver=failing_at(1 if fault == "failed" else -1),
        scorer=schema_scorer("answer@1", registry=registry),
        **pinned("qa", pins=pins),
    )
    status = "error" if fault == "failed" else "success"
    log = run(task, tmp_path, GOOD, GOOD, log_samples=fault != "unlogged", status=status)
    if fault == "cancelled":
        # Read whole: what inspect loads late, it loads by patching asyncio for the whole process.
        whole = read_eval_log(log.location)
        whole.status = "cancelled"
        write_eval_log(whole, log.location)
    check = check_log(log.location, registry=registry)
    assert check.outcome == "unjudged"
    assert not check
    told = {"unlogged": "0 of 2 samples", "cancelled": "status is cancelled", "failed": "error"}
    assert told[fault] in check.unjudged[0]


def test_a_log_damaged_anywhere_is_an_invalid_evaluation(
    registry: Registry, pins: BenchmarkPins, tmp_path: Path
) -> None:
    task = Task(dataset=questions(2), solver=generate(), **pinned("qa", pins=pins))
    whole = Path(run(task, tmp_path, GOOD, GOOD).location)
    content = whole.read_bytes()
    damaged = tmp_path / "damaged.eval"
    for place in range(60, len(content), len(content) // 40):
        damaged.write_bytes(content[:place] + bytes(30) + content[place + 30 :])
        with suppress(InvalidEvaluation):  # what nobody reads may be damaged unseen
            check_log(damaged, registry=registry)
    with pytest.raises(InvalidEvaluation, match="cannot be read: No such file"):
        check_log(tmp_path / "nowhere.eval", registry=registry)


def test_the_docs_own_example_can_be_checked(
    registry: Registry, pins: BenchmarkPins, tmp_path: Path
) -> None:
    task = Task(  # without a name, beside metadata of its own
        dataset=validated_dataset([{"input": "Why?", "target": "x"}], "case@1", registry=registry),
        solver=generate(),
        scorer=schema_scorer("answer@1", registry=registry),
        **pinned("qa", pins=pins, case="case@1", metadata={"owner": "us"}),
    )
    log = run(task, tmp_path, GOOD)
    assert log.eval.metadata is not None
    assert log.eval.metadata["owner"] == "us"
    assert check_log(log.location, registry=registry, pins=pins)


def test_samples_that_were_pinned_are_held_to(registry: Registry, pins: BenchmarkPins) -> None:
    def made(*texts: str) -> Any:
        records = [{"input": text, "target": "x"} for text in texts]
        return validated_dataset(records, "case@1", registry=registry)

    assert pinned("qa", pins=pins, dataset=made("Why?"))  # nothing is pinned of them yet
    pins.pin("qa", inputs={"qa": made("Why?", "Who?").inputs})
    assert pinned("qa", pins=BenchmarkPins(pins.path, registry), dataset=made("Why?", "Who?"))
    with pytest.raises(PinMismatch, match=r"documents \(2 when pinned, 1 now\)"):
        pinned("qa", pins=pins, dataset=made("Why?"))
    with pytest.raises(PinMismatch, match=r"qa: moved since it was pinned: documents\."):
        pinned("qa", pins=pins, dataset=made("Who?", "Why?"))


def test_a_scorer_resolves_its_schema_when_it_is_made_and_keeps_it(
    registry: Registry, tmp_path: Path
) -> None:
    with pytest.raises(SchemaNotFound):
        schema_scorer("gone@1", registry=registry)
    made = schema_scorer("answer", registry=registry)
    registry.register("answer", {**ANSWER, "required": ["country"]})
    log = run(Task(dataset=questions(1), solver=generate(), scorer=made), tmp_path, GOOD)
    assert metrics_of(log)["accuracy"] == 1.0


def test_a_scorer_of_another_version_than_pinned_is_refused(
    registry: Registry, pins: BenchmarkPins, tmp_path: Path
) -> None:
    registry.register("answer", {**ANSWER, "required": []})

    def task(version: int) -> Task:
        made = schema_scorer(f"answer@{version}", registry=registry)
        return Task(dataset=questions(1), scorer=made, **pinned("qa", pins=pins))

    log = run(task(2), tmp_path, GOOD, status="error")
    assert log.error is not None
    assert "judges by answer@2, the task is pinned to answer@1" in log.error.message
    good = run(task(1), tmp_path, GOOD)
    assert check_log(good.location, registry=registry)
    other = schema_scorer("answer@2", registry=registry)
    rescored = score(read_eval_log(good.location), other, display="none")
    write_eval_log(rescored, good.location)
    with pytest.raises(PinMismatch, match="scored by answer@2, pinned to answer@1"):
        check_log(good.location, registry=registry)


def test_metrics_of_each_scorer_have_a_schema_of_their_own(
    registry: Registry, pins: BenchmarkPins, tmp_path: Path
) -> None:
    task = Task(
        dataset=questions(1),
        scorer=[schema_scorer("answer@1", registry=registry), includes()],
        **pinned("qa", pins=pins),
    )
    log = run(task, tmp_path, GOOD)
    assert "metrics of includes" in check_log(log.location, registry=registry).problems[0]
    own = {"includes": "other-metrics@1"}
    check = check_log(log.location, registry=registry, metrics=own)
    assert check
    assert check.totals["metric"] == 2
    with pytest.raises(ConfigurationError, match="not among"):
        check_log(log.location, registry=registry, metrics={"match": "metrics@1"})


def test_inspect_finds_the_scorer_by_its_entry_point() -> None:
    import tomllib

    text = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    points = tomllib.loads(text)["project"]["entry-points"]["inspect_ai"]
    assert points == {"llm_integrations": "llm_integrations.inspect_ai"}


@pytest.mark.parametrize("form", ["eval", "json"])
def test_the_command_checks_logs_with_three_exit_codes(tmp_path: Path, form: str) -> None:
    with connect(tmp_path / "schemas") as registry:
        pin = Pin.to(registry.register("answer", ANSWER)).to_dict()
    task = Task(dataset=questions(1), metadata={"schemas": {"result": pin}})

    def checked(output: str, **kwargs: Any) -> tuple[int, str]:
        log = run(task, tmp_path, output, form=form, **kwargs)
        options = ("--registry", str(tmp_path / "schemas"))
        found = CliRunner().invoke(app, ["results", "check", log.location, *options])
        return found.exit_code, found.output.splitlines()[-1]

    assert checked(GOOD) == (0, "valid")
    assert checked("Paris") == (1, "invalid")
    assert checked(GOOD, log_samples=False) == (2, "unjudged")


# -- outputs as models give them ----------

FENCED = f"Here it is:\n```json\n{GOOD}\n```\nAnything else?"
WITHIN = f"I think [sic] that {GOOD} is right."


def called(arguments: dict[str, Any]) -> ModelOutput:
    return ModelOutput.for_tool_call("mockllm/model", "answer", arguments)


@pytest.mark.parametrize(
    ("extract", "output", "how"),
    [
        ("fences", FENCED, "fences"),
        ("first_json", WITHIN, "first_json"),
        ("tool_calls", called({"city": "Paris"}), "tool_calls"),
        (["fences", "first_json"], WITHIN, "first_json"),
        (["first_json", "fences"], GOOD, None),
        ("fences", WITHIN, "no"),
        ("first_json", "{" * 1000, "no"),
        ("tool_calls", "none", "no"),
        (None, FENCED, "no"),
    ],
    ids=["fences", "first", "tool", "in turn", "whole", "other", "nothing", "no tool", "not asked"],
)
def test_what_is_found_in_an_output_is_judged_and_counted_apart(
    registry: Registry,
    pins: BenchmarkPins,
    tmp_path: Path,
    extract: Any,
    output: str | ModelOutput,
    how: str | None,
) -> None:
    task = Task(
        dataset=questions(1),
        solver=generate(tool_calls="none"),
        scorer=schema_scorer("answer@1", registry=registry, extract=extract),
        **pinned("qa", pins=pins),
    )
    log = run(task, tmp_path, output)
    found = metrics_of(log)
    assert found["accuracy"] == (0.0 if how == "no" else 1.0)
    assert found["json_rate"] == (1.0 if how is None else 0.0)
    check = check_log(log.location, registry=registry, extract=extract)
    assert check.outcome == ("invalid" if how == "no" else "valid")
    assert check.extracted == (how not in (None, "no"))
    assert log.samples is not None
    [scored] = (log.samples[0].scores or {}).values()
    assert (scored.metadata or {})["extracted"] == (None if how == "no" else how)


def test_ways_that_there_are_not_are_refused(registry: Registry, tmp_path: Path) -> None:
    for call in (
        lambda: schema_scorer("answer@1", registry=registry, extract="xml"),  # type: ignore[arg-type]
        lambda: SchemaHooks.enable(registry, extract=["fences", "xml"]),  # type: ignore[list-item]
        lambda: check_log(tmp_path / "x.eval", registry=registry, extract="xml"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConfigurationError, match="first_json"):
            call()
    with pytest.raises(ConfigurationError, match="extract must be one way or a list"):
        schema_scorer("answer@1", registry=registry, extract=3)  # type: ignore[arg-type]


def test_hooks_judge_what_they_find_too(
    registry: Registry, pins: BenchmarkPins, tmp_path: Path
) -> None:
    enabled = SchemaHooks.enable(registry, extract="fences", name="observer-of-fences")
    task = Task(dataset=questions(2), **pinned("qa", pins=pins))
    run(task, tmp_path, FENCED, GOOD)
    [record] = enabled.finished
    assert (record.valid, record.extracted) == (2, 1)
    assert json.loads(GOOD) == {"city": "Paris"}
