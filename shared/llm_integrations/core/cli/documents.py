"""Files that hold one document: JSON, or YAML by its ending."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from llm_integrations.core.documents import parse_yaml
from llm_integrations.core.errors import ConfigurationError, InvalidSchema
from llm_integrations.core.files import reason_of
from llm_integrations.core.jsonschema.drafts import CONSTRAINING
from llm_integrations.core.model.schema import JsonSchema

__all__ = ["read_document", "read_schema"]

STDIN = Path("-")
_ABOUT = frozenset({"$schema", "$id", "$comment", "title", "description", "examples", "default"})


def read_document(path: Path) -> Any:
    """Read one document; ``-`` is standard input. ConfigurationError names the file and place."""
    try:
        text = sys.stdin.read() if path == STDIN else path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {reason_of(error)}") from None
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
    if _accepts_all(document):
        print(
            f"note: no word of {path} is one of JSON Schema, so that it accepts all data; of data "
            "itself, llm-integrations infer drafts a schema",
            file=sys.stderr,
        )
    return document


def _accepts_all(document: JsonSchema) -> bool:
    """Whether it says something, and nothing that constrains."""
    if not isinstance(document, dict) or not document.keys() - _ABOUT:
        return False
    return not document.keys() & CONSTRAINING
