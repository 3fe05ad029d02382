"""A compiled schema under the name that people know it by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.model.fingerprint import JsonSchema
from llm_integrations.core.model.rule import Rule
from llm_integrations.core.reprs import never_raises
from llm_integrations.core.validation.engine_faults import is_fault
from llm_integrations.core.validation.evaluator import Evaluator, Explained, evaluator_for
from llm_integrations.core.validation.explain.failure import MANY
from llm_integrations.core.validation.report import ValidationReport
from llm_integrations.core.validation.source import Source

if TYPE_CHECKING:
    from llm_integrations.core.validation.rules.rule_book import RuleBook

__all__ = ["Validator", "compile_validator"]


def compile_validator(
    body: JsonSchema,
    *,
    options: ValidationOptions | None = None,
    resources: Mapping[str, JsonSchema] | None = None,
    subject: str | None = None,
    reference: str = "",
    warnings: Sequence[str] = (),
    rules: Sequence[Rule] = (),
    keep: bool = True,
) -> Validator:
    """Compile a JSON Schema (draft 4 to 2020-12; without ``$schema`` it is 2020-12).

    What was compiled lately is not compiled again. The schema is copied: changing the dict later
    changes nothing.

    Args:
        body: the schema.
        options: how to judge.
        resources: the schemas that a ``$ref`` may name, by the name it uses. There is no other way
            to another schema: nothing is read from the network or a file.
        subject: the schema's name in its registry; also a metric label.
        reference: what reports call the schema, as ``user-profile@2``; the subject if left out.
        warnings: what every report should say besides (that the schema is deprecated).
        rules: what must hold besides of data that the schema accepts; those that cannot be judged
            are warnings in every report.
        keep: whether the compiled form is kept for whoever asks for the same again.

    Raises:
        InvalidSchema: it is no JSON Schema, a reference leads nowhere, a pattern is refused, or a
            rule cannot be judged under ``ValidationOptions(rules="require")``.
    """
    name = reference or subject or ""
    try:
        source = Source.of(body, resources or {}, options or ValidationOptions())
        validator = _made(source, subject, name, tuple(warnings), tuple(rules))
        validator.compile(keep=keep)
    except InvalidSchema as error:
        raise InvalidSchema(f"{name or 'the schema'} cannot be used: {error}") from None
    return validator


def _made(
    source: Source,
    subject: str | None,
    reference: str,
    warnings: tuple[str, ...],
    rules: tuple[Rule, ...],
) -> Validator:
    if not rules or source.options.rules == "ignore":
        return Validator(source, subject, reference, warnings)
    # Few schemas have rules, and every process waits for what is imported above.
    from llm_integrations.core.validation.rules.ruled_validator import RuledValidator

    return RuledValidator(source, subject, reference, warnings, rules)


class Validator:
    """Judges data by one version of one schema. ``compile_validator`` makes it.

    Immutable, and safe to share between threads and tasks. It pickles as its configuration, which
    is the same in every process, and compiles again on first use.

    Attributes:
        subject: the schema's name in its registry, or None.
        reference: what reports call the schema, as ``user-profile@2``.
    """

    __slots__ = (
        "_evaluator",
        "_fast",
        "_schema_name",
        "_source",
        "_valid",
        "_warnings",
        "reference",
        "subject",
    )

    def __init__(
        self, source: Source, subject: str | None, reference: str, warnings: tuple[str, ...]
    ) -> None:
        self.subject = subject
        self.reference = reference
        self._source = source
        self._warnings = warnings
        self._schema_name = reference or f"sha256:{source.fingerprint[:12]}"
        self._evaluator: Evaluator | None = None
        self._fast: Callable[[Any], bool] = self._first_use
        self._valid = self._report(Explained([], 0, is_cut=False))

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the schema's canonical JSON."""
        return self._source.fingerprint

    @property
    def body(self) -> JsonSchema:
        """The schema; a new copy each time."""
        return self._source.body()

    @property
    def resources(self) -> dict[str, JsonSchema]:
        """The schemas that a ``$ref`` may name, by that name; new copies each time."""
        return self._source.resources()

    @property
    def options(self) -> ValidationOptions:
        """How it judges."""
        return self._source.options

    @property
    def warnings(self) -> tuple[str, ...]:
        """What every report says besides."""
        return self._warnings

    @property
    def rules(self) -> RuleBook | None:
        """What must hold besides of data that the schema accepts; None if nothing."""
        return None

    @property
    def by_schema(self) -> Validator:
        """The same without its rules."""
        return self

    def with_options(self, options: ValidationOptions) -> Validator:
        """The same schema and rules, judged by in another way."""
        source = replace(self._source, options=options)
        return Validator(source, self.subject, self.reference, self._warnings)

    def is_valid(self, data: Any) -> bool:
        """The verdict alone. Never raises because of the data, whatever it is.

        Raises:
            ValidationLimitExceeded: a pattern hit its limit (``regex="bounded"`` only), or the
                engine itself failed.
        """
        try:
            if self._fast(data):
                return True
        except BaseException as error:
            # The engine refuses Python objects, whose own code may run as well.
            if not is_fault(error):
                raise
        return self.compile().accepts(data)

    def validate(self, data: Any) -> ValidationReport:
        """The verdict with every violation; false when there is one. Raises as ``is_valid``."""
        try:
            if self._fast(data):
                return self._valid
        except BaseException as error:
            if not is_fault(error):
                raise
        return self._explain(data)

    def check(self, data: Any) -> None:
        """Raise SchemaValidationError, which carries the report, unless the data is valid."""
        self.validate(data).raise_if_invalid()

    def _explain(self, data: Any) -> ValidationReport:
        found = self.compile().explain(data, most=self._source.options.max_errors)
        return self._report(found) if found.violations else self._valid

    def _report(self, found: Explained) -> ValidationReport:
        return ValidationReport(
            is_valid=not found.violations,
            errors=tuple(found.violations),
            warnings=(*self._warnings, *self._cuts(found)) if found.is_partial else self._warnings,
            schema=self._schema_name,
            fingerprint=self._source.fingerprint,
            nulls=self._source.options.nulls,
        )

    def _cuts(self, found: Explained) -> Iterator[str]:
        """What the report leaves out."""
        shown = len(found.violations)
        if found.is_cut:
            yield (
                f"{shown} violations are listed … and more: the search for them ended at a limit "
                f"(ValidationOptions.max_steps, max_errors)"
            )
        elif found.number > shown:
            number = f"{MANY:,} or more" if found.number >= MANY else found.number
            yield f"{number} violations; the first {shown} are listed"

    def compile(self, *, keep: bool = True) -> Evaluator:
        """Compile now rather than on first use; ``keep`` it for others. Raises InvalidSchema."""
        if self._evaluator is None:
            self._evaluator = evaluator_for(self._source, keep=keep)
            self._fast = self._evaluator.fast
        return self._evaluator

    def _first_use(self, data: Any) -> bool:
        return self.compile().fast(data)

    def __reduce__(self) -> tuple[Any, ...]:
        return Validator, (self._source, self.subject, self.reference, self._warnings)

    @never_raises
    def __repr__(self) -> str:
        return f"Validator({self.reference or self.fingerprint[:12]!r})"
