"""Rows of a table as JSON text, written column by column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from json import dumps
from typing import Any

import numpy as np

from llm_integrations.core.arrow.compile.kinds import Kind, kind_of
from llm_integrations.core.arrow.kernels.cells import Cells
from llm_integrations.core.arrow.pyarrow_modules import pa, pc, types
from llm_integrations.core.arrow.run.batches import batches_of
from llm_integrations.core.arrow.run.cell_overrides import judged_columns, overrides_of
from llm_integrations.core.arrow.run.judged_rows import judged_rows
from llm_integrations.core.arrow.run.readable import json_places, readable
from llm_integrations.core.quarantine.columns import listed, texts_of
from llm_integrations.core.quarantine.encoding import write_row

__all__ = ["row_texts", "text_column"]

_SPACE = 0x20
_LEAST, _MOST = 1e-4, 1e9
"""Between these Arrow writes fractions as Python does; other numbers it writes otherwise."""
_QUOTE, _BACKSLASH = b'"\\'


class _NotByColumns(Exception):
    """Some value needs more than JSON text."""


def row_texts(
    table: Any, json_columns: Sequence[str] = ()
) -> tuple[Sequence[str], Sequence[str] | None]:
    """What a quarantine keeps of a table's rows: ``texts_of`` their ``judged_rows``."""
    found, encodings = text_column(table, json_columns)
    return listed(found), encodings


def text_column(table: Any, json_columns: Sequence[str] = ()) -> tuple[Any, Sequence[str] | None]:
    """``row_texts``, the texts as a column of Arrow's where no row needs a closer look."""
    if not overrides_of(table):
        batches = batches_of(judged_columns(table))
        try:
            found = [_by_columns(readable(batch, tuple(json_columns))) for batch in batches]
            return pa.chunked_array(found, pa.string()), None
        except _NotByColumns:
            pass
    return texts_of(judged_rows(table, json_columns))


def _by_columns(batch: Any) -> Any:
    if json_places(batch.schema):
        raise _NotByColumns
    pieces: list[Any] = []
    ended = ""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        before = f"{ended}, " if pieces else "{"
        texts, ended = _cells(column)
        pieces += [f"{before}{dumps(name, ensure_ascii=False)}: {ended}", texts]
    if not pieces:
        raise _NotByColumns
    try:
        return pc.binary_join_element_wise(*pieces, ended + "}", "")
    except pa.ArrowCapacityError:
        raise _NotByColumns from None  # more than 2 GB of text


def _cells(array: Any) -> tuple[Any, str]:
    """Each value as JSON text, and what stands on both sides of each."""
    if types.is_dictionary(array.type):
        array = array.dictionary_decode()
    match kind_of(array.type):
        case Kind.NULL:
            return pa.repeat("null", len(array)), ""
        case Kind.BOOLEAN:
            texts = pc.if_else(array, "true", "false")
        case Kind.INTEGER:
            texts = array.cast(pa.string())
        case Kind.FLOAT:
            texts = _floats(array)
        case Kind.STRING if _is_quotable(array):
            texts = array.cast(pa.string())
            if not texts.null_count:
                return texts, '"'
            texts = pc.binary_join_element_wise('"', texts, '"', "")
        case _:
            return pa.array(_each(_values(array)), pa.string()), ""
    return (texts.fill_null("null") if texts.null_count else texts), ""


def _floats(array: Any) -> Any:
    if not pc.all(pc.is_finite(array), min_count=0).as_py():
        raise _NotByColumns
    array = array.cast(pa.float64())
    texts = array.cast(pa.string())
    numbers = np.asarray(array.fill_null(0.5))
    size = np.abs(numbers)
    other = (size < _LEAST) | (size >= _MOST) | (np.trunc(numbers) == numbers)
    if not other.any():
        return texts
    written = pa.array(list(map(repr, numbers[other].tolist())), pa.string())
    return pc.replace_with_mask(texts, pa.array(other), written)


def _is_quotable(array: Any) -> bool:
    """Whether no text holds anything that JSON escapes."""
    data = Cells(array).data
    return not np.any((data < _SPACE) | (data == _QUOTE) | (data == _BACKSLASH))


def _values(array: Any) -> Iterable[Any]:
    try:
        values: list[Any] = array.to_pylist(maps_as_pydicts="strict")
    except (ValueError, KeyError, OverflowError, TypeError, pa.ArrowException):
        raise _NotByColumns from None  # a time that Python cannot hold
    return values


def _each(values: Iterable[Any]) -> list[str]:
    written = [write_row(value) for value in values]
    if any(encodings for _, encodings in written):
        raise _NotByColumns
    return [text for text, _ in written]
