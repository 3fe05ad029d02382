"""The files of rows that people name: paths, URLs, folders, patterns and lists of them."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.tables.reading import LINE_SUFFIXES, TABLE_SUFFIXES
from llm_integrations.core.tables.remote import fetch, is_url
from llm_integrations.core.tables.unpack import form_of, unpacked

__all__ = ["row_files"]

_SUFFIXES: Final = (*TABLE_SUFFIXES, *LINE_SUFFIXES)


def row_files(places: Iterable[str | Path], copies: Path) -> dict[str, Path]:
    """Local files, each in a form that can be read, by the names that reports use.

    Args:
        places: of files, folders, patterns, or URLs of any of these.
        copies: a folder for what is downloaded or unpacked.

    Raises:
        ConfigurationError: there is no file of rows, or it cannot be read.
        MissingExtra: a scheme or a form needs a package that is not installed.
    """
    found: dict[str, Path] = {}
    for place in places:
        found |= _row_files(place, fetch(str(place), copies)) if is_url(place) else _local(place)
    return {name: unpacked(path, copies) for name, path in found.items()}


def _local(place: str | Path) -> dict[str, Path]:
    path = Path(place)
    if path.is_dir():
        return _row_files(place, {str(one): one for one in sorted(path.rglob("[!._]*"))})
    if glob.has_magic(str(place)) and not path.exists():
        # Path.glob takes no absolute pattern.
        named = map(Path, sorted(glob.glob(str(place), recursive=True)))  # noqa: PTH207 - see above
        return _row_files(place, {str(one): one for one in named})
    return {str(path): path}


def _row_files(place: str | Path, found: Mapping[str, Path]) -> dict[str, Path]:
    """Those of several files that hold rows; a single file is taken as it is."""
    if len(found) == 1:
        return dict(found)
    known = {name: path for name, path in found.items() if _holds_rows(path)}
    if not known:
        raise ConfigurationError(f"{place}: there is no file of rows ({', '.join(_SUFFIXES)})")
    # A JSON document beside files of rows describes them (dataset_infos.json) and holds none.
    others = {name: path for name, path in known.items() if path.suffix.lower() != ".json"}
    return others or known


def _holds_rows(path: Path) -> bool:
    return form_of(path) in _SUFFIXES and path.is_file()
