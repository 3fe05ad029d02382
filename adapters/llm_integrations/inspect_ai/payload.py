"""A model's output as the data that a schema judges."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final, Literal, NamedTuple

from inspect_ai.model import ModelOutput
from llm_integrations.core.config import check_choice, check_kind

__all__ = ["Extract", "Payload", "checked_extract", "output_payload", "parsed_output"]

Extract = Literal["fences", "tool_calls", "first_json"]

_TRIES: Final = 100
"""Places in one output that are looked at: each costs up to its length."""
_FENCE: Final = re.compile(r"^```[^\n`]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_OPENING: Final = re.compile(r"[{\[]")


class Payload(NamedTuple):
    """What of an output is judged.

    Attributes:
        value: a JSON value; the text itself where there is none.
        is_json: whether the whole output is JSON.
        extracted: how the value was found in an output that is more than it; None if it was not.
    """

    value: Any
    is_json: bool
    extracted: Extract | None = None


def checked_extract(extract: Extract | Sequence[Extract] | None) -> tuple[Extract, ...]:
    """What to look for, in its order. ConfigurationError for what there is not."""
    check_kind("extract", extract or (), Sequence, "one way or a list of them")
    found = (extract,) if isinstance(extract, str) else tuple(extract or ())
    for each in found:
        check_choice("extract", each, Extract)
    return found


def output_payload(output: ModelOutput, extract: Sequence[Extract] = ()) -> Payload:
    """What of an output is judged: all of it, or what ``extract`` finds where it is no JSON."""
    value, is_json = parsed_output(output.completion)
    if is_json:
        return Payload(value, is_json=True)
    for way in extract:
        for found in islice(_FINDERS[way](output), 1):
            return Payload(found, is_json=False, extracted=way)
    return Payload(value, is_json=False)


def parsed_output(completion: str) -> tuple[Any, bool]:
    """The completion's JSON value and True; the text itself and False when it is not JSON."""
    try:
        return json.loads(completion), True
    except (ValueError, RecursionError):
        return completion, False


def _in_fences(output: ModelOutput) -> Iterator[Any]:
    """JSON between lines of three backquotes."""
    for match in islice(_FENCE.finditer(output.completion), _TRIES):
        value, is_json = parsed_output(match[1])
        if is_json:
            yield value


def _tool_arguments(output: ModelOutput) -> Iterator[Any]:
    """The arguments of tool calls."""
    for choice in output.choices[:1]:
        for call in choice.message.tool_calls or ():
            yield call.arguments


def _first_json(output: ModelOutput) -> Iterator[Any]:
    """An object or array that begins anywhere."""
    decoder = json.JSONDecoder()
    for match in islice(_OPENING.finditer(output.completion), _TRIES):
        try:
            yield decoder.raw_decode(output.completion, match.start())[0]
        except (ValueError, RecursionError):
            continue


_FINDERS: Final = {"fences": _in_fences, "tool_calls": _tool_arguments, "first_json": _first_json}
