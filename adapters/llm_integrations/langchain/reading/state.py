"""The state of a graph, and the changes of it that nodes give back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel

from llm_integrations.core.validation import Validator
from llm_integrations.langchain.reading.payload import payloads

__all__ = ["changes", "state_of"]


def state_of(value: Any) -> Iterator[Any]:
    """What a node of a graph was given, or gives back: a state, or a change of it.

    A Command changes the state by its ``update``; Sends go to nodes of their own; None changes
    nothing.
    """
    kinds = {type(one).__name__ for one in value} if isinstance(value, list) else ()
    for one in value if {"Command", "Send"} & set(kinds) else [value]:
        kind = type(one).__name__
        update: Any = one
        if kind == "Command":
            update = getattr(one, "update", None)
        elif kind == "final":
            update = getattr(one, "value", None)
        if isinstance(update, list) and all(isinstance(x, tuple) and len(x) == 2 for x in update):
            update = dict(update)
        if update is not None and kind != "Send":
            yield from payloads(_as_written(update), is_answer=True)


def changes(value: Any, state: Any, validator: Validator) -> Iterator[Any]:
    """What a node gives back, where only that is valid together with the state that it changes."""
    for piece in state_of(value):
        whole = _changed(state, piece)
        alone = whole is None or validator.is_valid(piece) or not validator.is_valid(whole)
        yield piece if alone else whole


def _as_written(update: Any) -> Any:
    """A change with what is to pass a reducer by (``Overwrite``) as it is."""
    if not isinstance(update, dict):
        return update
    written = {key: _written(value) for key, value in update.items()}
    return written if any(written[key] is not value for key, value in update.items()) else update


def _written(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"__overwrite__"}:
        return value["__overwrite__"]
    return getattr(value, "value", None) if type(value).__name__ == "Overwrite" else value


def _changed(state: Any, change: Any) -> dict[str, Any] | None:
    """A state with a change in it, each of its fields replaced; None if that cannot be said."""
    before = _fields_of(state)
    return None if before is None or not isinstance(change, dict) else {**before, **change}


def _fields_of(state: Any) -> Mapping[str, Any] | None:
    if isinstance(state, Mapping):
        return state
    if isinstance(state, BaseModel):
        return {name: getattr(state, name) for name in state.model_fields_set}
    if is_dataclass(state) and not isinstance(state, type):
        return {field.name: getattr(state, field.name) for field in fields(state)}
    return None
