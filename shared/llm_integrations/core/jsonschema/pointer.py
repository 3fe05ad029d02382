"""JSON Pointers (RFC 6901)."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["to_pointer"]


def to_pointer(segments: Iterable[str | int]) -> str:
    """Property names and array positions as one pointer; no segments is the whole document."""
    return "".join("/" + str(s).replace("~", "~0").replace("/", "~1") for s in segments)
