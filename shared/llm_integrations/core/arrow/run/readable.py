"""Columns as they are judged: JSON text as what it says, at any depth, values of extension types
as what they are stored as, and views and runs in plain layouts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, Final, TypeAlias

from llm_integrations.core.arrow.kernels.jsontext import JsonText, json_text
from llm_integrations.core.arrow.kernels.unreadable import NotJson
from llm_integrations.core.arrow.pyarrow_modules import pa, types
from llm_integrations.core.arrow.run.layouts import from_runs, from_view, plain_text
from llm_integrations.core.arrow.run.maps import reading_of_map
from llm_integrations.core.arrow.run.tensors import is_tensor, nested_lists
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.jsonschema.pointer import from_pointer, to_pointer

__all__ = ["Steps", "json_places", "not_json", "readable", "with_texts"]

Steps: TypeAlias = tuple[str, ...]
"""From a row down to a part of it: names of members, and ``*`` for a list's items or a map's
values."""

_Reading: TypeAlias = Callable[[Any], Any]
"""Makes an array of another type of the same values."""

_Readings: TypeAlias = tuple[tuple[int, str, _Reading], ...]
"""For each column that is to be made into another: its position, its name, and how."""

_KEPT: Final = 64
_HERE: Final[Steps] = ()
_ITEM: Final = "*"


def readable(batch: Any, json_columns: tuple[str, ...] = ()) -> Any:
    """The record batch as it is judged.

    Args:
        json_columns: columns, or places within them as ``/messages/*/arguments``, whose text is
            JSON. Columns of Arrow's own type for JSON are anyway.

    Raises:
        ConfigurationError: one of them holds no text.
    """
    for index, name, reading in _known_readings(batch.schema, json_columns):
        batch = batch.set_column(index, name, reading(batch.column(index)))
    return batch


def json_places(schema: Any) -> tuple[Steps, ...]:
    """Where the rows of a readable batch hold JSON text."""
    return tuple(steps for field in schema for steps in _places(field.type, (field.name,)))


def not_json(row: Any, steps: Steps, path: Steps = ()) -> Iterator[tuple[str, NotJson]]:
    """The texts at these places of a row that are no JSON, each with its pointer."""
    if isinstance(row, NotJson):
        yield to_pointer(path), row
    elif steps and steps[0] == _ITEM and isinstance(row, list):
        for index, item in enumerate(row):
            yield from not_json(item, steps[1:], (*path, str(index)))
    elif steps and steps[0] == _ITEM and isinstance(row, dict):
        for item in row.values():  # keys are data, which no reason names
            yield from not_json(item, steps[1:], (*path, _ITEM))
    elif steps and isinstance(row, dict):
        yield from not_json(row.get(steps[0]), steps[1:], (*path, steps[0]))


def with_texts(value: Any, steps: Steps) -> Any:
    """The value with the text itself where there is no JSON at these places."""
    if isinstance(value, NotJson):
        return value.text
    if not steps:
        return value
    if steps[0] == _ITEM and isinstance(value, list):
        return [with_texts(item, steps[1:]) for item in value]
    if steps[0] == _ITEM and isinstance(value, dict):
        return {key: with_texts(item, steps[1:]) for key, item in value.items()}
    if isinstance(value, dict) and steps[0] in value:
        return {**value, steps[0]: with_texts(value[steps[0]], steps[1:])}
    return value


def _places(kind: Any, above: Steps) -> Iterator[Steps]:
    if isinstance(kind, JsonText):
        yield above
    elif types.is_struct(kind):
        for field in kind:
            yield from _places(field.type, (*above, field.name))
    elif types.is_map(kind):
        yield from _places(kind.item_type, (*above, _ITEM))
    elif _is_list(kind):
        yield from _places(kind.value_type, (*above, _ITEM))


def _known_readings(schema: Any, json_columns: tuple[str, ...]) -> _Readings:
    try:
        return _kept_readings(schema, json_columns)
    except TypeError:
        # Extension types that people make need not have a hash.
        return _readings(schema, json_columns)


def _readings(schema: Any, json_columns: tuple[str, ...]) -> _Readings:
    wanted = frozenset(_steps(name, schema.names) for name in json_columns)
    found = []
    for index, field in enumerate(schema):
        reading = _reading(field.type, _below(wanted, field.name), (field.name,))
        if reading is not None:
            found.append((index, field.name, reading))
    return tuple(found)


_kept_readings = lru_cache(maxsize=_KEPT)(_readings)


def _steps(place: str, names: Iterable[str]) -> Steps:
    if place in names or not place.startswith("/"):
        return (place,)
    return from_pointer(place)


def _below(wanted: frozenset[Steps], step: str) -> frozenset[Steps]:
    return frozenset(steps[1:] for steps in wanted if steps[:1] == (step,))


def _reading(kind: Any, wanted: frozenset[Steps], place: Steps) -> _Reading | None:
    """What to make of values of a type; None where they are read as they stand.

    Args:
        wanted: the places within them that are JSON text.
    """
    is_json = _HERE in wanted
    if isinstance(kind, pa.BaseExtensionType):
        return _of_extension(kind, wanted, place)
    if types.is_run_end_encoded(kind):
        return _of_runs(kind, wanted, place)
    if types.is_dictionary(kind):
        return _of_dictionary(kind, wanted, place)
    if is_json and (types.is_string(kind) or types.is_large_string(kind)):
        return lambda array: pa.ExtensionArray.from_storage(json_text(kind), array)
    text = plain_text(kind)
    if text is not None:
        as_read = _reading(text, wanted, place)
        return lambda array: as_read(array.cast(text)) if as_read else array.cast(text)
    if _is_list(kind):
        below = _below(wanted, _ITEM) | ({_HERE} if is_json else frozenset())
        return _of_list(kind, below, (*place, _ITEM))
    if is_json and not types.is_null(kind):
        raise ConfigurationError(_no_text(kind, place))
    if types.is_map(kind):
        of_items = _reading(kind.item_type, _below(wanted, _ITEM), (*place, _ITEM))
        return reading_of_map(of_items)
    return _of_struct(kind, wanted, place) if types.is_struct(kind) else None


def _of_extension(kind: Any, wanted: frozenset[Steps], place: Steps) -> _Reading | None:
    if isinstance(kind, pa.JsonType):
        wanted = frozenset({_HERE})
    elif is_tensor(kind):
        return nested_lists
    elif kind.__arrow_ext_scalar_class__().as_py is not pa.ExtensionScalar.as_py:
        return None  # Python sees something else than what is stored, as a UUID.
    inner = _reading(kind.storage_type, wanted, place)
    return lambda array: array.storage if inner is None else inner(array.storage)


def _of_runs(kind: Any, wanted: frozenset[Steps], place: Steps) -> _Reading:
    inner = _reading(kind.value_type, wanted, place) or _as_it_stands
    return lambda array: from_runs(array, inner(array.values))


def _of_dictionary(kind: Any, wanted: frozenset[Steps], place: Steps) -> _Reading | None:
    inner = _reading(kind.value_type, wanted, place)
    if inner is None:
        return None

    def read(array: Any) -> Any:
        try:
            return inner(array.dictionary.take(array.indices))
        except pa.ArrowNotImplementedError:  # Arrow takes from no views
            return inner(array.dictionary).take(array.indices)

    return read


def _as_it_stands(array: Any) -> Any:
    return array


def _of_list(kind: Any, wanted: frozenset[Steps], place: Steps) -> _Reading | None:
    inner = _reading(kind.value_type, wanted, place)
    if types.is_list_view(kind) or types.is_large_list_view(kind):
        of_items = inner or _as_it_stands
        return lambda array: from_view(array, of_items(array.values))
    if inner is None:
        return None
    buffers = 1 if types.is_fixed_size_list(kind) else 2

    def read(array: Any) -> Any:
        # The offsets stay, and with them the items that they lead to.
        items = inner(array.values)
        target = _list_of(kind, kind.value_field.with_type(items.type))
        own = array.buffers()[:buffers]
        return pa.Array.from_buffers(
            target, len(array), own, array.null_count, array.offset, children=[items]
        )

    return read


def _list_of(kind: Any, field: Any) -> Any:
    if types.is_fixed_size_list(kind):
        return pa.list_(field, kind.list_size)
    return pa.large_list(field) if types.is_large_list(kind) else pa.list_(field)


def _of_struct(kind: Any, wanted: frozenset[Steps], place: Steps) -> _Reading | None:
    inner = [_reading(f.type, _below(wanted, f.name), (*place, f.name)) for f in kind]
    if not any(inner):
        return None

    def read(array: Any) -> Any:
        parts = [array.field(index) for index in range(kind.num_fields)]
        parts = [each(part) if each else part for each, part in zip(inner, parts, strict=True)]
        fields = [f.with_type(part.type) for f, part in zip(kind, parts, strict=True)]
        missing = array.is_null() if array.null_count else None
        return pa.StructArray.from_arrays(parts, fields=fields, mask=missing)

    return read


def _is_list(kind: Any) -> bool:
    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def _no_text(kind: Any, place: Steps) -> str:
    name = place[0] if len(place) == 1 else to_pointer(place)
    text = f"the JSON column {name!r} is {kind}, not text"
    if types.is_struct(kind) and kind.num_fields:
        return f"{text}; name the part of it that is, as {to_pointer([*place, kind[0].name])!r}"
    return text
