"""What judges data by the schemas of a comparison as their authors wrote them."""

from __future__ import annotations

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.evolution.model.source import Source
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.validation.compiled_schema import CompiledSchema, compile_schema

__all__ = ["judge_of"]


def judge_of(source: Source, options: ValidationOptions) -> CompiledSchema:
    """What judges data by a source. InvalidSchema when it does not compile."""
    return compile_schema(Documents(source.body, source.resources), options)
