"""Rows that workers found invalid, on their way into a quarantine."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from prometheus_client import REGISTRY

from llm_integrations.core.arrow import ArrowPlan, VerdictCounts, compile_arrow, count, set_aside
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import ConfigurationError, MissingExtra
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.validation import compile_validator
from tests.support.arrow import BOTH
from tests.support.arrow_fuzz import is_readable, random_case

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


@pytest.mark.parametrize("seed", range(20))
def test_what_was_set_aside_gets_the_verdict_of_its_table_whatever_the_types(
    seed: int, tmp_path: Path
) -> None:
    case = random_case(50_000 + seed)
    refuses = compile_arrow(False, json_columns=case.json_columns)
    annotated = refuses.annotate(case.table)
    tally = refuses.tally(annotated)
    bad = annotated.drop_columns(["schema_valid"])
    number = pa.array(range(bad.num_rows), pa.int64())
    bad = bad.append_column("row number", number)
    set_aside([bad], tmp_path, tally, source="here", json_columns=case.json_columns)
    records = {record.value["row number"]: record for record in Quarantine(tmp_path).records()}
    assert len(records) == case.table.num_rows
    for nulls in BOTH:
        options = ValidationOptions(nulls=nulls)
        validator = compile_validator(case.schema, options=options, resources=case.resources)
        mask = ArrowPlan(validator, None, case.json_columns, 1).mask(case.table).to_pylist()
        for position, (row, said) in enumerate(zip(case.rows(), mask, strict=True)):
            value = {k: v for k, v in records[position].judged.items() if k != "row number"}
            assert not is_readable(row) or validator.is_valid(value) == said


TENSORS = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
DEEP = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
COMES_BACK: dict[str, tuple[Any, Any, Any]] = {
    "tensor": (pa.FixedShapeTensorArray.from_numpy_ndarray(TENSORS), DEEP, TENSORS.tolist()),
    "embedding": (
        pa.FixedSizeListArray.from_arrays(np.arange(3072, dtype=np.float32), 1536),
        {"type": "array", "minItems": 1536},
        np.arange(3072, dtype=np.float32).reshape(2, 1536).tolist(),
    ),
    "decimal": (
        pa.array([Decimal("1.50"), Decimal("-0.05")], pa.decimal128(10, 2)),
        {"type": "number"},
        [Decimal("1.50"), Decimal("-0.05")],
    ),
    "map": (
        pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())),
        {"type": "object", "additionalProperties": {"type": "integer"}},
        [{"a": 1}, {}],
    ),
    "map by number": (
        pa.array([[(1, "a")], []], pa.map_(pa.int32(), pa.string())),
        {"type": "object", "propertyNames": {"pattern": "^[0-9]$"}},
        [{"1": "a"}, {}],
    ),
    "instant": (
        pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * 2),
        {"type": "string", "format": "date-time"},
        ["2026-01-01T00:00:00+00:00"] * 2,
    ),
    "date": (pa.array([date(2026, 1, 1)] * 2), {"format": "date"}, ["2026-01-01"] * 2),
    "interval": (
        pa.array([(1, 2, 3)] * 2, pa.month_day_nano_interval()),
        {"type": "array", "maxItems": 3},
        [[1, 2, 3]] * 2,
    ),
    "duration": (pa.array([timedelta(seconds=5)] * 2), {"format": "duration"}, ["PT5S"] * 2),
    "duration of nanoseconds": (
        pa.array([1_234_567_891, -1], pa.duration("ns")),
        {"type": "string"},
        ["PT1.234567891S", "-PT0.000000001S"],
    ),
    "bytes": (pa.array([b"\xff\x00", b""]), True, [b"\xff\x00", b""]),
}


@pytest.mark.parametrize("name", COMES_BACK)
def test_values_of_every_type_leave_the_quarantine_when_the_schema_relaxes(
    name: str, tmp_path: Path
) -> None:
    values, schema, expected = COMES_BACK[name]
    strict = {"properties": {"n": {"maximum": 0}, "x": schema}}
    plan = compile_arrow(strict, subject="row", reference="row@1")
    annotated = plan.annotate(pa.table({"n": [1, 2], "x": values}))
    tally = plan.tally(annotated)
    assert [str(reason) for reason in tally.reasons] == ["maximum at /n"]
    set_aside([annotated.drop_columns(["schema_valid"])], tmp_path, tally, source="here")
    relaxed = compile_validator({"properties": {"x": schema}}, subject="row", reference="row@2")
    released: list[Any] = []
    quarantine = Quarantine(tmp_path)
    assert quarantine.release(relaxed, released.extend).released == 2
    assert sorted((record.value["n"], record.value["x"]) for record in released) == list(
        enumerate(expected, 1)
    )


def test_rows_that_differ_behind_the_thousandth_number_are_two(tmp_path: Path) -> None:
    rows = np.zeros((2, 1536), np.float32)
    rows[1, 700] = 1
    table = pa.table({"n": [1, 1], "x": pa.FixedShapeTensorArray.from_numpy_ndarray(rows)})
    annotated = PLAN.annotate(table)
    bad = annotated.drop_columns(["schema_valid"])
    for part in (bad, bad.take([1, 0])):
        set_aside([part], tmp_path, PLAN.tally(annotated), source="here")
    assert len(Quarantine(tmp_path)) == 2


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


def test_a_quarantine_elsewhere_is_written_there_and_released_from_a_copy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    s3fs = pytest.importorskip("s3fs")
    s3fs.S3FileSystem.clear_instance_cache()  # they know other endpoints
    import fsspec  # type: ignore[import-untyped]  # publishes no types
    from moto.server import ThreadedMotoServer

    tally = PLAN.tally(PLAN.annotate(ROWS))
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir("set-aside")
        monkeypatch.chdir(tmp_path)
        for _ in range(2):
            assert set_aside([invalid()], "s3://set-aside/bad", tally, source="here") == 6
        assert list(tmp_path.iterdir()) == [], "nothing was written here"
        system = fsspec.filesystem("s3", skip_instance_cache=True)
        system.get("set-aside/bad/", str(tmp_path / "copy"), recursive=True)
    finally:
        server.stop()
    records = list(Quarantine(tmp_path / "copy").records())
    assert [record.value for record in records] == ROWS.to_pylist()


@pytest.mark.parametrize(
    "place",
    [
        "s3://bucket/bad",
        "hdfs://host/bad",
        "dbfs:/mnt/bad",
        "abfss://c@a.net/b",
        Path("s3://b/bad"),
    ],
    ids=str,
)
def test_a_folder_elsewhere_never_becomes_one_of_that_name_here(
    place: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError):
        Quarantine(place)
    tally = PLAN.tally(PLAN.annotate(ROWS))
    unknown = f"nothing-{place}" if isinstance(place, str) else place
    with pytest.raises((ConfigurationError, MissingExtra)):
        set_aside([invalid()], unknown, tally, source="here")
    assert list(tmp_path.iterdir()) == []
