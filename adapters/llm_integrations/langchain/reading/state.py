"""The state of a graph, and the changes of it that nodes give back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

from pydantic import BaseModel

from llm_integrations.core.validation import Validator
from llm_integrations.langchain.reading.payload import payloads

__all__ = ["changes", "graph_kind", "resumes", "state_of"]

_OF_GRAPHS: Final = frozenset({"langgraph.types", "langgraph.func", "langgraph.errors"})
_ROUTES: Final = frozenset({"Command", "Send"})


def graph_kind(value: Any) -> str:
    """Which of LangGraph's own kinds it is, as ``Command``; empty for what is only called so."""
    kinds = (kind.__name__ for kind in type(value).__mro__ if kind.__module__ in _OF_GRAPHS)
    return next(kinds, "")


def resumes(given: Any) -> bool:
    """Whether a graph that is given this goes on where it stopped: it is told no other way."""
    if graph_kind(given) != "Command":
        return given is None
    return given.resume is not None or not given.goto


def state_of(value: Any) -> Iterator[Any]:
    """What a node of a graph was given, or gives back: a state, or a change of it.

    A Command changes the state by its ``update``; Sends go to nodes of their own; None changes
    nothing.
    """
    several = isinstance(value, list | tuple) and not _ROUTES.isdisjoint(map(graph_kind, value))
    for one in value if several else [value]:
        for update in _updates(one):
            if update is not None:
                yield from payloads(_as_written(update), is_answer=True)


def _updates(one: Any) -> Iterable[Any]:
    match graph_kind(one):
        case "Send":
            return ()
        case "final":
            return [one.value]
        case "Command":
            return _written_by(one.update)
    return [one]


def _written_by(update: Any) -> Iterable[Any]:
    """What a Command writes. A field may stand there twice, and then counts as either."""
    is_pairs = isinstance(update, list | tuple) and all(
        isinstance(pair, tuple) and len(pair) == 2 for pair in update
    )
    if not is_pairs:
        return [update]
    last = dict(update)
    return [last, *({**last, key: value} for key, value in update if last[key] is not value)]


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
    if graph_kind(value) == "Overwrite":
        return value.value
    is_marked = isinstance(value, dict) and value.keys() == {"__overwrite__"}
    return value["__overwrite__"] if is_marked else value


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
