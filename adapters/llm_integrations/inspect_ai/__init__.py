"""inspect_ai: datasets, outputs and tasks held to their schemas."""

from __future__ import annotations

from llm_integrations.core.extras import require_extra

require_extra("inspect", "inspect_ai")

from llm_integrations.core.pins import (  # noqa: E402 - the check is first
    BenchmarkPins,
    EvaluationFrameworkIntegration,
)
from llm_integrations.inspect_ai.dataset import ValidatedDataset, validated_dataset  # noqa: E402
from llm_integrations.inspect_ai.hooks import SchemaHooks  # noqa: E402
from llm_integrations.inspect_ai.log import LogCheck, check_log  # noqa: E402
from llm_integrations.inspect_ai.scorer import schema_scorer  # noqa: E402
from llm_integrations.inspect_ai.task import pinned  # noqa: E402

__all__ = [
    "BenchmarkPins",
    "EvaluationFrameworkIntegration",
    "LogCheck",
    "SchemaHooks",
    "ValidatedDataset",
    "check_log",
    "pinned",
    "schema_scorer",
    "validated_dataset",
]
