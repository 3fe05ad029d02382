"""Cells of a CSV file: text that stands for numbers and truth values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from math import isfinite
from typing import Any, Final

from llm_integrations.core.arrow.pyarrow_modules import pa, pc, types

__all__ = ["is_whole", "meant", "split_cells", "values_of_texts", "whole_column"]

_SIMPLE: Final = {
    pa.int64(): r"^-?\d{1,18}$",
    pa.float64(): r"^-?\d{1,200}(\.\d{1,200})?([eE][-+]?\d{1,2})?$",
    pa.bool_(): r"^(true|false|True|False|TRUE|FALSE|[01])$",
}
"""What is read at once; Arrow reads more, but says of a whole column only whether it can."""

_PLAIN: Final = {
    pa.int64(): r"^(0|-?[1-9]\d{0,17})$",
    pa.float64(): r"^-?(0|[1-9]\d{0,200})(\.\d{1,200})?([eE][-+]?\d{1,2})?$",
    pa.bool_(): r"^(true|false|True|False|TRUE|FALSE)$",
}
"""The same, as JSON would write them; what the others are is text."""

_NUMBER: Final = r"^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$"
_WRITTEN: Final = {**_PLAIN, pa.int64(): r"^-?(0|[1-9]\d*)$", pa.float64(): _NUMBER}
"""The same of any length."""

_ZEROS: Final = r"^(-?\d+)\.0*$"
_HEAD: Final = 64
_SHORT: Final = 32
_WHOLE: Final = 2.0**53
"""Beyond it a double no longer says which integer was meant."""


def whole_column(texts: Any, kind: Any) -> Any | None:
    """All cells as values of a type; None if one of them is no such value."""
    for form in (_as_it_is, pc.utf8_trim_whitespace):
        # Arrow reads on after a failure, and a column of failures takes it long.
        if _cast(form(texts[:_HEAD]), kind) is None:
            continue
        column = _cast(form(texts), kind)
        if column is not None:
            return column if _is_ordinary(texts, column) else None
    return None


def _is_ordinary(texts: Any, column: Any) -> bool:
    """Arrow also reads hexadecimals, and what is no finite number."""
    if types.is_integer(column.type):
        return not pc.any(pc.match_substring(texts, "x", ignore_case=True)).as_py()
    return not types.is_floating(column.type) or pc.all(pc.is_finite(column)).as_py() is not False


def is_whole(texts: Any, kind: Any) -> bool:
    """Whether all cells are plain values of a type: see ``split_cells``."""
    if whole_column(texts, kind) is None:
        return False
    written = _WRITTEN.get(kind)
    return written is None or pc.all(pc.match_substring_regex(texts, written)).as_py() is not False


def split_cells(texts: Any, kind: Any, *, plain: bool = False) -> tuple[Any, dict[int, str]]:
    """The cells as values of a type, null where one is no such value.

    Args:
        texts: a StringArray.
        kind: int64, float64 or bool.
        plain: the column may hold text as well, so take what JSON would not write as such a value
            for a word: ``01``, ``+1``, NaN; 1 for true.

    Returns:
        The values, and the texts of the other cells by their position.
    """
    trimmed = texts if plain else pc.utf8_trim_whitespace(texts)
    if types.is_integer(kind) and not plain:
        # What other programs make of a column of integers when one of them is missing.
        trimmed = pc.replace_substring_regex(trimmed, _ZEROS, r"\1")
    pattern = (_PLAIN if plain else _SIMPLE)[kind]
    simple = pc.fill_null(pc.match_substring_regex(trimmed, pattern), True)
    rest = pc.invert(simple)
    others = [_other(text, kind, plain=plain) for text in trimmed.filter(rest).to_pylist()]
    column = pc.if_else(simple, trimmed, None).cast(kind)
    column = pc.replace_with_mask(column, rest, pa.array(others, kind))
    positions = pc.indices_nonzero(rest).to_pylist()
    overrides = [row for row, value in zip(positions, others, strict=True) if value is None]
    return column, {row: texts[row].as_py() for row in overrides}


def _other(text: str, kind: Any, *, plain: bool) -> Any:
    """A cell that is not simple: finite as Arrow reads it, or None. Hexadecimals are words."""
    if "x" in text or "X" in text:
        return None
    if plain and (kind == pa.bool_() or not re.search(_NUMBER, text)):
        return None
    value = _read(text, kind)
    return value if value is None or isfinite(value) else None


def meant(text: str, kind: Any) -> Any:
    """What a cell says that is no value of its column's type: a fraction among integers is a
    number, all else is text."""
    number = _read(text.strip(), pa.float64()) if types.is_integer(kind) else None
    return number if number is not None and abs(number) <= _WHOLE else text


def values_of_texts(texts: Any, kinds: Sequence[Any]) -> dict[int, Any]:
    """What the cells say that are of one of these types, by their position."""
    found: dict[int, Any] = {}
    for kind in kinds:
        values, others = split_cells(texts, kind, plain=True)
        numbered = enumerate(values.to_pylist())
        found |= {row: value for row, value in numbered if value is not None}
        texts = pa.array([others.get(row) for row in range(len(texts))], pa.string())
    return found


def _as_it_is(texts: Any) -> Any:
    return texts


def _cast(texts: Any, kind: Any) -> Any | None:
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        return None


def _read(text: str, kind: Any) -> Any:
    """One cell as Arrow reads it; None if it is no such value."""
    return (_read_known if len(text) <= _SHORT else _read_anew)(text, kind)


def _read_anew(text: str, kind: Any) -> Any:
    try:
        return pa.scalar(text).cast(kind).as_py()
    except pa.ArrowInvalid:
        return _whole(text) if types.is_integer(kind) else None


_read_known = lru_cache(maxsize=4096)(_read_anew)
"""What is no number is often the same word."""


def _whole(text: str) -> int | None:
    number = _read(text, pa.float64())
    if number is None or abs(number) > _WHOLE or not number.is_integer():
        return None
    return int(number)
