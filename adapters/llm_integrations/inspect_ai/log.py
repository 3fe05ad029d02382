"""Checking a stored ``.eval`` or ``.json`` log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspect_ai.log import EvalLog, read_eval_log
from llm_integrations.core.config import Mode, check_mode
from llm_integrations.core.errors import ConfigurationError, InvalidEvaluation, PinMismatch
from llm_integrations.core.files import reason_of
from llm_integrations.core.judge import Judge
from llm_integrations.core.pins import BenchmarkPins, CheckOutcome, Pin, Role, outcome_of
from llm_integrations.core.pins.model import ROLES
from llm_integrations.core.registry import Registry, resolve_registry
from llm_integrations.core.validation import Validator
from llm_integrations.inspect_ai.payload import Extract, checked_extract, output_payload
from llm_integrations.inspect_ai.task import BENCHMARK_KEY, METADATA_KEY

__all__ = ["LogCheck", "check_log"]


@dataclass
class LogCheck:
    """The outcome of a check of a log.

    False if anything is invalid; under ``enforce`` also if anything was not judged.

    Attributes:
        totals: what was judged, by role.
        problems: what is invalid, one line each.
        unjudged: what was not judged, and why.
        extracted: how many outputs were judged by what ``extract`` found in them.
        mode: as it was asked for.
    """

    task: str
    pins: dict[Role, Pin]
    totals: dict[Role, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)
    extracted: int = 0
    mode: Mode = "enforce"

    @property
    def outcome(self) -> CheckOutcome:
        """``valid``, ``invalid``, or ``unjudged``: nothing is invalid, and not all was judged."""
        return outcome_of(self.problems, self.unjudged)

    def __bool__(self) -> bool:
        return not self.problems and (self.mode != "enforce" or not self.unjudged)


def check_log(
    path: str | Path,
    *,
    registry: Registry | str | None = None,
    pins: BenchmarkPins | str | Path | None = None,
    metrics: Mapping[str, str] | None = None,
    extract: Extract | Sequence[Extract] | None = None,
    mode: Mode = "enforce",
) -> LogCheck:
    """Judge a stored log's outputs and metrics by the schemas that its task was pinned to.

    A log keeps samples, not the records that they were read from, so cases are judged where they
    enter (``validated_dataset``); their pin is compared here.

    Args:
        registry: a Registry, a URL, or None for the environment's.
        pins: the lock file; the log's pins must be the ones that stand there now.
        metrics: schemas of the metrics of single scorers, by the scorer's name; the others have
            the one that is pinned.
        extract: as for ``schema_scorer``.
        mode: ``enforce`` counts what was not judged as a failure, ``warn`` does not.

    Raises:
        ConfigurationError: ``metrics`` names a scorer that the log has not.
        InvalidEvaluation: the file is cut off or damaged, or names no schema.
        PinMismatch: the log was made by other schemas than those that are pinned, or scored by
            another version.
    """
    check_mode(mode)
    ways = checked_extract(extract)
    client = resolve_registry(registry)
    stored = _read(Path(path))
    named = _named(stored, Path(path))
    noted: dict[Role, Pin] = {role: Pin.from_dict(named[role]) for role in ROLES if role in named}
    check = LogCheck(stored.eval.task, noted, mode=mode)
    if pins is not None:
        lock = pins if isinstance(pins, BenchmarkPins) else BenchmarkPins(pins, client)
        _require_same(check, lock, str(named.get(BENCHMARK_KEY, stored.eval.task)))
    _require_scored_as_pinned(stored, check)
    _LogJudge(client, check, ways).judge(stored, metrics or {})
    return check


class _LogJudge:
    """Judges the parts of one log into its check."""

    def __init__(self, registry: Registry, check: LogCheck, ways: Sequence[Extract]) -> None:
        self._registry = registry
        self._check = check
        self._ways = ways

    def judge(self, stored: EvalLog, metrics: Mapping[str, str]) -> None:
        if stored.status != "success":
            self._check.unjudged.append(f"the run did not end: its status is {stored.status}")
        if "result" in self._check.pins:
            self._outputs(stored)
        self._metrics(stored, metrics)

    def _outputs(self, stored: EvalLog) -> None:
        validator = self._registry.validator(self._check.pins["result"].ref)
        samples = stored.samples or []
        for sample in samples:
            where = f"sample {sample.id}" + (f", epoch {sample.epoch}" if sample.epoch > 1 else "")
            if sample.error is not None:
                self._check.unjudged.append(f"{where} ended in an error: no output is judged")
                continue
            found = output_payload(sample.output, self._ways)
            self._check.extracted += found.extracted is not None
            self._judge("result", validator, found.value, where)
        expected = stored.results.total_samples if stored.results else 0
        if len(samples) < expected:
            self._check.unjudged.append(
                f"{len(samples)} of {expected} samples are in the log: the others are not judged"
            )
        elif not samples:
            self._check.unjudged.append("no sample is in the log: no output is judged")

    def _metrics(self, stored: EvalLog, metrics: Mapping[str, str]) -> None:
        scores = stored.results.scores if stored.results else []
        unknown = metrics.keys() - {score.name for score in scores}
        if unknown and scores:
            raise ConfigurationError(
                f"metrics= names {sorted(unknown)}, not among {[score.name for score in scores]}"
            )
        pin = self._check.pins.get("metric")
        if not scores and (pin is not None or metrics):
            self._check.unjudged.append("no score is in the log: no metric is judged")
        for score in scores:
            reference = metrics.get(score.name) or (pin and pin.ref)
            if reference:
                data = {key: each.value for key, each in score.metrics.items()}
                validator = self._registry.validator(reference)
                self._judge("metric", validator, data, f"metrics of {score.name}")

    def _judge(self, role: Role, validator: Validator, data: Any, where: str) -> None:
        judge = Judge(self._registry, module="inspect_ai", side=role)
        self._check.totals[role] = self._check.totals.get(role, 0) + 1
        report = judge.judge_by(validator, data).report
        if report is not None:
            self._check.problems.append(f"{where}: {report}")


def _read(path: Path) -> EvalLog:
    try:
        return read_eval_log(str(path))
    except OSError as error:
        raise InvalidEvaluation(f"{path} cannot be read: {reason_of(error)}") from None
    except Exception as error:  # noqa: BLE001 - whatever a damaged part makes its reader raise
        raise InvalidEvaluation(f"{path} is cut off or damaged ({type(error).__name__})") from None


def _named(stored: EvalLog, path: Path) -> Mapping[str, Any]:
    named = (stored.eval.metadata or {}).get(METADATA_KEY)
    if not isinstance(named, Mapping) or not any(role in named for role in ROLES):
        raise InvalidEvaluation(f"{path} names no schema: give its Task the metadata of pinned(…)")
    return named


def _require_same(check: LogCheck, lock: BenchmarkPins, benchmark: str) -> None:
    now = lock.get(benchmark).pins
    for role, pin in check.pins.items():
        if now.get(role) != pin:
            raise PinMismatch(f"{benchmark}: made by {role} {pin}, pinned now to {now.get(role)}")


def _require_scored_as_pinned(stored: EvalLog, check: LogCheck) -> None:
    pin = check.pins.get("result")
    scored = (score for sample in stored.samples or [] for score in (sample.scores or {}).values())
    for score in scored:
        judged = score.metadata or {}
        reference, fingerprint = judged.get("schema"), judged.get("fingerprint")
        if pin is None or not isinstance(reference, str) or fingerprint is None:
            continue
        if reference.rpartition("@")[0] == pin.subject and fingerprint != pin.fingerprint:
            raise PinMismatch(f"{check.task}: scored by {reference}, pinned to {pin}")
