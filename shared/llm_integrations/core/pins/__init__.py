"""Benchmarks pinned to the schemas that they were written for."""

from __future__ import annotations

from llm_integrations.core.pins.comparison import Comparison, compare
from llm_integrations.core.pins.holds import Hold
from llm_integrations.core.pins.integration import EvaluationFrameworkIntegration
from llm_integrations.core.pins.model import BenchmarkPin, Pin, Role
from llm_integrations.core.pins.outcome import CheckOutcome, outcome_of
from llm_integrations.core.pins.pins import BenchmarkPins, PinFinding, PinMove

__all__ = [
    "BenchmarkPin",
    "BenchmarkPins",
    "CheckOutcome",
    "Comparison",
    "EvaluationFrameworkIntegration",
    "Hold",
    "Pin",
    "PinFinding",
    "PinMove",
    "Role",
    "compare",
    "outcome_of",
]
