"""Schema evolution: what changed, whom it breaks, what to do about it."""

from __future__ import annotations

from llm_integrations.core.evolution.change import Change, ChangeKind
from llm_integrations.core.evolution.compatibility import check_compatibility
from llm_integrations.core.evolution.difference import diff
from llm_integrations.core.evolution.guide import MigrationGuide
from llm_integrations.core.evolution.guide_making import migration_guide
from llm_integrations.core.evolution.limits import Limits
from llm_integrations.core.evolution.report import (
    CompatibilityReport,
    Incompatibility,
    Undecided,
)
from llm_integrations.core.evolution.source import Source

__all__ = [
    "Change",
    "ChangeKind",
    "CompatibilityReport",
    "Incompatibility",
    "Limits",
    "MigrationGuide",
    "Source",
    "Undecided",
    "check_compatibility",
    "diff",
    "migration_guide",
]
