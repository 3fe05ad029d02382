"""Two stored results side by side, document by document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from llm_integrations.core.errors import ConfigurationError, SchemaNotFound
from llm_integrations.core.impact import with_references
from llm_integrations.core.pins import Comparison, Pin, Role, compare
from llm_integrations.core.pins.inputs import moved
from llm_integrations.core.registry import Registry, resolve_registry
from llm_integrations.lm_eval.inputs import inputs_of_results
from llm_integrations.lm_eval.stored_samples import (
    mapping_in,
    read_results,
    recorded_pins,
    samples_of,
)

__all__ = ["ResultsComparison", "SampleChange", "SampleKey", "TaskComparison", "compare_results"]

_HASHES: Final = {"doc_hash": "document", "prompt_hash": "prompt", "target_hash": "target"}


class SampleKey(NamedTuple):
    """What samples of both results are matched by: one document, seen through one filter."""

    doc_id: int
    filter: str


@dataclass(frozen=True)
class SampleChange:
    """A sample that both results hold, and that is not the same in them.

    Attributes:
        metrics: the old and the new value of each that differs.
        responses: whether the model answered otherwise.
        moved: which of document, prompt and target differ; then the rest compares nothing.
    """

    place: SampleKey
    metrics: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    responses: bool = False
    moved: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskComparison:
    """One task in both results.

    Attributes:
        same: samples that are alike in all that is compared.
        changed: samples of the same document, prompt and target that came out otherwise.
        incomparable: samples whose document, prompt or target is another one.
        only_old, only_new: samples that one side lacks.
        metrics: the old and the new value of each aggregated metric that differs.
        inputs: what else the scores rest on and moved, see ``core.pins.inputs``.
        pins: by role the old and the new schema where they differ; None where a side names none.
        schemas: by role whether results by the two are comparable; where the registry has both.
        doubts: why the samples of a side are not all there.
    """

    task: str
    same: int
    changed: Sequence[SampleChange]
    incomparable: Sequence[SampleChange]
    only_old: Sequence[SampleKey]
    only_new: Sequence[SampleKey]
    metrics: Mapping[str, tuple[Any, Any]]
    inputs: Sequence[str]
    pins: Mapping[Role, tuple[Pin | None, Pin | None]]
    schemas: Mapping[Role, Comparison]
    doubts: Sequence[str]

    @property
    def comparable(self) -> bool:
        """Whether the scores are of the same documents, prompts and targets, all of them there,
        and by schemas that accept the same data where both sides name some."""
        if self.incomparable or self.only_old or self.only_new or self.doubts:
            return False
        found = [self.schemas.get(role) for role, sides in self.pins.items() if all(sides)]
        return all(each is not None and each.comparable for each in found)


@dataclass(frozen=True)
class ResultsComparison:
    """Two results. False unless every task of both is comparable and came out the same.

    Attributes:
        only_old, only_new: tasks that one side lacks.
    """

    old: Path
    new: Path
    tasks: Mapping[str, TaskComparison]
    only_old: Sequence[str]
    only_new: Sequence[str]

    @property
    def outcome(self) -> Literal["same", "changed", "unjudged"]:
        """``unjudged`` where samples are missing and nothing else is known to differ."""
        tasks = self.tasks.values()
        if self.only_old or self.only_new:
            return "changed"
        if any(t.changed or t.metrics or (not t.comparable and not t.doubts) for t in tasks):
            return "changed"
        return "unjudged" if any(t.doubts for t in tasks) else "same"

    def __bool__(self) -> bool:
        return self.outcome == "same"


def compare_results(
    old: str | Path, new: str | Path, *, registry: Registry | str | None = None
) -> ResultsComparison:
    """Compare two results files by document, ours or the harness's.

    Samples are joined by ``doc_id`` and filter. They are comparable where document, prompt and
    target have the same hashes.

    Args:
        old, new: files, or folders with the newest of them.
        registry: says whether results by two versions of a schema are comparable; asked only
            where the results name different ones.

    Raises:
        InvalidEvaluation: a file is cut off or damaged.
    """
    sides = [_Side(*read_results(path)) for path in (old, new)]
    before, after = (set(side.results["configs"]) for side in sides)
    both = [task for task in sides[0].results["configs"] if task in after]
    return ResultsComparison(
        sides[0].file,
        sides[1].file,
        {task: _task(task, sides[0], sides[1], registry) for task in both},
        sorted(before - after),
        sorted(after - before),
    )


@dataclass(frozen=True)
class _Side:
    file: Path
    results: Mapping[str, Any]

    def metrics(self, task: str) -> dict[str, Any]:
        found = mapping_in(mapping_in(self.results, "results"), task)
        return {name: value for name, value in found.items() if "," in name}


def _task(task: str, old: _Side, new: _Side, registry: Registry | str | None) -> TaskComparison:
    stored = [samples_of(task, side.results, side.file) for side in (old, new)]
    before, after = (_placed(found.samples) for found in stored)
    changes = [_change(place, before[place], after[place]) for place in before if place in after]
    pins = dict(_pins(task, old.results, new.results))
    inputs = [
        inputs_of_results(task, side.results, found.samples)
        for side, found in zip((old, new), stored, strict=True)
    ]
    return TaskComparison(
        task,
        sum(change is None for change in changes),
        [change for change in changes if change is not None and not change.moved],
        [change for change in changes if change is not None and change.moved],
        [place for place in before if place not in after],
        [place for place in after if place not in before],
        _differing(old.metrics(task), new.metrics(task)),
        moved(*inputs) if all(found.samples for found in stored) else [],
        pins,
        dict(_schemas(pins, registry)),
        [found.doubt for found in stored if found.doubt is not None],
    )


def _placed(samples: Iterable[Mapping[str, Any]]) -> dict[SampleKey, Mapping[str, Any]]:
    return {
        SampleKey(s["doc_id"], str(s.get("filter", "none"))): s for s in samples if "doc_id" in s
    }


def _change(
    place: SampleKey, old: Mapping[str, Any], new: Mapping[str, Any]
) -> SampleChange | None:
    parts = tuple(word for name, word in _HASHES.items() if old.get(name) != new.get(name))
    if parts:
        return SampleChange(place, moved=parts)
    names = [*old.get("metrics", ()), *new.get("metrics", ())]
    metrics = _differing(
        {name: old.get(name) for name in names}, {name: new.get(name) for name in names}
    )
    responses = old.get("resps") != new.get("resps")
    return SampleChange(place, metrics, responses) if metrics or responses else None


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {
        name: (old.get(name), new.get(name))
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    }


def _pins(
    task: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[tuple[Role, tuple[Pin | None, Pin | None]]]:
    before, after = recorded_pins(task, old), recorded_pins(task, new)
    for role in {**before, **after}:
        if before.get(role) != after.get(role):
            yield role, (before.get(role), after.get(role))


def _schemas(
    pins: Mapping[Role, tuple[Pin | None, Pin | None]], registry: Registry | str | None
) -> Iterator[tuple[Role, Comparison]]:
    if not pins:
        return
    try:
        client = resolve_registry(registry)
    except ConfigurationError:
        if registry is not None:
            raise
        return  # there is none to ask
    for role, (old, new) in pins.items():
        if old is not None and new is not None:
            yield role, _compared(client, old, new)


def _compared(client: Registry, old: Pin, new: Pin) -> Comparison:
    try:
        schemas = [client.get(pin.ref) for pin in (old, new)]
    except SchemaNotFound as error:
        return Comparison(False, str(error))
    for pin, schema in zip((old, new), schemas, strict=True):
        if schema.fingerprint != pin.fingerprint:
            return Comparison(False, f"{pin.ref} says something else than when results were made")
    return compare(*(client.run(with_references(client, schema)) for schema in schemas))
