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
        raise ConfigurationError(f"there is no ready schema {name!r}; there are {', '.join(READY)}")
    from importlib.resources import files  # which imports more than the registry client does

    text = files("llm_integrations.core.ready").joinpath(f"{known}.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
