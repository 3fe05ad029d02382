"""Schemas of the formats that training data comes in, ready to be registered by their names."""

from llm_integrations.core.ready.schemas import READY, ready_schema

__all__ = ["READY", "ready_schema"]
