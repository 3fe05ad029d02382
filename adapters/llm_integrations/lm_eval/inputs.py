"""What a task's score depends on: of a run before any model call, and of stored results."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from llm_integrations.core.errors import InvalidEvaluation
from llm_integrations.core.pins.inputs import Inputs, digest_of
from llm_integrations.lm_eval.names import Names
from llm_integrations.lm_eval.randomness import randomness_kept
from llm_integrations.lm_eval.stored_samples import groups_in, read_results, samples_of
from lm_eval.utils import handle_non_serializable, hash_string

__all__ = [
    "OF_DOCUMENTS",
    "inputs_of_results",
    "inputs_of_task",
    "inputs_when_built",
    "stored_inputs",
]

_PARTS: Final = {
    "shots": ("num_fewshot", "fewshot_split", "fewshot_config", "fewshot_delimiter"),
    "generation": ("generation_kwargs", "repeats"),
    "prompt template": (
        *("description", "doc_to_text", "doc_to_choice", "use_prompt", "gen_prefix"),
        *("target_delimiter", "doc_to_image", "doc_to_audio"),
    ),
    "scoring": (
        *("doc_to_target", "metric_list", "filter_list", "process_results", "output_type"),
        *("should_decontaminate", "doc_to_decontamination_query"),
    ),
}
"""Parts of a task's configuration. Where its data comes from is told by the documents."""
_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")
"""A function within the configuration is written with its place in memory."""
_HASHES: Final = {"documents": "doc_hash", "prompts": "prompt_hash", "targets": "target_hash"}


OF_DOCUMENTS: Final = frozenset(_HASHES)
"""The parts that a run of some documents only cannot tell."""


def inputs_of_results(
    task: str, results: Mapping[str, Any], samples: Iterable[Mapping[str, Any]]
) -> Inputs:
    """The inputs of a task in results and the samples that belong to them."""
    names = _HASHES.values()
    hashes = {sample["doc_id"]: [*map(str, map(sample.get, names))] for sample in samples}
    return _inputs(results.get("configs", {}).get(task, {}), hashes)


def inputs_of_task(task: Any) -> Inputs:
    """The inputs of a task whose requests are built, with the hashes that the harness would log."""
    requests = sorted(task.instances, key=lambda request: (request.doc_id, request.idx))
    hashes = {}
    for doc_id, of_doc in groupby(requests, key=lambda request: request.doc_id):
        first = next(of_doc)
        document = json.dumps(
            first.doc, indent=2, default=handle_non_serializable, ensure_ascii=False
        )
        texts = (document, first.arguments[0], str(task.doc_to_target(first.doc)))
        hashes[doc_id] = list(map(hash_string, texts))
    return _inputs(task.dump_config(), hashes)


def inputs_when_built(
    build: Callable[..., None], task: Any, check: Callable[[Callable[[], Inputs]], None]
) -> Callable[..., None]:
    """``build_all_requests`` that has the inputs checked once they are known.

    In a distributed run each rank has some of the documents only, so there nothing is checked.

    Args:
        check: is given what computes the inputs, for those who have something to compare.
    """

    def built(*, world_size: int = 1, **kwargs: Any) -> None:
        build(world_size=world_size, **kwargs)
        if world_size == 1:
            with randomness_kept():
                check(lambda: inputs_of_task(task))

    return built


def stored_inputs(path: str | Path, benchmark: str) -> dict[str, Inputs]:
    """The inputs of a benchmark's tasks in stored results, for ``BenchmarkPins.pin(inputs=)``.

    Args:
        path: as for ``check_results``.
        benchmark: a task, a group or a pattern.

    Raises:
        InvalidEvaluation: the results hold no such task, or not all of its samples.
    """
    file, results = read_results(path)
    names = Names.of(results["configs"], groups_in(results), {})
    found = {}
    for task in results["configs"]:
        if benchmark in names.with_groups(task) or fnmatchcase(task, benchmark):
            stored = samples_of(task, results, file)
            if stored.doubt is not None:
                raise InvalidEvaluation(f"{task}: {stored.doubt}")
            found[task] = inputs_of_results(task, results, stored.samples)
    if not found:
        raise InvalidEvaluation(f"{file} holds no task of {benchmark}")
    return found


def _inputs(config: Mapping[str, Any], hashes: Mapping[int, list[str]]) -> Inputs:
    ordered = [hashes[doc_id] for doc_id in sorted(hashes)]
    parts = {
        name: digest_of([each[index] for each in ordered], number=len(ordered))
        for index, name in enumerate(_HASHES)
    }
    for name, keys in _PARTS.items():
        chosen = {key: config.get(key) for key in keys}
        text = json.dumps(chosen, default=handle_non_serializable, skipkeys=True)
        parts[name] = digest_of(json.loads(_ADDRESS.sub("", text)))
    return parts
