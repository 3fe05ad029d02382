"""Drift: what changed is found, chance is no drift, and no data gets out."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from llm_integrations.core.drift import (
    BaselineStore,
    DriftReport,
    DriftThresholds,
    Labels,
    Profile,
    compare_profiles,
    detect,
    for_tables,
    profile_tables,
)
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry import connect
from llm_integrations.core.validation import Validator, compile_validator

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "n": {"type": "number", "maximum": 1000},
        "plan": {"enum": ["free", "pro", "gold", None]},
        "city": {"type": "string"},
        "text": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "who": {"type": "object", "properties": {"active": {"type": "boolean"}}},
    },
}
ROWS = 4000
Change = Callable[[dict[str, Any], np.random.Generator], dict[str, Any]]


@pytest.fixture(scope="module")
def validator() -> Validator:
    with connect("memory://") as registry:
        registry.register("row", SCHEMA)
        return for_tables(registry, "row@1")


def columns(seed: int, rows: int = ROWS) -> tuple[dict[str, Any], np.random.Generator]:
    random = np.random.default_rng(seed)
    return {
        "n": random.normal(100, 10, rows),
        "plan": random.choice(["free", "pro"], rows),
        "city": random.choice(["Ulm", "Bonn", "Kiel"], rows),
        "text": [f"{i} {'x' * int(k)}" for i, k in enumerate(random.integers(1, 50, rows))],
        "tags": [["t"] * int(k) for k in random.integers(0, 5, rows)],
        "who": [{"active": bool(k)} for k in random.integers(0, 2, rows)],
    }, random


def table(seed: int, change: Change | None = None, rows: int = ROWS) -> pa.Table:
    made, random = columns(seed, rows)
    return pa.table(change(made, random) if change else made)


@pytest.fixture(scope="module")
def baseline(validator: Validator) -> Profile:
    return profile_tables([table(0)], validator)


def found(validator: Validator, baseline: Profile, data: pa.Table) -> DriftReport:
    return detect([data], validator, baseline)


@pytest.mark.parametrize("rows", [40, 200, ROWS])
@pytest.mark.parametrize("seed", range(1, 6))
def test_chance_is_no_drift(validator: Validator, baseline: Profile, seed: int, rows: int) -> None:
    report = found(validator, baseline, table(seed, rows=rows))
    assert report
    assert not report.drifted, str(report)


def _with(name: str, make: Callable[[Any, np.random.Generator], Any]) -> Change:
    return lambda c, r: {**c, name: make(c[name], r)}


def _some(value: str, share: float) -> Callable[[Any, np.random.Generator], Any]:
    return lambda values, random: np.where(random.random(ROWS) < share, value, values)


def _holes(values: Any, random: np.random.Generator) -> Any:
    return pa.array(list(values), mask=random.random(ROWS) < 0.2)


@pytest.mark.parametrize(
    ("column", "measure", "change"),
    [
        ("n", "Wasserstein", _with("n", lambda v, r: v + 4)),
        ("n", "Wasserstein", _with("n", lambda v, r: (v - 100) * 1.5 + 100)),
        ("plan", "Jensen–Shannon", _with("plan", _some("pro", 0.6))),
        ("plan", "new categories", _with("plan", _some("gold", 0.05))),
        ("city", "new categories", _with("city", _some("Rom", 0.05))),
        ("text", "Wasserstein", _with("text", lambda v, r: [t * 2 for t in v])),
        ("tags", "Wasserstein", _with("tags", lambda v, r: [[*t, "u"] for t in v])),
        ("who/active", "Jensen–Shannon", _with("who", lambda v, r: [{"active": True}] * ROWS)),
        ("city", "presence", _with("city", _holes)),
    ],
)  # fmt: skip
def test_what_changed_is_found_and_nothing_else(
    validator: Validator, baseline: Profile, column: str, measure: str, change: Change
) -> None:
    report = found(validator, baseline, table(7, change))
    assert report.drifted
    assert report.drifted_columns == (column,)
    assert measure in {m.name for m in report.columns[0].measures if m.drifted}


def test_anomalies_of_the_schema_come_first(validator: Validator, baseline: Profile) -> None:
    def change(c: dict[str, Any], r: np.random.Generator) -> dict[str, Any]:
        plan = np.where(r.random(ROWS) < 0.1, "platinum", c["plan"])
        kept = {name: c[name] for name in ("text", "tags", "who")}
        return {**kept, "plan": plan, "n": c["n"].astype(str), "extra": [1] * ROWS}

    report = found(validator, baseline, table(3, change))
    kinds = {(a.kind, a.column) for a in report.anomalies if a.drift}
    assert {
        ("new column", "extra"),
        ("missing column", "city"),
        ("type", "n"),
        ("invalid rows", ""),
    } <= kinds
    assert any("enum at /plan" in a.message for a in report.anomalies)
    assert "platinum" not in report.to_json()


def test_a_wider_type_of_the_same_kind_is_a_note(validator: Validator, baseline: Profile) -> None:
    def change(c: dict[str, Any], r: np.random.Generator) -> dict[str, Any]:
        return {**c, "n": pa.array(c["n"], pa.float32())}

    report = found(validator, baseline, table(4, change))
    assert [(a.kind, a.drift) for a in report.anomalies] == [("type", False)]
    assert not report.drifted


def test_no_rows_are_drift(validator: Validator, baseline: Profile) -> None:
    assert found(validator, baseline, table(1).slice(0, 0)).anomalies[0].kind == "no rows"


def test_thresholds_decide_and_columns_can_be_left_out(
    validator: Validator, baseline: Profile
) -> None:
    moved = table(5, _with("n", lambda v, r: v + 4))
    loose = DriftThresholds(number=1.0)
    assert not detect([moved], validator, baseline, thresholds=loose).drifted
    assert not detect([moved], validator, baseline, ignore=("n",)).drifted
    with pytest.raises(ConfigurationError, match="number"):
        DriftThresholds(number=-1)


def test_a_profile_is_small_and_holds_only_values_that_the_schema_names(
    baseline: Profile, tmp_path: Path
) -> None:
    path = baseline.write(tmp_path / "row.json")
    text = path.read_text()
    assert path.stat().st_size < 30_000
    assert '\\"free\\"' in text
    for hidden in ("Ulm", "Bonn", "Kiel", "xxx"):
        assert hidden not in text
    again = Profile.read(path)
    assert again == baseline
    assert not compare_profiles(baseline, again).drifted


def test_few_values_leave_no_quantiles(validator: Validator) -> None:
    profile = profile_tables([table(0, rows=19)], validator)
    numbers = profile.columns["n"].numbers
    assert numbers is not None
    assert numbers.quantiles == ()


def test_quantiles_are_rounded_and_leave_the_extremes_out(validator: Validator) -> None:
    values = np.append(np.random.default_rng(0).normal(0, 1, ROWS), 987.654321)
    numbers = profile_tables([pa.table({"n": values})], validator).columns["n"].numbers
    assert numbers is not None
    assert max(numbers.quantiles) < 10
    assert "987" not in json.dumps(numbers.quantiles)


def test_blocks_add_up_to_the_whole(validator: Validator) -> None:
    data, labels = table(0), Labels()
    whole = profile_tables([data], validator, labels=labels)
    parts = profile_tables(
        [data.slice(start, 512) for start in range(0, ROWS, 512)], validator, labels=labels
    )
    for name, column in whole.columns.items():
        assert parts.columns[name].categories == column.categories
        assert (parts.columns[name].nulls, parts.columns[name].rows) == (0, ROWS)
    assert not compare_profiles(whole, parts).drifted
    before, after = whole.columns["n"].numbers, parts.columns["n"].numbers
    assert before is not None
    assert after is not None
    assert after.std == pytest.approx(before.std)


def test_a_column_to_ignore_must_be_one(validator: Validator) -> None:
    known = profile_tables([table(0)], validator)
    with pytest.raises(ConfigurationError, match=r"no column 'm' to ignore; the columns are .*n"):
        detect([table(1)], validator, known, ignore=["m"])


def test_hashes_need_the_secret_they_were_made_with(
    validator: Validator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_INTEGRATIONS_DRIFT_KEY", "one")
    known = profile_tables([table(0)], validator)
    assert "one" not in repr(Labels())
    assert not detect([table(1)], validator, known).drifted
    monkeypatch.setenv("LLM_INTEGRATIONS_DRIFT_KEY", "two")
    with pytest.raises(ConfigurationError, match="LLM_INTEGRATIONS_DRIFT_KEY"):
        detect([table(1)], validator, known)


def test_values_are_shown_where_the_baseline_was_saved_with_them(validator: Validator) -> None:
    known = profile_tables([table(0)], validator, labels=Labels(plain=True))
    report = detect([table(1)], validator, known)
    assert not report.drifted
    assert "Ulm" in report.to_markdown()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format": 2}', '{"format": 1, "columns": {}}'])
def test_what_is_no_profile_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(ConfigurationError):
        Profile.read(tmp_path / "p.json")


def test_the_baseline_of_an_earlier_version_serves_a_later_one(tmp_path: Path) -> None:
    with connect(tmp_path / "my schemas") as registry:
        registry.register("a/row", SCHEMA)
        store = BaselineStore.beside(registry)
        assert store.find("a/row@1") is None
        store.save(profile_tables([table(0)], for_tables(registry, "a/row@1")))
        registry.register("a/row", {**SCHEMA, "title": "t"})
        assert registry.subjects() == ["a/row"]
        known = store.find("a/row@2")
        assert known is not None
        assert known.schema == "a/row@1"
        report = detect([table(1)], for_tables(registry, "a/row@2"), known)
        assert [(a.kind, a.drift) for a in report.anomalies] == [("schema", False)]
    with connect("memory://") as registry, pytest.raises(ConfigurationError, match="baseline"):
        BaselineStore.beside(registry)


class _Loads(HTMLParser):
    """Notes everything that a page would load or run, and what would not fit a small screen."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.wide: list[str] = []
        self._open: list[bool] = []

    def handle_endtag(self, tag: str) -> None:
        if tag == "div":
            self._open.pop()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "div":
            self._open.append(("class", "wide") in attrs)
        if tag == "table" and not any(self._open):
            self.wide.append(tag)
        if tag in ("script", "link", "img", "iframe", "object"):
            self.found.append(tag)
        for name, value in attrs:
            if name.startswith("on") or (
                name in ("src", "href", "xlink:href") and value and not value.startswith("#")
            ):
                self.found.append(f"{tag} {name}={value}")


EVIL = "<script>alert(1)</script>$x^|`_*[a](b)\n\x00é日本"


def test_the_page_stands_alone_and_hostile_names_do_nothing(tmp_path: Path) -> None:
    body = {"type": "object", "properties": {EVIL: {"enum": [EVIL, "b"]}}}
    with connect("memory://") as registry:
        registry.register("row", body)
        validator = for_tables(registry, "row@1")
    before = pa.table({EVIL: [EVIL, "b"] * 50, "n": np.arange(100.0)})
    after = pa.table({EVIL: ["b"] * 100, "n": np.arange(100.0) + 50})
    report = detect([after], validator, profile_tables([before], validator))
    assert report.drifted
    page = report.to_html()
    reader = _Loads()
    reader.feed(page)
    assert reader.found == []
    assert reader.wide == [], "tables scroll by themselves, and plots shrink"
    style = page[page.index("<style>") : page.index("</style>")]
    assert "prefers-color-scheme:dark" in style
    assert "svg{max-width:100%" in style
    assert not re.search(r"[{;](min-)?width:\d+(px|cm)", style)
    assert '<meta name="viewport" content="width=device-width' in page
    assert "<script" not in page
    assert "<script" not in report.to_markdown()
    plots = page.split("<svg")[1:]
    assert len(plots) == 3
    for plot in plots:
        ET.fromstring("<svg" + plot[: plot.index("</svg>") + 6])
    paths = report.write(tmp_path / "out")
    assert json.loads(paths["json"].read_text())["drifted"] is True


def test_the_reports_say_what_readers_expect(validator: Validator, baseline: Profile) -> None:
    report = found(validator, baseline, table(7, _with("n", lambda v, r: v + 4)))
    text = report.to_markdown()
    for expected in (
        "# Drift: row@1",
        "4,000",
        "Wasserstein",
        '"free"',
        "## Schema",
        "| n | **yes**",
    ):
        assert expected in text
    data = report.to_dict()
    assert data["rows"] == {"before": ROWS, "after": ROWS}
    assert data["columns"]["n"]["measures"][1]["threshold"] > 0.1
    assert str(report).startswith("drifted: 4,000 rows against 4,000")
    assert report._repr_html_().count("<svg") == 1 + len(report.columns)
    assert report.__rich__().row_count == len(report.columns)


AT = {"enum": ["AT"]}


@pytest.mark.parametrize(
    ("schema", "references"),
    [
        ({"properties": {"c": {"$ref": "#n"}}} | {"$defs": {"x": {"$anchor": "n", **AT}}}, {}),
        ({"properties": {"c": {"$ref": "#/%24defs/x%20y"}}, "$defs": {"x y": {"const": "AT"}}}, {}),
        ({"properties": {"c": {"$ref": "x/y"}}} | {"$defs": {"x": {"$id": "x/y", **AT}}}, {}),
        ({"properties": {"c": {"$ref": "country"}}}, {"country": AT}),
        ({"allOf": [{"$ref": "row#c"}]}, {"row": {
            "$defs": {"r": {"$anchor": "c", "properties": {"c": {"$ref": "#/$defs/e"}}},
                      "e": {"anyOf": [{"$ref": "#/$defs/e"}, AT]}}}}),
    ],
)  # fmt: skip
def test_the_words_of_an_enum_behind_any_reference_are_shown(
    schema: dict[str, Any], references: dict[str, Any]
) -> None:
    validator = compile_validator(schema, resources=references)
    table = pa.table({"c": ["AT", "AT", "a secret"]})
    categories = profile_tables([table], validator).columns["c"].categories
    assert categories is not None
    assert '"AT"' in categories.counts
    assert not any("secret" in word for word in categories.counts)
