"""Reading records out of files one at a time, each with its place in the file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from llm_integrations.core.cli.documents import STDIN, read_document
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.files import reason_of
from llm_integrations.core.tables import LINE_SUFFIXES
from llm_integrations.core.tables.json_line import read_line
from llm_integrations.core.tables.unpack import array_lines

__all__ = ["Record", "read_records"]


@dataclass(frozen=True, slots=True)
class Record:
    """One record. ``where`` is for people; ``broken`` says why there is no value."""

    where: str
    value: Any = None
    broken: str | None = None


def read_records(
    path: Path, *, each: bool = False, on_bytes: Callable[[int], None] | None = None
) -> Iterator[Record]:
    """Yield the records of a file.

    Args:
        path: ``.jsonl``/``.ndjson`` holds one record a line, read as a stream; JSON and YAML hold
            one record; ``-`` is standard input, one record a line, or with ``each`` one array.
        each: take the items of a JSON array as records.
        on_bytes: told how many bytes were read, for a progress bar.
    """
    if path.suffix.lower() in LINE_SUFFIXES or (path == STDIN and not each):
        yield from _lines(path, on_bytes)
        return
    if each and path.suffix.lower() == ".json":
        yield from _items(path, on_bytes)
        return
    document = read_document(path)
    if not each:
        yield Record(str(path), document)
        return
    if not isinstance(document, list):
        raise ConfigurationError(f"--each needs a JSON array, and {path} holds none")
    for index, item in enumerate(document):
        yield Record(f"{path}[{index}]", item)


def _items(path: Path, on_bytes: Callable[[int], None] | None) -> Iterator[Record]:
    """The items of an array of any size."""
    try:
        for index, line in enumerate(array_lines(path)):
            if on_bytes is not None:
                on_bytes(len(line))
            yield _record(f"{path}[{index}]", line)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {reason_of(error)}") from None


def _lines(path: Path, on_bytes: Callable[[int], None] | None) -> Iterator[Record]:
    with _open(path) as stream:
        for number, line in enumerate(stream, start=1):
            if on_bytes is not None:
                on_bytes(len(line))
            if line.strip():
                yield _record(f"{path}:{number}", line)


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    if path == STDIN:
        if sys.stdin is None:
            raise ConfigurationError("standard input is closed")
        yield sys.stdin.buffer
        return
    try:
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {reason_of(error)}") from None


def _record(where: str, line: bytes) -> Record:
    try:
        return Record(where, read_line(line))
    except UnicodeDecodeError:
        return Record(where, broken="not UTF-8")
    except (ValueError, RecursionError) as error:
        kind = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
        return Record(where, broken=f"not JSON: {kind}")
