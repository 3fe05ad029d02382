"""Comparing data with a baseline: a Profile, its file, or the one beside the schema."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from llm_integrations.core.drift.compare import compare_profiles
from llm_integrations.core.drift.labels import PLAIN, Labels
from llm_integrations.core.drift.profile import Profile
from llm_integrations.core.drift.profiling import sketch_tables
from llm_integrations.core.drift.store import BaselineStore
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry import resolve_registry

if TYPE_CHECKING:
    from llm_integrations.core.drift.report import DriftReport
    from llm_integrations.core.drift.sketches.data import ProfileSketch
    from llm_integrations.core.drift.thresholds import DriftThresholds
    from llm_integrations.core.registry import Registry, SchemaRef
    from llm_integrations.core.validation import Validator

    Sketching: TypeAlias = Callable[[Any, Validator], ProfileSketch]

__all__ = ["baseline_of", "check_data", "detect", "detect_in", "for_tables", "keep_baseline"]


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
    data: Any,
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
    baseline does not hold them. Takes data and raises as ``sketch_tables``; also raises as
    ``compare_profiles``.
    """
    sketch = sketch_tables(data, validator, json_columns=json_columns, source=source)
    return detect_in(
        sketch,
        baseline,
        thresholds=thresholds,
        ignore=ignore,
        compare=compare,
        show_values=show_values,
    )


def detect_in(
    sketch: ProfileSketch,
    baseline: Profile,
    *,
    thresholds: DriftThresholds | None = None,
    ignore: Collection[str] = (),
    compare: Collection[str] = (),
    show_values: bool = False,
) -> DriftReport:
    """``detect`` for data that was sketched already, wherever it is."""
    words: dict[str, str] = {}
    plain = baseline.key_id == PLAIN
    labels = Labels(baseline.salt, plain=plain, words=words if show_values else None)
    current = sketch.profile(labels, alike=baseline)
    report = compare_profiles(
        baseline, current, thresholds=thresholds, ignore=ignore, compare=compare
    )
    return report.worded(words)


def check_data(
    data: Any,
    schema: str | SchemaRef,
    sketch: Sketching,
    *,
    baseline: Any = None,
    registry: Registry | str | None = None,
    thresholds: DriftThresholds | None = None,
    ignore: Collection[str] = (),
    compare: Collection[str] = (),
    show_values: bool = False,
) -> DriftReport:
    """``detect_drift`` of every adapter.

    Args:
        sketch: how the adapter sketches its data.
        baseline: a Profile, the path of one (``.json``), or other data of the adapter's; None is
            what is kept beside the schema.
    """
    client = resolve_registry(registry)
    validator = for_tables(client, schema)
    if baseline is None or isinstance(baseline, Profile) or _is_profile(baseline):
        known = baseline_of(client, validator.reference, baseline)
    else:
        known = sketch(baseline, validator).profile()
    return detect_in(
        sketch(data, validator),
        known,
        thresholds=thresholds,
        ignore=ignore,
        compare=compare,
        show_values=show_values,
    )


def keep_baseline(
    data: Any,
    schema: str | SchemaRef,
    sketch: Sketching,
    *,
    registry: Registry | str | None = None,
    path: str | Path | None = None,
    show_values: bool = False,
) -> Profile:
    """``save_baseline`` of every adapter; see ``check_data``."""
    client = resolve_registry(registry)
    validator = for_tables(client, schema)
    target = path or BaselineStore.beside(client).path(validator.reference)
    profile = sketch(data, validator).profile(Labels(plain=show_values))
    profile.write(target)
    return profile


def _is_profile(baseline: Any) -> bool:
    return isinstance(baseline, str | Path) and Path(baseline).suffix.lower() == ".json"
