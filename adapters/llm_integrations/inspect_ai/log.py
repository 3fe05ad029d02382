"""Checking a stored ``.eval`` or ``.json`` log."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspect_ai.log import EvalLog, read_eval_log
from llm_integrations.core.errors import InvalidEvaluation, PinMismatch
from llm_integrations.core.judge import Judge
from llm_integrations.core.pins import BenchmarkPins, Pin, Role
from llm_integrations.core.pins.model import ROLES
from llm_integrations.core.registry import Registry, resolve_registry
from llm_integrations.inspect_ai.payload import parsed_output
from llm_integrations.inspect_ai.task import METADATA_KEY

__all__ = ["LogCheck", "check_log"]


@dataclass
class LogCheck:
    """The outcome of a check of a log, by role. False if anything is invalid."""

    task: str
    pins: dict[Role, Pin]
    totals: dict[Role, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return not self.problems


def check_log(
    path: str | Path,
    *,
    registry: Registry | str | None = None,
    pins: BenchmarkPins | str | Path | None = None,
) -> LogCheck:
    """Judge a stored log's outputs and metrics by the schemas that its task was pinned to.

    A log keeps samples, not the records that they were read from, so cases are judged where they
    enter (``validated_dataset``); their pin is compared here.

    Args:
        registry: a Registry, a URL, or None for the environment's.
        pins: the lock file; the log's pins must be the ones that stand there now.

    Raises:
        InvalidEvaluation: the file is cut off or damaged, or names no schema.
        PinMismatch: the log was made by other schemas than those that are pinned.
    """
    client = resolve_registry(registry)
    stored = _read(Path(path))
    check = LogCheck(stored.eval.task, _pins_of(stored, Path(path)))
    if pins is not None:
        lock = pins if isinstance(pins, BenchmarkPins) else BenchmarkPins(pins, client)
        _require_same(check, lock)
    for role, pin in check.pins.items():
        if role == "case":
            continue
        validator = client.validator(pin.ref)
        judge = Judge(client, module="inspect_ai", side=role)
        for where, data in _pieces(stored, role):
            check.totals[role] = check.totals.get(role, 0) + 1
            report = judge.judge_by(validator, data).report
            if report is not None:
                check.problems.append(f"{where}: {report}")
    return check


def _read(path: Path) -> EvalLog:
    try:
        return read_eval_log(str(path))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InvalidEvaluation(f"{path} is cut off or damaged ({type(error).__name__})") from None


def _pins_of(stored: EvalLog, path: Path) -> dict[Role, Pin]:
    named = (stored.eval.metadata or {}).get(METADATA_KEY)
    if not isinstance(named, Mapping) or not named:
        raise InvalidEvaluation(f"{path} names no schema: give its Task the metadata of pinned(…)")
    return {role: Pin.from_dict(named[role]) for role in ROLES if role in named}


def _require_same(check: LogCheck, lock: BenchmarkPins) -> None:
    now = lock.get(check.task).pins
    for role, pin in check.pins.items():
        if now.get(role) != pin:
            raise PinMismatch(f"{check.task}: made by {role} {pin}, pinned now to {now.get(role)}")


def _pieces(stored: EvalLog, role: Role) -> list[tuple[str, Any]]:
    if role == "metric":
        scores = stored.results.scores if stored.results else []
        return [
            (f"metrics of {score.name}", {key: m.value for key, m in score.metrics.items()})
            for score in scores
        ]
    return [
        (f"sample {sample.id}", parsed_output(sample.output.completion)[0])
        for sample in stored.samples or []
    ]
