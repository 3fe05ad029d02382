"""The adapters, read from their folders, and what pyproject says of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

__all__ = ["ADAPTERS", "ROOT", "extra_of", "folder_of", "project"]

ROOT = Path(__file__).parents[2]
_FOLDERS = ROOT / "adapters" / "llm_integrations"

ADAPTERS = sorted(path.parent.name for path in _FOLDERS.glob("*/__init__.py"))


def folder_of(adapter: str) -> Path:
    return _FOLDERS / adapter


def extra_of(adapter: str) -> str | None:
    """The extra that the adapter asks for when it is imported."""
    text = (folder_of(adapter) / "__init__.py").read_text()
    asked = re.search(r'^require_extra\(\s*"([\w-]+)"', text, re.MULTILINE)
    return asked and asked[1]


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())
