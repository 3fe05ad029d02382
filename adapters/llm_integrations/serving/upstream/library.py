"""httpx, and httpx2 that newer clients speak: each wants requests and streams of its own."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any, Final

import httpx

__all__ = ["library_of", "stream_of"]

_NAMES: Final = ("httpx", "httpx2")


def library_of(thing: Any) -> Any:
    """The module that a request, a client or a transport is from, or is derived from."""
    for kind in type(thing).__mro__:
        name = kind.__module__.partition(".")[0]
        if name in _NAMES:
            return sys.modules[name]
    return httpx


def stream_of(base: Any, pieces: type) -> Any:
    """The class of streams ``pieces``, as a stream that a library takes."""
    return _mixed(pieces, base)


@cache
def _mixed(pieces: type, base: type) -> type:
    return type(pieces.__name__, (pieces, base), {})
