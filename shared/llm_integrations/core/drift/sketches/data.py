"""What is known of a data set, gathered block by block, on one worker or many."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime

from llm_integrations.core.arrow import VerdictCounts
from llm_integrations.core.arrow.pyarrow_modules import pa
from llm_integrations.core.arrow.run.batches import batches_of
from llm_integrations.core.drift.domains import ITEM, named_values
from llm_integrations.core.drift.judged import JudgedTable
from llm_integrations.core.drift.labels import Labels
from llm_integrations.core.drift.profile import Profile
from llm_integrations.core.drift.sketches.column import ColumnSketch
from llm_integrations.core.drift.sketches.nested_columns import NestedColumn, Path, nested_columns
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.validation import Validator

__all__ = ["ProfileSketch"]


class ProfileSketch:
    """Adds up blocks, and sketches of parts: merged they give the profile of the whole.

    It holds frequent values as they are, in memory and while it travels between workers; a Profile
    holds none.

    Args:
        validator: what the blocks were judged by.
        source: the name of the data, for reports.
    """

    def __init__(self, validator: Validator, source: str = "") -> None:
        self.validator = validator
        self.source = source
        self._columns: dict[str, ColumnSketch] = {}
        self._parents: dict[str, Path] = {}
        self._totals: dict[Path, int] = defaultdict(int)
        self._rows = self._invalid = self._unexplained = 0
        self._reasons: Counter[str] = Counter()

    def add(self, block: JudgedTable) -> None:
        """Add a block."""
        self._rows += block.counts.rows
        self._invalid += block.counts.invalid
        self._unexplained += block.counts.unexplained
        self._reasons.update(_scaled(block.counts))
        found: dict[Path, int] = {}
        # Rows that were shuffled come one by one, and calls for each would take the time.
        pieces = list(batches_of(block.columns))
        columns = list(nested_columns(pa.Table.from_batches(pieces, block.columns.schema)))
        self._begin([column for column in columns if column.name not in self._columns])
        for column in columns:
            self._columns[column.name].add(column.values, column.groups)
            found[column.parent] = len(column.values)
        found[()] = block.counts.rows
        for parent, count in found.items():
            self._totals[parent] += count

    def _begin(self, columns: list[NestedColumn]) -> None:
        """Columns that no block before had."""
        if not columns:
            return
        schema = Documents(self.validator.body, self.validator.resources)
        for column in columns:
            here, within = (named_values(schema, (*column.path, *more)) for more in ((), (ITEM,)))
            self._columns[column.name] = ColumnSketch(here, column.values.type, within)
            self._parents[column.name] = column.parent

    def merge(self, other: ProfileSketch) -> None:
        """Add what another sketch has seen; that one is of no use afterwards.

        Raises:
            ConfigurationError: it was judged by another schema.
        """
        if other.validator.fingerprint != self.validator.fingerprint:
            raise ConfigurationError("parts that were judged by different schemas do not merge")
        self._rows += other._rows
        self._invalid += other._invalid
        self._unexplained += other._unexplained
        self._reasons.update(other._reasons)
        for name, column in other._columns.items():
            if name in self._columns:
                self._columns[name].merge(column)
            else:
                self._columns[name], self._parents[name] = column, other._parents[name]
        for parent, count in other._totals.items():
            self._totals[parent] += count

    def profile(self, labels: Labels | None = None, *, alike: Profile | None = None) -> Profile:
        """The profile of what was added so far.

        Args:
            labels: how values are named; None for a salt of this profile's own.
            alike: a profile to compare with: where it has categories, they are counted.
        """
        named = labels or Labels()
        known = {} if alike is None else alike.columns
        return Profile(
            schema=self.validator.reference,
            fingerprint=self.validator.fingerprint,
            rows=self._rows,
            invalid=self._invalid,
            reasons=dict(sorted(self._reasons.items(), key=lambda one: (-one[1], one[0]))),
            columns={
                name: column.profile(named, self._totals[self._parents[name]], known.get(name))
                for name, column in self._columns.items()
            },
            salt=named.salt,
            key_id=named.key_id,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            source=self.source,
            unexplained=self._unexplained,
        )


def _scaled(report: VerdictCounts) -> dict[str, int]:
    """Counts of reasons, extrapolated to all invalid rows where only some were explained."""
    explained = report.invalid - report.unexplained
    factor = report.invalid / explained if explained else 1.0
    return {str(reason): round(count * factor) for reason, count in report.reasons.items()}
