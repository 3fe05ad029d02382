"""HuggingFace datasets: rows held to their schema at the speed of their columns."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from llm_integrations.core.extras import require_extra

require_extra("datasets", "datasets", "pyarrow")

from llm_integrations.datasets.report import DatasetReport  # noqa: E402 - the check is first
from llm_integrations.datasets.schema_map import SchemaMap  # noqa: E402
from llm_integrations.datasets.validate import DatasetResult, validate_dataset  # noqa: E402

if TYPE_CHECKING:
    from llm_integrations.core.drift import DriftReport, DriftThresholds
    from llm_integrations.datasets.drift import detect_drift, save_baseline
    from llm_integrations.datasets.features.check import (
        FeatureDifference,
        FeaturesReport,
        check_features,
    )
    from llm_integrations.datasets.features.conversion import (
        conversion_losses,
        features_from_schema,
        schema_from_features,
    )
    from llm_integrations.datasets.features.losses import Loss
    from llm_integrations.datasets.infer import infer_schema
    from llm_integrations.datasets.integration import (
        AffectedDataset,
        TrainingPipelineIntegration,
    )

__all__ = [
    "AffectedDataset",
    "DatasetReport",
    "DatasetResult",
    "DriftReport",
    "DriftThresholds",
    "FeatureDifference",
    "FeaturesReport",
    "Loss",
    "SchemaMap",
    "TrainingPipelineIntegration",
    "check_features",
    "conversion_losses",
    "detect_drift",
    "features_from_schema",
    "infer_schema",
    "save_baseline",
    "schema_from_features",
    "validate_dataset",
]

# Workers that only validate need neither drift nor events.
_DRIFT: Final = "llm_integrations.core.drift"
_HERE: Final = "llm_integrations.datasets"
_ON_DEMAND: Final = {
    "AffectedDataset": f"{_HERE}.integration",
    "DriftReport": _DRIFT,
    "DriftThresholds": _DRIFT,
    "FeatureDifference": f"{_HERE}.features.check",
    "FeaturesReport": f"{_HERE}.features.check",
    "Loss": f"{_HERE}.features.losses",
    "TrainingPipelineIntegration": f"{_HERE}.integration",
    "check_features": f"{_HERE}.features.check",
    "conversion_losses": f"{_HERE}.features.conversion",
    "detect_drift": f"{_HERE}.drift",
    "features_from_schema": f"{_HERE}.features.conversion",
    "infer_schema": f"{_HERE}.infer",
    "save_baseline": f"{_HERE}.drift",
    "schema_from_features": f"{_HERE}.features.conversion",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ON_DEMAND[name]), name)
