"""Sketching on many workers: what travels to them, and what their driver merges."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from llm_integrations.core.drift.profiling import sketch_tables
from llm_integrations.core.drift.sketches.data import ProfileSketch
from llm_integrations.core.validation import Validator

__all__ = ["SKETCH", "SketchTask", "merged"]

SKETCH: Final = "sketch"
"""The column of a worker's answer."""


@dataclass(frozen=True)
class SketchTask:
    """Sketches a part of the data on whatever worker it is.

    The schema and its options travel, never a registry; a part that is computed again after a crash
    counts once. What comes back are some kilobytes to a megabyte for each column.
    """

    validator: Validator

    def __call__(self, tables: Iterable[Any]) -> Any:
        """One row: what is known of all these pyarrow Tables or batches."""
        # These frameworks run a worker for each core; more threads would stand in line.
        sketch = sketch_tables(iter(tables), self.validator, threads=1)
        return pa.record_batch({SKETCH: pa.array([pickle.dumps(sketch)], pa.binary())})


def merged(answers: Iterable[bytes | bytearray], validator: Validator) -> ProfileSketch:
    """The sketch of all parts. One answer is held at a time."""
    whole = ProfileSketch(validator)
    for answer in answers:
        # Written by our own workers, through the engine that ran them.
        whole.merge(pickle.loads(bytes(answer)))  # noqa: S301
    return whole
