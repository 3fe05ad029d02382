"""HuggingFace datasets: rows held to their schema at the speed of their columns."""

from __future__ import annotations

from llm_integrations.core.extras import require_extra

require_extra("datasets", "datasets", "pyarrow")

from llm_integrations.datasets.report import DatasetReport  # noqa: E402 - the check is first
from llm_integrations.datasets.schema_map import SchemaMap  # noqa: E402
from llm_integrations.datasets.validate import DatasetResult, validate_dataset  # noqa: E402

__all__ = ["DatasetReport", "DatasetResult", "SchemaMap", "validate_dataset"]
