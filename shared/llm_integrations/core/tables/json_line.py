"""Reads lines of JSON, by a faster reader where there is one, as ``json.loads`` does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

__all__ = ["NoRow", "decode_lines", "encode", "read_line", "read_row"]


def _encode_slowly(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


# msgspec is asked for by [datasets] and can be done without: everything here is as json has it.
try:
    import msgspec
except ImportError:
    _decoder: Any = None
    _encoder: Any = _encode_slowly
    _REFUSED: tuple[type[Exception], ...] = (ValueError,)
else:
    _decoder = msgspec.json.Decoder()
    _encoder = msgspec.json.Encoder().encode
    _REFUSED = (msgspec.MsgspecError, ValueError, OverflowError)


class NoRow(ValueError):
    """A line is no row. The message says why, without data."""


def read_row(line: bytes) -> dict[str, Any]:
    """The JSON object that a line holds. NoRow if it holds none, or text that is no Unicode."""
    try:
        value, is_unicode = _read(line)
    except json.JSONDecodeError as error:
        raise NoRow(f"the line is not JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise NoRow(f"the line is not JSON: {type(error).__name__}") from None
    if not isinstance(value, dict):
        raise NoRow("the line is no object")
    if not (is_unicode or _is_unicode(value)):
        raise NoRow("the line holds half of a surrogate pair, which is no text")
    return value


def read_line(line: bytes) -> Any:
    """What a line says.

    Raises:
        ValueError, RecursionError: it is no JSON; as ``json.loads`` has it.
    """
    return _read(line)[0]


def decode_lines(lines: bytes | memoryview) -> Sequence[Any] | None:
    """What lines say that each begin with ``{`` and end with ``}``; None if that is not certain.

    None decides nothing: ``read_row`` does, line by line.
    """
    if _decoder is None:
        return None
    try:
        found: list[Any] = _decoder.decode_lines(lines)
    except _REFUSED:
        return None
    except RecursionError:
        return None
    return found


def _read(line: bytes) -> tuple[Any, bool]:
    """What a line says, and whether all text in it is certainly Unicode."""
    if _decoder is not None:
        try:
            return _decoder.decode(line), True
        except _REFUSED:
            # It refuses more than json.loads does: NaN, numbers that overflow, a byte order mark,
            # half of a surrogate pair.
            pass
    if not json.detect_encoding(line).startswith("utf-8"):
        # Such files have no lines that end at a byte: what json reads of some is half of another.
        raise json.JSONDecodeError("it is UTF-16 or UTF-32, and lines are UTF-8", "", 0)
    return json.loads(line), False


def _is_unicode(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def encode(value: Any) -> bytes:
    """The JSON text of a value that a line held."""
    try:
        encoded: bytes = _encoder(value)
    except _REFUSED:
        # Integers of more than 64 bits.
        return _encode_slowly(value)
    return encoded
