"""Compatibility levels and policies, by the names that registries use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeVar

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.evolution.model.kinds import Direction

__all__ = ["LEVELS", "Policy", "check_policy", "directions_of", "normal_level", "versions_to_check"]

T = TypeVar("T")

Policy = Literal["strict", "lenient"]
"""strict: an open object may hold any further property. lenient: undeclared ones are absent."""

_DIRECTIONS: Final[dict[str, tuple[Direction, ...]]] = {
    "NONE": (),
    "BACKWARD": ("backward",),
    "FORWARD": ("forward",),
    "FULL": ("backward", "forward"),
}
_TRANSITIVE: Final = "_TRANSITIVE"

LEVELS: Final = (
    "NONE",
    *(name + end for name in ("BACKWARD", "FORWARD", "FULL") for end in ("", _TRANSITIVE)),
)


def normal_level(level: str) -> str:
    """The level in the spelling of registries. ConfigurationError names those that exist."""
    name = level.upper().replace("-", "_") if isinstance(level, str) else ""
    if name not in LEVELS:
        raise ConfigurationError(f"a compatibility level is one of {', '.join(LEVELS)}")
    return name


def check_policy(policy: str) -> Policy:
    """The policy, or ConfigurationError naming the two that exist."""
    match policy:
        case "strict" | "lenient":
            return policy
    raise ConfigurationError(f"policy must be 'strict' or 'lenient', not {policy!r}")


def directions_of(level: str) -> tuple[Direction, ...]:
    """What a level asks for: nothing, backward, forward or both."""
    return _DIRECTIONS[level.removesuffix(_TRANSITIVE)]


def versions_to_check(level: str, previous: Sequence[T]) -> Sequence[T]:
    """The previous versions that a level looks at: all of them, or the last."""
    return previous if level.endswith(_TRANSITIVE) else previous[-1:]
