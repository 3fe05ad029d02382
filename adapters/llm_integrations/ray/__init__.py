"""Ray Data: blocks held to their schema by every worker, at the speed of their columns."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from llm_integrations.core.extras import require_extra

require_extra("ray", "ray", "pyarrow")

from llm_integrations.ray.result import RayResult  # noqa: E402 - the check is first
from llm_integrations.ray.validator import SchemaBatchValidator  # noqa: E402

if TYPE_CHECKING:
    from llm_integrations.ray.drift import detect_drift, save_baseline

__all__ = ["RayResult", "SchemaBatchValidator", "detect_drift", "save_baseline"]

# Workers that only validate need no drift.
_ON_DEMAND: Final = ("detect_drift", "save_baseline")


def __getattr__(name: str) -> Any:
    if name in _ON_DEMAND:
        return getattr(import_module(f"{__name__}.drift"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
