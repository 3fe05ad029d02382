"""Limits of single columns, in the schema and in files; several baselines; other measures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from llm_integrations.core.cli.app import app
from llm_integrations.core.drift import (
    DriftReport,
    DriftThresholds,
    Profile,
    detect,
    profile_tables,
    read_limits,
)
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry import connect
from llm_integrations.core.validation import compile_validator

ROWS = 1000
ANY: dict[str, Any] = {"type": "object"}


def rows(seed: int, shift: float = 0.0, count: int = ROWS, words: str = "aaab") -> pa.Table:
    made = np.random.default_rng(seed)
    return pa.table(
        {
            "n": made.normal(shift, 1, count),
            "word": made.choice(list(words), count),
            "meta": [{"id": float(i), "x": i} for i in made.normal(shift, 1, count)],
            "chat": [[{"role": str(r)}] for r in made.choice(list(words), count)],
        }
    )


def compared(
    before: Any, after: pa.Table, body: dict[str, Any] = ANY, **options: Any
) -> DriftReport:
    validator = compile_validator(body, reference="row@1")
    several = before if isinstance(before, list) else [before]
    profiles = [profile_tables([one], validator) for one in several]
    return detect([after], validator, profiles, **options)


def at(place: str, said: Any) -> dict[str, Any]:
    """A schema that says so at a place."""
    body: dict[str, Any] = {"x-drift": said}
    for name in reversed(place.replace("[*]", "/[*]").replace(".", "/").split("/")):
        body = {"items": body} if name == "[*]" else {"properties": {name: body}}
    return body


@pytest.mark.parametrize("place", ["n", "meta", "meta/id", "chat", "chat[*].role", "word"])
@pytest.mark.parametrize("by", ["schema", "top of the schema", "object", "file", "argument"])
def test_what_is_to_be_ignored_is_wherever_that_is_said(
    tmp_path: Path, place: str, by: str
) -> None:
    said = {"columns": {place: {"ignore": True}}}
    body = ANY
    options: dict[str, Any] = {}
    match by:
        case "schema":
            body = at(place, {"ignore": True})
        case "top of the schema":
            body = {"x-drift": said}
        case "object":
            options = {"limits": said}
        case "file":
            (tmp_path / "limits.yaml").write_text(f"columns:\n  '{place}': {{ignore: true}}\n")
            options = {"limits": tmp_path / "limits.yaml"}
        case _:
            options = {"ignore": [place]}
    report = compared(rows(1), rows(2, 3.0, words="abbb"), body, **options)
    expected = {"n", "word", "meta/id", "meta/x", "chat[*].role"}
    expected -= {name for name in expected if name.startswith(place)}
    assert set(report.drifted_columns) == expected
    assert any(name.startswith(place) for name in report.not_compared)


def test_limits_hold_through_references_and_recursive_schemas() -> None:
    node: dict[str, Any] = {
        "properties": {"chat": {"items": {"$ref": "#"}}, "role": {"x-drift": {"category": 1.0}}}
    }
    report = compared(rows(1), rows(2, words="abbb"), node)
    assert report.drifted_columns == ("word",)


def test_a_limit_of_one_column_is_that_of_no_other() -> None:
    limits = {"number": 0.1, "columns": {"n": {"number": 9, "ks": 1}}}
    report = compared(rows(1), rows(2, 1.0), limits=limits)
    assert set(report.drifted_columns) == {"meta/id", "meta/x"}
    everywhere = compared(rows(1), rows(2, 1.0), limits={"number": 9, "ks": 1})
    assert not everywhere.drifted
    narrow = compared(
        rows(1), rows(2, 1.0), limits={"number": 9, "ks": 1}, thresholds=DriftThresholds()
    )
    assert "n" in narrow.drifted_columns
    file_first = compared(rows(1), rows(2, 1.0), at("n", {"ignore": True}),
                          limits={"columns": {"n": {"number": 0.1}}})  # fmt: skip
    assert "n" in file_first.drifted_columns


@pytest.mark.parametrize(
    ("name", "measure", "column"),
    [
        ("psi", "PSI", "n"),
        ("PSI", "PSI", "word"),
        ("KS", "Kolmogorov–Smirnov", "n"),
        ("kolmogorov-smirnov", "Kolmogorov–Smirnov", "n"),
        ("L∞", "L-infinity", "word"),
        ("l_infinity", "L-infinity", "n"),
        ("L-infinity", "L-infinity", "chat[*].role"),
        ("jensen-shannon", "Jensen–Shannon", "word"),
        ("wasserstein", "Wasserstein", "n"),
    ],
)
def test_a_column_is_compared_by_the_measure_that_is_asked_for(
    name: str, measure: str, column: str
) -> None:
    limits = {"columns": {column: {"measure": name}}}
    before = rows(1)
    same, moved = (
        next(c for c in compared(before, after, limits=limits).columns if c.name == column)
        for after in (rows(2), rows(3, 1.5, words="abbb"))
    )
    for found in (same, moved):
        assert [m.name for m in found.measures] == ["presence", measure]
    assert not same.drifted
    assert moved.drifted
    wide = {"columns": {column: {"measure": name, "limit": 99}}}
    report = compared(before, rows(3, 1.5, words="abbb"), limits=wide)
    assert column not in report.drifted_columns


def test_the_index_is_that_of_the_textbook() -> None:
    before = pa.table({"x": ["a"] * 5000 + ["b"] * 5000})
    after = pa.table({"x": ["a"] * 3000 + ["b"] * 7000})
    limits = {"columns": {"x": {"measure": "psi"}}}
    (column,) = compared(before, after, limits=limits).columns
    # (0.3 - 0.5) ln(0.3 / 0.5) + (0.7 - 0.5) ln(0.7 / 0.5)
    assert column.measures[1].value == pytest.approx(0.16946, abs=1e-3)
    limits = {"columns": {"x": {"measure": "linf"}}}
    (column,) = compared(before, after, limits=limits).columns
    assert column.measures[1].value == pytest.approx(0.2)


@pytest.mark.parametrize("measure", ["psi", "linf", "ks"])
def test_a_measure_raises_no_alarm_by_chance(measure: str) -> None:
    names = [f"x{i}" for i in range(20)]
    limits = {"columns": {name: {"measure": measure} for name in names}}
    alarms = 0
    for seed in range(10):
        made = np.random.default_rng(seed)
        one, two = (pa.table({n: made.normal(0, 1, 60) for n in names}) for _ in range(2))
        alarms += compared(one, two, limits=limits).drifted
    assert alarms <= 1


def test_a_measure_that_is_none_of_the_columns_is_said() -> None:
    report = compared(rows(1), rows(2), limits={"columns": {"word": {"measure": "ks"}}})
    assert report.not_compared == {"word": "Kolmogorov–Smirnov does not measure it"}


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"columns": {"m": {"ignore": True}}}, "there is no column 'm'"),
        ({"columns": {"n": {"ignored": True}}}, "there is no limit 'ignored'"),
        ({"catgory": 0.2}, "there is no limit 'catgory'"),
        ({"columns": {"n": {"measure": "psy"}}}, "there is no measure 'psy'"),
        ({"columns": {"n": {"limit": 0.2}}}, "name it"),
        ({"columns": {"n": {"measure": "psi", "limit": -1}}}, "0 or more"),
        ({"columns": {"n": {"number": "0.2"}}}, "number is not '0.2'"),
        ({"columns": {"n": {"ignore": 1}}}, "ignore is not 1"),
        ({"columns": {"n": True}}, "an object"),
        ({"columns": []}, "an object"),
        ({"number": "x"}, "numbers"),
        ({"number": -1}, "0 or more"),
        (7, "cannot be read|object"),
    ],
)
def test_what_is_no_limit_is_refused_with_what_there_is(limits: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        compared(rows(1), rows(2), limits=limits if limits != 7 else "/nowhere.yaml")
    if isinstance(limits, dict) and "m" not in limits.get("columns", {}):
        with pytest.raises(ConfigurationError, match=message):
            compared(rows(1), rows(2), {"x-drift": limits})


def test_of_several_baselines_drift_is_what_drifted_from_each() -> None:
    weekday, weekend = rows(1), rows(2, 3.0, words="abbb")
    both = [weekday, weekend]
    for seed, shift, words in ((3, 0.0, "aaab"), (4, 3.0, "abbb"), (5, 3.0, "aaab")):
        report = compared(both, rows(seed, shift, words=words))
        assert report, str(report)
        assert report.baselines == 2
    new = compared(both, rows(6, 9.0))
    assert set(new.drifted_columns) == {"n", "meta/id", "meta/x"}
    json.loads(new.to_json())
    assert "newest of 2 baselines" in str(new)


def test_a_column_that_some_baselines_lack_is_a_note() -> None:
    without = rows(1).drop_columns(["word"])
    assert compared(without, rows(3)).drifted
    report = compared([without, rows(2)], rows(3))
    assert not report.drifted
    assert all(not anomaly.drift for anomaly in report.anomalies)


@pytest.mark.parametrize(
    ("history", "now", "drifts"),
    [
        ([1000], 9000, False),
        ([1000, 50_000], 60_000, False),
        ([1000, 1010, 990, 1005, 995], 1700, False),
        ([1000, 1010, 990, 1005, 995], 3000, True),
        ([1000, 1010, 990, 1005, 995], 300, True),
        ([500, 1000, 4000, 2000, 8000], 3000, False),
    ],
)
def test_the_row_count_is_held_against_those_before(
    history: list[int], now: int, drifts: bool
) -> None:
    def of(count: int) -> pa.Table:
        return pa.table({"x": ["a", "b"] * (count // 2)})

    report = compared([of(count) for count in history], of(now))
    assert report.drifted == drifts
    if drifts:
        assert "usual" in str(report.anomalies[0])


def test_the_command_takes_limits_and_a_folder_of_baselines(tmp_path: Path) -> None:
    from pyarrow import parquet

    body = {"properties": {"word": {"x-drift": {"ignore": True}}}}
    with connect(tmp_path / "schemas") as registry:
        registry.register("row", body)
    for name, table in {"a": rows(1), "b": rows(2, 3.0), "now": rows(3, 6.0, words="b")}.items():
        parquet.write_table(table.select(["n", "word"]), tmp_path / f"{name}.parquet")

    def drift(*arguments: str) -> Any:
        where = ["-r", str(tmp_path / "schemas")]
        return CliRunner().invoke(app, ["drift", *arguments, *where])

    for name in "ab":
        profile = str(tmp_path / "profiles" / f"{name}.json")
        data = str(tmp_path / f"{name}.parquet")
        assert drift(data, "row@1", "--save", "--baseline", profile).exit_code == 0
    now = str(tmp_path / "now.parquet")
    profiles = str(tmp_path / "profiles")
    found = drift(now, "row@1", "--baseline", profiles, "--json")
    assert (found.exit_code, json.loads(found.stdout)["baselines"]) == (1, 2)
    limits = tmp_path / "limits.yaml"
    limits.write_text("columns: {n: {number: 99, ks: 1}}\n")
    assert drift(now, "row@1", "--baseline", profiles, "--limits", str(limits)).exit_code == 0
    again = drift(
        str(tmp_path / "b.parquet"), "row@1", "--baseline", str(tmp_path / "profiles/a.json"),
        "--baseline", str(tmp_path / "b.parquet"),
    )  # fmt: skip
    assert again.exit_code == 0
    limits.write_text("columns: {m: {ignore: true}}\n")
    wrong = drift(now, "row@1", "--baseline", profiles, "--limits", str(limits))
    assert isinstance(wrong.exception, ConfigurationError)


def test_limits_and_profiles_are_read_as_they_were_written(tmp_path: Path) -> None:
    (tmp_path / "limits.json").write_text('{"number": 0.3, "columns": {"a/b": {"compare": true}}}')
    limits = read_limits(tmp_path / "limits.json")
    assert limits.columns["a/b"].compare
    assert limits.applied(None).number == 0.3
    assert not Profile.is_one(tmp_path / "limits.json")
