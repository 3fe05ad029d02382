"""Compressed replies, read so that they can be judged."""

from __future__ import annotations

import zlib
from typing import Any, Final

__all__ = ["Decoder", "Undecodable", "decoder_for"]

_GZIP: Final = 16 + zlib.MAX_WBITS


class Undecodable(Exception):
    """What cannot be read, or is too large once it is. Never leaves the middleware."""


class Decoder:
    """Reads a reply as it arrives.

    Args:
        window: of zlib: how the reply is wrapped.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._state: Any = None

    @property
    def is_done(self) -> bool:
        return self._state is not None and self._state.eof

    def feed(self, data: bytes, limit: int) -> bytes:
        """What is read of the data. Raises Undecodable, also for more than ``limit`` bytes."""
        read = b""
        while data:
            state = self._state
            if state is None or state.eof:
                state = self._state = self._begin(data)
            try:
                read += state.decompress(data, limit + 1 - len(read))
            except zlib.error:
                raise Undecodable from None
            if state.unconsumed_tail or len(read) > limit:
                raise Undecodable
            data = state.unused_data  # of gzip, the next member
        return read

    def whole(self, data: bytes, limit: int) -> bytes:
        """What all of the data says. Raises Undecodable."""
        read = self.feed(data, limit)
        if not self.is_done:
            raise Undecodable
        return read

    def _begin(self, data: bytes) -> Any:
        if self._state is not None and self._window != _GZIP:
            raise Undecodable  # a client might read on
        if self._window == zlib.MAX_WBITS and data[0] & 0x0F != zlib.DEFLATED:
            self._window = -zlib.MAX_WBITS  # some servers leave the wrapping out
        return zlib.decompressobj(self._window)


def decoder_for(encoding: bytes) -> Decoder | None:
    """For a reply's content encoding, in lower case; None for one that cannot be read here."""
    match encoding:
        case b"gzip" | b"x-gzip":
            return Decoder(_GZIP)
        case b"deflate":
            return Decoder(zlib.MAX_WBITS)
    return None
