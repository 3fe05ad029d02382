"""What JSON Schema cannot say of rows: that a key is unique over all of them, and rules in Python.

Both look at the rows that the schema found valid. What they condemn is set aside like all else, and
no schema releases it.
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
from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.jsonschema.pointer import to_pointer
from llm_integrations.core.quarantine import rows_of
from llm_integrations.core.tables import LINE_SUFFIXES
from llm_integrations.core.validation import ValidationReport, Violation
from llm_integrations.core.validation.report import BEYOND_SCHEMA
from llm_integrations.datasets.result import DatasetResult
from llm_integrations.datasets.run.keys import BATCH, Rows, repeated, tables_of

__all__ = ["Beyond", "Key", "Rule", "Rules", "Unique"]

Key: TypeAlias = str | tuple[str, ...]
"""A column, or a place within one as ``/meta/id``; several make one key together."""
Unique: TypeAlias = Key | Sequence[Key]
Rule: TypeAlias = Callable[[dict[str, Any]], object]
Rules: TypeAlias = Rule | Sequence[Rule] | Mapping[str, Rule]


_MARK: Final = "-beyond"
"""In the names of the quarantine's parts that hold what no schema condemned."""


@dataclass(frozen=True)
class Beyond:
    """Attributes: the keys of which no two rows may have the same, and the rules by their names."""

    keys: tuple[tuple[str, ...], ...]
    rules: Mapping[str, Rule]

    @classmethod
    def of(cls, unique: Unique | None, rule: Rules | None) -> Beyond:
        """ConfigurationError for what is neither a key nor a callable with a name."""
        return cls(tuple(map(_key, _listed(unique))), dict(_named(rule)))

    def __bool__(self) -> bool:
        return bool(self.keys or self.rules)

    def __str__(self) -> str:
        return f"{self.keys}|{list(self.rules)}" if self else ""

    def applied(
        self, results: Mapping[str, DatasetResult], places: Mapping[str, Any], *, raises: bool
    ) -> dict[str, DatasetResult]:
        """The results without the rows that are condemned, over all of them together.

        Args:
            places: where each one's rows came from: a Path, or anything else.
            raises: raise at the first instead.

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
            part.follow(self.rules)
        for key in self.keys:
            _tell_apart(list(parts.values()), key)
        return {name: part.settled(name, raises=raises) for name, part in parts.items()}


@dataclass
class _Part:
    """One result, and what is wrong with some of its valid rows."""

    result: DatasetResult
    place: Any
    wrong: dict[int, list[Violation]] = field(default_factory=dict)

    @property
    def rows(self) -> Any:
        return self.result.valid

    def condemn(self, row: int, violation: Violation) -> None:
        self.wrong.setdefault(row, []).append(violation)

    def follow(self, rules: Mapping[str, Rule]) -> None:
        if not rules:
            return
        first = 0
        for table in tables_of(self.rows):
            for number, row in enumerate(judged_rows(table), start=first):
                for name, rule in rules.items():
                    if (message := _broken(rule, row)) is not None:
                        self.condemn(number, Violation("", message, name, BEYOND_SCHEMA))
            first += table.num_rows

    def settled(self, name: str, *, raises: bool) -> DatasetResult:
        self._forget_those_before()
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
        texts = [_text(each) for each in found]
        for number, table in enumerate(tables):
            start = number * BATCH
            chosen = slice(start, start + table.num_rows)
            aside = rows_of(
                judged_rows(table),
                texts[chosen],
                positions[chosen],
                schema=report.schema,
                fingerprint=report.fingerprint,
                source=name,
                nulls=report.nulls,
            )
            self.result.quarantine.add_rows(aside, part=f"{self._name}-{number:06d}")

    def _forget_those_before(self) -> None:
        """The same run may have set more aside, when its rules were others."""
        for path in self.result.quarantine.parts():
            if path.stem.startswith(self._name):
                path.unlink(missing_ok=True)

    @property
    def _name(self) -> str:
        return f"{self.result.parts[0]}{_MARK}"


def _listed(unique: Unique | None) -> Sequence[Key]:
    if unique is None:
        return ()
    return [unique] if isinstance(unique, str) else list(unique)


def _key(key: Key) -> tuple[str, ...]:
    columns = (key,) if isinstance(key, str) else tuple(key)
    if not columns or not all(isinstance(column, str) and column for column in columns):
        raise ConfigurationError(f"unique takes names of columns, and tuples of them, not {key!r}")
    return columns


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


def _broken(rule: Rule, row: dict[str, Any]) -> str | None:
    """What a rule says against a row; None if nothing."""
    try:
        said = rule(row)
    except Exception as error:  # noqa: BLE001 - a rule that fails on one row stops no other
        return f"the rule raised {type(error).__name__}"
    if isinstance(said, str):
        return said
    return None if said is None or said else "the rule is broken"


def _text(found: Sequence[Violation]) -> str:
    return json.dumps([[v.path, v.message, v.keyword, v.schema_path] for v in found])


def _tell_apart(parts: list[_Part], key: tuple[str, ...]) -> None:
    """Condemn every row but the first of those that have the same key."""
    owners = [part for part in parts if len(part.rows)]
    if not owners:
        return
    # What was condemned already takes no key with it.
    standing = [np.delete(np.arange(len(part.rows)), sorted(part.wrong)) for part in owners]
    edges = np.cumsum([len(rows) for rows in standing])
    violation = _of_key(key)
    pairs = [(part.rows, rows) for part, rows in zip(owners, standing, strict=True)]
    for number in repeated(pairs, key):
        owner = int(np.searchsorted(edges, number, "right"))
        within = number - (edges[owner] - len(standing[owner]))
        owners[owner].condemn(int(standing[owner][within]), violation)


def _of_key(key: tuple[str, ...]) -> Violation:
    column, *others = key
    if others:
        words = f"unique {', '.join(key)}"
        return Violation("", "another row has this key", words, BEYOND_SCHEMA)
    place = column if column.startswith("/") else to_pointer([column])
    return Violation(place, "another row has this value", "unique", BEYOND_SCHEMA)


def _positions(result: DatasetResult, place: Any) -> Rows:
    """Where the valid rows were in their source: where no row stands that was set aside."""
    numbers = _numbered_lines(place) if _is_lines(place) else np.arange(result.report.total)
    ours = result.parts
    paths = [path for path in result.quarantine.parts() if path.stem.startswith(ours)]
    taken = [
        record.position
        for path in paths
        if _MARK not in path.stem
        for record in result.quarantine.read(path)
    ]
    found: Rows = np.setdiff1d(numbers, np.array(taken, np.int64))
    return found


def _is_lines(place: Any) -> bool:
    return isinstance(place, Path) and place.suffix.lower() in LINE_SUFFIXES


def _numbered_lines(path: Path) -> Rows:
    with path.open("rb") as stream:
        return np.array([number for number, line in enumerate(stream) if line.strip()], np.int64)
