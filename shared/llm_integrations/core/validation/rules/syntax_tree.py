"""A CEL expression as a tree, read from the form in which engines exchange it (cel.expr.Expr)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Node", "fields_of", "names_in", "read_tree"]

_CHECKED, _EXPRESSION = 2, 4  # where an Any holds its message, and that its expression
_CONST, _IDENT, _SELECT, _CALL, _LIST, _STRUCT, _LOOP = 3, 4, 5, 6, 7, 8, 9
_KINDS: Final = {
    _CONST: "const",
    _IDENT: "ident",
    _SELECT: "select",
    _CALL: "call",
    _LIST: "list",
    _STRUCT: "struct",
    _LOOP: "loop",
}


@dataclass(frozen=True, slots=True)
class Node:
    """One part of an expression.

    Attributes:
        kind: const, ident, select, call, list, struct or loop.
        name: of an ident, a selected field or a called function; the text of a constant.
        parts: what it is made of. A loop's: range, start, condition, step, result.
        variables: a loop's own: of its elements, and what it accumulates.
    """

    kind: str
    name: str = ""
    parts: tuple[Node, ...] = ()
    variables: tuple[str, ...] = ()


def read_tree(serialized: bytes) -> Node:
    """Raises ValueError for what is no expression."""
    try:
        checked = _last(serialized, _CHECKED)
        return _node(_last(checked, _EXPRESSION))
    except (KeyError, IndexError, TypeError, RecursionError) as error:
        raise ValueError("the engine's own form of it cannot be read") from error


def _node(data: bytes) -> Node:
    for number, value in _fields(data):
        if number in _KINDS:
            return _READERS[number](value)
    raise ValueError("an expression of no kind")


def _constant(data: bytes) -> Node:
    texts = [value for number, value in _fields(data) if number in (6, 7)]
    return Node("const", texts[0].decode("utf-8", "replace") if texts else "")


def _ident(data: bytes) -> Node:
    return Node("ident", _text(data, 1))


def _select(data: bytes) -> Node:
    return Node("select", _text(data, 2), (_node(_last(data, 1)),))


def _call(data: bytes) -> Node:
    # The target of a method (1) stands before its arguments (3), on the wire too.
    parts = tuple(_node(value) for number, value in _fields(data) if number in (1, 3))
    return Node("call", _text(data, 2), parts)


def _list(data: bytes) -> Node:
    return Node("list", parts=tuple(_node(value) for number, value in _fields(data) if number == 1))


def _struct(data: bytes) -> Node:
    entries = [value for number, value in _fields(data) if number == 2]
    inner = [value for entry in entries for number, value in _fields(entry) if number in (3, 4)]
    return Node("struct", parts=tuple(_node(value) for value in inner if isinstance(value, bytes)))


def _loop(data: bytes) -> Node:
    found = dict(_fields(data))
    if found.get(8):
        raise ValueError("a loop over keys and values at once")
    variables = (found[1].decode(), found[3].decode())
    return Node("loop", "", tuple(_node(found[part]) for part in (2, 4, 5, 6, 7)), variables)


_READERS: Final = {
    _CONST: _constant,
    _IDENT: _ident,
    _SELECT: _select,
    _CALL: _call,
    _LIST: _list,
    _STRUCT: _struct,
    _LOOP: _loop,
}


def _text(data: bytes, wanted: int) -> str:
    return str(_last(data, wanted).decode())


def _last(data: bytes, wanted: int) -> Any:
    return dict(_fields(data))[wanted]


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The numbered fields of a message in protobuf's wire format."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError("a field of an unknown kind")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def names_in(node: Node) -> set[str]:
    """All identifiers."""
    own = {node.name} if node.kind == "ident" else set()
    return own.union(*map(names_in, node.parts))


def fields_of(node: Node, variable: str) -> frozenset[str] | None:
    """Which of a variable's fields an expression looks at; None if at all of it."""
    if node.kind == "ident":
        return None if node.name == variable else frozenset()
    if node.kind == "loop" and variable in node.variables:
        return None
    if node.parts and node.parts[0] == Node("ident", variable):
        if node.kind == "select":
            return frozenset({node.name})
        if node.name == "_[_]" and node.parts[1].kind == "const" and node.parts[1].name:
            return frozenset({node.parts[1].name})
    found: frozenset[str] = frozenset()
    for part in node.parts:
        inside = fields_of(part, variable)
        if inside is None:
            return None
        found |= inside
    return found
