"""Ray and Spark: what judging adds to a pass over the data that does nothing.

``BENCH_ROWS`` is the number of rows, 400,000 by default. An engine that is not installed is left
out (``tests/real/install-ray``, ``tests/real/install-spark``).
"""

# pyright: reportMissingImports=false
# Only the real tests install Ray and Spark.

from __future__ import annotations

import importlib.util
import json
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa

from benchmarks.harness import Row, Section
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.validation import Validator, compile_validator

ARGS: Final = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
}
ROW: Final = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "score": {"type": "number", "maximum": 100},
        "language": {"enum": ["en", "de", "fr"]},
        "prompt": {"type": "string", "minLength": 1},
        "args": {"type": "string"},
    },
    "required": ["id", "prompt"],
}
CALL: Final = {**ROW, "properties": {**ROW["properties"], "args": ARGS}}  # type: ignore[dict-item]  # all are dicts
_BLOCKS: Final = 4
_RUNS: Final = 3

_SHOWN: Final = {
    "nothing": "identity",
    "by_hand": "by hand",
    "judge": "judge",
    "json_columns": "judge with json_columns",
}

Timed = dict[str, float]


def run() -> list[Section]:
    rows = int(os.environ.get("BENCH_ROWS", "400000"))
    section = Section(
        "Ray and Spark: beside an identity map",
        f"{rows:,} rows of 5 columns (text of 150 characters, JSON of 40) in {_BLOCKS} blocks, one "
        "core; 0.1 % of the rows are invalid. Ours is `judge` whole: the verdict and its counts. "
        "By hand is `json.loads` and `is_valid` for each JSON text.",
    )
    with connect("memory://") as registry:
        registry.register("row", ROW)
        registry.register("call", CALL)
        for name, timed in (("Ray", _ray), ("Spark", _spark)):
            if importlib.util.find_spec({"Ray": "ray", "Spark": "pyspark"}[name]):
                _add(section, name, timed(_table(rows), registry))
    return [section]


def _add(section: Section, name: str, found: Timed) -> None:
    for ours, peer, most in (
        ("judge", "nothing", 2),
        ("json_columns", "nothing", 3),
        ("json_columns", "by_hand", 1),
    ):
        ratio = found[ours] / found[peer]
        against = f"{found[peer]:.2f} s ({_SHOWN[peer]})"
        section.add(
            Row(
                f"{name}: {_SHOWN[ours]}",
                f"{found[ours]:.2f} s",
                against,
                f"{ratio:.2f}×",
                f"≤ {most}×",
                ratio <= most,
            )
        )


def _table(rows: int) -> pa.Table:
    made = np.random.default_rng(0)
    prompts = [f"{n} {'what is the weather like? ' * 6}"[:150] for n in range(rows)]
    args = [json.dumps({"city": f"city {n % 997}", "days": 1 + n % 9}) for n in range(rows)]
    return pa.table(
        {
            "id": np.arange(rows),
            "score": made.random(rows) * 100.1,
            "language": np.array(["en", "de", "fr"])[made.integers(0, 3, rows)],
            "prompt": prompts,
            "args": args,
        }
    )


def _medians(**calls: Callable[[], object]) -> Timed:
    """The median seconds of each, in turns: what else the machine does weighs on all alike."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(_RUNS + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(found[1:]) for name, found in times.items()}


class _ByHand:
    def __init__(self) -> None:
        self._validator: Validator = compile_validator(ARGS)

    def __call__(self, batch: Any) -> Any:
        is_valid, texts = self._validator.is_valid, batch.column("args").to_pylist()
        found = [is_valid(json.loads(text)) for text in texts]
        return batch.append_column("valid", pa.array(found, pa.bool_()))

    def each(self, batches: Iterator[Any]) -> Iterator[Any]:
        return map(self, batches)


def _same(batches: Iterator[Any]) -> Iterator[Any]:
    return batches


def _ray(table: pa.Table, registry: Registry) -> Timed:
    import ray

    from llm_integrations.ray import SchemaBatchValidator

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        size = -(-table.num_rows // _BLOCKS)
        blocks = [table.slice(at, size) for at in range(0, table.num_rows, size)]
        data = ray.data.from_arrow(blocks).materialize()
        of_rows = SchemaBatchValidator("row", registry=registry)
        of_calls = SchemaBatchValidator("call", registry=registry, json_columns=["args"])

        def mapped(call: Callable[[Any], Any]) -> Any:
            return data.map_batches(call, batch_format="pyarrow", batch_size=None).materialize()

        return _medians(
            nothing=lambda: mapped(lambda batch: batch),
            by_hand=lambda: mapped(_ByHand().__call__),
            judge=lambda: of_rows.judge(data),
            json_columns=lambda: of_calls.judge(data),
        )
    finally:
        ray.shutdown()


def _spark(table: pa.Table, registry: Registry) -> Timed:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    from pyspark.sql import SparkSession
    from pyspark.sql.types import BooleanType, StructField, StructType

    from llm_integrations.spark import schema_map_in_arrow

    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    spark = builder.config("spark.driver.host", "127.0.0.1").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    try:
        frame = spark.createDataFrame(table).repartition(_BLOCKS).persist()
        frame.count()
        by_hand = StructType([*frame.schema.fields, StructField("valid", BooleanType())])
        of_rows = schema_map_in_arrow("row", registry=registry)
        of_calls = schema_map_in_arrow("call", registry=registry, json_columns=["args"])

        def mapped(call: Callable[[Iterator[Any]], Iterator[Any]], schema: StructType) -> None:
            kept = frame.mapInArrow(call, schema).persist()
            kept.count()
            kept.unpersist()

        return _medians(
            nothing=lambda: mapped(_same, frame.schema),
            by_hand=lambda: mapped(_ByHand().each, by_hand),
            judge=lambda: of_rows.judge(frame).unpersist(),
            json_columns=lambda: of_calls.judge(frame).unpersist(),
        )
    finally:
        spark.stop()
