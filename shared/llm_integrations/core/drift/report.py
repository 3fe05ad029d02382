"""A drift report: anomalies, and the distances of columns from the baseline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from llm_integrations.core.drift.profile import ColumnProfile, Profile
from llm_integrations.core.drift.thresholds import DriftThresholds
from llm_integrations.core.files import atomic_write

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Anomaly", "ColumnDrift", "DriftReport", "Measure"]


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A change that is not measured by a distance: of columns, types, or what the schema refuses.

    Attributes:
        kind: "new column", "missing column", "type", "form", "invalid rows", "schema", "rows" or
            "no rows"; "estimate" for counts that are not exact.
        column: which one; empty for the whole data set.
        message: for people; holds no data.
        drift: whether it counts as drift; otherwise it is a note.
    """

    kind: str
    column: str
    message: str
    drift: bool = True

    def __str__(self) -> str:
        return f"{self.column}: {self.message}" if self.column else self.message


@dataclass(frozen=True, slots=True)
class Measure:
    """One distance with its limit.

    Attributes:
        name: "Jensen–Shannon", "Lepage", "Wasserstein", "Kolmogorov–Smirnov", "presence", "new
            categories"; where limits ask for it "PSI" or "L-infinity".
        value: the distance; for presence the change of the share of rows with a value.
        threshold: the limit, chance included.
        of: which part of the values, as "items", "keys" or "norm"; empty for the values (of text
            and lists their lengths).
    """

    name: Literal[
        "Jensen–Shannon",
        "Lepage",
        "Wasserstein",
        "Kolmogorov–Smirnov",
        "PSI",
        "L-infinity",
        "presence",
        "new categories",
    ]
    value: float
    threshold: float
    of: str = ""

    @property
    def drifted(self) -> bool:
        return abs(self.value) > self.threshold


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """One column before and after. ``new`` are labels that the baseline never saw."""

    name: str
    before: ColumnProfile
    after: ColumnProfile
    measures: tuple[Measure, ...]
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def drifted(self) -> bool:
        return any(measure.drifted for measure in self.measures)

    @property
    def strength(self) -> float:
        """The largest distance as a multiple of its limit."""
        return max((abs(m.value) / max(m.threshold, 1e-9) for m in self.measures), default=0.0)

    def worded(self, words: Mapping[str, str]) -> ColumnDrift:
        return replace(
            self,
            before=_worded(self.before, words),
            after=_worded(self.after, words),
            new=tuple(words.get(label, label) for label in self.new),
            gone=tuple(words.get(label, label) for label in self.gone),
        )

    def to_dict(self) -> dict[str, Any]:
        measures = [{**asdict(m), "drifted": m.drifted} for m in self.measures]
        return {
            "drifted": self.drifted,
            "measures": measures,
            "new_categories": list(self.new),
            "gone_categories": list(self.gone),
            "before": asdict(self.before),
            "after": asdict(self.after),
        }


def _worded(column: ColumnProfile, words: Mapping[str, str]) -> ColumnProfile:
    found = column.categories
    if found is not None:
        counts = {words.get(label, label): count for label, count in found.counts.items()}
        found = replace(found, counts=counts)
    parts = {name: _worded(part, words) for name, part in column.parts.items()}
    return replace(column, categories=found, parts=parts)


@dataclass(frozen=True)
class DriftReport:
    """What changed, the schema first. True when something was compared and nothing drifted.

    Attributes:
        anomalies: what is wrong with the schema's view of the data.
        columns: the others, the most drifted first.
        baseline, current: the two profiles.
        thresholds: what was allowed.
        not_compared: the columns whose values were not compared, and why.
        baselines: with how many the data was compared; of several, ``baseline`` is the newest, and
            each column is beside the one that it is nearest to.
    """

    anomalies: tuple[Anomaly, ...]
    columns: tuple[ColumnDrift, ...]
    baseline: Profile
    current: Profile
    thresholds: DriftThresholds
    not_compared: Mapping[str, str] = field(default_factory=dict)
    baselines: int = 1

    @property
    def compared(self) -> tuple[str, ...]:
        """The columns whose values were compared."""
        return tuple(c.name for c in self.columns if c.name not in self.not_compared)

    @property
    def decided(self) -> bool:
        """Whether the check says anything: False where nothing was compared and nothing is odd."""
        return self.drifted or bool(self.compared)

    @property
    def drifted(self) -> bool:
        return any(a.drift for a in self.anomalies) or any(c.drifted for c in self.columns)

    def __bool__(self) -> bool:
        return self.decided and not self.drifted

    @property
    def word(self) -> str:
        """What to tell people first."""
        return "drift" if self.drifted else "no drift" if self.decided else "nothing compared"

    @property
    def drifted_columns(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.drifted)

    def __str__(self) -> str:
        word = "drifted" if self.drifted else self.word
        found = [str(a) for a in self.anomalies if a.drift]
        if self.drifted_columns:
            found.append(f"distances in {', '.join(self.drifted_columns)}")
        which = f"newest of {self.baselines} baselines" if self.baselines > 1 else "baseline"
        rows = f"{self.current.rows:,} rows against {self.baseline.rows:,} of the {which}"
        if self.not_compared:
            found.append(f"not compared: {', '.join(self.not_compared)}")
        return f"{word}: {'; '.join([rows, *found])}"

    def worded(self, words: Mapping[str, str]) -> DriftReport:
        """The same with words in place of the labels that they are known for, in its columns."""
        return replace(self, columns=tuple(column.worded(words) for column in self.columns))

    def to_dict(self) -> dict[str, Any]:
        return {
            "drifted": self.drifted,
            "decided": self.decided,
            "data": self.current.source,
            "schema": self.current.schema,
            "baseline_schema": self.baseline.schema,
            "baselines": self.baselines,
            "baseline_made_at": self.baseline.made_at,
            "made_at": self.current.made_at,
            "rows": {"before": self.baseline.rows, "after": self.current.rows},
            "invalid": {"before": self.baseline.invalid, "after": self.current.invalid},
            "thresholds": asdict(self.thresholds),
            "not_compared": dict(self.not_compared),
            "anomalies": [asdict(anomaly) for anomaly in self.anomalies],
            "columns": {column.name: column.to_dict() for column in self.columns},
        }

    def to_json(self, *, indent: int | None = None) -> str:
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    def to_markdown(self) -> str:
        from llm_integrations.core.drift.pages.markdown import drift_markdown

        return drift_markdown(self)

    def to_html(self) -> str:
        """One page with everything in it: nothing is loaded from elsewhere, nothing is run."""
        from llm_integrations.core.drift.pages.page import drift_page

        return drift_page(self)

    def write(self, folder: str | Path) -> dict[str, Path]:
        """Write ``drift.json``, ``drift.md`` and ``drift.html``; return their paths by ending."""
        texts = {"json": self.to_json(indent=1), "md": self.to_markdown(), "html": self.to_html()}
        paths = {ending: Path(folder) / f"drift.{ending}" for ending in texts}
        for ending, text in texts.items():
            with atomic_write(paths[ending]) as stream:
                stream.write(text.encode("utf-8", "backslashreplace"))
        return paths

    def __rich__(self) -> Table:
        from llm_integrations.core.drift.pages.markdown import drift_table

        return drift_table(self)

    def _repr_html_(self) -> str:
        from llm_integrations.core.drift.pages.page import drift_body

        return drift_body(self)
