"""Comparing data with a baseline: a Profile, its file, or the one beside the schema."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from llm_integrations.core.drift.compare import compare_profiles
from llm_integrations.core.drift.labels import PLAIN, Labels
from llm_integrations.core.drift.limits import DriftLimits, limits_in_schema, read_limits
from llm_integrations.core.drift.profile import Profile
from llm_integrations.core.drift.profiling import sketch_tables
from llm_integrations.core.drift.several import from_each
from llm_integrations.core.drift.store import BaselineStore
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry import resolve_registry

if TYPE_CHECKING:
    from llm_integrations.core.drift.report import DriftReport
    from llm_integrations.core.drift.sketches.data import ProfileSketch
    from llm_integrations.core.drift.thresholds import DriftThresholds
    from llm_integrations.core.registry import Registry, SchemaRef
    from llm_integrations.core.validation import Validator

    Limits: TypeAlias = DriftLimits | Mapping[str, Any] | str | Path | None
    Sketching: TypeAlias = Callable[[Any, Validator], ProfileSketch]

__all__ = [
    "BaselineOptions",
    "DriftOptions",
    "baseline_of",
    "baselines_of",
    "check_data",
    "detect",
    "detect_in",
    "for_tables",
    "is_profile",
    "keep_baseline",
]


class DriftOptions(TypedDict, total=False):
    """What ``detect_drift`` of every adapter takes besides the data and the schema.

    Attributes:
        baseline: a Profile, the path of one (``.json``) or of a folder of them, other data as that
            which is checked, or a list of these: then it drifted if it drifted from each. None
            takes what ``save_baseline`` keeps beside the schema.
        registry: a Registry, a URL, or None for the environment's.
        thresholds: what may change; see DriftThresholds.
        ignore: columns that may change as they like, as ids do.
        compare: columns to compare that are left out by themselves, since their values are new
            each time: points in time, and numbers that only grow from row to row.
        show_values: name frequent values of the data in words, not as keyed hashes.
        limits: what may change in single columns: an object or its file; see docs/drift.md. It
            goes before what the schema says by ``x-drift``.
    """

    baseline: Any
    registry: Registry | str | None
    thresholds: DriftThresholds | None
    ignore: Collection[str]
    compare: Collection[str]
    show_values: bool
    limits: Limits


class BaselineOptions(TypedDict, total=False):
    """What ``save_baseline`` of every adapter takes besides the data and the schema.

    Attributes:
        registry: a Registry, a URL, or None for the environment's.
        path: where to; None keeps it beside the schema, in the registry's folder.
        show_values: name frequent values in plain text, not as keyed hashes.
    """

    registry: Registry | str | None
    path: str | Path | None
    show_values: bool


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
    baseline: Profile | Sequence[Profile],
    *,
    thresholds: DriftThresholds | None = None,
    ignore: Collection[str] = (),
    compare: Collection[str] = (),
    json_columns: tuple[str, ...] = (),
    source: str = "",
    show_values: bool = False,
    limits: Limits = None,
) -> DriftReport:
    """What changed from the baseline to this data; of several, from each.

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
        limits=limits,
    )


def detect_in(
    sketch: ProfileSketch,
    baseline: Profile | Sequence[Profile],
    *,
    thresholds: DriftThresholds | None = None,
    ignore: Collection[str] = (),
    compare: Collection[str] = (),
    show_values: bool = False,
    limits: Limits = None,
) -> DriftReport:
    """``detect`` for data that was sketched already, wherever it is."""
    baselines = [baseline] if isinstance(baseline, Profile) else list(baseline)
    if not baselines:
        raise ConfigurationError("there is no baseline to compare with")
    words: dict[str, str] = {}
    said = read_limits(limits)
    reports = []
    for one in baselines:
        plain = one.key_id == PLAIN
        labels = Labels(one.salt, plain=plain, words=words if show_values else None)
        current = sketch.profile(labels, alike=one)
        places = one.columns.keys() | current.columns.keys()
        said.check(places)
        report = compare_profiles(
            one,
            current,
            thresholds=thresholds,
            ignore=ignore,
            compare=compare,
            limits=said.over(limits_in_schema(sketch.validator, places)),
            history=[profile.rows for profile in baselines],
        )
        reports.append(report)
    return from_each(reports).worded(words)


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
    limits: Limits = None,
) -> DriftReport:
    """``detect_drift`` of every adapter.

    Args:
        sketch: how the adapter sketches its data.
        baseline: a Profile, the path of one (``.json``) or of a folder of them, or other data of
            the adapter's, or a list of these; None is what is kept beside the schema.
    """
    client = resolve_registry(registry)
    validator = for_tables(client, schema)
    known = [
        sketch(one, validator).profile() if _is_data(one) else profile
        for one in _listed(baseline)
        for profile in ([one] if _is_data(one) else baselines_of(client, validator.reference, one))
    ]
    return detect_in(
        sketch(data, validator),
        known,
        thresholds=thresholds,
        ignore=ignore,
        compare=compare,
        show_values=show_values,
        limits=limits,
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


def baselines_of(
    registry: Registry, reference: str, baseline: Profile | str | Path | None
) -> list[Profile]:
    """``baseline_of``, or the profiles of a folder."""
    if isinstance(baseline, str | Path) and Path(baseline).is_dir():
        return [Profile.read(path) for path in sorted(Path(baseline).glob("*.json"))]
    return [baseline_of(registry, reference, baseline)]


def is_profile(path: Path) -> bool:
    """Whether it is a profile or a folder of profiles, by name."""
    if path.is_dir():
        return any(path.glob("*.json")) and all(Profile.is_one(one) for one in path.glob("*.json"))
    return path.suffix.lower() == ".json"


def _is_data(baseline: Any) -> bool:
    if isinstance(baseline, str | Path):
        return not is_profile(Path(baseline))
    return not (baseline is None or isinstance(baseline, Profile))


def _listed(baseline: Any) -> list[Any]:
    """Several baselines; several files of data are one."""
    if not isinstance(baseline, list | tuple):
        return [baseline]
    paths = [one for one in baseline if isinstance(one, str | Path)]
    together = len(paths) == len(baseline) and not any(is_profile(Path(one)) for one in paths)
    return [baseline] if together else list(baseline)
