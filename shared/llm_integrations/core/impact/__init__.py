"""Whom a change of a schema concerns: what uses it, who owns that, what breaks, what to do.

Every integration reads this one account, so that all of them tell the same people the same thing.
"""

from __future__ import annotations

from llm_integrations.core.impact.account import (
    AffectedUsage,
    Impact,
    SchemaImpact,
    impact_of,
    with_owners,
)
from llm_integrations.core.impact.comparison import is_breaking, once, with_references
from llm_integrations.core.impact.integration import CatalogueIntegration
from llm_integrations.core.impact.versions import in_force_after, is_about, owner_of

__all__ = [
    "AffectedUsage",
    "CatalogueIntegration",
    "Impact",
    "SchemaImpact",
    "impact_of",
    "in_force_after",
    "is_about",
    "is_breaking",
    "once",
    "owner_of",
    "with_owners",
    "with_references",
]
