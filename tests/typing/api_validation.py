"""How validation looks to a type checker. Checked by mypy and pyright, never run."""

from __future__ import annotations

from typing import assert_type

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import SchemaValidationError
from llm_integrations.core.judge import Judge, Outcome, Verdict
from llm_integrations.core.model.schema import JsonSchema
from llm_integrations.core.registry import Registry
from llm_integrations.core.validation import (
    ValidationReport,
    Validator,
    Violation,
    compile_validator,
)

schema: JsonSchema = {"type": "object"}
options = ValidationOptions(
    formats=False, regex="bounded", max_depth=50, max_errors=5, show_values=True, nulls="absent"
)

validator = compile_validator(schema)
assert_type(validator, Validator)
assert_type(
    compile_validator(
        True,
        options=options,
        resources={"address.json": {"type": "string"}},
        subject="user-profile",
        reference="user-profile@2",
        warnings=["user-profile@2 is deprecated"],
    ),
    Validator,
)

assert_type(validator.is_valid(object()), bool)
assert_type(validator.validate({"any": ["thing"]}), ValidationReport)
validator.check(None)
assert_type(validator.subject, str | None)
assert_type(validator.reference, str)
assert_type(validator.fingerprint, str)
assert_type(validator.body, JsonSchema)
assert_type(validator.options, ValidationOptions)

report = validator.validate(5)
assert_type(report.is_valid, bool)
assert_type(report.errors, tuple[Violation, ...])
assert_type(report.warnings, tuple[str, ...])
assert_type(report.errors[0].path, str)
assert_type(report.to_json(indent=2), str)
assert_type(ValidationReport.from_dict(report.to_dict()), ValidationReport)
report.raise_if_invalid()

try:
    validator.check(5)
except SchemaValidationError as error:
    assert_type(error.report, ValidationReport)


def judging(registry: Registry) -> None:
    judge = Judge(registry, "my-module", side="input", mode="warn", on_unavailable="pass")
    assert_type(judge.check("user-profile@2", {}), Verdict)
    verdict = judge.judge("user-profile@2", {})
    assert_type(verdict.outcome, Outcome)
    assert_type(verdict.report, ValidationReport | None)


async def judging_without_blocking(registry: Registry) -> None:
    assert_type(await Judge(registry, "my-module").acheck("user-profile@2", {}), Verdict)
