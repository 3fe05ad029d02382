"""Tasks of the harness that hold their rows, and models whose answers show their prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
from lm_eval.api.group import Group
from lm_eval.api.model import LM
from lm_eval.api.task import ConfigurableTask
from lm_eval.config.group import AggMetricConfig
from lm_eval.evaluator import simple_evaluate
from lm_eval.tasks import TaskManager

from llm_integrations.core.registry import Registry
from llm_integrations.lm_eval import evaluate_with_schemas

__all__ = ["BAD", "CASE", "GOOD", "AsAsked", "Oracle", "group_of", "plain", "run", "task_of"]

CASE: dict[str, Any] = {"type": "object", "properties": {"answer": {"enum": ["0", "1", "2"]}}}
GOOD = [{"question": f"What is {n}?", "answer": str(n % 3)} for n in range(6)]
BAD = {"question": "Why?", "answer": "nobody knows"}
SHOTS = [{"question": f"Shot {n}?", "answer": str(n % 3)} for n in range(5)]


class Oracle(LM):  # type: ignore[misc] # the harness ships no types
    """A model that reads its prompt: what it answers depends on every word, shots included."""

    tokenizer_name: Any = "oracle"  # pyright: ignore[reportIncompatibleMethodOverride,reportIncompatibleVariableOverride,reportAssignmentType]

    def generate_until(self, requests: list[Any], **_: Any) -> list[str]:
        return [str(sum(map(ord, request.args[0])) % 3) for request in requests]

    def loglikelihood(self, requests: list[Any], **_: Any) -> list[tuple[float, bool]]:
        weights = [sum(map(ord, "".join(request.args[:2]))) % 7 for request in requests]
        return [(-float(weight), False) for weight in weights]

    def loglikelihood_rolling(self, requests: list[Any], **_: Any) -> list[float]:
        return [-1.0 for _ in requests]


class AsAsked(Oracle):
    """A model that answers the question of the prompt that it was given."""

    def generate_until(self, requests: list[Any], **_: Any) -> list[str]:
        numbers = [int("".join(filter(str.isdigit, r.args[0])) or -1) for r in requests]
        return [str(number % 3) if number >= 0 else "nobody knows" for number in numbers]


def task_of(
    rows: Sequence[dict[str, Any]],
    name: str = "qa",
    *,
    shots: Sequence[dict[str, Any]] = SHOTS,
    **config: Any,
) -> dict[str, Any]:
    """A task of these rows, whose shots are in the split ``shots``."""

    def splits(**_: Any) -> dict[str, datasets.Dataset]:
        each = {"test": rows, "shots": shots}
        return {split: datasets.Dataset.from_list(list(held)) for split, held in each.items()}

    return {
        "task": name,
        "custom_dataset": splits,
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": ["\n"]},
        "metric_list": [{"metric": "exact_match"}],
        "metadata": {"schemas": {"case": "case@1"}},
        **config,
    }


def group_of(*tasks: dict[str, Any], name: str = "both", **config: Any) -> Group:
    """Tasks whose first metric is aggregated."""
    metric = tasks[0]["metric_list"][0]["metric"]
    group = Group(name, aggregate_metric_list=[AggMetricConfig(metric)], **config)
    for task in tasks:
        group.add(ConfigurableTask(config=task))
    return group


def run(registry: Registry, *tasks: Any, model: Any = None, **kwargs: Any) -> Any:
    return evaluate_with_schemas(
        model or Oracle(), list(tasks), registry=registry, **{**_common(), **kwargs}
    )


def plain(*tasks: Any, model: Any = None, **kwargs: Any) -> Any:
    return simple_evaluate(model or Oracle(), tasks=list(tasks), **{**_common(), **kwargs})


def _common() -> dict[str, Any]:
    return {"bootstrap_iters": 10, "task_manager": TaskManager(include_defaults=False)}
