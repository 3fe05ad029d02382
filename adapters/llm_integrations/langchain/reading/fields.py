"""Python objects of answers and results as the data that was said."""

from __future__ import annotations

from typing import Any, Final

from langchain_core.messages import BaseMessage
from pydantic import BaseModel

__all__ = ["data_of"]

_DEPTH: Final = 50


def data_of(value: Any, *, is_answer: bool, depth: int = _DEPTH) -> Any:
    """Pydantic objects as the fields that were set: what a model left out is not there.

    Of what is no answer, defaults that say something count as well: only unset None is left out.
    """
    if isinstance(value, BaseModel) and not isinstance(value, BaseMessage):
        return _fields(value, is_answer)
    if depth and isinstance(value, list | tuple):
        found = [data_of(one, is_answer=is_answer, depth=depth - 1) for one in value]
        changed = any(a is not b for a, b in zip(found, value, strict=True))
        return found if changed else value
    if depth and type(value) is dict:
        inner = {k: data_of(v, is_answer=is_answer, depth=depth - 1) for k, v in value.items()}
        return inner if any(inner[key] is not one for key, one in value.items()) else value
    return value


def _fields(value: BaseModel, is_answer: bool) -> Any:
    try:
        if is_answer:
            return value.model_dump(by_alias=True, exclude_unset=True, warnings=False)
        left_out = {
            name
            for name in type(value).model_fields
            if name not in value.model_fields_set and getattr(value, name) is None
        }
        return value.model_dump(by_alias=True, exclude=left_out, warnings=False)
    except Exception:  # noqa: BLE001 - serialisers are the user's code; the object itself is judged
        return value
