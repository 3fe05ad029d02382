"""Adapters that commands use. The core imports none, so they are loaded by name when asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["inspect_adapter", "lm_eval_adapter"]


def lm_eval_adapter() -> Any:
    """``llm_integrations.lm_eval``; MissingExtra where the harness is not installed."""
    return import_module("llm_integrations.lm_eval")


def inspect_adapter() -> Any:
    """``llm_integrations.inspect_ai``; MissingExtra where inspect_ai is not installed."""
    return import_module("llm_integrations.inspect_ai")
