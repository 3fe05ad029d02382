"""A benchmark that refuses to run on the wrong schema."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from pathlib import Path
from typing import Any

import yaml
from lm_eval.tasks import TaskManager
from rich.markup import escape

from demo.stage import Stage
from llm_integrations.core.errors import PinMismatch
from llm_integrations.lm_eval import BenchmarkPins, evaluate_with_schemas

CASE = {
    "type": "object",
    "properties": {"question": {"type": "string", "minLength": 3}, "answer": {"type": "string"}},
    "required": ["question", "answer"],
}
MOVED = {**CASE, "properties": {**CASE["properties"], "answer": {"enum": ["yes", "no"]}}}  # type: ignore[dict-item]


def run(stage: Stage) -> None:
    with stage.step("lm_eval: a benchmark pinned to its schemas"):
        stage.registry.register("qa-case", CASE, compatibility="NONE")
        pins = BenchmarkPins(stage.folder / "benchmarks.lock", stage.registry)
        pins.pin("qa", case="qa-case@latest")
        folder = stage.folder / "evaluation"
        _write_task(folder)
        found = _evaluate(stage, pins, folder)["schemas"]["qa"]["validation"]["case"]
        stage.say(
            f"{found['total']} cases = [green]{found['valid']} evaluated[/] + "
            f"[red]{found['invalid']} set aside[/], by {pins.get('qa').pins['case'].ref}"
        )
        stage.registry.register("qa-case", MOVED)
        try:
            _evaluate(stage, pins, folder)
        except PinMismatch as error:
            stage.say(f"[red]refused[/]    {escape(str(error))}")
        [move] = pins.update("qa", case="qa-case@2")
        stage.say(f"[green]re-pinned[/]  {move.old.ref} → {move.new.ref}: {move.comparison.reason}")
        stage.files["pinned benchmarks"] = pins.path


def _write_task(folder: Path) -> None:
    folder.mkdir()
    cases = [{"question": f"Is {n} even?", "answer": "no" if n % 2 else "yes"} for n in range(8)]
    cases.append({"question": "?", "answer": "yes"})
    (folder / "qa.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
    task = {
        "task": "qa",
        "dataset_path": "json",
        "dataset_kwargs": {
            "data_files": {"test": str(folder / "qa.jsonl")},
            "cache_dir": str(folder / "cache"),
        },
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": ["\n"]},
        "metric_list": [{"metric": "exact_match"}],
        "metadata": {"schemas": {"case": "qa-case@latest"}},
    }
    (folder / "qa.yaml").write_text(yaml.safe_dump(task))


def _evaluate(stage: Stage, pins: BenchmarkPins, folder: Path) -> Any:
    """The harness talks a lot; the demo tells what matters."""
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    with contextlib.redirect_stderr(io.StringIO()):
        return evaluate_with_schemas(
            "dummy",
            ["qa"],
            registry=stage.registry,
            pins=pins,
            on_invalid="set_aside",
            quarantine=stage.folder / "quarantine-cases",
            task_manager=TaskManager(include_path=str(folder), include_defaults=False),
            bootstrap_iters=0,
        )
