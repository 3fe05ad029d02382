"""Schema evolution: what changed, whom it breaks, what to do about it.

The rooms, each of which imports only those above it in this list:

- ``model``: what all rooms speak of: sources, kinds of changes, levels, limits, answers.
- ``text``: changes in words, and tables for a terminal and a notebook.
- ``patterns``: regular expressions as languages: samples, and whether one includes another.
- ``normal_form``: schemas of any draft rewritten into one form, the nodes of a workspace.
- ``proof``: that every instance of some nodes satisfies another, keyword by keyword.
- ``sampling``: instances of nodes, made on purpose.
- ``differences``: changes between two schemas, and what an instance is like that shows them.
- ``verdict``: ``diff`` and ``check_compatibility``: one pair compared, witnesses, reports.
- ``guide``: ``migration_guide``: what to do, examples, a draft of the code.
"""

from __future__ import annotations

from llm_integrations.core.evolution.differences.change import Change
from llm_integrations.core.evolution.guide.guide import MigrationGuide
from llm_integrations.core.evolution.guide.making import migration_guide
from llm_integrations.core.evolution.model.kinds import ChangeKind
from llm_integrations.core.evolution.model.limits import Limits
from llm_integrations.core.evolution.model.source import Source
from llm_integrations.core.evolution.verdict.compatibility import check_compatibility
from llm_integrations.core.evolution.verdict.difference import diff
from llm_integrations.core.evolution.verdict.report import (
    CompatibilityReport,
    Incompatibility,
    Undecided,
)

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
