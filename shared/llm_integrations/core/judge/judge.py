"""The judge of one side of one module."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

from llm_integrations.core.config import Mode, OnUnavailable, ValidationOptions, check_mode
from llm_integrations.core.errors import (
    RegistryAuthError,
    RegistryProtocolError,
    RegistryUnavailable,
    SchemaValidationError,
    ValidationLimitExceeded,
)
from llm_integrations.core.judge.counters import Counters, counters_for
from llm_integrations.core.judge.sorting import Sorted, T
from llm_integrations.core.judge.verdict import OFF, UNJUDGED, VALID, Side, Verdict, check_labels
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.observability import UNKNOWN_SUBJECT, get_logger
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.validation.report import ValidationReport, Violation

if TYPE_CHECKING:
    from llm_integrations.core.registry import Registry
    from llm_integrations.core.validation import Validator

__all__ = ["Judge"]

log = get_logger(__name__)

# A registry that cannot tell us its schema leaves data unjudged; a schema that does not exist or
# does not compile is an error in every mode.
_NO_SCHEMA_NOW = (RegistryUnavailable, RegistryAuthError, RegistryProtocolError)


@dataclass(frozen=True)
class Judge:
    """Judges data at one side of one module by whatever version is in force at the call.

    The mode is decided here: under ``off`` nothing is looked up, judged or counted, whichever
    method is called.

    Args:
        registry: where schemas come from.
        module: a metric label, as ``langchain``.
        side: a metric label, one of ``SIDES``.
        mode: ``enforce`` makes ``check`` raise; ``warn`` logs; ``off`` does nothing at all.
        on_unavailable: None means raise under enforce and pass under warn.
        options: how to judge; None takes the registry's.

    Raises:
        ConfigurationError: one of them is none that there is.
    """

    registry: Registry
    module: str
    side: Side = "input"
    mode: Mode = "enforce"
    on_unavailable: OnUnavailable | None = None
    options: ValidationOptions | None = field(default=None)

    def __post_init__(self) -> None:
        check_mode(self.mode)
        check_labels(self.module, self.side, self.on_unavailable)

    # -- one piece, by a reference ----------

    def judge(self, reference: str | SchemaRef, data: Any) -> Verdict:
        """Judge and count; never raises because data is invalid.

        Raises:
            RegistryError: when there is no schema to judge by and ``on_unavailable`` says raise,
                or the schema does not exist or compile.
            ValidationLimitExceeded: as ``judge_by``.
        """
        return self._judged(self.resolve(reference), data)

    async def ajudge(self, reference: str | SchemaRef, data: Any) -> Verdict:
        """``judge`` that waits for a cold schema without blocking the event loop."""
        return self._judged(await self.aresolve(reference), data)

    def _judged(self, validator: Validator | None, data: Any) -> Verdict:
        return self._passed if validator is None else self.judge_by(validator, data)

    def check(self, reference: str | SchemaRef, data: Any) -> Verdict:
        """``judge``, then act: SchemaValidationError under enforce, a log line under warn."""
        return self.act(self.judge(reference, data))

    async def acheck(self, reference: str | SchemaRef, data: Any) -> Verdict:
        return self.act(await self.ajudge(reference, data))

    # -- the schema in force ----------

    def resolve(self, reference: str | SchemaRef) -> Validator | None:
        """``aresolve`` for code without an event loop."""
        if self.mode == "off":
            return None
        try:
            return self.registry.validator(reference, options=self.options)
        except _NO_SCHEMA_NOW as error:
            self.pass_unjudged(reference, error)
        return None

    async def aresolve(self, reference: str | SchemaRef) -> Validator | None:
        """The schema in force now, for callers that judge several things, or later, by one version.

        None means that data passes: the mode is off, or there is no schema now, which is counted as
        one unjudged piece.

        Raises:
            RegistryError: as ``judge``.
        """
        validator = self.ready(reference)
        if validator is not None or self.mode == "off":
            return validator
        try:
            return await self.registry.aio.validator(reference, options=self.options)
        except _NO_SCHEMA_NOW as error:
            self.pass_unjudged(reference, error)
        return None

    def ready(self, reference: str | SchemaRef) -> Validator | None:
        """The schema in force if it can be had without I/O; None if not, or if the mode is off."""
        if self.mode == "off":
            return None
        return self.registry.ready_validator(reference, options=self.options)

    # -- by a schema that the caller resolved ----------

    def judge_by(self, validator: Validator, data: Any) -> Verdict:
        """Judge and count by a schema that the caller resolved.

        Raises:
            ValidationLimitExceeded: a pattern was given up, so that there is no verdict, and
                ``on_unavailable`` says raise.
        """
        if self.mode == "off":
            return OFF
        started = perf_counter()
        counters = counters_for(self.module, validator.subject or UNKNOWN_SUBJECT, self.side)
        try:
            report = validator.validate(data)
        except ValidationLimitExceeded as error:
            return self.pass_unjudged(validator.reference, error, counters)
        counters.observe(perf_counter() - started)
        if report.is_valid:
            counters.count_valid()
            return VALID
        counters.count("invalid")
        return Verdict("invalid", report)

    def judge_each(self, validator: Validator, pieces: Sequence[Any]) -> list[Verdict]:
        """``judge_by`` for many at once, at a fraction of the cost: their mean time is observed."""
        if not pieces or self.mode == "off":
            return [OFF] * len(pieces)
        started = perf_counter()
        verdicts = [self._verdict(validator, piece) for piece in pieces]
        counters = self._counters(validator)
        counters.observe((perf_counter() - started) / len(pieces))
        counters.count("valid", sum(verdict is VALID for verdict in verdicts))
        counters.count("invalid", sum(verdict.outcome == "invalid" for verdict in verdicts))
        return verdicts

    def _verdict(self, validator: Validator, data: Any) -> Verdict:
        try:
            report = validator.validate(data)
        except ValidationLimitExceeded as error:
            return self.pass_unjudged(validator.reference, error, self._counters(validator))
        return VALID if report.is_valid else Verdict("invalid", report)

    def _counters(self, validator: Validator | None) -> Counters:
        """A subject is a label only if it was resolved: a client could have named any other."""
        subject = validator.subject if validator is not None else None
        return counters_for(self.module, subject or UNKNOWN_SUBJECT, self.side)

    def sort(
        self,
        validator: Validator | None,
        pieces: Iterable[T],
        *,
        payload: Callable[[T], Any] | None = None,
    ) -> Sorted[T]:
        """Judge and count many pieces; ``settle`` does what the mode says about them.

        Args:
            validator: what ``resolve`` gave; None lets every piece pass.
            payload: what of a piece is judged; None for all of it.

        Raises:
            ValidationLimitExceeded: as ``judge_by``.
        """
        given = list(pieces)
        if validator is None or self.mode == "off":
            if given and self.mode != "off":  # the look-up that found no schema counted one
                self._counters(None).count("unjudged", len(given) - 1)
            return Sorted(given, given, [self._passed] * len(given))
        judged = given if payload is None else [payload(piece) for piece in given]
        return Sorted(given, judged, self.judge_each(validator, judged))

    def settle(
        self,
        found: Sorted[T],
        quarantine: Quarantine | None = None,
        *,
        source: str = "",
        whole: Callable[[T], Any] | None = None,
        position: Callable[[T], int | str] | None = None,
    ) -> list[tuple[T, Verdict]]:
        """Do what the mode says about sorted pieces; returns those that go on, with their verdicts.

        Under enforce invalid pieces go into the quarantine; without one the first stops all. Under
        warn they are logged, and go on.

        Args:
            source, whole, position: of the records in the quarantine, as ``Sorted.records``.

        Raises:
            SchemaValidationError: a piece is invalid under enforce, and there is no quarantine.
        """
        condemned = found.condemned
        if condemned and self.mode == "enforce" and quarantine is not None:
            part = quarantine.add(found.records(source=source, whole=whole, position=position))
            schema = condemned[0].report.schema
            told = f"{len(condemned)} of {len(found.pieces)} do not satisfy {schema}; set aside"
            self._log(told, llmi_schema=schema, llmi_part=str(part))
        else:
            for one in condemned:
                name = one.number if position is None else position(one.piece)
                what = f"{self.side} {name}" if position or len(found.pieces) > 1 else ""
                self.act(Verdict("invalid", one.report), what=what)
        aside = self.mode == "enforce"
        every = zip(found.pieces, found.verdicts, strict=True)
        return [(piece, verdict) for piece, verdict in every if verdict or not aside]

    def refuse(
        self, validator: Validator, message: str, *, path: str = "", schema_path: str = ""
    ) -> Verdict:
        """Count as invalid what cannot even be put before the schema, and say why.

        Args:
            path, schema_path: of the violation.
        """
        if self.mode == "off":
            return OFF
        self._counters(validator).count("invalid")
        errors = (Violation(path, message, "type", schema_path),)
        reference, fingerprint = validator.reference, validator.fingerprint
        return Verdict("invalid", ValidationReport(False, errors, (), reference, fingerprint))

    def skip(self, validator: Validator) -> Verdict:
        """Count as unjudged what is left alone on purpose."""
        if self.mode == "off":
            return OFF
        self._counters(validator).count("unjudged")
        return UNJUDGED

    # -- what follows from a verdict ----------

    def act(self, verdict: Verdict, *, what: str = "") -> Verdict:
        """Do what the mode says about a verdict, and return it.

        Args:
            what: names the piece to people, as ``document b``; without data.

        Raises:
            SchemaValidationError: it is invalid, under enforce.
        """
        report = verdict.report
        if report is None or report.is_valid:
            return verdict
        if self.mode == "enforce":
            raise SchemaValidationError(f"{what} {report}".lstrip(), report=report)
        self._log(report, what, llmi_schema=report.schema)
        return verdict

    @property
    def _passed(self) -> Verdict:
        return OFF if self.mode == "off" else UNJUDGED

    def pass_unjudged(
        self, reference: str | SchemaRef, error: Exception, counters: Counters | None = None
    ) -> Verdict:
        """Count data without a verdict; raise the error that left it without one, or log it and let
        the data pass, as ``on_unavailable`` says."""
        (counters or self._counters(None)).count("unjudged")
        policy = self.on_unavailable or ("raise" if self.mode == "enforce" else "pass")
        if policy == "raise":
            raise error
        self._log(f"passed unjudged by {reference}: {error}", llmi_schema=str(reference))
        return UNJUDGED

    def _log(self, told: object, what: str = "", **fields: str) -> None:
        extra = {"llmi_module": self.module, "llmi_side": self.side, **fields}
        log.warning("%s %s %s", self.module, what or self.side, told, extra=extra)
