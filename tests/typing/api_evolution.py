"""The evolution API as users type it. Type-checked, never run."""

from __future__ import annotations

from typing import Any, assert_type

from llm_integrations.core.evolution import (
    Change,
    ChangeKind,
    CompatibilityReport,
    Incompatibility,
    Limits,
    MigrationGuide,
    Source,
    Undecided,
    check_compatibility,
    diff,
    migration_guide,
)
from llm_integrations.core.registry import RegisteredSchema


def compare(old: dict[str, Any], new: RegisteredSchema) -> None:
    changes = diff(old, {"type": "object"})
    assert_type(changes, list[Change])
    assert_type(changes[0].kind, ChangeKind)
    report = check_compatibility(new, [old, True], "FULL_TRANSITIVE", policy="lenient")
    assert_type(report, CompatibilityReport)
    assert_type(report.violations, tuple[Incompatibility, ...])
    assert_type(report.unknown, tuple[Undecided, ...])
    assert_type(bool(report), bool)
    check_compatibility(Source(old, {"a.json": True}), old, limits=Limits(seconds=1))
    guide = migration_guide(old, new)
    assert_type(guide, MigrationGuide)
    assert_type(guide.to_markdown(), str)
