"""``unique`` and ``rule`` of ``validate_dataset``: what JSON Schema cannot say of rows.

Both judge the rows that the schema found valid. The rows that they condemn go to the quarantine
too, but no schema releases them from there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from datasets import IterableDataset
from llm_integrations.core.arrow.run.judged_rows import judged_rows
from llm_integrations.core.arrow.unique.keys import Places, Unique, keys_of, repeated_key
from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.quarantine import rows_of
from llm_integrations.core.tables import LINE_SUFFIXES
from llm_integrations.core.validation import ValidationReport, Violation
from llm_integrations.core.validation.report import BEYOND_SCHEMA
from llm_integrations.datasets.result import DatasetResult
from llm_integrations.datasets.run.keys import BATCH, Rows, repeated, tables_of

__all__ = ["RowRules", "Rule", "Rules", "Unique"]

Rule: TypeAlias = Callable[[dict[str, Any]], object]
Rules: TypeAlias = Rule | Sequence[Rule] | Mapping[str, Rule]


_RULES_MARK: Final = "-beyond"
"""In the names of the quarantine's parts whose rows a key or a rule condemned, not the schema."""


@dataclass(frozen=True)
class RowRules:
    """The rules of one run.

    Attributes:
        keys: columns that make a key together; no two rows may have the same.
        rules: callables by their names.
    """

    keys: tuple[Places, ...]
    rules: Mapping[str, Rule]

    @classmethod
    def of(cls, unique: Unique | None, rule: Rules | None) -> RowRules:
        """From ``validate_dataset``'s arguments. ConfigurationError says which is of no use."""
        return cls(keys_of(unique), dict(_named(rule)))

    def __bool__(self) -> bool:
        return bool(self.keys or self.rules)

    def __str__(self) -> str:
        return f"{self.keys}|{list(self.rules)}" if self else ""

    def apply(
        self, results: Mapping[str, DatasetResult], places: Mapping[str, Any], *, raises: bool
    ) -> dict[str, DatasetResult]:
        """The results without the rows that a key or a rule condemns, keys unique over all results.

        Args:
            places: each result's source: the Path of a file, or the data itself.
            raises: raise at the first condemned row, set none aside.

        Raises:
            ConfigurationError: a part is a stream, or there is no such column.
            SchemaValidationError: a row is condemned and ``raises``.
        """
        if not self:
            return dict(results)
        parts = {name: _Part(result, places[name]) for name, result in results.items()}
        if any(isinstance(part.rows, IterableDataset) for part in parts.values()):
            raise ConfigurationError(
                "unique and rule look at all rows, and a stream is read once: validate a Dataset "
                "or its files"
            )
        for part in parts.values():
            part.judge_by(self.rules)
        for key in self.keys:
            _condemn_repeated(list(parts.values()), key)
        return {name: part.without_condemned(name, raises=raises) for name, part in parts.items()}


@dataclass
class _Part:
    """One result, and the violations of its condemned rows, by row."""

    result: DatasetResult
    place: Any
    wrong: dict[int, list[Violation]] = field(default_factory=dict)

    @property
    def rows(self) -> Any:
        return self.result.valid

    def condemn(self, row: int, violation: Violation) -> None:
        self.wrong.setdefault(row, []).append(violation)

    def judge_by(self, rules: Mapping[str, Rule]) -> None:
        if not rules:
            return
        first = 0
        for table in tables_of(self.rows):
            for number, row in enumerate(judged_rows(table), start=first):
                for name, rule in rules.items():
                    if (message := _rule_failure(rule, row)) is not None:
                        self.condemn(number, Violation("", message, name, BEYOND_SCHEMA))
            first += table.num_rows

    def without_condemned(self, name: str, *, raises: bool) -> DatasetResult:
        self._remove_earlier_parts()
        if not self.wrong:
            return self.result
        rows = np.array(sorted(self.wrong), np.int64)
        found = [self.wrong[int(row)] for row in rows]
        report = self.result.report
        if raises:
            first = ValidationReport(False, tuple(found[0]), (), report.schema, report.fingerprint)
            raise SchemaValidationError(f"{len(rows)} rows: {first}", report=first)
        positions = _positions(self.result, self.place)[rows].tolist()
        self._set_aside(name, rows, found, positions)
        reasons = Counter(
            reason for each in found for reason in dict.fromkeys(one.reason for one in each)
        )
        report.condemn(len(rows), reasons)
        kept = self.rows.select(np.delete(np.arange(len(self.rows)), rows))
        return replace(self.result, opens=lambda: kept)

    def _set_aside(
        self, name: str, rows: Rows, found: list[list[Violation]], positions: list[int]
    ) -> None:
        report, tables = self.result.report, tables_of(self.rows.select(rows))
        texts = [
            json.dumps([[v.path, v.message, v.keyword, v.schema_path] for v in each])
            for each in found
        ]
        for number, table in enumerate(tables):
            start = number * BATCH
            chosen = slice(start, start + table.num_rows)
            records = rows_of(
                judged_rows(table),
                texts[chosen],
                positions[chosen],
                schema=report.schema,
                fingerprint=report.fingerprint,
                source=name,
                nulls=report.nulls,
            )
            self.result.quarantine.add_rows(records, part=f"{self._name}-{number:06d}")

    def _remove_earlier_parts(self) -> None:
        """An earlier call with other rules may have set other rows of the same run aside."""
        for path in self.result.quarantine.parts():
            if path.stem.startswith(self._name):
                path.unlink(missing_ok=True)

    @property
    def _name(self) -> str:
        return f"{self.result.parts[0]}{_RULES_MARK}"


def _named(rule: Rules | None) -> Iterator[tuple[str, Rule]]:
    if rule is None:
        return
    named: dict[Any, Any] = dict(rule) if isinstance(rule, Mapping) else {}
    if not isinstance(rule, Mapping):
        several = rule if isinstance(rule, Sequence) else [rule]
        named = {str(getattr(one, "__name__", "")).replace("_", " "): one for one in several}
    for name, one in named.items():
        if not callable(one):
            raise ConfigurationError(f"a rule is a callable, not {type(one).__name__}")
        if not name.strip() or name == "<lambda>":
            raise ConfigurationError("a rule without a name is given as {'its name': rule}")
        yield name, one


def _rule_failure(rule: Rule, row: dict[str, Any]) -> str | None:
    """Why the row breaks the rule; None if it does not."""
    try:
        outcome = rule(row)
    except Exception as error:  # noqa: BLE001 - a rule that fails on one row stops no other
        return f"the rule raised {type(error).__name__}"
    if isinstance(outcome, str):
        return outcome
    return None if outcome is None or outcome else "the rule is broken"


def _condemn_repeated(parts: list[_Part], key: Places) -> None:
    """Condemn every row but the first of those that have the same key."""
    owners = [part for part in parts if len(part.rows)]
    if not owners:
        return
    # A row that is condemned already does not count as the owner of its key.
    standing = [np.delete(np.arange(len(part.rows)), sorted(part.wrong)) for part in owners]
    edges = np.cumsum([len(rows) for rows in standing])
    violation = repeated_key(key)
    pairs = [(part.rows, rows) for part, rows in zip(owners, standing, strict=True)]
    for number in repeated(pairs, key):
        owner = int(np.searchsorted(edges, number, "right"))
        within = number - (edges[owner] - len(standing[owner]))
        owners[owner].condemn(int(standing[owner][within]), violation)


def _positions(result: DatasetResult, place: Any) -> Rows:
    """The valid rows' positions in their source: all positions but the quarantine's."""
    is_lines = isinstance(place, Path) and place.suffix.lower() in LINE_SUFFIXES
    numbers = _numbered_lines(place) if is_lines else np.arange(result.report.total)
    ours = result.parts
    paths = [path for path in result.quarantine.parts() if path.stem.startswith(ours)]
    quarantined = [
        record.position
        for path in paths
        if _RULES_MARK not in path.stem
        for record in result.quarantine.read(path)
    ]
    found: Rows = np.setdiff1d(numbers, np.array(quarantined, np.int64))
    return found


def _numbered_lines(path: Path) -> Rows:
    with path.open("rb") as stream:
        return np.array([number for number, line in enumerate(stream) if line.strip()], np.int64)
