"""Bytes of a file as UTF-8 throughout, so that a reader that knows nothing else reads on over what
is none."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Final

import numpy as np

from llm_integrations.core.arrow.pyarrow_modules import pa

__all__ = ["MARK", "MarkedStream", "unmarked"]

MARK: Final = "\ufdd0"
"""Begins what stands for a byte that is no UTF-8, and for itself: a code point that is no
character, and in no text that people write."""
_MARK_BYTES: Final = MARK.encode()
_MARKED: Final = re.compile(f"{MARK}(.)", re.DOTALL)
_NO_UTF8: Final = re.compile("[\udc80-\udcff]")
"""What Python makes of bytes that are no UTF-8."""
_BYTES: Final = 0xDC00
_PRIVATE: Final = 0xE000
_LAST: Final = 0xC0
_CONTINUES: Final = 0x80
_LONGEST: Final = 4


class MarkedStream(io.RawIOBase):
    """Reads a file. What is UTF-8 in it comes as it stands; ``unmarked`` undoes the rest.

    Attributes:
        marked: whether there was anything else so far.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.marked = False
        self._file = path.open("rb")
        self._rest = b""
        self._ready = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """So many bytes, fewer only at the end: Arrow takes no others."""
        ready, is_end = self._ready, False
        while not is_end and (size < 0 or len(ready) < size):
            found = self._file.read(size if size < 0 else max(size - len(ready), _LONGEST))
            is_end = not found
            more = self._marked(found, is_end=is_end)
            ready = ready + more if ready else more
        if 0 <= size < len(ready):
            self._ready = ready[size:]
            return ready[:size]
        self._ready = b""
        return ready

    def close(self) -> None:
        if hasattr(self, "_file"):  # Python closes what could not be opened, too
            self._file.close()
        super().close()

    def _marked(self, found: bytes, *, is_end: bool) -> bytes:
        data = self._rest + found if self._rest else found
        # The last character may go on in what is read next.
        end = len(data) - (0 if is_end else _unfinished(data))
        data, self._rest = data[:end], data[end:]
        if _is_utf8(data) and not _holds_mark(data):
            return data
        self.marked = True
        text = data.decode("utf-8", "surrogateescape").replace(MARK, MARK + MARK)
        return _NO_UTF8.sub(_mark, text).encode()


def unmarked(text: str) -> tuple[str, bool]:
    """A text from a MarkedStream as it stands in the file, and whether all of it was UTF-8; bytes
    that were none as ``\\xe9``."""
    is_utf8 = True

    def restore(found: re.Match[str]) -> str:
        nonlocal is_utf8
        if found[1] == MARK:
            return MARK
        is_utf8 = False
        return f"\\x{ord(found[1]) - _PRIVATE:02x}"

    return _MARKED.sub(restore, text), is_utf8


def _mark(found: re.Match[str]) -> str:
    return MARK + chr(ord(found[0]) - _BYTES + _PRIVATE)


def _unfinished(data: bytes) -> int:
    """How many bytes at the end may be the first ones of a character."""
    for back in range(1, min(_LONGEST, len(data) + 1)):
        byte = data[-back]
        if byte >= _LAST:
            return back
        if byte < _CONTINUES:
            return 0
    return 0


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    offsets = pa.py_buffer(np.array([0, len(data)], np.int64))
    whole = pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, pa.py_buffer(data)])
    try:
        whole.cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True


def _holds_mark(data: bytes) -> bool:
    return _MARK_BYTES[:1] in data and _MARK_BYTES in data
