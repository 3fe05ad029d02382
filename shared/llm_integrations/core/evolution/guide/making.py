"""Making a migration guide from two schemas."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.evolution.differences.finding import Finding
from llm_integrations.core.evolution.differences.instance_path import InstanceStep, where_text
from llm_integrations.core.evolution.guide.advice import advice, question
from llm_integrations.core.evolution.guide.contents import Action, Example
from llm_integrations.core.evolution.guide.examples import sample_like, samples
from llm_integrations.core.evolution.guide.guide import MigrationGuide
from llm_integrations.core.evolution.guide.migrate_code import migrate_source
from llm_integrations.core.evolution.guide.migrate_plan import Plan
from llm_integrations.core.evolution.guide.migrate_run import run_plan
from llm_integrations.core.evolution.guide.planner import Planner
from llm_integrations.core.evolution.guide.questions import Questions
from llm_integrations.core.evolution.model.kinds import DIRECTIONS
from llm_integrations.core.evolution.model.levels import check_policy
from llm_integrations.core.evolution.model.limits import Limits, Undecidable
from llm_integrations.core.evolution.model.source import SchemaSource, source_of
from llm_integrations.core.evolution.text.wording import quote
from llm_integrations.core.evolution.verdict.comparison import Comparison
from llm_integrations.core.evolution.verdict.judges import judges_of_pair
from llm_integrations.core.evolution.verdict.pair_check import PairCheck
from llm_integrations.core.evolution.verdict.report import Incompatibility, Undecided
from llm_integrations.core.evolution.verdict.witness import Witness
from llm_integrations.core.model.fingerprint import JsonSchema
from llm_integrations.core.validation.compiled_schema import CompiledSchema
from llm_integrations.core.validation.explain.places import place_of

__all__ = ["migration_guide"]

_MOST_PLACES: Final = 100
"""Places where a witness is refused that are looked at."""


def migration_guide(
    old: SchemaSource,
    new: SchemaSource,
    *,
    policy: str = "lenient",
    options: ValidationOptions | None = None,
    resources: Mapping[str, JsonSchema] | None = None,
    limits: Limits | None = None,
) -> MigrationGuide:
    """Say what it takes to get from one version of a schema to the next.

    Args:
        old: the old version: a schema, or a RegisteredSchema, whose name the guide then uses.
        new: the new version.
        policy: "lenient" takes properties that data's schema does not declare as absent, so that
            a new optional property needs no migration; "strict" does not.
        options: how data is judged (formats, regular expressions).
        resources: the schemas that ``$ref``s name, by the name they use.
        limits: what the comparison may cost.

    Raises:
        InvalidSchema: one of them is no usable JSON Schema.
    """
    options = replace(options or ValidationOptions(), nulls="strict")
    sources = source_of(old, resources), source_of(new, resources)
    reader, judge, options = judges_of_pair(*sources, options)
    checked = check_policy(policy)
    pair = PairCheck(sources[0], sources[1], judge, options, checked, limits or Limits())
    names = sources[0].name, sources[1].name
    if pair.comparison is None:
        unknown = tuple(
            item for d in DIRECTIONS for item in _of({d: list(pair.judge(d))}, Undecided)
        )
        breaks = bool(unknown)
        return MigrationGuide(*names, policy, breaks, breaks, unknown=unknown)
    return _Making(pair, pair.comparison, (reader, judge)).guide(names)


class _Making:
    def __init__(
        self, pair: PairCheck, comparison: Comparison, judges: tuple[CompiledSchema, CompiledSchema]
    ) -> None:
        self._pair = pair
        self._comparison = comparison
        self._judges = judges

    def guide(self, names: tuple[str, str]) -> MigrationGuide:
        comparison = self._comparison
        against = {d: list(self._pair.judge(d)) for d in DIRECTIONS}
        comparison.workspace.budget.start_phase()
        plan, questions = self._plan(bool(against["backward"]))
        automated = self._automated(plan)
        actions = [
            Action(f.change, advice(f.change, id(f) in automated), id(f) in automated)
            for f in comparison.findings
        ]
        left = [a.change for a in actions if a.change.breaks_backward and not a.automated]
        left = left if against["backward"] else []
        if plan.changes_something():
            self._ask_about_the_rest(plan, questions, [change.where for change in left])
        decisions = tuple(dict.fromkeys((*questions.lines, *_decisions(left))))
        return MigrationGuide(
            *names,
            comparison.policy,
            breaks_readers=bool(against["backward"]),
            breaks_writers=bool(against["forward"]),
            actions=tuple(actions),
            violations=tuple(_of(against, Incompatibility)),
            unknown=tuple(_of(against, Undecided)),
            example=self._example(plan),
            migrate=_source(plan, names, decisions),
            decisions=decisions,
            notes=tuple(self._pair.notes),
        )

    def _plan(self, needed: bool) -> tuple[Plan, Questions]:
        """The plan for old data; an empty one, and what that means, if it takes too long."""
        if not needed:
            return Plan(), Questions()
        comparison = self._comparison
        planner = Planner(comparison.prover)
        try:
            plan = planner.plan([comparison.old_root], [comparison.new_root], "document")
        except (Undecidable, RecursionError) as error:
            questions = Questions()
            questions.not_drafted(str(error))
            return Plan(), questions
        return plan, planner.questions

    def _ask_about_the_rest(
        self, plan: Plan, questions: Questions, open_places: Sequence[str]
    ) -> None:
        """Try the plan on some data; what is still refused is a question, unless it is one."""
        asked = [*open_places, *questions.places]
        for data in samples(self._pair.search, self._judges[0], "backward"):
            for place in sorted(_places(self._judges[1], run_plan(plan, data))):
                if not any(_near(where, place) for where in asked):
                    questions.refused(_generalised(place))

    def _automated(self, plan: Plan) -> set[int]:
        """The findings that the plan settles, by trying it on what shows them."""
        settled: set[int] = set()
        if plan.changes_something():
            for findings, witness in self._pair.tried("backward"):
                if witness is not None and self._settles(plan, findings, witness):
                    settled.update(id(finding) for finding in findings)
        return settled

    def _settles(self, plan: Plan, findings: Sequence[Finding], witness: Witness) -> bool:
        before = _places(self._judges[1], witness.value)
        after = _places(self._judges[1], run_plan(plan, witness.value))
        if not after:
            return True
        # The instance may still be refused elsewhere, because of another change.
        gone = before - after
        where = {finding.change.where for finding in findings}
        return any(_near(w, p) for w in where for p in gone) and not any(
            _near(w, p) for w in where for p in after
        )

    def _example(self, plan: Plan) -> Example | None:
        findings = self._comparison.findings
        before = sample_like(self._pair.search, self._judges[0], "backward", findings)
        if before is None:
            return None
        migrated = run_plan(plan, before[0])
        if self._judges[1].accepts(migrated):
            return Example(before[0], migrated, migrated=True)
        after = sample_like(self._pair.search, self._judges[1], "forward", findings)
        return None if after is None else Example(before[0], after[0], migrated=False)


def _of(against: Mapping[Any, Sequence[Any]], kind: type[Any]) -> list[Any]:
    return [item for items in against.values() for item in items if isinstance(item, kind)]


def _places(judge: CompiledSchema, value: Any) -> set[str]:
    """Where a value is refused, in the notation of ``Change.where``."""
    found: set[str] = set()
    for error in judge.errors(value, _MOST_PLACES).errors:
        path = tuple(map(_step, place_of(error, value)[0]))
        details = error.kind.as_dict()
        named = details.get("unexpected") or [details.get("property")]
        found.update(
            where_text((*path, _step(name)) if isinstance(name, str) else path) for name in named
        )
    return found


def _step(part: str | int) -> InstanceStep:
    if isinstance(part, int):
        return InstanceStep("item", index=part)
    return InstanceStep("property", part)


def _near(where: str, place: str) -> bool:
    """Whether one of two places is inside of the other; any index is any other."""
    first, second = _plain(where), _plain(place)
    return first.startswith(second) or second.startswith(first)


def _generalised(place: str) -> str:
    """The place with any index for the one at hand."""
    return re.sub(r"\[\d+\]", "[*]", place)


def _plain(place: str) -> str:
    return re.sub(r"\[[\d*]+\]", "[]", place)


def _decisions(changes: Sequence[Any]) -> tuple[str, ...]:
    lines = (f"{quote(change.where or '(root)')}: {question(change)}" for change in changes)
    return tuple(dict.fromkeys(lines))


def _source(plan: Plan, names: tuple[str, str], decisions: Sequence[str]) -> str:
    if not plan.changes_something():
        return ""
    old, new = names[0] or "the old version", names[1] or "the new version"
    title = f"Bring data of {old} under {new}; the input stays as it is."
    return migrate_source(plan, title, decisions)
