"""Standard output that holds what a terminal lacks, and whose reader may go before the end."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Any

__all__ = ["print_anything", "reader_is_gone"]


class _Pipe(io.FileIO):
    """Its reader (head, less) may close it: a command still ends with its own exit code."""

    is_gone = False

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)  # for this, and for the last flush
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            self.is_gone = isinstance(error, BrokenPipeError)
            if not self.is_gone:
                raise
            return super().write(data)


def print_anything() -> None:
    """Names and values hold what a terminal's encoding may lack; no verdict ends at that."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if type(sys.stdout) is not io.TextIOWrapper or sys.stdout.isatty():
        return
    with suppress(io.UnsupportedOperation):  # it is no file of the system
        pipe = io.BufferedWriter(_Pipe(sys.stdout.fileno(), "wb", closefd=False))
        encoding = sys.stdout.encoding
        sys.stdout = io.TextIOWrapper(pipe, encoding=encoding, errors="backslashreplace")


def reader_is_gone() -> bool:
    """Whether nobody reads what is printed: what prints without an end should end."""
    return getattr(getattr(getattr(sys.stdout, "buffer", None), "raw", None), "is_gone", False)
