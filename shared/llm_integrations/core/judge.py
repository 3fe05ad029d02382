"""The decision every adapter makes: is this data valid, what to do if not, and count it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

from llm_integrations.core.config import Mode, OnUnavailable, ValidationOptions, check_mode
from llm_integrations.core.errors import (
    ConfigurationError,
    RegistryAuthError,
    RegistryProtocolError,
    RegistryUnavailable,
    ValidationLimitExceeded,
)
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.observability import (
    UNKNOWN_SUBJECT,
    VALIDATION_DURATION,
    VALIDATION_FAILURES,
    VALIDATION_TOTAL,
    get_logger,
)
from llm_integrations.core.validation.report import ValidationReport, Violation

if TYPE_CHECKING:
    from llm_integrations.core.registry import Registry
    from llm_integrations.core.validation import Validator

__all__ = ["Judge", "Outcome", "Verdict"]

log = get_logger(__name__)

Outcome = Literal["valid", "invalid", "unjudged", "off"]

# A registry that cannot tell us its schema leaves data unjudged; a schema that does not exist or
# does not compile is an error in every mode.
_NO_SCHEMA_NOW = (RegistryUnavailable, RegistryAuthError, RegistryProtocolError)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided; False only when invalid.

    Attributes:
        report: why it is invalid; None otherwise.
    """

    outcome: Outcome
    report: ValidationReport | None = None

    def __bool__(self) -> bool:
        return self.outcome != "invalid"


OFF = Verdict("off")
UNJUDGED = Verdict("unjudged")


@dataclass(frozen=True)
class Judge:
    """Judges data at one side of one module by whatever version is in force at the call.

    Args:
        registry: where schemas come from.
        module: a metric label, as ``langchain``.
        side: a metric label, as ``input``.
        mode: ``enforce`` makes ``check`` raise; ``warn`` logs; ``off`` does nothing at all.
        on_unavailable: None means raise under enforce and pass under warn.
        options: how to judge; None takes the registry's.
    """

    registry: Registry
    module: str
    side: str = "input"
    mode: Mode = "enforce"
    on_unavailable: OnUnavailable | None = None
    options: ValidationOptions | None = field(default=None)

    def __post_init__(self) -> None:
        check_mode(self.mode)
        if self.on_unavailable not in (None, "raise", "pass"):
            raise ConfigurationError(
                f"on_unavailable must be 'raise' or 'pass', not {self.on_unavailable!r}"
            )

    def judge(self, reference: str | SchemaRef, data: Any) -> Verdict:
        """Judge and count; never raises because data is invalid.

        Raises:
            RegistryError: when there is no schema to judge by and ``on_unavailable`` says raise,
                or the schema does not exist or compile.
            ValidationLimitExceeded: as ``judge_by``.
        """
        if self.mode == "off":
            return OFF
        validator = self.resolve(reference)
        return UNJUDGED if validator is None else self.judge_by(validator, data)

    def resolve(
        self, reference: str | SchemaRef, *, within: float | None = None
    ) -> Validator | None:
        """``aresolve`` for code without an event loop.

        Args:
            within: seconds to wait at the most, for callers that hold up an event loop; None
                leaves it to the registry's deadline.
        """
        try:
            if within is None:
                return self.registry.validator(reference, options=self.options)
            asked = self.registry.aio.validator(reference, options=self.options)
            return self.registry.run(asyncio.wait_for(asked, within))
        except TimeoutError:
            self._unjudged(reference, RegistryUnavailable(f"no schema within {within:g} s"))
            return None
        except _NO_SCHEMA_NOW as error:
            self._unjudged(reference, error)
            return None

    async def ajudge(self, reference: str | SchemaRef, data: Any) -> Verdict:
        """``judge`` that waits for a cold schema without blocking the event loop."""
        if self.mode == "off":
            return OFF
        validator = await self.aresolve(reference)
        return UNJUDGED if validator is None else self.judge_by(validator, data)

    async def aresolve(self, reference: str | SchemaRef) -> Validator | None:
        """The schema in force now, for callers that judge several things, or later, by one version.

        None means that there is none now and data passes; it is counted as one unjudged piece.

        Raises:
            RegistryError: as ``judge``.
        """
        validator = self.registry.ready_validator(reference, options=self.options)
        if validator is not None:
            return validator
        try:
            return await self.registry.aio.validator(reference, options=self.options)
        except _NO_SCHEMA_NOW as error:
            self._unjudged(reference, error)
            return None

    def check(self, reference: str | SchemaRef, data: Any) -> Verdict:
        """``judge``, then act: SchemaValidationError under enforce, a log line under warn."""
        return self.act(self.judge(reference, data))

    async def acheck(self, reference: str | SchemaRef, data: Any) -> Verdict:
        return self.act(await self.ajudge(reference, data))

    def judge_by(self, validator: Validator, data: Any) -> Verdict:
        """Judge and count by a schema that the caller resolved.

        Raises:
            ValidationLimitExceeded: a pattern was given up, so that there is no verdict, and
                ``on_unavailable`` says raise.
        """
        subject = validator.subject or UNKNOWN_SUBJECT
        started = perf_counter()
        try:
            report = validator.validate(data)
        except ValidationLimitExceeded as error:
            return self._unjudged(validator.reference, error, subject)
        seconds = perf_counter() - started
        counters = _counters(self.module, subject, self.side)
        counters.observe(seconds)
        if report.is_valid:
            counters.count_valid()
            return _VALID
        counters.count("invalid")
        return Verdict("invalid", report)

    def judge_each(self, validator: Validator, pieces: Sequence[Any]) -> list[Verdict]:
        """``judge_by`` for many at once, at a fraction of the cost: their mean time is observed."""
        if not pieces:
            return []
        subject = validator.subject or UNKNOWN_SUBJECT
        started = perf_counter()
        verdicts = [self._verdict(validator, piece, subject) for piece in pieces]
        counters = _counters(self.module, subject, self.side)
        counters.observe((perf_counter() - started) / len(pieces))
        counters.count("valid", sum(verdict is _VALID for verdict in verdicts))
        counters.count("invalid", sum(verdict.outcome == "invalid" for verdict in verdicts))
        return verdicts

    def _verdict(self, validator: Validator, data: Any, subject: str) -> Verdict:
        try:
            report = validator.validate(data)
        except ValidationLimitExceeded as error:
            return self._unjudged(validator.reference, error, subject)
        return _VALID if report.is_valid else Verdict("invalid", report)

    def refuse(self, validator: Validator, message: str) -> Verdict:
        """Count as invalid what cannot even be put before the schema, and say why."""
        _counters(self.module, validator.subject or UNKNOWN_SUBJECT, self.side).count("invalid")
        return Verdict(
            "invalid",
            ValidationReport(
                is_valid=False,
                errors=(Violation(path="", message=message, keyword="type"),),
                schema=validator.reference,
                fingerprint=validator.fingerprint,
            ),
        )

    def skip(self, validator: Validator) -> Verdict:
        """Count as unjudged what is left alone on purpose."""
        _counters(self.module, validator.subject or UNKNOWN_SUBJECT, self.side).count("unjudged")
        return UNJUDGED

    def act(self, verdict: Verdict) -> Verdict:
        """Do what the mode says about a verdict, and return it."""
        if verdict.report is not None and not verdict.report.is_valid:
            if self.mode == "enforce":
                verdict.report.raise_if_invalid()
            self._log(verdict.report, llmi_schema=verdict.report.schema)
        return verdict

    def _unjudged(
        self, reference: str | SchemaRef, error: Exception, subject: str = UNKNOWN_SUBJECT
    ) -> Verdict:
        """Count data without a verdict, and raise or pass it as decided.

        The subject is a label only if it was resolved: a client could have named any other.
        """
        _counters(self.module, subject, self.side).count("unjudged")
        policy = self.on_unavailable or ("raise" if self.mode == "enforce" else "pass")
        if policy == "raise":
            raise error
        self._log(f"passed unjudged by {reference}: {error}", llmi_schema=str(reference))
        return UNJUDGED

    def _log(self, what: object, **fields: str) -> None:
        extra = {"llmi_module": self.module, "llmi_side": self.side, **fields}
        log.warning("%s %s %s", self.module, self.side, what, extra=extra)


_VALID = Verdict("valid")


class _Counters:
    """The metric children of one label set, looked up once."""

    def __init__(self, module: str, subject: str, side: str) -> None:
        self._totals = {
            outcome: VALIDATION_TOTAL.labels(module, subject, side, outcome)
            for outcome in ("valid", "invalid", "unjudged")
        }
        self._failures = VALIDATION_FAILURES.labels(module, subject, side)
        # Bound once: every piece of data that anybody judges passes here.
        self.count_valid = self._totals["valid"].inc
        self.observe = VALIDATION_DURATION.labels(module, side).observe

    def count(self, outcome: Outcome, pieces: int = 1) -> None:
        self._totals[outcome].inc(pieces)
        if outcome == "invalid":
            self._failures.inc(pieces)


@lru_cache(maxsize=4096)
def _counters(module: str, subject: str, side: str) -> _Counters:
    return _Counters(module, subject, side)
