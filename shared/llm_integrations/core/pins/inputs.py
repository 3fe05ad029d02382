"""What a score depends on besides the schemas: documents, prompts, shots, settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

__all__ = ["Inputs", "digest_of", "moved"]

Inputs = Mapping[str, str]
"""A digest by the name of each part, as ``documents``. Those of many begin with their number."""


def digest_of(value: Any, *, number: int | None = None) -> str:
    """The digest of JSON data; ``number`` counts what it is made of."""
    digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
    return digest if number is None else f"{number}:{digest}"


def moved(then: Inputs, now: Inputs) -> list[str]:
    """The parts that are no longer what they were pinned as; those that one side lacks included."""
    return [_told(name, then, now) for name in {**then, **now} if then.get(name) != now.get(name)]


def _told(name: str, then: Inputs, now: Inputs) -> str:
    counts = [_number(each.get(name)) for each in (then, now)]
    if None not in counts and counts[0] != counts[1]:
        return f"{name} ({counts[0]} when pinned, {counts[1]} now)"
    return name


def _number(digest: str | None) -> str | None:
    number, colon, _ = (digest or "").partition(":")
    return number if colon else None
