"""What is common to all values of this package."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

__all__ = ["field_values"]


def field_values(value: Any) -> dict[str, Any]:
    """The fields of a dataclass instance by name, each as it is."""
    return {field.name: getattr(value, field.name) for field in fields(value)}
