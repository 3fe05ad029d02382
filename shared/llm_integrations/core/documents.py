"""JSON and YAML texts that people write, read as JSON values: strictly, and in bounded time.

YAML is read from its events and not by PyYAML's constructors, which build whatever a tag asks for,
follow aliases without counting, and compare all keys of a mapping with each other.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import yaml

__all__ = ["parse_json", "parse_yaml"]

_MOST_NODES: Final = 250_000  # aliases let a small YAML file stand for a huge tree
_DEEPEST: Final = 250  # what any thread's stack holds
_MOST_DIGITS: Final = 4_300  # Python's own limit: reading a number takes time with its square
_MOST_DIRECTIVES: Final = 100  # the parser compares each with all before it
_TEXT_OF_A_NODE: Final = 32  # characters that count as one node more

# YAML 1.2's core schema: ``no`` and ``2024-01-01`` are text, as the writer of an enum expects.
_NULL: Final = re.compile(r"(?:~|null|Null|NULL|)")
_BOOL: Final = re.compile(r"(?:true|True|TRUE|false|False|FALSE)")
_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_DIRECTIVE: Final = re.compile(r"^%", re.MULTILINE)

_TAG: Final = "tag:yaml.org,2002:"
_NAMES: Final = {"null": "null", "bool": "boolean", "int": "number", "float": "number"}


def parse_json(text: str) -> Any:
    """The JSON value of a text.

    Raises:
        ValueError: says what is wrong and where: a key that stands twice and NaN are, too.
    """
    try:
        return _JSON.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parse_yaml(text: str, *, merge: bool = False) -> Any:
    """The JSON value of a text with one YAML document, by the core schema of YAML 1.2.

    Args:
        merge: whether the key ``<<`` merges mappings; YAML 1.2 has no such key.

    Raises:
        ValueError: says what is wrong and where: what JSON has not, and a key that stands twice.
    """
    import yaml

    if len(_DIRECTIVE.findall(text)) > _MOST_DIRECTIVES:
        raise ValueError(f"it has more than {_MOST_DIRECTIVES} directives")
    try:
        return _Builder(text, merge=merge).document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise ValueError(f"{getattr(error, 'problem', None) or 'not YAML'}{where}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {twice[:100]!r} stands twice")
    return result


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number has more than {_MOST_DIGITS} digits")
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is not a JSON number: it is too large")
    return number


_JSON: Final = json.JSONDecoder(
    object_pairs_hook=_without_duplicates,
    parse_constant=_refuse_constant,
    parse_int=_integer,
    parse_float=_number,
)

_SCALARS: Final[tuple[tuple[str, re.Pattern[str], Callable[[str], Any]], ...]] = (
    ("null", _NULL, lambda _: None),
    ("bool", _BOOL, lambda text: text.lower() == "true"),
    ("int", _INT, _integer),
    ("float", _FLOAT, _number),
    ("float", _INT, _number),
)


class _Builder:
    """Builds one JSON value that shares no part with itself, and counts what it builds."""

    def __init__(self, text: str, *, merge: bool) -> None:
        import yaml

        self._yaml = yaml
        # The parser in C takes a tenth of the time.
        self._events = yaml.parse(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        self._merge = merge
        self._left = _MOST_NODES
        self._anchors: dict[str, Any] = {}

    def document(self) -> Any:
        next(self._events)  # the start of the stream
        if type(next(self._events)) is self._yaml.StreamEndEvent:
            return None
        value = self._value(next(self._events), 0)
        next(self._events)  # the end of the document
        if type(next(self._events)) is not self._yaml.StreamEndEvent:
            raise ValueError("it holds more than one document")
        return value

    def _value(self, event: Any, depth: int) -> Any:
        kind = type(event)
        if kind is self._yaml.AliasEvent:
            return self._alias(event, depth)
        self._count(depth)
        if kind is self._yaml.ScalarEvent:
            value = self._scalar(event)
        elif kind is self._yaml.SequenceStartEvent:
            _check_tag(event, "seq")
            items = self._until(self._yaml.SequenceEndEvent)
            value = [self._value(item, depth + 1) for item in items]
        else:
            _check_tag(event, "map")
            value = self._mapping(depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _until(self, end: type[yaml.Event]) -> Iterator[Any]:
        """The event that begins each item, while whoever takes it reads the rest of the item."""
        while type(event := next(self._events)) is not end:
            yield event

    def _mapping(self, depth: int) -> dict[str, Any]:
        pairs: list[tuple[str, Any]] = []
        merged: dict[str, Any] = {}
        for event in self._until(self._yaml.MappingEndEvent):
            if self._merge and type(event) is self._yaml.ScalarEvent and _is_merge(event):
                merged = {**self._merged(depth), **merged}
            else:
                key = _key(self._value(event, depth + 1), event)
                pairs.append((key, self._value(next(self._events), depth + 1)))
        return {**merged, **_without_duplicates(pairs)}

    def _merged(self, depth: int) -> dict[str, Any]:
        event = next(self._events)
        value = self._value(event, depth + 1)
        merged: dict[str, Any] = {}
        for part in reversed(value if isinstance(value, list) else [value]):
            if not isinstance(part, dict):
                raise ValueError(f"'<<' merges what is no mapping{_line(event)}")
            merged |= part
        return merged

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        self._left -= len(text) // _TEXT_OF_A_NODE
        is_tagged = event.tag not in (None, "!")
        if not is_tagged and not event.implicit[0]:
            return text  # quoted
        tag = event.tag.removeprefix(_TAG) if is_tagged else None
        for name, pattern, read in _SCALARS:
            if tag in (None, name) and pattern.fullmatch(text):
                return read(text)
        if tag in (None, "str"):
            return text
        if tag in _NAMES:
            raise ValueError(f"what is tagged !!{tag} is not a JSON {_NAMES[tag]}{_line(event)}")
        raise _unknown_tag(event)

    def _alias(self, event: Any, depth: int) -> Any:
        if event.anchor not in self._anchors:
            raise ValueError(f"its aliases name nothing that ends before them{_line(event)}")
        return self._copy(self._anchors[event.anchor], depth)

    def _copy(self, value: Any, depth: int) -> Any:
        self._count(depth)
        if isinstance(value, dict):
            return {key: self._copy(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [self._copy(item, depth + 1) for item in value]
        if isinstance(value, str):
            self._left -= len(value) // _TEXT_OF_A_NODE
        return value

    def _count(self, depth: int) -> None:
        self._left -= 1
        if self._left < 0:
            raise ValueError("it is, or its aliases stand for, too large a document")
        if depth > _DEEPEST:
            raise ValueError("it is nested too deeply")


def _is_merge(event: Any) -> bool:
    return bool(event.tag == f"{_TAG}merge" or (event.value == "<<" and event.implicit[0]))


def _key(key: Any, event: yaml.Event) -> str:
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise ValueError(f"a key is not text{_line(event)}")
    return str(key)


def _check_tag(event: Any, name: str) -> None:
    if event.tag not in (None, "!", _TAG + name):
        raise _unknown_tag(event)


def _unknown_tag(event: Any) -> ValueError:
    return ValueError(f"the tag {event.tag[:60]!r} is for what JSON has not{_line(event)}")


def _line(event: yaml.Event) -> str:
    mark = event.start_mark
    return "" if mark is None else f" at line {mark.line + 1}"
