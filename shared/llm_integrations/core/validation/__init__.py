"""Judging data by a JSON Schema: compiled once, quick on plain data, safe on any."""

from __future__ import annotations

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.validation.report import ValidationReport, Violation
from llm_integrations.core.validation.validator import Validator, compile_validator

__all__ = [
    "ValidationOptions",
    "ValidationReport",
    "Validator",
    "Violation",
    "compile_validator",
]
