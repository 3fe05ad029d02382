"""Does a new version of a schema get along with the previous ones?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.evolution.differences.change import Change
from llm_integrations.core.evolution.model.levels import (
    check_policy,
    directions_of,
    normal_level,
    versions_to_check,
)
from llm_integrations.core.evolution.model.limits import Limits
from llm_integrations.core.evolution.model.source import SchemaSource, Source, source_of
from llm_integrations.core.evolution.verdict.judges import judge_beside
from llm_integrations.core.evolution.verdict.pair_check import PairCheck
from llm_integrations.core.evolution.verdict.report import (
    CompatibilityReport,
    Incompatibility,
    Undecided,
    unique_changes,
)
from llm_integrations.core.model.fingerprint import JsonSchema

__all__ = ["check_compatibility"]


def check_compatibility(
    new: SchemaSource,
    previous: Sequence[SchemaSource] | SchemaSource,
    level: str = "BACKWARD",
    policy: str = "strict",
    *,
    options: ValidationOptions | None = None,
    resources: Mapping[str, JsonSchema] | None = None,
    limits: Limits | None = None,
) -> CompatibilityReport:
    """Judge a new version by a compatibility level.

    Backward compatible means that all data valid under the old version is valid under the new
    one; forward, the other way round. A yes is certain; each no comes with an instance that shows
    it; what can be neither shown nor ruled out counts as a no, and says why.

    Args:
        new: the new version: a schema or a RegisteredSchema.
        previous: the versions before, oldest first; one schema is a list of one.
        level: NONE, BACKWARD, FORWARD, FULL, which look at the last version, or one of these with
            ``_TRANSITIVE``, which look at all.
        policy: "strict", or "lenient": properties that the data's schema does not declare are
            taken as absent, so that adding an optional property to an open object is compatible.
        options: how data is judged (formats, regular expressions).
        resources: the schemas that ``$ref``s name, by the name they use.
        limits: what one pair may cost.

    Raises:
        InvalidSchema: the new version is no usable JSON Schema.
        ConfigurationError: an unknown level or policy.
    """
    normal, policy = normal_level(level), check_policy(policy)
    options = replace(options or ValidationOptions(), nulls="strict")
    source = source_of(new, resources)
    versions = _sources(previous, resources)
    judge, options = judge_beside(source, versions, options)
    violations: list[Incompatibility] = []
    unknown: list[Undecided] = []
    breaking: list[Change] = []
    notes: list[str] = []
    checked = versions_to_check(normal, versions) if directions_of(normal) else ()
    for old in checked:
        pair = PairCheck(old, source, judge, options, policy, limits or Limits())
        found = [item for d in directions_of(normal) for item in pair.judge(d)]
        violations += [item for item in found if isinstance(item, Incompatibility)]
        unknown += [item for item in found if isinstance(item, Undecided)]
        breaking += [change for d in directions_of(normal) for change in pair.breaking(d)]
        notes += pair.notes
    return CompatibilityReport(
        not violations and not unknown,
        normal,
        policy,
        tuple(violations),
        tuple(unknown),
        tuple(old.name for old in checked),
        tuple(notes),
        breaking=unique_changes(breaking),
    )


def _sources(
    previous: Sequence[SchemaSource] | SchemaSource, resources: Mapping[str, JsonSchema] | None
) -> list[Source]:
    if not isinstance(previous, Sequence):
        previous = [previous]
    sources = [source_of(schema, resources) for schema in previous]
    return [
        source if source.name else replace(source, name=f"previous[{index}]")
        for index, source in enumerate(sources)
    ]
