"""The whole that the chunks of a stream make."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessageChunk, BaseMessageChunk
from langchain_core.runnables.utils import AddableDict

__all__ = ["Whole"]


class Whole:
    """What the chunks of a stream say together, so far.

    Text and messages come in parts. Parsers give all that they have read so far each time, as
    ``["al"]`` and then ``["alpha"]``: that grows, and is no sum, nor are numbers. Lists in parts
    add up, and so does text, unless all of it only ever grew, as what is picked from a parser's.
    """

    def __init__(self) -> None:
        self.is_empty = True
        self._sum: Any = None
        self._last: Any = None
        self._parts: list[AIMessageChunk] = []  # of a message: to add them up one by one takes long
        self._growths = 0  # of text; negative once it did not grow
        self._fields: dict[str, Whole] | None = None

    @property
    def value(self) -> Any:
        """None where there was no chunk."""
        if self._fields is not None:
            return AddableDict({key: whole.value for key, whole in self._fields.items()})
        if self._parts:
            self._sum, self._parts = self._sum + self._parts, []
        return self._last if self._growths > 1 else self._sum

    def add(self, chunk: Any) -> None:
        if self.is_empty and isinstance(chunk, AddableDict):
            self._fields = {}
        self.is_empty = False
        if self._fields is not None and isinstance(chunk, dict):
            for key, value in chunk.items():
                self._fields.setdefault(key, Whole()).add(value)
            return
        self._fields = None
        if isinstance(chunk, AIMessageChunk) and isinstance(self._last, AIMessageChunk):
            self._parts.append(chunk)
            return
        if isinstance(chunk, str) and isinstance(self._last, str):
            self._growths = _growths(self._growths, self._last, chunk)
        self._sum, self._last, self._parts = _joined(self._sum, chunk), chunk, []


def _growths(before: int, last: str, text: str) -> int:
    if before < 0 or not text.startswith(last):
        return -1
    return before + (0 < len(last) < len(text))


def _joined(whole: Any, chunk: Any) -> Any:
    if isinstance(whole, str) and isinstance(chunk, str):
        return whole + chunk
    if isinstance(whole, BaseMessageChunk) and isinstance(chunk, BaseMessageChunk):
        return whole + chunk
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
