"""What was decided about one piece of data, and at which side of a module."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from llm_integrations.core.config import OnUnavailable, check_choice
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.validation.report import ValidationReport

__all__ = ["OFF", "SIDES", "UNJUDGED", "VALID", "Outcome", "Side", "Verdict", "check_labels"]

Outcome: TypeAlias = Literal["valid", "invalid", "unjudged", "off"]

Side: TypeAlias = Literal[
    "input",
    "output",
    "tool",
    "tool_result",
    "document",
    "retrieved",
    "row",
    "case",
    "result",
    "metric",
]
"""Where a module meets data; a metric label, so the set is closed."""

SIDES: Final[tuple[Side, ...]] = get_args(Side)

_MODULE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided; False only when invalid.

    Attributes:
        report: why it is invalid; None otherwise.
    """

    outcome: Outcome
    report: ValidationReport | None = None

    def __bool__(self) -> bool:
        return self.outcome != "invalid"


VALID: Final = Verdict("valid")
UNJUDGED: Final = Verdict("unjudged")
OFF: Final = Verdict("off")


def check_labels(module: str, side: str, on_unavailable: str | None) -> None:
    """ConfigurationError for a module, a side or a policy that there is not."""
    if not isinstance(module, str) or not _MODULE.fullmatch(module):
        raise ConfigurationError(
            f"module must be a name of letters, digits, '_', '.' and '-', not {module!r}"
        )
    if side not in SIDES:
        known = ", ".join(map(repr, SIDES))
        raise ConfigurationError(f"side must be one of {known}, not {side!r}")
    if on_unavailable is not None:
        check_choice("on_unavailable", on_unavailable, OnUnavailable)
