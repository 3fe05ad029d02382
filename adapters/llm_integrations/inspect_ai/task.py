"""A benchmark's pins as the version and metadata of a Task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from llm_integrations.core.errors import PinMismatch
from llm_integrations.core.pins import BenchmarkPin, BenchmarkPins
from llm_integrations.core.pins.model import check_role
from llm_integrations.core.registry import Registry
from llm_integrations.inspect_ai.dataset import ValidatedDataset

__all__ = ["BENCHMARK_KEY", "METADATA_KEY", "pinned", "pinned_metadata"]

METADATA_KEY: Final = "schemas"
BENCHMARK_KEY: Final = "benchmark"
"""Beside the pins: the name that they have in the lock, whatever the task is called."""


def pinned(
    benchmark: str,
    *,
    pins: BenchmarkPins | str | Path = "benchmarks.lock",
    registry: Registry | str | None = None,
    metadata: Mapping[str, Any] | None = None,
    dataset: ValidatedDataset | None = None,
    **declared: str,
) -> dict[str, Any]:
    """``version`` and ``metadata`` for a Task, after checking that it may run.

    ``Task(dataset=…, solver=…, **pinned("qa", pins="benchmarks.lock", case="qa-case@2"))``

    Args:
        metadata: the task's own, which the pins join.
        dataset: the whole of what the task is run on; if its samples were pinned, it must be them.
        declared: ``case=``, ``result=``, ``metric=``: what the task was written for; each must
            mean the pinned version.

    Raises:
        PinMismatch: the benchmark is not pinned, or not to the schemas and samples that are there.
    """
    lock = pins if isinstance(pins, BenchmarkPins) else BenchmarkPins(pins, registry)
    found = lock.require(benchmark, {check_role(role): ref for role, ref in declared.items()})
    if dataset is not None:
        for finding in lock.check_inputs(benchmark, {benchmark: dataset.inputs}):
            raise PinMismatch(f"refused to run: {finding}. Pin it again once you have looked")
    return {
        "version": _version(found),
        "metadata": {**(metadata or {}), **pinned_metadata(found, benchmark)},
    }


def pinned_metadata(pinned_: BenchmarkPin, benchmark: str) -> dict[str, Any]:
    """The pins as they stand in a task's metadata, and so in its log."""
    pins: dict[str, Any] = {role: pin.to_dict() for role, pin in pinned_}
    return {METADATA_KEY: {BENCHMARK_KEY: benchmark, **pins}}


def _version(pinned_: BenchmarkPin) -> str:
    """Text that changes whenever a pin does."""
    return " ".join(f"{role}:{pin.ref}#{pin.fingerprint[:8]}" for role, pin in pinned_)
