"""Ray Data: blocks held to their schema by every worker, at the speed of their columns."""

from __future__ import annotations

from llm_integrations.core.extras import require_extra

require_extra("ray", "ray", "pyarrow")

from llm_integrations.ray.result import RayResult  # noqa: E402 - the check is first
from llm_integrations.ray.validator import SchemaBatchValidator  # noqa: E402

__all__ = ["RayResult", "SchemaBatchValidator"]
