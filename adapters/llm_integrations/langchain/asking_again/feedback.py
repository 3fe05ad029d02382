"""What a model is told about its own words: what was wrong, so that it can act on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from llm_integrations.core.validation import ValidationReport, Validator, Violation

__all__ = ["about_answer", "about_call", "about_result", "about_unjudged_result", "with_values"]

_SHOWN: Final = 10
_OF_NAMES: Final = frozenset(
    {"additionalProperties", "unevaluatedProperties", "propertyNames", "dependentRequired"}
)


def about_call(name: str, report: ValidationReport, validator: Validator, arguments: Any) -> str:
    """A call that was not made. Names of properties are shown to the model that wrote them."""
    shown = with_values(validator, arguments).errors
    told = [
        replace(
            one, path=named.path, message=named.message if one.keyword in _OF_NAMES else one.message
        )
        for one, named in zip(report.errors, shown, strict=False)
    ]
    return (
        f"Error: {name} was not called, its arguments do not satisfy {report.schema}: "
        f"{_listed(told or report.errors)}. Mend this and call it again."
    )


def about_result(name: str, report: ValidationReport) -> str:
    """A result that is withheld. The tool has done its work: calling it twice may pay twice."""
    return (
        f"Error: {name} ran to its end, but its result is withheld because it does not satisfy "
        f"{report.schema}: {_listed(report.errors)}. Whatever it does is done: do not repeat the "
        f"call. Go on without the result, and say that it is not known."
    )


def about_unjudged_result(name: str, schema: str) -> str:
    return (
        f"Error: {name} ran to its end, but its result is withheld because it holds nothing that "
        f"{schema} could judge. Whatever it does is done: do not repeat the call. Go on without "
        f"the result, and say that it is not known."
    )


def about_answer(report: ValidationReport) -> str:
    """An answer that is asked for again. Its values may be shown: they are the model's own."""
    return (
        f"Your answer does not satisfy the schema {report.schema}: {_listed(report.errors)}. "
        f"Answer again with the whole answer, corrected, and nothing else."
    )


def with_values(validator: Validator, data: Any) -> ValidationReport:
    """The report that shows the data, for whose own it is."""
    return validator.with_options(replace(validator.options, show_values=True)).validate(data)


def _listed(errors: Sequence[Violation]) -> str:
    more = f"; and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
    return "; ".join(map(str, errors[:_SHOWN])) + more
