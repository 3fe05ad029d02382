"""Files that hold one document: JSON, or YAML by its ending."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from llm_integrations.core.documents import parse_yaml
from llm_integrations.core.errors import ConfigurationError, InvalidSchema
from llm_integrations.core.files import reason_of
from llm_integrations.core.model.fingerprint import JsonSchema

__all__ = ["as_schema", "parse_document", "read_document", "read_schema"]


def read_document(path: Path) -> Any:
    """Read one document. ConfigurationError names the file and place."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {reason_of(error)}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} cannot be read: it is no UTF-8") from None
    return parse_document(path, text)


def parse_document(path: Path, text: str) -> Any:
    """The document that a file's text is. ConfigurationError names the file and place."""
    is_yaml = path.suffix.lower() in (".yaml", ".yml")
    try:
        return parse_yaml(text, merge=True) if is_yaml else json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigurationError(f"{path} is not JSON: {error.msg} ({where})") from None
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        kind = "YAML" if is_yaml else "JSON"
        raise ConfigurationError(f"{path} is not {kind}: {reason}") from None


def read_schema(path: Path) -> JsonSchema:
    """Read a JSON Schema; InvalidSchema when the document cannot be one."""
    return as_schema(path, read_document(path))


def as_schema(path: Path, document: Any) -> JsonSchema:
    """InvalidSchema when a file's document cannot be one."""
    if not isinstance(document, dict | bool):
        raise InvalidSchema(f"{path} holds a {type(document).__name__}, not a JSON Schema")
    return document
