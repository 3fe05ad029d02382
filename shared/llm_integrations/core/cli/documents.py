"""Files that hold one document: JSON, or YAML by its ending."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from llm_integrations.core.documents import parse_yaml
from llm_integrations.core.errors import ConfigurationError, InvalidSchema
from llm_integrations.core.model.schema import JsonSchema

__all__ = ["read_document", "read_schema"]

STDIN = Path("-")


def read_document(path: Path) -> Any:
    """Read one document; ``-`` is standard input. ConfigurationError names the file and place."""
    try:
        text = sys.stdin.read() if path == STDIN else path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} cannot be read: it is no UTF-8") from None
    is_yaml = path.suffix in (".yaml", ".yml")
    try:
        return parse_yaml(text, merge=True) if is_yaml else json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigurationError(f"{path} is not JSON: {error.msg} ({where})") from None
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise ConfigurationError(
            f"{path} is not {'YAML' if is_yaml else 'JSON'}: {reason}"
        ) from None


def read_schema(path: Path) -> JsonSchema:
    """Read a JSON Schema; InvalidSchema when the document cannot be one."""
    document = read_document(path)
    if not isinstance(document, dict | bool):
        raise InvalidSchema(f"{path} holds a {type(document).__name__}, not a JSON Schema")
    return document
