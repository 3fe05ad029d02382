"""Judging a task's cases and shots before any model call, its samples and metrics after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final, Protocol

from llm_integrations.core.errors import InvalidEvaluation
from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord
from llm_integrations.lm_eval.form import file_name, stored_metrics, stored_samples
from llm_integrations.lm_eval.schemas import TaskSchemas

__all__ = [
    "EvalTask",
    "judge_cases",
    "judge_metrics",
    "judge_samples",
    "judge_shots",
    "metadata_of",
]


_AT_ONCE: Final = 1_000
"""Samples that are held in the form of the files at a time."""


class EvalTask(Protocol):
    """The part of the harness's Task that is used here."""

    config: Any

    @property
    def eval_docs(self) -> Any: ...


def judge_cases(
    docs: Any, positions: Sequence[int], schemas: TaskSchemas, quarantine: Quarantine | None
) -> list[int]:
    """Judge the documents that will be evaluated, after the task's ``process_docs``.

    Invalid ones go to the quarantine, where there is one.

    Args:
        docs: all documents of the task.
        positions: of those that will be evaluated, ascending.

    Returns:
        The positions of the valid ones.

    Raises:
        InvalidEvaluation: there is no document, or none of them is valid.
    """
    name = schemas.summary.task
    documents = list(_each_doc(docs, positions))
    reports = schemas.judge("case", documents, lambda index: f"case {positions[index]}")
    kept = [position for index, position in enumerate(positions) if index not in reports]
    condemned = [
        QuarantinedRecord.of(documents[index], report, source=name, position=positions[index])
        for index, report in reports.items()
    ]
    counts = schemas.summary.counts_of("case")
    if counts.total == 0:
        raise InvalidEvaluation(f"{name} has no test case at all")
    if quarantine is not None:
        quarantine.add(condemned, part=f"{file_name(name)}-cases")
    if not kept:
        raise InvalidEvaluation(
            f"none of the {counts.total} test cases of {name} satisfies "
            f"{schemas.summary.pins['case'].ref}: {counts.examples[0]}"
        )
    return kept


def judge_shots(
    task: Any, num_fewshot: int | None, schemas: TaskSchemas, quarantine: Quarantine | None
) -> None:
    """Judge the documents that stand in prompts as shots, if any do, by the schema of cases.

    Invalid ones are counted and go to the quarantine; they stay in the prompts, since without them
    all others would be drawn.

    Args:
        num_fewshot: as for ``simple_evaluate``; a task that says 0 itself keeps that.
    """
    own = task.config.num_fewshot
    shots = own if num_fewshot is None or own == 0 else num_fewshot
    if not shots or "case" not in schemas.validators:
        return
    sampler = getattr(task, "sampler", None)
    pool = task.fewshot_docs() if sampler is None else sampler.df
    name = schemas.summary.task
    documents = list(pool or ())
    reports = schemas.judge("case", documents, _shot, counted="fewshot")
    condemned = [
        QuarantinedRecord.of(documents[index], report, source=name, position=_shot(index))
        for index, report in reports.items()
    ]
    if quarantine is not None:
        quarantine.add(condemned, part=f"{file_name(name)}-fewshot")


def _shot(position: int) -> str:
    return f"few-shot document {position}"


def _each_doc(docs: Any, positions: Sequence[int]) -> Iterator[Any]:
    """The documents at these positions; a data set is read by batches, ten times faster."""
    if not hasattr(docs, "iter"):
        yield from (docs[position] for position in positions)
        return
    chosen = docs if len(positions) == len(docs) else docs.select(positions)
    for batch in chosen.iter(batch_size=1000):
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(batch, values, strict=True))


def judge_samples(
    samples: Iterable[Mapping[str, Any]], schemas: TaskSchemas, quarantine: Quarantine | None
) -> None:
    """Judge each logged sample by the result schema. NaN is never valid."""
    if "result" not in schemas.validators:
        return
    name = schemas.summary.task
    condemned = []
    left = iter(samples)
    while some := stored_samples(islice(left, _AT_ONCE)):
        places = partial(_place, some)
        condemned += [
            QuarantinedRecord.of(some[index], report, source=name, position=places(index))
            for index, report in schemas.judge("result", some, places).items()
        ]
    if quarantine is not None:
        quarantine.add(condemned, part=f"{file_name(name)}-results")


def _place(samples: Sequence[Mapping[str, Any]], index: int) -> str:
    sample = samples[index]
    return f"sample {sample.get('doc_id')} ({sample.get('filter', 'none')})"


def judge_metrics(metrics: Mapping[str, Any], schemas: TaskSchemas) -> None:
    """Judge the aggregated metrics of a task or a group."""
    schemas.judge("metric", [stored_metrics(metrics)], lambda _: "metrics")


def metadata_of(config: Any) -> Mapping[str, Any]:
    """The metadata of a task's configuration, or of a group; empty where it has none."""
    metadata = getattr(config, "metadata", None)
    return metadata if isinstance(metadata, Mapping) else {}
