"""JSON Pointers (RFC 6901)."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["escape_token", "from_pointer", "to_pointer"]


def escape_token(token: str | int) -> str:
    """A property name or an array position as one token of a pointer."""
    return str(token).replace("~", "~0").replace("/", "~1")


def to_pointer(segments: Iterable[str | int]) -> str:
    """Property names and array positions as one pointer; no segments is the whole document."""
    # A list, and no call for each: every violation has two pointers.
    return "".join([f"/{str(s).replace('~', '~0').replace('/', '~1')}" for s in segments])


def from_pointer(pointer: str) -> tuple[str, ...]:
    """The property names and array positions of a pointer, each as text."""
    return tuple(raw.replace("~1", "/").replace("~0", "~") for raw in pointer.split("/")[1:])
