"""Schema evolution: what changed, whom it breaks, what to do about it."""

from __future__ import annotations

from llm_integrations.core.evolution.guide.guide import MigrationGuide
from llm_integrations.core.evolution.guide.making import migration_guide
from llm_integrations.core.evolution.model.change import Change, ChangeKind
from llm_integrations.core.evolution.model.limits import Limits
from llm_integrations.core.evolution.model.report import (
    CompatibilityReport,
    Incompatibility,
    Undecided,
)
from llm_integrations.core.evolution.model.source import Source
from llm_integrations.core.evolution.verdict.compatibility import check_compatibility
from llm_integrations.core.evolution.verdict.difference import diff

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
