"""What of a record is judged: all of it, or what lies at a JSON Pointer, read out of text if asked.

So are the results of batches judged: the answer is text deep inside a record, and a request that
failed has none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.jsonschema.pointer import from_pointer, to_pointer
from llm_integrations.core.validation.messages.json_text import no_json
from llm_integrations.core.validation.report import Violation

if TYPE_CHECKING:
    from llm_integrations.core.validation import Validator

__all__ = ["Pointed", "named"]

_POINTER: Final = re.compile(r"(?:/(?:[^~/]|~[01])*)*")
_POSITION: Final = re.compile(r"0|[1-9][0-9]{0,17}")
_EACH: Final = "*"
_LONGEST_ID: Final = 100


class _Spot(NamedTuple):
    """A place that was reached; ``fault`` says why the pointer leads no further."""

    path: tuple[str | int, ...]
    value: Any
    holder: Any = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Pointed:
    """The judged part of each record.

    Attributes:
        tokens: of the pointer; ``*`` is each item of a list, and a name in an object.
        is_text: the JSON is in a text there.
    """

    tokens: tuple[str, ...] = ()
    is_text: bool = False

    @classmethod
    def parse(cls, pointer: str, *, is_text: bool) -> Pointed:
        """ConfigurationError for what is no JSON Pointer."""
        if not _POINTER.fullmatch(pointer):
            raise ConfigurationError(
                f"--pointer {pointer!r} is no JSON Pointer (RFC 6901): write it as "
                "/choices/0/message, with ~1 for / and ~0 for ~ in a name"
            )
        return cls(from_pointer(pointer), is_text)

    @property
    def is_whole(self) -> bool:
        """Whether records are judged as they stand."""
        return not (self.tokens or self.is_text)

    def violations(self, record: Any, validator: Validator) -> Sequence[Violation]:
        """What is wrong with a record; paths begin at the record, and go on in the text's JSON."""
        if self.is_whole:
            return _violations(record, validator)
        spots = _spots(record, self.tokens)
        return [found for spot in spots for found in self._judged(record, spot, validator)]

    def _judged(self, record: Any, spot: _Spot, validator: Validator) -> Iterator[Violation]:
        place, value = to_pointer(spot.path), spot.value
        if spot.fault:
            told = "; the record holds an error" if _failed(record) or _failed(value) else ""
            yield Violation(place, f"{spot.fault}, so there is nothing to judge{told}", "pointer")
            return
        if self.is_text:
            if not isinstance(value, str):
                yield _no_text(place, spot)
                return
            try:
                value = json.loads(value)
            except (ValueError, RecursionError) as error:
                yield Violation(place, no_json(error), "json")
                return
        for found in _violations(value, validator):
            path = place + found.path
            yield Violation(path, found.message, found.keyword, found.schema_path)


def named(where: str, record: Any) -> str:
    """The place of a record, and the id that a batch's request was given."""
    name = record.get("custom_id") if isinstance(record, dict) else None
    if isinstance(name, str) and name.isprintable() and 0 < len(name) <= _LONGEST_ID:
        return f"{where} (custom_id {name})"
    return where


def _violations(value: Any, validator: Validator) -> Sequence[Violation]:
    return () if validator.is_valid(value) else validator.validate(value).errors


def _spots(
    value: Any, tokens: Sequence[str], path: tuple[str | int, ...] = (), holder: Any = None
) -> Iterator[_Spot]:
    """Where the tokens lead from a value at ``path``."""
    for depth, token in enumerate(tokens, start=1):
        key: Any = token  # a name, or a position
        if isinstance(value, list):
            if token == _EACH and value:
                for number, item in enumerate(value):
                    yield from _spots(item, tokens[depth:], (*path, number), value)
                return
            key = int(token) if _POSITION.fullmatch(token) else len(value)
        if not _holds(value, key):
            yield _Spot(path, value, holder, _lack(value, token))
            return
        holder, value, path = value, value[key], (*path, key)
    yield _Spot(path, value, holder)


def _holds(value: Any, key: Any) -> bool:
    if isinstance(value, dict):
        return key in value
    return isinstance(value, list) and key < len(value)


def _lack(value: Any, token: str) -> str:
    if value is None:
        return "is null"
    if isinstance(value, dict):
        return f'lacks "{token}"'
    if isinstance(value, list):
        return "is empty" if token == _EACH else f'has no item "{token}"'
    return "is neither an object nor a list"


def _failed(value: Any) -> bool:
    return isinstance(value, dict) and value.get("error") is not None


def _no_text(place: str, spot: _Spot) -> Violation:
    if isinstance(spot.holder, dict) and spot.holder.get("refusal"):
        return Violation(place, "is no text: the model refused", "refusal")
    return Violation(place, "is null, not text" if spot.value is None else "is not text", "type")
