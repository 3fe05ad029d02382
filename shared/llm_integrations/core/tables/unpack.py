"""Files in forms that are not read as they stand: packed ones, arrays of JSON, cells between tabs.

They are written out once, beside each other in a folder, as the form that they stand for.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, Final

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.extras import require_extra
from llm_integrations.core.files import atomic_write

__all__ = ["form_of", "unpacked"]

_PACKED: Final = frozenset({".gz", ".zst", ".bz2", ".lz4"})
_FORMS: Final = {".json": ".jsonl", ".tsv": ".csv"}
_PIECE: Final = 1 << 22
_LONGEST: Final = 1 << 23
"""Characters of one cell, as of one row of a CSV file."""


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
        return _whole(target, _lines(path) if suffix == ".json" else _rows(path))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None


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


def _lines(path: Path) -> Iterator[bytes]:
    """A file of one JSON value, which is an array of rows or one row; or of JSON lines after all,
    as `datasets` writes them into files of this name."""
    with path.open("rb") as stream:
        try:
            found = json.load(stream)
        except (ValueError, RecursionError):
            yield from _if_lines(path, stream)
            return
    for row in found if isinstance(found, list) else [found]:
        yield json.dumps(row).encode() + b"\n"


def _if_lines(path: Path, stream: IO[bytes]) -> Iterator[bytes]:
    stream.seek(0)
    first = next((line for line in stream if line.strip()), b"")
    try:
        is_row = isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        is_row = False
    if not is_row:
        raise ConfigurationError(f"{path} cannot be read: it is neither JSON nor JSON lines")
    stream.seek(0)
    yield from stream


def _rows(path: Path) -> Iterator[bytes]:
    """Cells between tabs as cells between commas; bytes that are no UTF-8 stay as they are."""
    written = _Written()
    writer = csv.writer(written)
    limit = csv.field_size_limit(_LONGEST)
    try:
        with path.open("rb") as stream:
            text = TextIOWrapper(stream, "utf-8-sig", "surrogateescape", newline="")
            for row in csv.reader(text, delimiter="\t", strict=True):
                if row:
                    writer.writerow(row)
                    yield written.line
    except csv.Error as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    finally:
        csv.field_size_limit(limit)


class _Written:
    """What a writer of cells wrote last."""

    line: bytes = b""

    def write(self, text: str) -> Any:
        self.line = text.encode("utf-8", "surrogateescape")
