"""Server-sent events, taken apart as they arrive, whatever the chunks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

__all__ = ["NO_DATA", "Event", "EventParser", "EventTooLarge"]

NO_DATA: Final = (b"", b"[DONE]")
"""What events hold that say nothing of an answer."""

# A CR at the end of a chunk is not yet known to be a line ending of its own: an LF may follow.
_ENDING: Final = rb"(?:\r\n|\n|\r(?=[^\n]))"
_BLANK_LINE: Final = re.compile(
    _ENDING + _ENDING
)  # written twice: `{2}` is searched 25 times slower
_LINE: Final = re.compile(rb"\r\n|\n|\r")
_SIMPLE: Final = b"data: "
_BOM: Final = b"\xef\xbb\xbf"


class EventTooLarge(Exception):
    """An event that never ends. Never leaves the middleware."""


class Event(NamedTuple):
    """One event: its bytes as they came (with the blank line), its name and its data."""

    raw: bytes
    name: bytes
    data: bytes


class EventParser:
    """Splits a stream at its blank lines. Concatenating ``raw`` gives back the stream."""

    __slots__ = ("_buffer", "_limit", "_mark", "_seen")

    def __init__(self, limit: int) -> None:
        self._buffer = bytearray()
        self._limit = limit
        self._mark = _BOM
        self._seen = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that are complete with this chunk. Raises EventTooLarge."""
        if (
            not self._buffer
            and chunk.startswith(_SIMPLE)
            and chunk.find(b"\n") == len(chunk) - 2
            and chunk.endswith(b"\n")
            and b"\r" not in chunk
        ):
            # What servers send nearly always: one event of one line, whole.
            self._mark = b""
            return [Event(chunk, b"", chunk[6:-2])]
        return self._split(chunk)

    def _split(self, chunk: bytes) -> list[Event]:
        self._buffer += chunk
        events: list[Event] = []
        start = 0
        # A line ending can be cut in two: look again at the last bytes seen before.
        position = max(0, self._seen - 3)
        while match := _BLANK_LINE.search(self._buffer, position):
            start, raw = match.end(), bytes(self._buffer[start : match.end()])
            events.append(self._event(raw))
            position = start
        if start:
            del self._buffer[:start]
        self._seen = len(self._buffer)
        if self._seen > self._limit:
            raise EventTooLarge
        return events

    def rest(self) -> bytes:
        """Take what was fed and belongs to no complete event."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._seen = 0
        return rest

    def finish(self) -> Iterator[Event]:
        """The last event, where the stream ended without a blank line."""
        if rest := self.rest():
            yield self._event(rest)

    def _event(self, raw: bytes) -> Event:
        """An event; what readers of a stream leave out at its beginning is none of its first."""
        mark, self._mark = self._mark, b""
        return _read(raw, raw.removeprefix(mark))


def _read(raw: bytes, text: bytes) -> Event:
    name = b""
    data: list[bytes] = []
    for line in _LINE.split(text):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    return Event(raw, name, b"\n".join(data))
