"""Parts of a quarantine that lie elsewhere (``s3://``, ``hdfs://`` …): written, not read.

A folder there has no locks, so that releasing wants a copy of it here.
"""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from llm_integrations.core.errors import ConfigurationError, MissingExtra
from llm_integrations.core.quarantine.columns import RecordColumns
from llm_integrations.core.quarantine.formats import write_part

__all__ = ["RemoteParts", "is_elsewhere"]

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""Also of ``dbfs:/mnt``, and of what ``Path`` makes of a URL."""


def is_elsewhere(place: object) -> bool:
    """Whether it names a folder by a scheme, as text or after a Path was made of it."""
    if not isinstance(place, str | Path) or not _SCHEME.match(str(place)):
        return False
    return isinstance(place, str) or not place.exists()


class RemoteParts:
    """Writes parts under a URL, as Parquet, each in one request and under a name that follows from
    its content: what is done again writes the same part again.

    Args:
        url: of the folder, as fsspec takes it.

    Raises:
        ConfigurationError: fsspec knows no such place.
        MissingExtra: the scheme needs a package that is not installed.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        try:
            from fsspec.core import url_to_fs  # type: ignore[import-untyped]  # publishes no types

            self._system, self._path = url_to_fs(url)
        except ImportError as error:
            raise MissingExtra(f"{_shown(url)} needs a package: {error}") from None
        except Exception as error:  # noqa: BLE001 - file systems raise what their clients do
            raise self._not_written(error) from None

    def add_columns(self, records: RecordColumns, *, part: str) -> None:
        """Write records as one part; see ``Quarantine.add_columns``."""
        if not len(records):
            return
        stream = BytesIO()
        write_part(stream, records, "parquet")
        try:
            self._system.makedirs(self._path, exist_ok=True)
            self._system.pipe_file(f"{self._path}/{part}.parquet", stream.getvalue())
        except Exception as error:  # noqa: BLE001 - as above; what they say may quote a secret
            raise self._not_written(error) from None

    def _not_written(self, error: Any) -> ConfigurationError:
        return ConfigurationError(f"{_shown(self._url)} cannot be written: {type(error).__name__}")


def _shown(url: str) -> str:
    """Without credentials, and without the query, which may hold a signature."""
    return re.sub(r"(?<=//)[^/@]*@", "", url).partition("?")[0]
