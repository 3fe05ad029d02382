"""Files that hold one document: JSON, or YAML by its ending."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.jsonschema.drafts import CONSTRAINING
from llm_integrations.core.model import schema_file
from llm_integrations.core.model.schema import JsonSchema

__all__ = ["STDIN", "SUFFIXES", "accepts_all", "read_document", "read_schema"]

STDIN = Path("-")
SUFFIXES = (".json", ".yaml", ".yml")
_ABOUT = frozenset({"$schema", "$id", "$comment", "title", "description", "examples", "default"})


def read_document(path: Path) -> Any:
    """Read one document; ``-`` is standard input. ConfigurationError names the file and place."""
    if path != STDIN:
        return schema_file.read_document(path)
    if sys.stdin is None:
        raise ConfigurationError("standard input is closed")
    try:
        return schema_file.parse_document(path, sys.stdin.read())
    except UnicodeDecodeError:
        raise ConfigurationError("standard input is no UTF-8") from None


def read_schema(path: Path) -> JsonSchema:
    """Read a JSON Schema; InvalidSchema when the document cannot be one."""
    document = schema_file.as_schema(path, read_document(path))
    if accepts_all(document):
        print(
            f"note: no word of {path} is one of JSON Schema, so that it accepts all data; of data "
            "itself, llm-integrations infer drafts a schema",
            file=sys.stderr,
        )
    return document


def accepts_all(document: JsonSchema) -> bool:
    """Whether it says something, and nothing that constrains."""
    if not isinstance(document, dict) or not document.keys() - _ABOUT:
        return False
    return not document.keys() & CONSTRAINING
