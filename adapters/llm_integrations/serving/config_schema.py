"""``python -m llm_integrations.serving.config_schema`` writes the JSON Schema of the YAML file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from llm_integrations.serving.config.file import MiddlewareConfig

__all__ = ["config_schema"]


def config_schema() -> dict[str, Any]:
    """The schema that ``config.schema.json`` beside this module holds."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **MiddlewareConfig.model_json_schema(by_alias=True),
    }


if __name__ == "__main__":
    path = Path(__file__).with_name("config.schema.json")
    path.write_text(json.dumps(config_schema(), indent=2) + "\n", encoding="utf-8")
