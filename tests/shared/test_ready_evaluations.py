"""Evaluations in the shapes of others: ready schemas, and schemas out of an export."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from llm_integrations.core.cli.app import app
from llm_integrations.core.ready import ready_schema
from llm_integrations.core.registry import connect
from llm_integrations.core.validation import compile_validator

EVERY: dict[str, Any] = {
    "schema_version": "0.2.1",
    "evaluation_id": "mmlu/org_model/1770822205",
    "retrieved_timestamp": "1770822205.0",
    "eval_library": {"name": "lm_eval", "version": "0.4.13"},
    "source_metadata": {
        "source_type": "evaluation_run",
        "source_organization_name": "Example",
        "evaluator_relationship": "third_party",
    },
    "model_info": {"name": "model", "id": "org/model", "additional_details": {"size": "4B"}},
    "evaluation_results": [
        {
            "evaluation_name": "MMLU",
            "source_data": {
                "dataset_name": "mmlu",
                "source_type": "url",
                "url": ["https://x.test"],
            },
            "metric_config": {
                "lower_is_better": False,
                "score_type": "continuous",
                "min_score": 0.0,
                "max_score": 1.0,
            },
            "score_details": {"score": 0.65, "uncertainty": {"num_samples": 400}},
        }
    ],
}


def _first(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["evaluation_results"][0]
    return found


BROKEN: dict[str, Callable[[dict[str, Any]], object]] = {
    "no library": lambda d: d.pop("eval_library"),
    "a model without id": lambda d: d["model_info"].pop("id"),
    "a score that is text": lambda d: _first(d)["score_details"].update(score="0.65"),
    "no bounds": lambda d: _first(d)["metric_config"].pop("max_score"),
    "levels without names": lambda d: _first(d)["metric_config"].update(score_type="levels"),
    "a URL that is none": lambda d: _first(d)["source_data"].pop("url"),
    "another relationship": lambda d: d["source_metadata"].update(evaluator_relationship="me"),
    "details that are numbers": lambda d: d["model_info"].update(additional_details={"size": 4}),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_file_of_every_eval_ever_is_judged(broken: str) -> None:
    is_valid = compile_validator(ready_schema("every-eval-ever")).is_valid
    assert is_valid(EVERY)
    document = copy.deepcopy(EVERY)
    BROKEN[broken](document)
    assert not is_valid(document)


def test_files_of_version_0_2_0_had_no_library_yet() -> None:
    old = {**EVERY, "schema_version": "0.2.0"}
    del old["eval_library"]
    assert compile_validator(ready_schema("every-eval-ever")).is_valid(old)


READ: dict[str, Callable[[dict[str, Any]], object]] = {
    "a score without bounds": lambda d: _first(d)["metric_config"].update(
        min_score="-Infinity", max_score=None
    ),
    "a score of no type": lambda d: _first(d)["metric_config"].pop("score_type"),
    "sample ids that are numbers": lambda d: _first(d)["source_data"].update(sample_ids=[1, 2]),
    "numbers among the details of 0.2.0": lambda d: d.update(
        schema_version="0.2.0", model_info={**d["model_info"], "additional_details": {"b": 8.4}}
    ),
    "0.3.0": lambda d: d.update(
        schema_version="0.3.0",
        model_info={
            **d["model_info"],
            "additional_details": {
                "deployment_type": "self_deployed",
                "model_availability": "open_weights",
            },
        },
    ),
}


@pytest.mark.parametrize("form", READ)
def test_forms_that_its_published_files_have_are_read(form: str) -> None:
    document = copy.deepcopy(EVERY)
    READ[form](document)
    assert compile_validator(ready_schema("every-eval-ever")).validate(document).errors == ()


def test_since_0_3_0_a_model_says_how_it_is_deployed() -> None:
    judged = compile_validator(ready_schema("every-eval-ever")).is_valid
    assert not judged({**EVERY, "schema_version": "0.3.0"})


SCORES = {"acc,none": 0.5, "acc_stderr,none": "N/A", "alias": " - arc"}


@pytest.mark.parametrize(
    ("document", "valid"),
    [
        ({"config": {"model_name": "o/m", "model_sha": "a1"}, "results": {"t": {"acc": 1}}}, True),
        ({"config_general": {"model_name": "o/m"}, "results": {"all": {"acc": 0.5}}}, True),
        ({"model_name": "o/m", "config": {"model": "hf"}, "results": {"arc": SCORES}}, True),
        ({"config": {"model": "gpt2", "model_args": "a=b"}, "results": {"t": {"acc": 1}}}, True),
        ({"model_name": "o/m", "results": {"leaderboard": {" ": " ", "alias": "l"}}}, True),
        ({"config": {"model_dtype": "float16"}, "results": {"t": {"acc": 1}}}, False),
        ({"config": {"model_name": "o/m"}, "results": {}}, False),
        ({"config": {"model_name": "o/m"}, "results": {"t": {"acc": "0.5"}}}, False),
        ({"config": {"model_name": "o/m"}, "results": [{"acc": 1}]}, False),
    ],
)
def test_a_results_file_of_a_leaderboard_is_judged(document: Any, valid: bool) -> None:
    assert compile_validator(ready_schema("hf-leaderboard")).is_valid(document) is valid


QUESTION = {"type": "object", "properties": {"question": {"type": "string"}}}
ANSWER = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}


@pytest.mark.parametrize(
    "exported",
    [
        {"name": "qa", "inputs_schema_definition": QUESTION, "outputs_schema_definition": ANSWER},
        [
            {"name": "qa", "inputs_schema": QUESTION, "outputs_schema": ANSWER, "data_type": "kv"},
            {"name": "plain", "inputs_schema": None, "outputs_schema": None},
        ],
    ],
)
def test_schemas_of_langsmith_datasets_are_imported(tmp_path: Path, exported: Any) -> None:
    (tmp_path / "datasets.json").write_text(json.dumps(exported))
    (tmp_path / "registry").mkdir()
    line = ["import", str(tmp_path / "datasets.json"), "-r", str(tmp_path / "registry")]
    ran = CliRunner().invoke(app, line)
    assert ran.exit_code == 0, ran.output
    with connect(str(tmp_path / "registry")) as registry:
        assert registry.get("qa-inputs@1").body == QUESTION
        assert registry.get("qa-outputs@1").body == ANSWER
        assert registry.validate("qa-outputs@1", {}).errors
