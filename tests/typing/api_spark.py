"""Type-checked, never run: Spark as a user writes it."""

from __future__ import annotations

from typing import Any, assert_type

from llm_integrations.core.registry import Registry
from llm_integrations.core.validation.arrow import Tally
from llm_integrations.spark import SchemaMapInArrow, SparkResult, schema_map_in_arrow


def judge(frame: Any, registry: Registry) -> None:
    fn = schema_map_in_arrow("training-row@1", registry=registry, json_columns=["arguments"])
    assert_type(fn, SchemaMapInArrow)
    assert_type(fn.reference, str)
    frame.mapInArrow(fn, fn.output_schema(frame.schema))
    result = fn.judge(frame)
    assert_type(result, SparkResult)
    assert_type(result.report, Tally)
    fn.judge(frame, unique=["id", ("a", "/meta/b")], max_invalid=0.01)
    result.report.check_share(0.01)
    assert_type(result.quarantine("bad/", source="training"), int)
    result.unpersist()
