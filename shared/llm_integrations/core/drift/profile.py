"""A profile of a data set: counts, shares and quantiles, no rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.files import atomic_write, reason_of

__all__ = ["Categories", "ColumnProfile", "Family", "Numbers", "Profile"]

Family = Literal[
    "number", "text", "boolean", "time", "instant", "bytes", "list", "map", "null", "other"
]
"""What sort of values a column holds; of text, bytes, lists and maps ``Numbers`` are about lengths.
Times of day and spans are "time", points in time "instant"."""

_FORMAT: Final = 2
_READ: Final = (1, 2)
"""Format 1 had no parts, and nothing of what is within lists."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Statistics of numbers, of times (seconds since 1970), or of lengths.

    Attributes:
        count: how many finite values.
        mean, std: their mean and standard deviation.
        quantiles: at (i + ½)/n for i below n, rounded to a thousandth of the spread; empty for
            few values. The extremes are left out: each is one row's value.
    """

    count: int
    mean: float
    std: float
    quantiles: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Categories:
    """Counts of values that repeat.

    Attributes:
        counts: by label (see Labels), the most frequent first.
        other: how many values are not listed.
        distinct: how many different values; a lower bound if there is ``other``.
    """

    counts: Mapping[str, int]
    other: int = 0
    distinct: int = 0

    @property
    def total(self) -> int:
        return sum(self.counts.values()) + self.other


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column, one field of a struct, or what stands at one place within lists.

    Attributes:
        kind: its Arrow type.
        rows, nulls: how many values there were, and how many of them null.
        parts: what else is known of its values: "items" of a list of scalars, "keys" of a map,
            "norm" and "projection 1" … of vectors.
        groups: how many rows of the data set the values come from, where several stand in one:
            these are not independent of each other.
        ascending: whether each value is greater than the one before, as those of a counter.
        form: the form of texts that are ids, as ``x-x-x-x-x, 36 signs``; empty for other values.
    """

    kind: str
    family: Family
    rows: int
    nulls: int
    numbers: Numbers | None = None
    categories: Categories | None = None
    parts: Mapping[str, ColumnProfile] = field(default_factory=dict)
    groups: int | None = None
    ascending: bool = False
    form: str = ""

    @property
    def present(self) -> float:
        """The share of rows with a value, from 0 to 1."""
        return 1 - self.nulls / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class Profile:
    """A data set's profile.

    Attributes:
        schema: the exact schema that it was judged by.
        fingerprint: SHA-256 of that schema.
        rows: how many.
        invalid: how many of them the schema refuses.
        reasons: invalid rows by reason, as ``minimum at /age``.
        columns: by name; a struct's fields as ``address/city``, within lists ``messages[*].role``.
        salt, key_id: see Labels.
        made_at: when, in UTC (ISO 8601).
        source: the name of the data; empty if it has none.
        format: of what is kept; 1 knows nothing of what is within lists.
        unexplained: invalid rows whose reasons were not found: ``reasons`` are extrapolated.
    """

    schema: str
    fingerprint: str
    rows: int
    invalid: int
    reasons: Mapping[str, int]
    columns: Mapping[str, ColumnProfile]
    salt: str = field(repr=False)
    key_id: str = field(repr=False)
    made_at: str
    source: str = ""
    format: int = _FORMAT
    unexplained: int = 0

    @property
    def explained(self) -> float:
        """The share of the invalid rows whose reasons were found."""
        return 1 - self.unexplained / self.invalid if self.invalid else 1.0

    def to_dict(self) -> dict[str, Any]:
        return {"format": self.format, **asdict(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Profile:
        """A profile from its ``to_dict``. ConfigurationError for anything else."""
        try:
            known = dict(data)
            if data["format"] not in _READ:
                raise ConfigurationError(f"the profile has the format {data['format']}, not 1 or 2")
            known["columns"] = {n: _column(c) for n, c in data["columns"].items()}
            if data["format"] == 1:
                known["columns"] = {n: _of_before(c) for n, c in known["columns"].items()}
            return cls(**known)
        except (AttributeError, KeyError, TypeError) as error:
            raise ConfigurationError(f"this is no profile ({type(error).__name__})") from None

    def write(self, path: str | Path) -> Path:
        """Write it in one step; some kilobytes of JSON."""
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False)
        with atomic_write(Path(path)) as stream:
            stream.write(text.encode("utf-8", "backslashreplace") + b"\n")
        return Path(path)

    @classmethod
    def read(cls, path: str | Path) -> Profile:
        """ConfigurationError when there is none, or something else."""
        try:
            data = json.loads(Path(path).read_text("utf-8"))
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {reason_of(error)}") from None
        except ValueError:
            raise ConfigurationError(f"{path} is no profile: it is not JSON") from None
        try:
            return cls.from_dict(data)
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error}; make one with drift --save") from None

    @classmethod
    def is_one(cls, path: Path) -> bool:
        """Whether a file holds a profile."""
        try:
            cls.read(path)
        except ConfigurationError:
            return False
        return True


def _of_before(column: ColumnProfile) -> ColumnProfile:
    """Of format 1, in which all times were points in time."""
    return replace(column, family="instant") if column.family == "time" else column


def _column(data: Mapping[str, Any]) -> ColumnProfile:
    numbers, categories = data["numbers"], data["categories"]
    known: dict[str, Any] = dict(data)
    if numbers is not None:
        known["numbers"] = Numbers(**{**numbers, "quantiles": tuple(numbers["quantiles"])})
    if categories is not None:
        known["categories"] = Categories(**categories)
    known["parts"] = {name: _column(part) for name, part in data.get("parts", {}).items()}
    return ColumnProfile(**known)
