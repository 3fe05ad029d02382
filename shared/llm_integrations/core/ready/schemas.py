"""Loading the schemas in this folder."""

from __future__ import annotations

import json
from typing import Any, Final

from llm_integrations.core.errors import ConfigurationError

__all__ = ["READY", "ready_schema"]

READY: Final = (
    "alpaca",
    "completion",
    "every-eval-ever",
    "hf-leaderboard",
    "lm-eval-metrics",
    "lm-eval-sample",
    "openai-chat",
    "preference",
    "sharegpt",
)
_ALSO: Final = {"dpo": "preference", "chat": "openai-chat"}


def ready_schema(name: str) -> dict[str, Any]:
    """A schema of the package. What a row has besides is allowed.

    Of training data: ``openai-chat``, ``sharegpt``, ``alpaca``, ``preference`` (or ``dpo``) and
    ``completion``; of evaluations: ``lm-eval-sample``, ``lm-eval-metrics``,
    ``every-eval-ever`` and ``hf-leaderboard``.

    Raises:
        ConfigurationError: there is none of this name.
    """
    known = _ALSO.get(name, name)
    if known not in READY:
        there = f"there is no ready schema {name[:60]!r}; there are {', '.join(READY)}"
        raise ConfigurationError(f"{there}; {_meant_by(name)}")
    from importlib.resources import files  # which imports more than the registry client does

    text = files("llm_integrations.core.ready").joinpath(f"{known}.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _meant_by(text: str) -> str:
    """What to give where something else than a name was meant."""
    if text.lstrip().startswith(("{", "[")):
        return "a schema that is text is read by json.loads(…)"
    if "@" in text:
        return "a version's schema is registry.get(…).body"
    return f"the schema in a file is Path({text[:60]!r})"
