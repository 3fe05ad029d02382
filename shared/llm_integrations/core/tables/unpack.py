"""Files in forms that are not read as they stand: packed ones, and arrays of JSON.

They are written out once, beside each other in a folder, as the form that they stand for.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Final, TextIO

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.extras import require_extra
from llm_integrations.core.files import atomic_write, reason_of

__all__ = ["array_lines", "document_lines", "form_of", "unpacked"]

_PACKED: Final = frozenset({".gz", ".zst", ".bz2", ".lz4"})
_FORMS: Final = {".json": ".jsonl"}
_PIECE: Final = 1 << 22
_CHARACTERS: Final = 1 << 20
"""Characters that are read at once; of a longer item twice as many each time."""
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_ENDS: Final = str.maketrans("\n\r", "  ")
"""Between the tokens of JSON the end of a line is a space; within a text it cannot stand."""
_CUT: Final = 16
"""Characters from the end within which what is wrong may be that the text goes on."""
_EXPONENT: Final = 3
"""Characters behind which it is certain that a number is over."""
_decode: Final = json.JSONDecoder().raw_decode


def form_of(path: Path) -> str:
    """The suffix of the form that a file is read in, as ``.jsonl`` for ``rows.json.gz``."""
    suffix = path.suffix.lower()
    if suffix in _PACKED:
        return form_of(path.with_suffix(""))
    return _FORMS.get(suffix, suffix)


def unpacked(path: Path, into: Path) -> Path:
    """The file, or a copy of it that is read as it stands. A copy is used again as long as the file
    is what it was.

    Args:
        into: a folder for the copies.

    Raises:
        ConfigurationError: the file is not there, or is not of the form that its name says.
        MissingExtra: pyarrow is not installed, which unpacks.
    """
    suffix = path.suffix.lower()
    if suffix not in _PACKED and suffix not in _FORMS:
        return path
    try:
        about = path.stat()
        token = f"{path.resolve()}|{about.st_size}|{about.st_mtime_ns}"
        folder = into / hashlib.sha256(token.encode()).hexdigest()[:16]
        if suffix in _PACKED:
            return unpacked(_whole(folder / path.stem, _pieces(path)), into)
        target = (folder / path.name).with_suffix(_FORMS[suffix])
        return _whole(target, document_lines(path))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {reason_of(error)}") from None


def _whole(target: Path, pieces: Iterable[bytes]) -> Path:
    if not target.exists():
        with atomic_write(target, mode=0o600) as stream:
            for piece in pieces:
                stream.write(piece)
    return target


def _pieces(path: Path) -> Iterator[bytes]:
    require_extra("arrow", "pyarrow")
    import pyarrow as pa

    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            while piece := stream.read(_PIECE):
                yield piece
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise ConfigurationError(
            f"{path} cannot be read: it is not packed as its name says, or cut off"
        ) from None


class _NotJson(ValueError):
    """The file holds something else."""


def document_lines(path: Path) -> Iterator[bytes]:
    """A line for each item of an array, or one for another value; of JSON lines after all, as
    `datasets` writes them into files of this name, each as it stands.

    An item's text is kept, with bytes that are no UTF-8 in it.

    Raises:
        ConfigurationError: the file is neither, from some place on.
        OSError: it cannot be read.
    """
    try:
        with _opened(path) as stream:
            text = _Text(stream)
            if text.next() == "[":
                yield from _items(text)
                return
            value = text.value()
            if not text.next():
                yield value
                return
    except (ValueError, RecursionError):
        pass
    else:
        with path.open("rb") as lines:
            first = next((line for line in lines if line.strip()), b"")
            if _is_object(first):
                lines.seek(0)
                yield from lines
                return
    raise ConfigurationError(f"{path} cannot be read: it is neither JSON nor JSON lines")


def array_lines(path: Path) -> Iterator[bytes]:
    """``document_lines`` of a file that is an array. ConfigurationError if it is none."""
    try:
        with _opened(path) as stream:
            text = _Text(stream)
            if text.next() == "[":
                yield from _items(text)
                return
    except (ValueError, RecursionError):
        raise ConfigurationError(f"{path} is not JSON") from None
    raise ConfigurationError(f"--each needs a JSON array, and {path} holds none")


def _opened(path: Path) -> TextIO:
    stream = path.open("rb")
    encoding = json.detect_encoding(stream.peek(4)[:4])
    errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
    return TextIOWrapper(stream, encoding, errors, newline="")


def _items(text: _Text) -> Iterator[bytes]:
    """The items of an array that begins here and ends the file."""
    text.skip()
    if text.next() == "]":
        text.skip()
    else:
        while True:
            yield text.value()
            mark = text.next()
            if mark not in {",", "]"}:
                raise _NotJson
            text.skip()
            if mark == "]":
                break
    if text.next():
        raise _NotJson


class _Text:
    """Text that is read on as far as it is asked for."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._held = ""
        self._at = 0
        self._whole = False

    def next(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            found = _SPACE.match(self._held, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._held) or self._whole:
                return self._held[self._at : self._at + 1]
            self._read(_CHARACTERS)

    def skip(self) -> None:
        """Leave the next character behind."""
        self._at += 1

    def value(self) -> bytes:
        """The text of the next value, as a line."""
        self.next()
        size = _CHARACTERS
        while (end := self._end()) is None:
            self._read(size)
            size *= 2
        text, self._at = self._held[self._at : end], end
        return text.translate(_ENDS).encode("utf-8", "surrogateescape") + b"\n"

    def _end(self) -> int | None:
        """Where the value ends; None if more of it has to be read."""
        try:
            _, end = _decode(self._held, self._at)
        except json.JSONDecodeError as error:
            cut = error.pos >= len(self._held) - _CUT or error.msg.startswith("Unterminated")
            if self._whole or not cut:
                raise
            return None
        # A number may go on.
        rest = self._held[end : end + _EXPONENT]
        return end if self._whole or rest.strip("eE.+-") else None

    def _read(self, size: int) -> None:
        piece = self._stream.read(size)
        self._whole = not piece
        self._held, self._at = self._held[self._at :] + piece, 0


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
