"""A validator that asks a schema's rules about what the schema accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import MissingExtra
from llm_integrations.core.model.rule import Rule
from llm_integrations.core.validation.report import ValidationReport
from llm_integrations.core.validation.rules.rule_book import Findings, RuleBook, rule_book
from llm_integrations.core.validation.source import Source
from llm_integrations.core.validation.validator import Validator

__all__ = ["RuledValidator"]


class RuledValidator(Validator):
    """Judges by a schema, and by the rules that stand beside it. Raises InvalidSchema where one of
    them is not judged, and ``rules="require"``."""

    __slots__ = ("_book", "_by_schema", "_rules", "_schema_warnings")

    def __init__(
        self,
        source: Source,
        subject: str | None,
        reference: str,
        warnings: tuple[str, ...],
        rules: tuple[Rule, ...],
    ) -> None:
        book = rule_book(rules, require=source.options.rules == "require")
        super().__init__(source, subject, reference, (*warnings, *book.warnings))
        self._by_schema = Validator(source, subject, reference, self._warnings)
        self._schema_warnings = warnings
        self._rules = rules
        self._book = book

    @property
    def rules(self) -> RuleBook:
        return self._book

    @property
    def by_schema(self) -> Validator:
        return self._by_schema

    def is_valid(self, data: Any) -> bool:
        return super().is_valid(data) and self._book.accepts(self._accepted(data))

    def validate(self, data: Any) -> ValidationReport:
        report = super().validate(data)
        if not report.is_valid:
            return report
        found = self.findings(self._accepted(data))
        if not (found.violations or found.warnings):
            return report
        return replace(
            report,
            is_valid=not found.violations,
            errors=found.violations[: self.options.max_errors],
            warnings=(*report.warnings, *found.warnings),
        )

    def findings(self, accepted: Any) -> Findings:
        """What the rules say about data that the schema accepted, in the form it accepted."""
        return self._book.findings(accepted, show_values=self.options.show_values)

    def _accepted(self, data: Any) -> Any:
        return self.compile().accepted(data)

    def with_options(self, options: ValidationOptions) -> Validator:
        source = replace(self._source, options=options)
        known = (self.subject, self.reference, self._schema_warnings)
        return RuledValidator(source, *known, self._rules)

    def __reduce__(self) -> tuple[Any, ...]:
        state = (self._source, self.subject, self.reference, self._schema_warnings, self._rules)
        return _restored, (state, self._book.names)


def _restored(
    state: tuple[Source, str | None, str, tuple[str, ...], tuple[Rule, ...]],
    judged: Sequence[str],
) -> RuledValidator:
    """In another process, which must judge by the same rules."""
    validator = RuledValidator(*state)
    if validator.rules.names != tuple(judged):
        raise MissingExtra(
            f"{validator.reference or 'a schema'} has rules that cannot be judged in this process: "
            f"{'; '.join(validator.rules.warnings)}"
        )
    return validator
