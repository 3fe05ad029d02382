"""Paths: their one spelling, the shape of the bodies on them, the model that they may name."""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote

from llm_integrations.serving.config.paths import INFERENCE_PATHS
from llm_integrations.serving.rules.patterns import Patterns
from llm_integrations.serving.shapes import SHAPES, Shape
from llm_integrations.serving.shapes.stored import (
    BATCH,
    CHAT_MESSAGES,
    ITEM,
    ITEMS,
    ONE,
    REPLIES,
    Listing,
)

__all__ = ["Stored", "canonical", "model_in", "shape_for", "stored_at"]

_SHAPES: Final = [(Patterns((path,)), shape) for path, shape in INFERENCE_PATHS.items()]
_MODEL: Final = re.compile(
    r"(?>.*?/(?:engines|openai/deployments)/)(?!copilot-codex/)(.+?)/(?:chat/)?completions/*",
    re.IGNORECASE | re.DOTALL,
)
"""It tries no second place where its first part could stand, and so is linear in the path."""
_ANSWERING: Final = ("/chat/completions", "/completions", "/responses", "/messages")
_STORED: Final = [
    (re.compile(place, re.DOTALL), listing, endings)
    for place, listing, endings in (
        (r"(.*/(?:responses|chat/completions))/(?!(?:batch|render)$)[^/]+", ONE, ("",)),
        (r"(.*/(?:responses|chat/completions))", REPLIES, ("",)),
        (r"(.*/chat/completions)/[^/]+/messages", CHAT_MESSAGES, ("",)),
        (r"(.*/responses)/[^/]+/input_items", ITEMS, ("",)),
        (r"(.*)/conversations/[^/]+/items", ITEMS, ("/responses",)),
        (r"(.*)/conversations/[^/]+/items/[^/]+", ITEM, ("/responses",)),
        (r"(.*/messages)/batches/[^/]+/results", BATCH, ("",)),
        (r"(?>(.*?)/files/).+/content", BATCH, _ANSWERING),  # the id may be one of a bucket's
    )
]
_NO_PATH: Final = re.compile(r"[?#\0].*|;[^/]*", re.DOTALL)
"""Escaped in a path: what a server that reads it twice takes for its end, and parameters."""


def canonical(path: str) -> str:
    """One name for all that an app might take for the same path: the ``$`` of Starlette's routes
    takes a line break at the end too."""
    text = _NO_PATH.sub("", unquote(path).replace("\\", "/")).strip()
    return "/" + posixpath.normpath(text).lower().lstrip("/")


class Stored(NamedTuple):
    """Where a server keeps answers: how it lists them, and the paths that gave them, which may
    also be ``elsewhere``: files stand under other prefixes than models."""

    listing: Listing
    answered: tuple[str, ...]
    elsewhere: tuple[str, ...] = ()


@lru_cache(maxsize=1024)
def stored_at(path: str) -> Stored | None:
    """What is stored at a path; None where no answers are."""
    name = canonical(path)
    for place, listing, endings in _STORED:
        if found := place.fullmatch(name):
            answered = tuple(found[1] + ending for ending in endings)
            elsewhere = tuple(f"/v1{ending}" for ending in endings if endings is _ANSWERING)
            return Stored(listing, answered, elsewhere)
    return None


@lru_cache(maxsize=256)
def _known(path: str) -> str:
    return next((shape for known, shape in _SHAPES if known.match(path)), "json")


def shape_for(path: str, name: str | None) -> Shape:
    """The shape with this name; without one what the path is known for, else plain JSON."""
    stored = stored_at(path)
    is_one = stored is not None and stored.listing is ONE
    return SHAPES[name or _known(stored.answered[0] if stored and is_one else canonical(path))]


@lru_cache(maxsize=1024)
def model_in(path: str, query: bytes = b"") -> str | tuple[str, ...] | None:
    """The model that a path names, which then counts more than the one in the body; a tuple where
    a query names some, since of those and the body's nobody knows which one a server takes."""
    found = _MODEL.match(unquote(path))
    if found or b"=" not in query:
        return found[1] if found else None
    asked = parse_qsl(query.decode("latin-1"))
    return tuple(value for key, value in asked if key.casefold() == "model") or None
