"""Conversions of single values: how they are done, and the source of functions that do them.

Each gives back, as it is, what it cannot convert without loss: ``036`` may be no number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["CONVERSIONS", "Conversion"]


@dataclass(frozen=True, slots=True)
class Conversion:
    """One way to convert a value.

    Attributes:
        types: the JSON types that it makes.
        pattern: what a text must be like to be converted; empty where it is made of no text.
        run: the function.
        source: the same as source; in it the function is called ``name``, and ``needs`` are the
            kinds of others that it calls.
    """

    name: str
    types: list[str]
    pattern: str
    run: Callable[[Any], Any]
    source: str
    needs: tuple[str, ...] = ()


def _to_integer(value: Any) -> Any:
    digits = value.removeprefix("-") if isinstance(value, str) else ""
    if digits.isascii() and digits.isdigit() and len(digits) < 400:
        return int(value) if str(int(value)) == value else value
    return value


def _to_number(value: Any) -> Any:
    whole, point, decimals = value.partition(".") if isinstance(value, str) else ("", "", "")
    if not point:
        return _to_integer(value)
    # A float keeps 15 digits.
    exact = decimals.isascii() and decimals.isdigit() and len(value) < 16
    plain = exact and (whole == "-0" or _to_integer(whole) != whole)
    return float(value) if plain else value


def _to_whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _to_boolean(value: Any) -> Any:
    known = {"true": True, "false": False}
    return known.get(value.lower(), value) if isinstance(value, str) else value


_INTEGER: Final = '''\
def _to_integer(value: Any) -> Any:
    """The number that a text is; any other text stays."""
    digits = value.removeprefix("-") if isinstance(value, str) else ""
    if digits.isascii() and digits.isdigit() and len(digits) < 400:
        return int(value) if str(int(value)) == value else value
    return value'''
_NUMBER: Final = '''\
def _to_number(value: Any) -> Any:
    """The number that a text is; any other text, and one of more than 15 digits, stays."""
    whole, point, decimals = value.partition(".") if isinstance(value, str) else ("", "", "")
    if not point:
        return _to_integer(value)
    exact = decimals.isascii() and decimals.isdigit() and len(value) < 16
    plain = exact and (whole == "-0" or _to_integer(whole) != whole)
    return float(value) if plain else value'''
_WHOLE: Final = '''\
def _to_whole(value: Any) -> Any:
    """2.0 as 2; any other number stays."""
    return int(value) if isinstance(value, float) and value.is_integer() else value'''
_BOOLEAN: Final = '''\
def _to_boolean(value: Any) -> Any:
    """true and false for texts that say so; any other text stays."""
    known = {"true": True, "false": False}
    return known.get(value.lower(), value) if isinstance(value, str) else value'''

CONVERSIONS: Final = {
    "text": Conversion("str", ["string"], "", str, ""),
    "integer": Conversion(
        "_to_integer", ["integer"], "^(0|-?[1-9][0-9]{0,40})$", _to_integer, _INTEGER
    ),
    "number": Conversion(
        "_to_number",
        ["number"],
        r"^(0|-?[1-9][0-9]{0,5}|-?(0|[1-9][0-9]{0,5})\.[0-9]{1,6})$",
        _to_number,
        _NUMBER,
        ("integer",),
    ),
    "whole": Conversion("_to_whole", ["integer"], "", _to_whole, _WHOLE),
    "boolean": Conversion(
        "_to_boolean", ["boolean"], "^([tT][rR][uU][eE]|[fF][aA][lL][sS][eE])$", _to_boolean,
        _BOOLEAN,
    ),
}  # fmt: skip
"""By the kind of a plan."""
