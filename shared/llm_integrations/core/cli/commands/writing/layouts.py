"""Folders of schemas as people have them, read as subjects and versions."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llm_integrations.core.cli.commands.writing.langsmith import schemas_of_datasets
from llm_integrations.core.cli.documents import SUFFIXES, read_document
from llm_integrations.core.errors import ConfigurationError, InvalidReference
from llm_integrations.core.model.reference import SchemaRef, Version, parse_version, version_key
from llm_integrations.core.model.schema import JsonSchema

__all__ = ["FoundSchema", "find_schemas"]

_NOT_SCHEMAS: Final = ("meta", "registry")
_NUMBER: Final = r"v?(\d+(?:\.\d+\.\d+)?)"
_OF_THE_FOLDER: Final = ("schema", "latest", "current", "index")
_NAMED: Final = re.compile(rf"(.+?)[._-]{_NUMBER.replace('v?', '[vV]')}")


@dataclass(frozen=True, slots=True)
class FoundSchema:
    """A file that holds one version. ``version`` None is the next one.

    Attributes:
        body: the schema, where the file holds it inside of something else.
    """

    subject: str
    version: Version | None
    path: Path
    body: JsonSchema | None = None


def find_schemas(place: Path) -> list[FoundSchema]:
    """The schemas in a file or a folder, those of a subject in the order of their versions.

    ``user.json`` is the next version of ``user``; ``user/1.json``, ``user/v1.json`` and
    ``user-v1.json`` are version 1; folders within folders are parts of the name, so that
    ``com/example/user/1.json`` is ``com.example.user@1``. ``user.schema.json`` is ``user``.
    An export of LangSmith datasets holds ``<dataset>-inputs`` and ``<dataset>-outputs``.

    Raises:
        ConfigurationError: there is none, or two files are the same version.
    """
    if not place.exists():
        raise ConfigurationError(f"there is no {place}")
    root = place if place.is_dir() else place.parent
    paths = sorted(root.rglob("*")) if place.is_dir() else [place]
    files = [path for path in paths if _may_be_schema(path, root)]
    found = [one for path in files for one in _within(path, path.relative_to(root))]
    if not found:
        raise ConfigurationError(f"{place} holds no .json or .yaml file of a schema")
    _refuse_twins(found)
    return sorted(found, key=lambda one: (one.subject, _order(one)))


def _may_be_schema(path: Path, root: Path) -> bool:
    inside = path.relative_to(root)
    is_hidden = any(part.startswith(".") for part in inside.parts)
    is_ours = path.stem in _NOT_SCHEMAS
    return path.suffix.lower() in SUFFIXES and not is_hidden and not is_ours and path.is_file()


def _within(path: Path, inside: Path) -> list[FoundSchema]:
    document = None
    if path.suffix.lower() == ".json":
        with suppress(ConfigurationError):  # registering it says what is wrong
            document = read_document(path)
    exported = schemas_of_datasets(document)
    found = [FoundSchema(subject, None, path, body) for subject, body in exported]
    return found or [_read(path, inside)]


def _read(path: Path, inside: Path) -> FoundSchema:
    stem = re.sub(r"(?i)\.schema$", "", inside.stem)
    folders, last = inside.parts[:-1], inside.parent.name.lower()
    named = _NAMED.fullmatch(stem)
    if folders and re.fullmatch(_NUMBER, stem, re.IGNORECASE):
        subject, version = ".".join(folders), stem.lstrip("vV")
    elif folders and stem.lower() in (*_OF_THE_FOLDER, last, last.rpartition(".")[2]):
        subject, version = ".".join(folders), ""
    elif named is not None:
        subject, version = ".".join((*folders, named[1])), named[2]
    else:
        subject, version = ".".join((*folders, stem)), ""
    try:
        number = int(version) if version.isdecimal() else version  # 001 is 1
        return FoundSchema(
            SchemaRef(subject).subject, parse_version(number) if version else None, path
        )
    except InvalidReference as error:
        raise ConfigurationError(f"{path}: {error}") from None


def _refuse_twins(found: list[FoundSchema]) -> None:
    seen: dict[tuple[str, object], Path] = {}
    for one in found:
        key = one.subject, None if one.version is None else version_key(one.version)
        if key in seen:
            raise ConfigurationError(
                f"{seen[key]} and {one.path} are both {one.subject}"
                f"{'' if one.version is None else f'@{one.version}'}: keep one of them"
            )
        seen[key] = one.path


def _order(one: FoundSchema) -> tuple[bool, object]:
    """Files without a version come last: they are the next one."""
    return one.version is None, () if one.version is None else version_key(one.version)
