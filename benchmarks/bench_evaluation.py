"""The time inside our code in a run of lm_eval with the dummy model."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from lm_eval.tasks import TaskManager

from benchmarks.harness import Row, Section
from llm_integrations.core.registry import connect
from llm_integrations.lm_eval import evaluate_with_schemas

SAMPLES = 1000
CASE = {
    "type": "object",
    "properties": {"question": {"type": "string"}, "answer": {"type": "string"}},
    "required": ["question", "answer"],
}
RESULT = {"type": "object", "required": ["doc_id", "doc", "resps", "filtered_resps"]}


class _Stopwatch:
    """Sums up the seconds spent in some functions of a module."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def watch(self, module: Any, *names: str) -> None:
        for name in names:
            setattr(module, name, self._timed(getattr(module, name)))

    def _timed(self, function: Any) -> Any:
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - started

        return timed


def run() -> list[Section]:
    from llm_integrations.lm_eval import run as module

    watch = _Stopwatch()
    ours = ("resolve_schemas", "judge_cases", "judge_samples", "judge_metrics", "inputs_of_results")
    watch.watch(module, *ours)
    with tempfile.TemporaryDirectory() as folder, connect("memory://") as registry:
        registry.register("qa-case", CASE)
        registry.register("qa-result", RESULT)
        manager = _tasks(Path(folder))
        started = time.perf_counter()
        evaluate_with_schemas(
            "dummy",
            ["qa"],
            registry=registry,
            schemas={"case": "qa-case@1", "result": "qa-result@1"},
            task_manager=manager,
            bootstrap_iters=0,
        )
        whole = time.perf_counter() - started
    each = watch.seconds / SAMPLES * 1e6
    section = Section(
        "Evaluation",
        f"lm_eval with the dummy model, {SAMPLES} samples: cases judged before, results after. "
        "Reading the documents out of the data set is counted as ours.",
    )
    section.add(
        Row(
            "our code, per sample",
            f"{each:.1f} µs",
            f"{whole / SAMPLES * 1e6:.0f} µs (the whole run)",
            f"{watch.seconds / whole:.1%}",
            "< 50 µs",
            each < 50,
        )
    )
    return [section]


def _tasks(folder: Path) -> TaskManager:
    data = folder / "qa.jsonl"
    cases = [{"question": f"What is {n}?", "answer": str(n)} for n in range(SAMPLES)]
    data.write_text("".join(json.dumps(case) + "\n" for case in cases))
    task = {
        "task": "qa",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}, "cache_dir": str(folder / "cache")},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": ["\n"]},
        "metric_list": [{"metric": "exact_match"}],
    }
    (folder / "qa.yaml").write_text(yaml.safe_dump(task))
    return TaskManager(include_path=str(folder), include_defaults=False)
