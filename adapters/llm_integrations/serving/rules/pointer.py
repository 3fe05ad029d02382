"""Paths into a body: JSON Pointers, and the server's dotted form of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from llm_integrations.core.jsonschema.pointer import from_pointer
from llm_integrations.core.validation.report import Violation

__all__ = ["MISSING", "at", "each_at", "param_of", "set_at"]

MISSING: Final = object()

_REQUIRED = re.compile(r'^lacks the required property "([^"]+)"$')


def at(value: Any, path: Iterable[str | int]) -> Any:
    """What is there, or MISSING."""
    for token in path:
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list) and str(token).isdecimal() and int(token) < len(value):
            value = value[int(token)]
        else:
            return MISSING
    return value


def each_at(
    value: Any, path: Sequence[str], place: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """What a path leads to, where ``*`` is each item of a list: every place, and what is there.

    MISSING where it leads nowhere.
    """
    if not path:
        yield place, value
    elif path[0] == "*" and isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield from each_at(item, path[1:], (*place, number))
    elif (found := at(value, path[:1])) is MISSING:
        yield (*place, *path), MISSING
    else:
        yield from each_at(found, path[1:], (*place, path[0]))


def set_at(value: Any, path: Sequence[str | int], new: Any) -> Any:
    """A copy of ``value`` with ``new`` at a path that exists; only what is on the way is copied."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = set_at(value[path[0]], path[1:], new)
    return copy


def param_of(path: Iterable[str | int], violation: Violation | None = None) -> str:
    """The server's name of a field, as ``body.messages.0.content``.

    A violation inside adds its own path; a missing property is named itself.
    """
    tokens = ["body", *map(str, path)]
    if violation is not None:
        tokens += from_pointer(violation.path)
        if violation.keyword == "required" and (match := _REQUIRED.match(violation.message)):
            tokens.append(match[1])
    return ".".join(tokens)
