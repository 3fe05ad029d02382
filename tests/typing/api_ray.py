"""Type-checked, never run: Ray Data as a user writes it."""

from __future__ import annotations

from typing import Any, assert_type

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.registry import Registry
from llm_integrations.core.validation.arrow import Tally
from llm_integrations.ray import RayResult, SchemaBatchValidator


def judge(dataset: Any, registry: Registry) -> None:
    validator = SchemaBatchValidator(
        "training-row@1",
        registry=registry,
        options=ValidationOptions(nulls="absent"),
        json_columns=["arguments"],
        valid="is_valid",
        errors="why_not",
    )
    assert_type(validator.reference, str)
    dataset.map_batches(validator, batch_format="pyarrow")
    result = validator.judge(dataset, num_cpus=1)
    assert_type(result, RayResult)
    assert_type(result.report, Tally)
    validator.judge(dataset, unique=["id", ("a", "/meta/b")], max_invalid=0.01)
    result.report.check_share(0.01)
    assert_type(result.quarantine("bad/", source="training"), int)
    if not result:
        result.report.raise_if_invalid()
