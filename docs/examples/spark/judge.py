"""Judge a Spark data frame on all executors, and set the bad rows aside.

pip install 'llm-integrations[spark]'    # and Java 17
PYSPARK_PYTHON=$(which python) python judge.py
"""

from __future__ import annotations

from pyspark.sql import SparkSession

from llm_integrations.core.registry import connect
from llm_integrations.spark import schema_map_in_arrow

SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "integer", "minimum": 10}},
    "required": ["id"],
}


def main() -> None:
    with connect("memory://") as registry:  # or file://schemas, https://registry.example.com
        registry.register("training-row", SCHEMA)
        fn = schema_map_in_arrow("training-row@1", registry=registry)
    # The function holds the schema itself: no executor asks the registry.
    spark = SparkSession.builder.master("local[2]").getOrCreate()
    result = fn.judge(spark.range(100_000))
    print(result.report)
    print(
        result.valid.count(), "valid rows;", result.quarantine("bad", source="range"), "set aside"
    )
    result.unpersist()
    spark.stop()


if __name__ == "__main__":
    main()
