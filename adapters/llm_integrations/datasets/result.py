"""The result of ``validate_dataset``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from datasets import Dataset
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.datasets.report import DatasetReport
from llm_integrations.datasets.samples import QuarantineParts

__all__ = ["DatasetResult"]


@dataclass(frozen=True)
class DatasetResult:
    """The valid rows, the quarantine and the report of one validation.

    Attributes:
        opens: a callable that returns ``valid``.
        report: the counts and reasons; for a stream they grow while it is read.
        quarantine: where the invalid rows are, with the reasons.
        parts: the names of the quarantine's parts that this run wrote start with one of these.
    """

    opens: Callable[[], Any] = field(repr=False)
    report: DatasetReport
    quarantine: Quarantine
    parts: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        self.report.aside = QuarantineParts(self.quarantine, self.parts)

    @cached_property
    def valid(self) -> Any:
        """The valid rows, of the kind that was given; a Dataset for a file. Lines of JSON become
        columns when this is first asked for.

        Raises:
            ConfigurationError: the file that they lie in has changed since it was judged, or no
                table can hold its lines.
        """
        return self.opens()

    @cached_property
    def quarantined(self) -> Dataset:
        """The rows that this run set aside: data and errors as JSON text, and where from."""
        records = QuarantineParts(self.quarantine, self.parts).records()
        return Dataset.from_list([record.to_row() for record in records])

    def __bool__(self) -> bool:
        return self.report.is_valid
