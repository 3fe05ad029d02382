"""Rows that workers found invalid, on their way into a quarantine."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
from prometheus_client import REGISTRY

from llm_integrations.core.arrow import VerdictCounts, compile_arrow, count, set_aside
from llm_integrations.core.quarantine import Quarantine

PLAN = compile_arrow({"properties": {"n": {"maximum": 0}}}, reference="row@1")
ROWS = pa.table({"n": [3, 1, 2, 1, 1, 3], "s": ["é", "b", "c", "b", "x", "é"]})


def invalid() -> pa.Table:
    annotated = PLAN.annotate(ROWS)
    return annotated.filter(pa.array([True] * 6)).drop_columns(["schema_valid"])


def test_rows_keep_their_data_reasons_and_schema(tmp_path: Path) -> None:
    tally = PLAN.tally(PLAN.annotate(ROWS))
    assert set_aside([invalid()], tmp_path / "bad", tally, source="here") == 6
    records = list(Quarantine(tmp_path / "bad").records())
    assert [record.value for record in records] == ROWS.to_pylist()
    assert {record.reason for record in records} == {"maximum at /n"}
    assert {(record.schema, record.fingerprint, record.source) for record in records} == {
        ("row@1", PLAN.fingerprint, "here")
    }


def test_the_same_rows_in_any_order_are_there_once_and_equal_rows_as_often_as_they_came(
    tmp_path: Path,
) -> None:
    tally = PLAN.tally(PLAN.annotate(ROWS))
    store = Quarantine(tmp_path, "parquet")
    rng = random.Random(1)
    for _ in range(3):
        order = rng.sample(range(6), 6)
        mixed = invalid().take(order)
        set_aside([mixed.slice(0, 4), mixed.slice(4)], store, tally, source="here")
    found = sorted(record.value["n"] for record in store.records())
    assert found == sorted(ROWS["n"].to_pylist())


def test_json_columns_are_set_aside_as_what_they_say(tmp_path: Path) -> None:
    plan = compile_arrow({"properties": {"args": {"minProperties": 2}}}, json_columns=["args"])
    rows = pa.table({"args": ['{"a": 1}', "no json", None, '{"a": 1, "b": 2}'], "n": [1, 2, 3, 4]})
    judged = plan.annotate(rows).filter(pa.array([True, True, False, False]))
    bad = judged.drop_columns(["schema_valid"])
    tally = plan.tally(plan.annotate(rows))
    assert tally.invalid == 2
    set_aside([bad], tmp_path, tally, source="here", json_columns=plan.json_columns)
    values = [record.value for record in Quarantine(tmp_path).records()]
    assert values == [{"args": {"a": 1}, "n": 1}, {"args": "no json", "n": 2}]


def test_nothing_invalid_writes_nothing(tmp_path: Path) -> None:
    tally = VerdictCounts(rows=0, valid=0)
    assert set_aside([invalid().slice(0, 0)], tmp_path / "bad", tally, source="here") == 0
    assert Quarantine(tmp_path / "bad").parts() == []


def test_what_workers_judged_is_counted_where_they_are_gathered() -> None:
    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"llm_integrations_{name}", labels) or 0.0

    labels = {"module": "test-rows", "subject": "row", "side": "input"}
    count(VerdictCounts(rows=10, valid=7), module="test-rows", subject="row")
    count(VerdictCounts(rows=1, valid=1), module="test-rows", subject=None)
    assert value("validation_total", outcome="valid", **labels) == 7
    assert value("validation_total", outcome="invalid", **labels) == 3
    assert value("validation_failures_total", **labels) == 3
    assert value("validation_total", outcome="valid", **{**labels, "subject": "unknown"}) == 1
