"""Plans for schemas in a registry, and what a driver counts when its workers are done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from llm_integrations.core.arrow.plan import ArrowPlan
from llm_integrations.core.arrow.run.verdict_counts import VerdictCounts
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.contract import Contract, contract_of
from llm_integrations.core.observability import (
    UNKNOWN_SUBJECT,
    VALIDATION_FAILURES,
    VALIDATION_TOTAL,
)
from llm_integrations.core.registry import Registry

__all__ = ["count", "plan_for"]


def plan_for(
    reference: Contract,
    *,
    registry: Registry | str | None = None,
    options: ValidationOptions | None = None,
    json_columns: Iterable[str] = (),
    threads: int | None = None,
) -> ArrowPlan:
    """A plan for the version that a reference means now; it holds on to no registry.

    Args:
        reference: as ``training-row@1``, or a class (see ``core.models``) and no registry.
        registry: a Registry, a URL, or None for the environment's.
        options: how to judge; None means the registry's options, with null in an optional property
            taken as a missing one.
        json_columns: columns of JSON text that stand for what the text says, or places within
            them as ``/messages/*/arguments``; those of Arrow's type for JSON are known.
        threads: see ``ArrowPlan``.

    Raises:
        RegistryError: there is no schema to judge by.
    """
    reference, found = contract_of(reference, registry)
    chosen = options or replace(found.validation, nulls="absent")
    validator = found.validator(reference, options=chosen)
    return ArrowPlan(validator, None, tuple(json_columns), threads)


def count(counts: VerdictCounts, *, module: str, subject: str | None, side: str = "input") -> None:
    """Add rows that were judged elsewhere to this process's metrics."""
    name = subject or UNKNOWN_SUBJECT
    VALIDATION_TOTAL.labels(module, name, side, "valid").inc(counts.valid)
    VALIDATION_TOTAL.labels(module, name, side, "invalid").inc(counts.invalid)
    VALIDATION_FAILURES.labels(module, name, side).inc(counts.invalid)
