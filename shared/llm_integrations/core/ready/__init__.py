"""Schemas of the formats of training data and evaluations, ready to be registered by name."""

from llm_integrations.core.ready.schemas import READY, ready_schema

__all__ = ["READY", "ready_schema"]
