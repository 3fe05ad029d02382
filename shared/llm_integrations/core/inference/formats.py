"""The formats that are inferred for texts: a validator accepts the text, and it has the shape."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Final, TypeAlias

from llm_integrations.core.validation import Validator, compile_validator

__all__ = ["FORMATS", "Accepts"]

Accepts: TypeAlias = Callable[[str], bool]

_SHAPES: Final = {
    "date-time": r"\d{4}-\d\d-\d\dT",
    "date": r"\d{4}-\d\d-\d\d$",
    "uuid": r"[0-9a-fA-F]{8}-",
    "email": r"[^@\s]+@[^@\s]+\.",
    "uri": r"[a-z][a-z0-9+.-]*://",
    "ipv4": r"\d{1,3}\.\d{1,3}\.",
}
"""What a text begins with that people would say is of the format: ``note: this`` is a URI too."""


@cache
def _validator(name: str) -> Validator:
    return compile_validator({"format": name})


def _accepts(name: str, shape: str) -> Accepts:
    looks_like = re.compile(shape).match
    return lambda text: looks_like(text) is not None and _validator(name).is_valid(text)


FORMATS: Final = {name: _accepts(name, shape) for name, shape in _SHAPES.items()}
