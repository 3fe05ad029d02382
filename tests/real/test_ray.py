"""Ray Data, on a real local cluster with several worker processes."""

# pyright: reportMissingImports=false
# Only the real tests install Ray and Spark.

from __future__ import annotations

import logging
import os
import pickle
import signal
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
    needs("install-ray", "ray"),
    pytest.mark.timeout(900),
    # Ray warns about its own options, and leaves sockets and files to the garbage collector.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROWS = 24_000
BLOCKS = 24
FATAL = 5_000

SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "integer", "minimum": 100}, "name": {"type": "string"}},
    "required": ["id"],
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    import ray

    ray.init(
        num_cpus=3,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=256 * 1024 * 1024,
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield ray
    ray.shutdown()


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("training-row", SCHEMA)
        yield client


def rows(ray: Any, blocks: int = BLOCKS) -> Any:
    return ray.data.range(ROWS, override_num_blocks=blocks)


def ids(dataset: Any) -> list[int]:
    return sorted(row["id"] for row in dataset.iter_rows())


def test_every_row_comes_back_with_its_verdict(cluster: Any, registry: Registry) -> None:
    from llm_integrations.ray import SchemaBatchValidator

    validator = SchemaBatchValidator("training-row@1", registry=registry)
    judged = rows(cluster).map_batches(validator, batch_format="pyarrow").materialize()
    verdicts = {row["id"]: row for row in judged.iter_rows()}
    assert len(verdicts) == ROWS
    assert verdicts[100]["schema_valid"] is True
    assert verdicts[100]["schema_errors"] is None
    assert verdicts[99]["schema_valid"] is False
    (violation,) = read_reasons(verdicts[99]["schema_errors"])
    assert (violation.path, violation.keyword) == ("/id", "minimum")


def test_the_two_parts_and_the_counts_add_up(cluster: Any, registry: Registry) -> None:
    from llm_integrations.ray import SchemaBatchValidator

    result = SchemaBatchValidator("training-row", registry=registry).judge(rows(cluster))
    assert (result.report.rows, result.report.invalid) == (ROWS, 100)
    assert {str(reason): n for reason, n in result.report.reasons.items()} == {
        "minimum at /id": 100
    }
    assert ids(result.valid) == list(range(100, ROWS))
    assert ids(result.invalid) == list(range(100))
    assert result.valid.columns() == ["id"]
    assert not result
    with pytest.raises(SchemaValidationError, match="training-row@1"):
        result.report.raise_if_invalid()


def test_a_worker_killed_on_the_way_loses_and_doubles_no_row(
    cluster: Any, registry: Registry, tmp_path: Path
) -> None:
    from llm_integrations.ray import SchemaBatchValidator

    folder = str(tmp_path)

    def slowly(batch: pa.Table) -> pa.Table:
        # One file for each block that a worker began, under that worker's process id.
        first = batch["id"][0].as_py()
        alone = not list(Path(folder).glob(f"*-{first}"))
        Path(folder, f"{os.getpid()}-{first}").touch()
        # The first to get this block holds it until it is killed.
        time.sleep(200 if first == FATAL and alone else 0.05)
        return batch

    validator = SchemaBatchValidator("training-row", registry=registry)
    dataset = rows(cluster).map_batches(slowly, batch_format="pyarrow")
    found: list[Any] = []
    run = threading.Thread(target=lambda: found.append(validator.judge(dataset)))
    run.start()
    victim = _busy_worker(tmp_path)
    os.kill(victim, signal.SIGKILL)
    run.join(timeout=240)
    (result,) = found
    pids = {path.name.split("-")[0] for path in tmp_path.glob(f"*-{FATAL}")}
    assert len(pids) == 2, "the block was not computed again, so nothing was shown"
    assert (result.report.rows, result.report.invalid) == (ROWS, 100)
    assert sorted(ids(result.valid) + ids(result.invalid)) == list(range(ROWS))


def _busy_worker(folder: Path) -> int:
    """The process id of the worker that holds the fatal block, once others got on without it."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        holder = [path.name.split("-")[0] for path in folder.glob(f"*-{FATAL}")]
        if holder and len(list(folder.iterdir())) > BLOCKS // 2:
            return int(holder[0])
        time.sleep(0.02)
    raise AssertionError("the workers never got going")


def test_a_quarantine_takes_the_invalid_rows_once(
    cluster: Any, registry: Registry, tmp_path: Path
) -> None:
    from llm_integrations.ray import SchemaBatchValidator

    twice = rows(cluster, 4).union(rows(cluster, 4))
    result = SchemaBatchValidator("training-row", registry=registry).judge(twice)
    quarantine = Quarantine(tmp_path / "bad", "parquet")
    assert result.quarantine(quarantine, source="range") == 200
    assert result.quarantine(quarantine, source="range") == 200
    records = list(quarantine.records())
    assert sorted(record.value["id"] for record in records) == sorted([*range(100)] * 2)
    assert {record.schema for record in records} == {"training-row@1"}
    assert quarantine.reasons() == {"minimum at /id": 200}


def test_what_travels_to_the_workers_is_the_schema_and_no_registry(registry: Registry) -> None:
    from llm_integrations.ray import SchemaBatchValidator

    validator = SchemaBatchValidator("training-row", registry=registry)
    sent = pickle.dumps(validator)
    assert b"minimum" in sent
    assert b"core.registry" not in sent
    assert b"memory://" not in sent
    registry.register("training-row", {"type": "object"})
    arrived = pickle.loads(sent)
    assert arrived.reference == "training-row@1"
    assert arrived(pa.table({"id": [1, 100]}))["schema_valid"].to_pylist() == [False, True]


def test_a_batch_of_another_format_is_refused_with_what_to_write(registry: Registry) -> None:
    from llm_integrations.ray import SchemaBatchValidator

    validator = SchemaBatchValidator("training-row", registry=registry)
    with pytest.raises(ConfigurationError, match="pyarrow"):
        validator({"id": [1]})


def test_an_empty_data_set_is_valid(cluster: Any, registry: Registry) -> None:
    from llm_integrations.ray import SchemaBatchValidator

    empty = cluster.data.from_arrow(pa.table({"id": pa.array([], pa.int64())}))
    result = SchemaBatchValidator("training-row", registry=registry).judge(empty)
    assert result
    assert result.report.rows == 0


def test_nested_json_gets_the_verdicts_that_datasets_gets(
    cluster: Any, registry: Registry, tmp_path: Path
) -> None:
    from llm_integrations.ray import SchemaBatchValidator

    registry.register("calls", CALLS)
    typed = cluster.data.from_arrow(calls(pa.json_()))
    named = cluster.data.from_arrow(calls(pa.string()))
    place = ["/calls/*/arguments"]
    for data, columns in ((typed, []), (named, place)):
        by = SchemaBatchValidator("calls", registry=registry, json_columns=columns)
        result = by.judge(data)
        assert ids(result.valid) == VALID_CALLS
        assert {str(reason) for reason in result.report.reasons} == CALL_REASONS
    result.quarantine(tmp_path, source="calls")
    values = {r.value["id"]: r.value["calls"] for r in Quarantine(tmp_path).records()}
    assert values[1] == [{"name": "a", "arguments": [1]}]


def test_tensors_come_back_whole(cluster: Any, registry: Registry, tmp_path: Path) -> None:
    import numpy as np

    from llm_integrations.ray import SchemaBatchValidator

    registry.register("vector", {"properties": {"data": {"items": {"maximum": 1000}}}})
    vectors = np.arange(3 * 1536, dtype=np.float32).reshape(3, 1536)
    by = SchemaBatchValidator("vector", registry=registry)
    result = by.judge(cluster.data.from_numpy(vectors))
    assert (result.report.rows, result.report.invalid) == (3, 3)
    assert result.quarantine(tmp_path, source="vectors") == 3
    released: list[Any] = []
    registry.register("vector", {"properties": {"data": {}}})
    quarantine = Quarantine(tmp_path)
    assert quarantine.release(registry.validator("vector@2"), released.extend).released == 3
    assert sorted(record.value["data"] for record in released) == vectors.tolist()


def test_a_bad_line_of_text_costs_its_row_and_not_the_job(
    cluster: Any, registry: Registry, tmp_path: Path
) -> None:
    from llm_integrations.ray import SchemaBatchValidator

    lines = ['{"id": 200}', '{"id": "x"}', "{broken", '{"id": 1}', '{"id": 300}']
    (tmp_path / "rows.jsonl").write_text("\r\n".join([*lines, " ", ""]), "utf-8-sig")
    read = cluster.data.read_text(str(tmp_path / "rows.jsonl"))
    with pytest.raises(ConfigurationError, match=r"'value' of lines; the columns are 'text'"):
        SchemaBatchValidator("training-row", registry=registry, lines="value").judge(read)
    by = SchemaBatchValidator("training-row", registry=registry, lines="text")
    result = by.judge(read)
    valid = sorted(row["text"].strip("\ufeff\r") for row in result.valid.iter_rows())
    assert valid == [lines[0], lines[4]]
    assert {str(reason) for reason in result.report.reasons} == {
        "json at (root)",
        "type at /id",
        "minimum at /id",
    }
    assert result.quarantine(tmp_path / "bad", source="rows") == 3


def test_files_are_read_as_the_schema_says(
    cluster: Any, registry: Registry, tmp_path: Path
) -> None:
    from pyarrow.json import ParseOptions

    from llm_integrations.core.arrow import arrow_schema
    from llm_integrations.ray import SchemaBatchValidator

    (tmp_path / "rows.jsonl").write_text('{"id": 200}\n{"id": 300, "name": "a"}', "utf-8")
    options = ParseOptions(explicit_schema=arrow_schema("training-row", registry=registry))
    data = cluster.data.read_json(str(tmp_path), parse_options=options)
    assert SchemaBatchValidator("training-row", registry=registry).judge(data)


def test_keys_are_unique_over_all_blocks_and_a_share_may_be_invalid(
    cluster: Any, registry: Registry, tmp_path: Path
) -> None:
    from llm_integrations.ray import SchemaBatchValidator

    registry.register("any", {"properties": {"id": {"minimum": 100}}})
    # Rows 0 to 11,999 and, in other blocks, the same again.
    twice = rows(cluster, 6).map_batches(_folded, batch_format="pyarrow")
    by = SchemaBatchValidator("any", registry=registry)
    result = by.judge(twice, unique=[("half", "id")], max_invalid=0.6)
    half = ROWS // 2
    assert {str(reason): n for reason, n in result.report.reasons.items()} == {
        "unique half, id at (root)": half - 100,
        "minimum at /id": 200,
    }
    assert ids(result.valid) == list(range(100, half))
    assert result.report.valid == half - 100
    assert result.quarantine(tmp_path / "bad", source="range") == half + 100
    assert Quarantine(tmp_path / "bad").count() == half + 100
    with pytest.raises(SchemaValidationError, match=r"max_invalid allows 0\.10%"):
        by.judge(twice, max_invalid=0.001, unique="half")
    with pytest.raises(ConfigurationError, match="unique: there is no column 'key'"):
        by.judge(twice, unique="key")
    assert by.judge(cluster.data.from_arrow(pa.table({"id": [200, 200]})), unique="id").report.valid


def _folded(batch: pa.Table) -> pa.Table:
    import numpy as np

    numbers = np.asarray(batch["id"]) % (ROWS // 2)
    return pa.table({"id": numbers, "half": [f"text {number}" for number in numbers]})


def test_drift_of_a_data_set_is_that_of_its_rows(cluster: Any, registry: Registry) -> None:
    from llm_integrations.core.drift import Labels, for_tables, profile_tables
    from llm_integrations.ray import detect_drift
    from llm_integrations.ray.drift import _sketched

    validator = for_tables(registry, "training-row@1")
    data = rows(cluster, 6).map_batches(_folded, batch_format="pyarrow")
    labels = Labels()
    parts = _sketched(data, validator).profile(labels)
    table = _folded(pa.table({"id": range(ROWS)}))
    assert parts.columns == profile_tables([table], validator, labels=labels).columns
    assert (parts.rows, parts.invalid) == (ROWS, 200)
    moved = cluster.data.range(ROWS).map_batches(_folded, batch_format="pyarrow").limit(ROWS // 4)
    report = detect_drift(moved, "training-row@1", baseline=data, registry=registry)
    assert report.drifted_columns
