"""Paths: their one spelling, the shape of the bodies on them, the model that they may name."""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from llm_integrations.serving.config.paths import INFERENCE_PATHS
from llm_integrations.serving.rules.patterns import Patterns
from llm_integrations.serving.shapes import SHAPES, Shape

__all__ = ["canonical", "model_in", "shape_for", "stored_under"]

_SHAPES: Final = [(Patterns((path,)), shape) for path, shape in INFERENCE_PATHS.items()]
_MODEL: Final = re.compile(
    r"/(?:engines|openai/deployments)/(?!copilot-codex/)(.+?)/(?:chat/)?completions/*",
    re.IGNORECASE,
)
_STORED: Final = re.compile(r"(.*/(?:responses|chat/completions))/(?!(?:batch|render)$)[^/]+")
_NO_PATH: Final = re.compile(r"[?#\0].*|;[^/]*", re.DOTALL)
"""Escaped in a path: what a server that reads it twice takes for its end, and parameters."""


def canonical(path: str) -> str:
    """One name for all that an app might take for the same path: the ``$`` of Starlette's routes
    takes a line break at the end too."""
    text = _NO_PATH.sub("", unquote(path).replace("\\", "/")).strip()
    return "/" + posixpath.normpath(text).lower().lstrip("/")


@lru_cache(maxsize=1024)
def stored_under(path: str) -> str | None:
    """The path that gave the answer which is stored here."""
    found = _STORED.fullmatch(canonical(path))
    return found[1] if found else None


@lru_cache(maxsize=256)
def _known(path: str) -> str:
    return next((shape for known, shape in _SHAPES if known.match(path)), "json")


def shape_for(path: str, name: str | None) -> Shape:
    """The shape with this name; without one what the path is known for, else plain JSON."""
    return SHAPES[name or _known(stored_under(path) or canonical(path))]


@lru_cache(maxsize=1024)
def model_in(path: str) -> str | None:
    """The model that a path names, which then counts more than the one in the body."""
    found = _MODEL.search(unquote(path))
    return found[1] if found else None
