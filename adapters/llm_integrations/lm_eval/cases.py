"""Judging a task's test cases before any model is called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from llm_integrations.core.errors import InvalidEvaluation
from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord
from llm_integrations.lm_eval.schemas import TaskSchemas

__all__ = ["EvalTask", "judge_cases", "metadata_of", "safe_name"]


class EvalTask(Protocol):
    """The part of the harness's Task that is used here."""

    config: Any

    @property
    def eval_docs(self) -> Any: ...

    def has_test_docs(self) -> bool: ...


def judge_cases(task: EvalTask, schemas: TaskSchemas, quarantine: Quarantine | None) -> None:
    """Judge the documents that the task will evaluate, after its ``process_docs``.

    The documents that stay are computed once; the harness would call ``process_docs`` five times.
    Invalid ones leave the task and go to the quarantine, where there is one.

    Raises:
        InvalidEvaluation: the task has no documents, or none of them is valid.
    """
    name = schemas.summary.task
    docs = task.eval_docs
    kept, condemned = _judge_docs(docs, schemas)
    counts = schemas.summary.counts_of("case")
    if counts.total == 0:
        raise InvalidEvaluation(f"{name} has no test case at all")
    if quarantine is not None:
        quarantine.add(condemned, part=f"{safe_name(name)}-cases")
    if not kept:
        raise InvalidEvaluation(
            f"none of the {counts.total} test cases of {name} satisfies "
            f"{schemas.summary.pins['case'].ref}: {counts.examples[0]}"
        )
    _restrict_to(task, docs, kept)


def _judge_docs(docs: Any, schemas: TaskSchemas) -> tuple[list[int], list[QuarantinedRecord]]:
    kept: list[int] = []
    condemned: list[QuarantinedRecord] = []
    for position, doc in enumerate(_each_doc(docs)):
        report = schemas.judge("case", doc, f"case {position}")
        if report is None:
            kept.append(position)
        else:
            condemned.append(
                QuarantinedRecord.of(doc, report, source=schemas.summary.task, position=position)
            )
    return kept, condemned


def _each_doc(docs: Any) -> Iterator[Any]:
    """Every document; a data set is read by batches, ten times faster than by rows."""
    if not hasattr(docs, "iter"):
        yield from docs
        return
    for batch in docs.iter(batch_size=1000):
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(batch, values, strict=True))


def _restrict_to(task: EvalTask, docs: Any, kept: list[int]) -> None:
    chosen = docs.select(kept) if hasattr(docs, "select") else [docs[i] for i in kept]
    # An attribute shadows the class's method, so that other objects of the class are not changed.
    method = "test_docs" if task.has_test_docs() else "validation_docs"
    setattr(task, method, lambda: chosen)


def safe_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name)[:100].lstrip("._-") or "x"


def metadata_of(task: EvalTask) -> Mapping[str, Any]:
    """A task's own metadata; empty where it has none."""
    metadata = getattr(task.config, "metadata", None)
    return metadata if isinstance(metadata, Mapping) else {}
