"""Asking the model once more: what is said to it, and the tokens that its first answer cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llm_integrations.core.observability import TOKENS_DROPPED
from llm_integrations.serving.judging.verdicts import Invalid
from llm_integrations.serving.shapes.jsontext import as_dict

__all__ = ["complaint", "count_dropped", "joined_usage"]

_LONGEST: Final = 8000
_SHOWN: Final = 20
_COUNTS: Final = ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens")


def complaint(invalid: Invalid) -> str:
    """What the model is told of an answer of its own that did not satisfy its schema."""
    given = f"arguments of {invalid.tool}" if invalid.tool else "answer"
    wrong = "\n".join(f"- {error}" for error in invalid.report.errors[:_SHOWN])
    quoted = invalid.text[:_LONGEST]
    return (
        f"Your {given} did not satisfy the JSON Schema {invalid.report.schema}:\n{wrong}\n\n"
        f"You had written:\n{quoted}\n\nAnswer again, with corrected JSON alone."
    )


def count_dropped(module: str, subject: str, usage: Any) -> None:
    """Count the tokens of an answer that nobody gets."""
    told = as_dict(usage)
    tokens = sum(n for key in _COUNTS if isinstance(n := told.get(key), int) and n > 0)
    if tokens:
        TOKENS_DROPPED.labels(module, subject).inc(tokens)


def joined_usage(one: Any, other: Any) -> Any:
    """The usage of two answers together: what counts is added up, at any depth."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {key: joined_usage(one.get(key), other.get(key)) for key in {**one, **other}}
    if _is_count(one) and _is_count(other):
        return one + other
    return one if other is None else other


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
