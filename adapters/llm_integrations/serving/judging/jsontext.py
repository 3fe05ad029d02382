"""Reading JSON out of bodies and answers.

The server reads a request by ``json.loads`` on its bytes: a byte order mark, UTF-16, NaN and the
last of duplicate keys are all fine with it. Whoever judges has to read the same thing. pydantic's
parser is several times faster and agrees wherever it succeeds; where it refuses, ``json.loads``
has the last word.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import from_json

from llm_integrations.core.judge import Judge, Verdict
from llm_integrations.core.validation import Validator

__all__ = ["judge_text", "read_json"]


def read_json(data: bytes | str) -> Any:
    """The value. Raises ValueError, or RecursionError, exactly where ``json.loads`` does."""
    try:
        return from_json(data)
    except (ValueError, TypeError):  # the latter for text with half a surrogate pair
        return json.loads(data)


def judge_text(judge: Judge, validator: Validator, text: str) -> Verdict:
    """Judge text that should be JSON; text that is not is invalid."""
    try:
        data = read_json(text)
    except ValueError as error:
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        return judge.refuse(validator, f"the text is not JSON{where}")
    except RecursionError:
        return judge.refuse(validator, "the text is JSON nested too deeply")
    return judge.judge_by(validator, data)
