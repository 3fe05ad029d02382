"""Spark, on a real local session."""

# pyright: reportMissingImports=false
# Only the real tests install Ray and Spark.

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from llm_integrations.core.arrow import read_reasons
from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, connect
from tests.support.needs import needs
from tests.support.nested_calls import CALL_REASONS, CALLS, VALID_CALLS, calls

pytestmark = [
    pytest.mark.real,
    needs("install-spark", "pyspark", programs=("java",)),
    pytest.mark.timeout(900),
    # PySpark warns about the pandas that is installed, and leaves sockets to the collector.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROWS = 20_000

SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer", "minimum": 100},
        "meta": {"properties": {"lang": {"enum": ["en", "de"]}}},
    },
    "required": ["id"],
}


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    session = (
        # Two workers at once, and a task may fail twice before the job does.
        SparkSession.builder.master("local[2,3]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "1000")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("training-row", SCHEMA)
        yield client


def rows(spark: Any, partitions: int = 8) -> Any:
    return spark.range(0, ROWS, 1, partitions)


def ids(frame: Any) -> list[int]:
    return sorted(row["id"] for row in frame.collect())


def test_every_row_comes_back_with_its_verdict(spark: Any, registry: Registry) -> None:
    from llm_integrations.spark import schema_map_in_arrow

    frame = spark.sql(
        "select id, struct(if(id = 200, 'xx', 'en') as lang) as meta, cast(null as string) as note "
        "from range(90, 300)"
    )
    fn = schema_map_in_arrow("training-row@1", registry=registry)
    judged = frame.mapInArrow(fn, fn.output_schema(frame.schema)).collect()
    verdicts = {row["id"]: row for row in judged}
    assert len(verdicts) == 210
    assert verdicts[100]["schema_valid"] is True
    assert verdicts[100]["schema_errors"] is None
    assert verdicts[99]["schema_valid"] is False
    (violation,) = read_reasons(verdicts[200]["schema_errors"])
    assert (violation.path, violation.keyword) == ("/meta/lang", "enum")


def test_the_two_parts_and_the_counts_add_up(spark: Any, registry: Registry) -> None:
    from llm_integrations.spark import schema_map_in_arrow

    result = schema_map_in_arrow("training-row", registry=registry).judge(rows(spark))
    assert (result.report.rows, result.report.invalid) == (ROWS, 100)
    assert {str(reason): n for reason, n in result.report.reasons.items()} == {
        "minimum at /id": 100
    }
    assert ids(result.valid) == list(range(100, ROWS))
    assert ids(result.invalid) == list(range(100))
    assert result.valid.columns == ["id"]
    assert not result
    result.unpersist()
    assert result.valid.count() == ROWS - 100


def test_a_worker_killed_on_the_way_loses_and_doubles_no_row(
    spark: Any, registry: Registry, tmp_path: Path
) -> None:
    from llm_integrations.spark import schema_map_in_arrow

    folder = str(tmp_path)

    def slowly(batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            Path(folder, f"{os.getpid()}-{batch['id'][0].as_py()}").touch()
            time.sleep(0.2)
            yield batch

    frame = rows(spark, 4)
    fn = schema_map_in_arrow("training-row", registry=registry)
    found: list[Any] = []
    slow = frame.mapInArrow(slowly, frame.schema)
    run = threading.Thread(target=lambda: found.append(fn.judge(slow)))
    run.start()
    os.kill(_busy_worker(tmp_path), signal.SIGKILL)
    run.join(timeout=240)
    (result,) = found
    assert (result.report.rows, result.report.invalid) == (ROWS, 100)
    assert sorted(ids(result.valid) + ids(result.invalid)) == list(range(ROWS))
    begun = [path.name for path in tmp_path.iterdir()]
    assert len({name.split("-")[0] for name in begun}) > 1
    result.unpersist()


def _busy_worker(folder: Path) -> int:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        pids = [path.name.split("-")[0] for path in folder.iterdir()]
        for pid in pids:
            if pids.count(pid) > 1:
                return int(pid)
        time.sleep(0.02)
    raise AssertionError("the workers never got going")


def test_a_quarantine_takes_the_invalid_rows_once(
    spark: Any, registry: Registry, tmp_path: Path
) -> None:
    from llm_integrations.spark import schema_map_in_arrow

    twice = rows(spark, 2).union(rows(spark, 3))
    result = schema_map_in_arrow("training-row", registry=registry).judge(twice)
    quarantine = Quarantine(tmp_path / "bad", "parquet")
    assert result.quarantine(quarantine, source="range") == 200
    assert result.quarantine(quarantine, source="range") == 200
    records = list(quarantine.records())
    assert sorted(record.value["id"] for record in records) == sorted([*range(100)] * 2)
    assert quarantine.reasons() == {"minimum at /id": 200}
    result.unpersist()


def test_what_travels_to_the_executors_is_the_schema_and_no_registry(registry: Registry) -> None:
    from llm_integrations.spark import schema_map_in_arrow

    sent = pickle.dumps(schema_map_in_arrow("training-row", registry=registry))
    assert b"minimum" in sent
    assert b"core.registry" not in sent
    assert b"memory://" not in sent
    registry.register("training-row", {"type": "object"})
    arrived = pickle.loads(sent)
    assert arrived.reference == "training-row@1"
    (judged,) = arrived(iter([pa.record_batch({"id": [1, 100]})]))
    assert judged["schema_valid"].to_pylist() == [False, True]


def test_a_frame_with_such_a_column_is_refused(spark: Any, registry: Registry) -> None:
    from llm_integrations.spark import schema_map_in_arrow

    fn = schema_map_in_arrow("training-row", registry=registry, valid="id")
    with pytest.raises(ConfigurationError, match="'id'"):
        fn.output_schema(rows(spark).schema)


def test_nested_json_gets_the_verdicts_that_datasets_gets(
    spark: Any, registry: Registry, tmp_path: Path
) -> None:
    from llm_integrations.spark import schema_map_in_arrow

    registry.register("calls", CALLS)
    frame = spark.createDataFrame(
        calls(pa.string()).to_pylist(),
        "id long, calls array<struct<name string, arguments string>>",
    )
    fn = schema_map_in_arrow("calls", registry=registry, json_columns=["/calls/*/arguments"])
    result = fn.judge(frame)
    assert ids(result.valid) == VALID_CALLS
    assert {str(reason) for reason in result.report.reasons} == CALL_REASONS
    result.quarantine(tmp_path, source="calls")
    values = {r.value["id"]: r.value["calls"] for r in Quarantine(tmp_path).records()}
    assert values[1] == [{"name": "a", "arguments": [1]}]


LINES = ['{"id": 200, "meta": {"lang": "en"}}', '{"id": "x"}', "{broken", '{"id": 300}']


def test_what_sparks_reader_could_not_read_is_invalid_and_set_aside_as_it_stood(
    spark: Any, registry: Registry, tmp_path: Path
) -> None:
    from llm_integrations.spark import schema_map_in_arrow, spark_schema

    (tmp_path / "rows.jsonl").write_text("\n".join(LINES), "utf-8")
    schema = spark_schema("training-row", registry=registry)
    frame = spark.read.schema(schema).json(str(tmp_path / "rows.jsonl"))
    result = schema_map_in_arrow("training-row", registry=registry).judge(frame)
    assert ids(result.valid) == [200, 300]
    assert {str(reason) for reason in result.report.reasons} == {"corrupt at (root)"}
    assert result.quarantine(tmp_path / "bad", source="rows") == 2
    records = Quarantine(tmp_path / "bad").records()
    assert sorted(record.value for record in records) == ['{"id": "x"}', "{broken"]


def test_the_session_says_where_what_could_not_be_read_stands(
    spark: Any, registry: Registry, tmp_path: Path
) -> None:
    from llm_integrations.spark import schema_map_in_arrow, spark_schema

    registry.register("optional", {"properties": {"id": {"type": "integer"}}})
    (tmp_path / "rows.jsonl").write_text("\n".join(LINES), "utf-8")
    spark.conf.set("spark.sql.columnNameOfCorruptRecord", "_broken")
    try:
        schema = spark_schema("optional", registry=registry)
        fn = schema_map_in_arrow("optional", registry=registry)
    finally:
        spark.conf.unset("spark.sql.columnNameOfCorruptRecord")
    assert schema.names == ["id", "_broken"]
    reader = spark.read.option("columnNameOfCorruptRecord", "_broken").schema(schema)
    result = fn.judge(reader.json(str(tmp_path / "rows.jsonl")))
    assert ids(result.valid) == [200, 300]
    assert {str(reason) for reason in result.report.reasons} == {"corrupt at (root)"}


def test_a_bad_line_of_text_costs_its_row_and_not_the_job(
    spark: Any, registry: Registry, tmp_path: Path
) -> None:
    from llm_integrations.spark import schema_map_in_arrow

    (tmp_path / "rows.jsonl").write_text("\n".join([*LINES, "", " ", '{"id": 1}', ""]), "utf-8")
    frame = spark.read.text(str(tmp_path / "rows.jsonl"))
    result = schema_map_in_arrow("training-row", registry=registry, lines="value").judge(frame)
    assert sorted(row["value"] for row in result.valid.collect()) == sorted([LINES[0], LINES[3]])
    assert {str(reason) for reason in result.report.reasons} == {
        "json at (root)",
        "type at /id",
        "minimum at /id",
    }
    assert result.quarantine(tmp_path / "bad", source="rows") == 3


def test_a_map_is_an_object_and_comes_back_with_times_and_decimals(
    spark: Any, registry: Registry, tmp_path: Path
) -> None:
    from llm_integrations.spark import schema_map_in_arrow

    body = {
        "properties": {
            "id": {"maximum": 1},
            "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
            "at": {"type": "string", "format": "date-time"},
            "price": {"type": "number"},
        }
    }
    registry.register("event", body)
    frame = spark.sql(
        "select id, map('a', id) as counts, timestamp'2026-01-01 00:00:00' as at, "
        "cast(1.5 as decimal(10, 2)) as price from range(4)"
    )
    result = schema_map_in_arrow("event", registry=registry).judge(frame)
    assert (ids(result.valid), ids(result.invalid)) == ([0, 1], [2, 3])
    result.quarantine(tmp_path, source="events")
    registry.register("event", {"properties": {**body["properties"], "id": {}}})
    released: list[Any] = []
    relaxed = registry.validator("event@2")
    assert Quarantine(tmp_path).release(relaxed, released.extend).released == 2
    assert sorted(record.value["counts"]["a"] for record in released) == [2, 3]


def test_twin_columns_and_names_with_dots_are_refused_with_what_to_do(
    spark: Any, registry: Registry
) -> None:
    from llm_integrations.spark import schema_map_in_arrow

    fn = schema_map_in_arrow("training-row", registry=registry)
    with pytest.raises(ConfigurationError, match=r"two columns of the name 'id'"):
        fn.judge(spark.sql("select id, id from range(3)"))
    with pytest.raises(ConfigurationError, match=r"two columns of the name 'id'"):
        fn.judge(spark.sql("select id, id as ID from range(3)"))
    with pytest.raises(ConfigurationError, match=r"'s.deep' has two columns of the name 'x'"):
        fn.judge(spark.sql("select named_struct('deep', named_struct('x', 1, 'x', 2)) as s"))
    for interval in ("interval '1-2' year to month", "make_interval(1, 2)"):
        with pytest.raises(ConfigurationError, match=r"takes no interval.*cast 'months'"):
            fn.judge(spark.sql(f"select array({interval}) as months"))
    variant = spark.sql(
        'select id + 99 as id, parse_json(\'{"lang": "en"}\') as meta from range(3)'
    )
    with pytest.raises(ConfigurationError, match=r"'meta' is a variant.*to_json"):
        fn.judge(variant)
    texts = schema_map_in_arrow("training-row", registry=registry, json_columns=["meta"])
    judged = texts.judge(variant.selectExpr("id", "to_json(meta) as meta"))
    assert (judged.report.valid, judged.report.invalid) == (2, 1)
    judged.unpersist()
    lines = schema_map_in_arrow("training-row", registry=registry, lines="line")
    with pytest.raises(ConfigurationError, match=r"'line' of lines; the columns are 'id'"):
        lines.judge(spark.range(3))
    with pytest.raises(ConfigurationError, match=r"rename 'meta.lang'"):
        fn.judge(spark.sql("select id, 'x' as `meta.lang` from range(3)"))
    with pytest.raises(ConfigurationError, match="Schema_Valid"):
        fn.judge(spark.sql("select id, true as Schema_Valid from range(3)"))
    dotted = schema_map_in_arrow("training-row", registry=registry, valid="is.valid")
    with pytest.raises(ConfigurationError, match=r"rename 'is.valid'"):
        dotted.judge(rows(spark))


def test_keys_are_unique_over_all_partitions_and_a_share_may_be_invalid(
    spark: Any, registry: Registry, tmp_path: Path
) -> None:
    from llm_integrations.spark import schema_map_in_arrow

    registry.register("any", {"properties": {"id": {"minimum": 100}}})
    half = ROWS // 2
    # Rows 0 to 9,999 and, in other partitions, the same again.
    frame = rows(spark, 6).selectExpr(f"id % {half} as id", f"struct(id % {half} as key) as meta")
    fn = schema_map_in_arrow("any", registry=registry)
    result = fn.judge(frame, unique="/meta/key", max_invalid=0.6)
    assert {str(reason): n for reason, n in result.report.reasons.items()} == {
        "unique at /meta/key": half - 100,
        "minimum at /id": 200,
    }
    assert ids(result.valid) == list(range(100, half))
    assert result.report.valid == half - 100
    assert result.quarantine(tmp_path / "bad", source="range") == half + 100
    assert Quarantine(tmp_path / "bad").count() == half + 100
    result.unpersist()
    assert ids(result.valid) == list(range(100, half))
    with pytest.raises(SchemaValidationError, match=r"max_invalid allows 0\.10%"):
        fn.judge(frame, max_invalid=0.001)
    with pytest.raises(ConfigurationError, match="unique: there is no column 'key'"):
        fn.judge(frame, unique="key")


def test_large_whole_numbers_that_move_a_little_drift(
    spark: Any, registry: Registry, tmp_path: Path
) -> None:
    from llm_integrations.spark import detect_drift, save_baseline

    def moved(by: int, seed: int) -> Any:
        n = f"{2**60 + by} + cast(randn({seed}) * 1000 as bigint)"
        return spark.sql(f"select {n} as n, cast({n} as decimal(38, 0)) as d from range(2000)")

    path = tmp_path / "numbers.json"
    save_baseline(moved(0, 1), "training-row@1", registry=registry, path=path)
    same, other = (
        detect_drift(
            moved(by, seed).repartition(3), "training-row@1", baseline=path, registry=registry
        )
        for by, seed in ((0, 2), (5000, 3))
    )
    assert (same.drifted, {*other.drifted_columns}) == (False, {"n", "d"})


def test_drift_of_a_data_frame_is_that_of_its_rows(spark: Any, registry: Registry) -> None:
    from llm_integrations.core.drift import Labels, for_tables, profile_tables
    from llm_integrations.spark import detect_drift
    from llm_integrations.spark.drift import _sketched

    validator = for_tables(registry, "training-row@1")
    frame = rows(spark, 2).selectExpr(
        "id", "sqrt(id) * if(id % 2 = 0, 1, -1) as n", "array(id % 3) as tags"
    )
    labels = Labels()
    parts = _sketched(frame, validator).profile(labels)
    assert parts.columns == profile_tables([frame.toArrow()], validator, labels=labels).columns
    assert (parts.rows, parts.invalid) == (ROWS, 100)
    assert parts.columns["id"].ascending
    some = frame.where("id < 5000")
    report = detect_drift(some, "training-row@1", baseline=parts, registry=registry)
    assert "n" in report.drifted_columns
