"""Comparing data with a baseline: a Profile, its file, or the one beside the schema."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_integrations.core.drift.compare import compare_profiles
from llm_integrations.core.drift.labels import PLAIN, Labels
from llm_integrations.core.drift.profile import Profile
from llm_integrations.core.drift.profiling import profile_tables
from llm_integrations.core.drift.store import BaselineStore
from llm_integrations.core.errors import ConfigurationError

if TYPE_CHECKING:
    from llm_integrations.core.drift.report import DriftReport
    from llm_integrations.core.drift.thresholds import DriftThresholds
    from llm_integrations.core.registry import Registry, SchemaRef
    from llm_integrations.core.validation import Validator

__all__ = ["baseline_of", "detect", "for_tables"]


def for_tables(registry: Registry, schema: str | SchemaRef) -> Validator:
    """The schema as it judges tables: null may stand for a missing value."""
    return registry.validator(schema, options=replace(registry.validation, nulls="absent"))


def baseline_of(
    registry: Registry, reference: str, baseline: Profile | str | Path | None
) -> Profile:
    """The baseline: a Profile as it is, the one in a file, or the one beside the schema.

    Raises:
        ConfigurationError: there is none yet.
    """
    if isinstance(baseline, Profile):
        return baseline
    if baseline is not None:
        return Profile.read(baseline)
    found = BaselineStore.beside(registry).find(reference)
    if found is None:
        raise ConfigurationError(
            f"there is no baseline for {reference} yet: make one with save_baseline(…), or with "
            "`llm-integrations drift DATA REFERENCE --save`"
        )
    return found


def detect(
    data: Path | Iterable[Any],
    validator: Validator,
    baseline: Profile,
    *,
    thresholds: DriftThresholds | None = None,
    ignore: Collection[str] = (),
    compare: Collection[str] = (),
    json_columns: tuple[str, ...] = (),
    source: str = "",
    show_values: bool = False,
) -> DriftReport:
    """What changed from the baseline to this data.

    ``show_values`` names values of this data in words; values that are gone stay hashes, since a
    baseline does not hold them. Takes data and raises as ``profile_tables``; also raises as
    ``compare_profiles``.
    """
    words: dict[str, str] = {}
    plain = baseline.key_id == PLAIN
    labels = Labels(baseline.salt, plain=plain, words=words if show_values else None)
    current = profile_tables(
        data, validator, labels=labels, alike=baseline, json_columns=json_columns, source=source
    )
    report = compare_profiles(
        baseline, current, thresholds=thresholds, ignore=ignore, compare=compare
    )
    return report.worded(words)
