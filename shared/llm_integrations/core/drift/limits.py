"""Limits of single columns: ``x-drift`` in the schema, and files of limits."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from llm_integrations.core.documents import parse_json, parse_yaml
from llm_integrations.core.drift.domains import ITEM, applied
from llm_integrations.core.drift.thresholds import DriftThresholds
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.jsonschema.location import SchemaLocation
from llm_integrations.core.validation import Validator

__all__ = ["ColumnLimits", "DriftLimits", "is_within", "limits_in_schema", "read_limits"]

_KEYWORD: Final = "x-drift"
_MEASURES: Final = {
    "psi": "PSI",
    "ks": "Kolmogorov–Smirnov",
    "kolmogorovsmirnov": "Kolmogorov–Smirnov",
    "linf": "L-infinity",
    "linfinity": "L-infinity",
    "js": "Jensen–Shannon",
    "jensenshannon": "Jensen–Shannon",
    "wasserstein": "Wasserstein",
    "lepage": "Lepage",
}
"""By their names in lower case without signs."""
_LIMIT_OF: Final = {
    "Kolmogorov–Smirnov": "ks",
    "Jensen–Shannon": "category",
    "Wasserstein": "number",
    "Lepage": "number",
}


@dataclass(frozen=True, slots=True)
class ColumnLimits:
    """What may change in one column, and what is below it. None is as for all columns.

    Attributes:
        ignore: it may change as it likes.
        compare: it is compared though its values are new each time.
        measure: the one distance that its values are compared by: "PSI", "KS", "L-infinity",
            "Jensen-Shannon", "Wasserstein" or "Lepage"; None for those of its type.
        limit: the limit of that measure.
        category, number, presence, new_categories, ks, min_values: see DriftThresholds.
    """

    ignore: bool = False
    compare: bool = False
    measure: str | None = None
    limit: float | None = None
    category: float | None = None
    number: float | None = None
    presence: float | None = None
    new_categories: float | None = None
    ks: float | None = None
    min_values: int | None = None

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            kind = _kind(one.name)
            if value is not None and (isinstance(value, bool) != (kind is bool)):
                raise ConfigurationError(f"drift limits: {one.name} is not {value!r}")
            if value is not None and not isinstance(value, kind):
                raise ConfigurationError(f"drift limits: {one.name} is not {value!r}")
        if self.measure is not None:
            object.__setattr__(self, "measure", _measure(self.measure))
        if self.limit is not None and self.measure is None:
            raise ConfigurationError("drift limits: limit is that of a measure; name it, as psi")
        self.over(DriftThresholds())

    def over(self, thresholds: DriftThresholds) -> DriftThresholds:
        """The thresholds with those of this column in their place."""
        names = ("category", "number", "presence", "new_categories", "ks", "min_values")
        own = {name: getattr(self, name) for name in names}
        if self.limit is not None:
            if not self.limit >= 0:
                raise ConfigurationError("drift limits: limit must be 0 or more")
            own[_LIMIT_OF.get(self.measure or "", "")] = self.limit
        known = {name: value for name, value in own.items() if name and value is not None}
        changed: DriftThresholds = replace(thresholds, **known)
        return changed


def _kind(name: str) -> Any:
    if name in ("ignore", "compare"):
        return bool
    return str if name == "measure" else int if name == "min_values" else (int, float)


def _measure(name: str) -> str:
    found = _MEASURES.get(re.sub(r"[^a-z]", "", name.lower().replace("∞", "infinity")))
    if found is None:
        known = "PSI, KS, L-infinity, Jensen-Shannon, Wasserstein, Lepage"
        raise ConfigurationError(f"drift limits: there is no measure {name!r}; there are {known}")
    return found


@dataclass(frozen=True)
class DriftLimits:
    """What may change, for all the data and for single columns.

    Attributes:
        thresholds: fields of DriftThresholds, where they are not the defaults.
        columns: by column, as ``messages[*].role``; what is below a column has its ``ignore``.
        strict: whether each column must be there: in a file, a name that is not is a mistake.
    """

    thresholds: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, ColumnLimits] = field(default_factory=dict)
    strict: bool = False

    @classmethod
    def of(cls, data: Any, *, strict: bool = True) -> DriftLimits:
        """From what a file of limits, or ``x-drift`` of a whole schema, says.

        Raises:
            ConfigurationError: a name or a value is none of a limit.
        """
        if not isinstance(data, Mapping):
            raise ConfigurationError("drift limits are an object, as {columns: {age: {psi: 0.2}}}")
        data = dict(data)
        columns = data.pop("columns", {})
        if not isinstance(columns, Mapping):
            raise ConfigurationError("drift limits: columns is an object, with limits by column")
        _check_names(data, [one.name for one in fields(DriftThresholds)] + ["columns"])
        return cls(data, {name: _column(one) for name, one in columns.items()}, strict)

    def applied(self, thresholds: DriftThresholds | None) -> DriftThresholds:
        """The thresholds of all the data; those that were passed go before."""
        if thresholds is not None:
            return thresholds
        try:
            return DriftThresholds(**self.thresholds)
        except TypeError:
            raise ConfigurationError("drift limits are numbers") from None

    def over(self, below: DriftLimits) -> DriftLimits:
        """Both, where what this one says goes before."""
        columns = {**below.columns, **self.columns}
        thresholds = {**below.thresholds, **self.thresholds}
        return DriftLimits(thresholds, columns, self.strict or below.strict)

    def marked(self, mark: str, names: Collection[str]) -> set[str]:
        """The columns of these that are to be ignored, or compared."""
        places = [place for place, limits in self.columns.items() if getattr(limits, mark)]
        return {name for name in names if any(is_within(name, place) for place in places)}

    def check(self, names: Collection[str]) -> None:
        """ConfigurationError if a column of a file is none of these."""
        for place in self.columns if self.strict else ():
            if not any(is_within(name, place) for name in names):
                known = ", ".join(sorted(names))
                raise ConfigurationError(
                    f"drift limits: there is no column {place!r}; the columns are {known}"
                )


def is_within(name: str, place: str) -> bool:
    """Whether a column is at a place or below it: ``meta/id`` is within ``meta``."""
    return name == place or name.startswith((f"{place}/", f"{place}{ITEM}", f"{place}."))


def _column(data: Any) -> ColumnLimits:
    if not isinstance(data, Mapping):
        raise ConfigurationError("drift limits of a column are an object, as {ignore: true}")
    _check_names(data, [one.name for one in fields(ColumnLimits)])
    return ColumnLimits(**data)


def _check_names(data: Mapping[Any, Any], known: list[str]) -> None:
    unknown = [name for name in data if name not in known]
    if unknown:
        raise ConfigurationError(
            f"drift limits: there is no limit {unknown[0]!r}; there are {', '.join(known)}"
        )


def read_limits(source: DriftLimits | Mapping[str, Any] | str | Path | None) -> DriftLimits:
    """Limits as they are, from an object, or from a file (JSON or YAML).

    Raises:
        ConfigurationError: the file cannot be read, or says something else.
    """
    if source is None or isinstance(source, DriftLimits):
        return source or DriftLimits()
    if isinstance(source, Mapping):
        return DriftLimits.of(source)
    try:
        text = Path(source).read_text("utf-8")
        parse = parse_json if Path(source).suffix.lower() == ".json" else parse_yaml
        return DriftLimits.of(parse(text))
    except OSError as error:
        raise ConfigurationError(f"{source} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"{source} holds no limits: {error}") from None


def limits_in_schema(validator: Validator, names: Collection[str]) -> DriftLimits:
    """What the schema says of drift at the places of these columns, by ``x-drift``.

    At the top it is what a file of limits says; at a property, a column's.
    """
    documents = Documents(validator.body, validator.resources)
    top = applied(documents, [documents.top])
    found = DriftLimits()
    for said in _said(top):
        found = found.over(DriftLimits.of(said, strict=False))
    columns = dict(_columns(documents, "", top, frozenset(names)))
    return found.over(DriftLimits(columns=columns))


def _columns(
    documents: Documents, place: str, here: list[SchemaLocation], names: frozenset[str]
) -> Iterator[tuple[str, ColumnLimits]]:
    # Only where a column is, so that recursive schemas end.
    for name, parts in _below(place, here).items():
        if any(is_within(column, name) for column in names):
            there = applied(documents, parts)
            for said in _said(there)[:1]:
                yield name, _column(said)
            yield from _columns(documents, name, there, names)


def _below(place: str, here: list[SchemaLocation]) -> dict[str, list[SchemaLocation]]:
    found: dict[str, list[SchemaLocation]] = {}
    sign = "" if not place else "." if ITEM in place else "/"
    for location in here:
        for part in location.applied_parts("properties"):
            found.setdefault(f"{place}{sign}{part.steps[-1]}", []).append(part)
        if place:
            items = location.applied_parts("items") + location.applied_parts("additionalProperties")
            found.setdefault(f"{place}{ITEM}", []).extend(items)
    return found


def _said(here: list[SchemaLocation]) -> list[Any]:
    schemas = [location.schema for location in here]
    return [s[_KEYWORD] for s in schemas if isinstance(s, dict) and _KEYWORD in s]
