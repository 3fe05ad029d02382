"""The report of validating a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llm_integrations.core.arrow.run.verdict_counts import hold_share
from llm_integrations.datasets.markdown import report_markdown
from llm_integrations.datasets.page import report_page
from llm_integrations.datasets.samples import QuarantineParts, Sample, samples_of

if TYPE_CHECKING:
    from rich.table import Table

    from llm_integrations.datasets.run.counts import BlockCount

__all__ = ["DatasetReport"]


@dataclass
class DatasetReport:
    """Counts that add up: ``total`` is always valid + invalid. False if a row is invalid.

    Attributes:
        schema: the exact schema judged by.
        fingerprint: SHA-256 of it.
        nulls: how null was taken, "absent" or "strict".
        total: rows seen.
        invalid: rows set aside.
        reasons: invalid rows by reason, as ``minimum at /age``; a row may have several.
        splits: a report for each split of a DatasetDict.
        complete: False for a stream, whose counts are those of the rows read so far.
        within: the report of all splits or files, which counts these rows too.
        warnings: what no verdict shows, as a rule that was not judged.
        aside: the quarantine's parts that hold the invalid rows.
    """

    schema: str
    fingerprint: str
    nulls: str = "absent"
    total: int = 0
    invalid: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    splits: Mapping[str, DatasetReport] = field(default_factory=dict)
    complete: bool = True
    within: DatasetReport | None = field(default=None, repr=False, compare=False)
    warnings: tuple[str, ...] = ()
    aside: QuarantineParts | None = field(default=None, repr=False, compare=False)

    @property
    def valid(self) -> int:
        return self.total - self.invalid

    @property
    def is_valid(self) -> bool:
        return self.invalid == 0

    def __bool__(self) -> bool:
        return self.is_valid

    def add(self, more: BlockCount | DatasetReport) -> None:
        """Add the counts of a block or of another data set."""
        self.total += more.total
        self.invalid += more.invalid
        self.reasons.update(more.reasons)
        if self.within is not None:
            self.within.add(more)

    def condemn(self, rows: int, reasons: Counter[str]) -> None:
        """Count rows as invalid that were counted as valid."""
        self.invalid += rows
        self.reasons.update(reasons)
        if self.within is not None:
            self.within.condemn(rows, reasons)

    def check_share(self, max_invalid: float) -> None:
        """Raise SchemaValidationError if more than this share of the rows is invalid."""
        hold_share(max_invalid, self, self.total, dict(self.reasons.most_common()))

    def start_over(self) -> None:
        """Reset the counts: the same rows are about to be read again."""
        if self.within is not None:
            self.within.total -= self.total
            self.within.invalid -= self.invalid
            self.within.reasons -= self.reasons
        self.total = self.invalid = 0
        self.reasons.clear()

    def share(self, rows: int) -> str:
        """``rows`` as a share of all rows, as text."""
        return f"{rows / self.total:.2%}" if self.total else "–"

    def to_html(self, *, samples: int = 3, show_values: bool = False) -> str:
        """One page that loads nothing: counts, reasons, files or splits, and some invalid rows.

        Args:
            samples: how many rows to show for each of the most frequent reasons.
            show_values: show their data; otherwise where they are and what is wrong.
        """
        return report_page(self, self._samples(samples, show_values=show_values))

    def to_markdown(self, *, samples: int = 0, show_values: bool = False) -> str:
        """The same as Markdown, for the card of a data set. The arguments are ``to_html``'s."""
        return report_markdown(self, self._samples(samples, show_values=show_values))

    def _samples(self, each: int, *, show_values: bool) -> dict[str, list[Sample]]:
        reasons = [reason for reason, _ in self.reasons.most_common()]
        return samples_of(self.aside, reasons, each, show_values=show_values)

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": self.schema,
            "fingerprint": self.fingerprint,
            "nulls": self.nulls,
            "total": self.total,
            "valid": self.valid,
            "invalid": self.invalid,
            "complete": self.complete,
            "warnings": list(self.warnings),
            "reasons": dict(self.reasons.most_common()),
            "splits": {name: report.to_dict() for name, report in self.splits.items()},
        }

    def __str__(self) -> str:
        text = (
            f"{self.total:,} rows = {self.valid:,} valid + {self.invalid:,} invalid by "
            f"{self.schema} (null taken as {self.nulls})"
        )
        shown = ", ".join(f"{reason}: {n:,}" for reason, n in self.reasons.most_common(3))
        text = f"{text}; {shown}" if shown else text
        return "; ".join([text, *self.warnings])

    def __rich__(self) -> Table:
        from rich.table import Table

        table = Table("rows", "reason", title=f"{self.schema}: {self.invalid:,} of {self.total:,}")
        for reason, count in self.reasons.most_common(20):
            table.add_row(f"{count:,}", reason)
        return table

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{count:,}</td><td>{escape(reason)}</td></tr>"
            for reason, count in self.reasons.most_common(20)
        )
        return f"<p>{escape(str(self))}</p><table><tbody>{rows}</tbody></table>"
