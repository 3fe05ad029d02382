"""Where in a value an error is.

The engine's paths leave out empty names, and have numbers for names of digits as for the places of
items: of ``007`` and ``7`` both they say 7.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from jsonschema_rs import ValidationError

from llm_integrations.core.validation.explain.failure import Failure

__all__ = ["Path", "place_in_schema", "place_of"]

Path: TypeAlias = Sequence[str | int]


def place_of(error: ValidationError | Failure, data: Any, start: int = 0) -> tuple[Path, Any]:
    """The path of an error with the names that the data has, and what is there.

    Args:
        start: how many segments of the error's own path lead to ``data``.
    """
    path, value = error.instance_path, data
    if start:
        path = path[start:]
    if isinstance(error, Failure):
        for segment in path:
            value = value[segment]
        return path, value
    for segment in path:
        if isinstance(value, dict) and ("" in value or isinstance(segment, int)):
            return _searched(path, data, error.instance)
        value = value[segment]
    if isinstance(value, dict) and "" in value:
        return _searched(path, data, error.instance)
    return path, value


def place_in_schema(path: Path, document: Any) -> Path:
    """The engine's path with the names that the schema has."""
    part = document
    try:
        for segment in path:
            part = part[segment]
    except (LookupError, TypeError):
        return next((found for found, _ in _ways(path, document)), path)
    return path


def _searched(path: Path, data: Any, instance: Any) -> tuple[Path, Any]:
    kind = type(instance)
    places = (
        found for found, value in _ways(path, data) if type(value) is kind and value == instance
    )
    return next(places, path), instance


def _ways(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    """The places that one of the engine's paths may mean."""
    waiting: list[tuple[tuple[str | int, ...], Any, int]] = [((), value, 0)]
    while waiting:
        place, value, used = waiting.pop()
        rest = path[used : used + 1]
        if not rest:
            yield place, value
        if isinstance(value, Mapping):
            if "" in value:
                waiting.append(((*place, ""), value[""], used))
            names = [name for segment in rest for name in _spellings(segment, value)]
            waiting += [((*place, name), value[name], used + 1) for name in names[::-1]]
        elif isinstance(value, list | tuple):
            indices = [index for index in rest if isinstance(index, int) and index < len(value)]
            waiting += [((*place, index), value[index], used + 1) for index in indices]


def _spellings(segment: str | int, members: Mapping[str, Any]) -> list[str]:
    if isinstance(segment, str):
        return [segment] if segment in members else []
    spelt = re.compile(rf"\+?0*{segment}")
    return sorted(filter(spelt.fullmatch, members), key=len)
