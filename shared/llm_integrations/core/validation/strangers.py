"""Schemas that strangers bring along: judged by as any other, at a price that is known before."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Final

import jsonschema_rs

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.validation.engine_faults import is_fault
from llm_integrations.core.validation.patterns import patterns_of
from llm_integrations.core.validation.validator import Validator, compile_validator

__all__ = ["MOST_CHARACTERS", "WORK", "StrangersSchema", "compile_strangers"]

MOST_CHARACTERS: Final = 64 * 1024
"""Of a schema, written as JSON."""

_MOST_PATTERNS: Final = 50
_MOST_PATTERN_CHARACTERS: Final = 4096
_MOST_GROUPS: Final = 64
"""The engine may hold a table of all groups at each state of an automaton."""

_AUTOMATA: Final = (2**14, 2**16, 2**18, 2**20)
"""Bytes that all patterns together may take as automata, in steps."""

WORK: Final = 2**29
"""Weight of a schema times characters of data (as JSON) that may be judged: about a second."""

_SMALLEST: Final = 2**10
"""Characters that the smallest schema counts as: there are dear keywords with short names."""

_STEPS: Final = 2_000
"""In search of reasons, each of which may be as dear as a verdict."""

_BYTES_PER_CHARACTER: Final = 160
"""Of a compiled schema."""

_BYTES_PER_PATTERN: Final = 2**21
"""What the engine may remember of a pattern."""


@dataclass(frozen=True, slots=True)
class StrangersSchema:
    """A compiled schema, and what it may cost.

    Attributes:
        weight: its characters, and the bytes of its patterns' automata.
        memory: bytes that it may come to hold.
    """

    validator: Validator
    weight: int
    memory: int


def compile_strangers(text: str, reference: str, options: ValidationOptions) -> StrangersSchema:
    """Compile a schema whose writer nobody trusts.

    Nothing is kept of it for others. Its size and its patterns are bounded, so that compiling it
    takes less than a second; whoever judges by it counts the ``WORK``.

    Args:
        text: the schema as JSON.
        reference: what reports call it.
        options: how to judge; patterns are always linear, and few steps are made for reasons.

    Raises:
        InvalidSchema: it is no JSON Schema, or larger than it may be.
    """
    if len(text) > MOST_CHARACTERS:
        raise InvalidSchema(f"{reference} cannot be used: it has over {MOST_CHARACTERS} characters")
    body = json.loads(text)
    patterns = list(patterns_of(Documents(body)))
    automata = _automata(patterns, reference) if patterns else 0
    bounded = replace(options, regex="linear", max_steps=min(options.max_steps, _STEPS))
    validator = compile_validator(body, options=bounded, reference=reference, keep=False)
    return StrangersSchema(
        validator,
        weight=len(text) + automata + _SMALLEST,
        memory=len(text) * _BYTES_PER_CHARACTER + len(patterns) * _BYTES_PER_PATTERN,
    )


def _automata(patterns: list[str], reference: str) -> int:
    """Bytes within which the patterns compile. Raises InvalidSchema."""
    joined = "|".join(f"(?:{pattern})" for pattern in patterns)
    groups = joined.count("(") - joined.count("(?:")
    is_small = len(patterns) <= _MOST_PATTERNS and len(joined) <= _MOST_PATTERN_CHARACTERS
    for size in _AUTOMATA if is_small and groups <= _MOST_GROUPS else ():
        try:
            jsonschema_rs.validator_for(
                {"pattern": joined}, pattern_options=jsonschema_rs.RegexOptions(size_limit=size)
            )
        except BaseException as error:
            if not is_fault(error):
                raise
        else:
            return size
    raise InvalidSchema(f"{reference} cannot be used: its patterns are too large, or refused")
