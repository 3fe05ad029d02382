"""The three outcomes of a check of what an evaluation stored."""

from __future__ import annotations

from collections.abc import Sized
from typing import Literal

__all__ = ["CheckOutcome", "outcome_of"]

CheckOutcome = Literal["valid", "invalid", "unjudged"]


def outcome_of(problems: Sized, unjudged: Sized) -> CheckOutcome:
    """``unjudged`` where nothing is invalid, and something was never judged."""
    return "invalid" if problems else "unjudged" if unjudged else "valid"
