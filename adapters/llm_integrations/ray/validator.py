"""Judges the batches of ``map_batches``."""

# pyright: reportMissingImports=false
# Only the real tests install Ray and Spark.

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from llm_integrations.core.arrow.driver import Unique, WorkerJudge
from llm_integrations.core.reprs import never_raises
from llm_integrations.ray.result import RayResult

if TYPE_CHECKING:
    from ray.data import Dataset

__all__ = ["SchemaBatchValidator"]


class SchemaBatchValidator(WorkerJudge):
    """Adds the verdict on each row as two columns::

        ds.map_batches(SchemaBatchValidator("training-row@1"), batch_format="pyarrow")

    Or leave the rest to ``judge(ds)``. The reference is resolved here, on the driver. What travels
    to the workers is the schema and the options, never a registry: all of them judge by one
    version, without a request. The verdict stays with the rows, so a block that is computed again
    after a crash counts once. The arguments are those of ``WorkerJudge``.
    """

    module: ClassVar[str] = "ray"

    def __call__(self, batch: Any) -> Any:
        """The batch, a pyarrow Table, with its verdict.

        Raises:
            ConfigurationError: it is something else (say ``batch_format="pyarrow"``), or it has
                such columns already.
        """
        return self.annotate(batch)

    def judge(
        self,
        dataset: Dataset,
        *,
        unique: Unique | None = None,
        max_invalid: float | None = None,
        **map_batches: Any,
    ) -> RayResult:
        """The valid rows, the invalid ones with their reasons, and the counts.

        Runs the data set once and keeps the result in Ray's object store, which spills to disk.

        Args:
            unique: columns of which no two rows may hold the same value; a tuple of columns is one
                key together, ``/meta/id`` a member of a struct. Of equal rows the first is kept.
                Null is no key.
            max_invalid: the share of rows that may be invalid; None is any.
            map_batches: options of ``Dataset.map_batches``, as ``num_cpus`` or ``batch_size``.

        Raises:
            ConfigurationError: an option cannot be used, or there is no such column.
            SchemaValidationError: more rows are invalid than ``max_invalid`` allows. To set them
                aside first leave it out, and then ask ``result.report.check_share``.
        """
        keys = self.keys(unique, max_invalid, lambda: dataset.columns() or ())
        judged = dataset.map_batches(
            self, batch_format="pyarrow", **{"batch_size": None, **map_batches}
        ).materialize()
        counted = judged.map_batches(self._table_of_counts, batch_format="pyarrow")
        result = RayResult(judged, self.total(counted.iter_rows()), self)
        return result.held_to(keys, max_invalid)

    def _table_of_counts(self, batch: Any) -> Any:
        return pa.Table.from_batches([self.counts(batch)])

    @never_raises
    def __repr__(self) -> str:
        return f"SchemaBatchValidator({self.reference!r})"
