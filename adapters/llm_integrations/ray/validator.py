"""Judges the batches of ``map_batches``."""

# pyright: reportMissingImports=false
# Only the real tests install Ray and Spark.

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from llm_integrations.core.arrow import ERRORS, VALID, count, plan_for
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.registry import Registry, SchemaRef
from llm_integrations.ray.result import RayResult, tally_of

if TYPE_CHECKING:
    from ray.data import Dataset

__all__ = ["SchemaBatchValidator"]


class SchemaBatchValidator:
    """Adds the verdict on each row as two columns::

        ds.map_batches(SchemaBatchValidator("training-row@1"), batch_format="pyarrow")

    Or leave the rest to ``judge(ds)``. The reference is resolved here, on the driver. What travels
    to the workers is the schema and the options, never a registry: all of them judge by one
    version, without a request. The verdict stays with the rows, so a block that is computed again
    after a crash counts once.

    Args:
        schema: as ``training-row@1``.
        registry: a Registry, a URL, or None for the environment's.
        options: how to judge; None means the registry's options, with null in an optional property
            taken as a missing one.
        json_columns: columns of JSON text that stand for what the text says.
        valid: the name of the first column: boolean.
        errors: the name of the second: JSON text, null for valid rows.

    Raises:
        RegistryError: there is no schema to judge by.
    """

    def __init__(
        self,
        schema: str | SchemaRef,
        *,
        registry: Registry | str | None = None,
        options: ValidationOptions | None = None,
        json_columns: Iterable[str] = (),
        valid: str = VALID,
        errors: str = ERRORS,
    ) -> None:
        # Ray runs a worker for each processor; more threads in each would only stand in line.
        self.plan = plan_for(
            schema, registry=registry, options=options, json_columns=json_columns, threads=1
        )
        self.valid = valid
        self.errors = errors

    @property
    def reference(self) -> str:
        """The exact version that all workers judge by."""
        return self.plan.validator.reference

    def __call__(self, batch: Any) -> Any:
        """The batch, a pyarrow Table, with its verdict.

        Raises:
            ConfigurationError: it is something else (say ``batch_format="pyarrow"``), or it has
                such columns already.
        """
        return self.plan.annotate(batch, valid=self.valid, errors=self.errors)

    def judge(self, dataset: Dataset, **map_batches: Any) -> RayResult:
        """The valid rows, the invalid ones with their reasons, and the counts.

        Runs the data set once and keeps the result in Ray's object store, which spills to disk.

        Args:
            map_batches: options of ``Dataset.map_batches``, as ``num_cpus`` or ``batch_size``.
        """
        judged = dataset.map_batches(
            self, batch_format="pyarrow", **{"batch_size": None, **map_batches}
        ).materialize()
        tally = tally_of(judged, self.plan, self.valid, self.errors)
        count(tally, module="ray", subject=self.plan.validator.subject)
        return RayResult(judged, tally, self.valid, self.errors, self.plan.json_columns)

    def __repr__(self) -> str:
        return f"SchemaBatchValidator({self.reference!r})"
