"""Python classes as contracts: the schema of a class, a class for a schema, and their agreement."""

from __future__ import annotations

from llm_integrations.core.model.class_schema import (
    Mode,
    is_model,
    load_model,
    metadata_of,
    schema_of,
    subject_of,
)
from llm_integrations.core.models.disagreement import Disagreement, compare_model
from llm_integrations.core.models.field_schema import class_name
from llm_integrations.core.models.pydantic_class import model_of

__all__ = [
    "Disagreement",
    "Mode",
    "class_name",
    "compare_model",
    "is_model",
    "load_model",
    "metadata_of",
    "model_of",
    "schema_of",
    "subject_of",
]
