"""The whole that the chunks of a stream make."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import BaseMessageChunk
from langchain_core.runnables.utils import AddableDict

__all__ = ["joined"]


def joined(whole: Any, chunk: Any) -> Any:
    """What a stream says with one more chunk; None is the start.

    Text and messages come in parts. Parsers give all that they have read so far each time, as
    ``["al"]`` and then ``["alpha"]``: that grows, and is no sum, nor are numbers. Lists in parts
    add up.
    """
    if whole is None:
        return chunk
    if isinstance(whole, str) and isinstance(chunk, str):
        return whole + chunk
    if isinstance(whole, BaseMessageChunk) and isinstance(chunk, BaseMessageChunk):
        return whole + chunk
    if isinstance(whole, AddableDict) and isinstance(chunk, dict):
        return AddableDict(
            {**whole, **{key: joined(whole.get(key), value) for key, value in chunk.items()}}
        )
    if isinstance(whole, list) and isinstance(chunk, list):
        return chunk if whole != chunk and _has_grown(whole, chunk) else whole + chunk
    return chunk


def _has_grown(before: Any, now: Any) -> bool:
    """Whether a value is what a parser had read of it before, and more: it grows at its end."""
    while type(before) is type(now):
        if isinstance(before, list) and before and len(before) <= len(now):
            last = len(before) - 1
            if before[:last] != now[:last]:
                return False
            before, now = before[last], now[last]
        elif isinstance(before, dict) and before and before.keys() <= now.keys():
            *rest, key = before
            if any(before[name] != now[name] for name in rest):
                return False
            before, now = before[key], now[key]
        else:
            break
    return bool(
        before == now
        or (isinstance(before, list | dict) and not before and type(before) is type(now))
        or (isinstance(before, str) and isinstance(now, str) and now.startswith(before))
        or (_is_number(before) and _is_number(now) and str(now).startswith(str(before)))
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
