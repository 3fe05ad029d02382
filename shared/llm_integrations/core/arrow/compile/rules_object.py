"""Keywords that concern objects. Which members a struct may have is known from its type."""

from __future__ import annotations

from collections.abc import Iterator

from llm_integrations.core.arrow.compile.compiler import Compiler, Spot
from llm_integrations.core.arrow.compile.kinds import Kind
from llm_integrations.core.arrow.compile.rules_map import describing, has_key
from llm_integrations.core.arrow.kernels.jsontext import JsonText
from llm_integrations.core.arrow.kernels.nested import Encoded, Member, MemberCount
from llm_integrations.core.arrow.kernels.nodes import (
    ALWAYS,
    NEVER,
    REFUSED,
    Node,
    Nullable,
    all_of,
    any_of,
    not_,
)
from llm_integrations.core.arrow.pyarrow_modules import types
from llm_integrations.core.jsonschema.pointer import to_pointer

__all__ = ["dependent", "described", "numbered", "required"]


def _there(compiler: Compiler, spot: Spot, name: str) -> Node:
    """Whether an object has this member."""
    if spot.kind is Kind.MAP:
        return has_key(spot, name)
    index, member_type = spot.of.members.get(name, (None, None))
    if index is None:
        return REFUSED
    if not spot.nulls.drops(name):
        return ALWAYS
    node: Node = Nullable(ALWAYS, null_is_valid=False)
    if isinstance(member_type, JsonText):
        column = f"{spot.column}{to_pointer([name])}"
        there = compiler.texts[column].node(lambda _: True, null_is_valid=False)
        node = Nullable(there, null_is_valid=False)
    if types.is_dictionary(member_type):
        node = Nullable(Encoded(node), null_is_valid=False)
    return Member(index, node)


def required(compiler: Compiler, spot: Spot) -> Iterator[Node]:
    """required."""
    names = spot.schema.get("required")
    if names:
        missing = sorted(set(names) - set(spot.of.members))
        if missing:
            compiler.note(spot, "required", "decided", f"there is no column {missing[0]!r}")
        else:
            compiler.note(spot, "required", "vectorised")
        yield all_of(_there(compiler, spot, name) for name in names)


def described(compiler: Compiler, spot: Spot) -> Iterator[Node]:
    """properties, patternProperties, additionalProperties and propertyNames."""
    for name in spot.of.members:
        for steps in describing(compiler, spot, name):
            yield _member(compiler, spot, name, steps)
    for word in ("properties", "patternProperties", "additionalProperties"):
        if word in spot.schema:
            compiler.note(spot, word, "vectorised")
    if "propertyNames" in compiler.keywords(spot):
        compiler.note(spot, "propertyNames", "decided", "a column's name is known")
        fits = compiler.validators.at(spot.location.below("propertyNames"))
        unfit = [name for name in spot.of.members if not fits(name)]
        yield all_of(not_(_there(compiler, spot, name)) for name in unfit)


def _member(compiler: Compiler, spot: Spot, name: str, steps: tuple[str, ...]) -> Node:
    index, member_type = spot.of.members[name]
    below = spot.member(name, member_type, *steps)
    dropped = spot.nulls.drops(name)
    node = compiler.cells(below, null_is_valid=True if dropped else None)
    return ALWAYS if node == ALWAYS else Member(index, node)


def numbered(compiler: Compiler, spot: Spot) -> Iterator[Node]:
    """minProperties and maxProperties."""
    low, high = spot.schema.get("minProperties"), spot.schema.get("maxProperties")
    if low is None and high is None:
        return
    for word, limit in (("minProperties", low), ("maxProperties", high)):
        if limit is not None:
            compiler.note(spot, word, "vectorised")
    there = [_there(compiler, spot, name) for name in spot.of.members]
    unsure = [node for node in there if node != ALWAYS]
    count = len(there) - len(unsure)
    yield MemberCount(unsure, count, int(low or 0), None if high is None else int(high))


def dependent(compiler: Compiler, spot: Spot) -> Iterator[Node]:
    """dependentRequired, dependentSchemas and dependencies."""
    for word in ("dependentRequired", "dependentSchemas", "dependencies"):
        if word in compiler.keywords(spot):
            compiler.note(spot, word, "vectorised")
            for name in spot.schema[word]:
                yield _depends(compiler, spot, word, name)


def _depends(compiler: Compiler, spot: Spot, word: str, name: str) -> Node:
    there = _there(compiler, spot, name)
    if there == NEVER:
        return ALWAYS
    needed = spot.schema[word][name]
    if isinstance(needed, list):
        follows = all_of(_there(compiler, spot, other) for other in needed)
    else:
        follows = compiler.values(spot.at(word, name, every=spot.every and there == ALWAYS))
    return any_of((not_(there), follows))
