"""A JSON Schema and an Arrow type, compiled to a node.

Since a column's type says which JSON type its values have, most keywords either become a kernel on
the column or drop out. What has no exact kernel becomes a question to the engine about the values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from llm_integrations.core.arrow.compile.dialects import Dialect
from llm_integrations.core.arrow.compile.kinds import Kind, kind_of, value_type
from llm_integrations.core.arrow.compile.null_policy import STRICT, NullRule
from llm_integrations.core.arrow.compile.schema_location import Place, Places
from llm_integrations.core.arrow.compile.subschema_validators import Questions
from llm_integrations.core.arrow.explanation import How, Note
from llm_integrations.core.arrow.kernels.fallback_nodes import Ask, Asked
from llm_integrations.core.arrow.kernels.jsontext import JsonText
from llm_integrations.core.arrow.kernels.nested import Encoded
from llm_integrations.core.arrow.kernels.nodes import (
    ALWAYS,
    NEVER,
    Constant,
    Node,
    Nullable,
    all_of,
)
from llm_integrations.core.arrow.pyarrow_modules import pa, types
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.jsonschema.pointer import to_pointer

__all__ = ["Compiler", "Rule", "Spot", "WholeRows"]

_HEAVIEST: Final = 20_000
"""Nodes that one run may visit. References can multiply without end in a small schema."""

_BEYOND: Final = frozenset(["$dynamicRef", "$recursiveRef"])
_UNEVALUATED: Final = {
    Kind.ARRAY: "unevaluatedItems",
    Kind.OBJECT: "unevaluatedProperties",
}


class WholeRows(Exception):
    """Internal: the verdict depends on more than one column's values. Says why."""


@dataclass(frozen=True)
class Spot:
    """A subschema that judges a part of the data.

    Attributes:
        place: the subschema.
        type: the Arrow type of the values.
        column: where the values are in a row, as a pointer with ``*`` for items.
        nulls: which null members of objects count as missing here.
        every: whether a row is valid only if this subschema accepts, so that it does not matter
            which part of it the engine looks at first.
    """

    place: Place
    type: Any
    nulls: NullRule
    column: str = ""
    every: bool = True

    @property
    def schema(self) -> Mapping[str, Any]:
        return self.place.schema if isinstance(self.place.schema, dict) else {}

    @property
    def kind(self) -> Kind:
        return kind_of(self.type)

    def at(self, *steps: str | int, every: bool | None = None) -> Spot:
        """A subschema further down, on the same values."""
        below = self.place.below(*steps)
        return replace(self, place=below, every=self.every if every is None else every)

    def member(self, name: str, member_type: Any, *steps: str | int) -> Spot:
        """A subschema further down, on a member of the objects."""
        below = self.place.below(*steps)
        column = f"{self.column}{to_pointer([name])}"
        return replace(
            self, place=below, type=member_type, column=column, nulls=self.nulls.member(name)
        )

    def items(self, position: int, *steps: str | int) -> Spot:
        """A subschema further down, on the lists' items from a position on."""
        below = self.place.below(*steps)
        return replace(
            self,
            place=below,
            type=value_type(self.type).value_type,
            column=f"{self.column}/*",
            nulls=self.nulls.item(position),
        )


Rule = Callable[["Compiler", Spot], Iterable[Node]]
"""Compiles what one group of keywords says about values of one kind."""


@dataclass
class Compiler:
    """Compiles one schema for columns of any type.

    Attributes:
        places: the schema and those that it refers to.
        options: how to judge.
        questions: the engine.
        rules: for each kind of value, what compiles the keywords that concern it.
        notes: what was decided on the way.
    """

    places: Places
    options: ValidationOptions
    questions: Questions
    rules: Mapping[Kind, tuple[Rule, ...]]
    notes: dict[Note, None] = field(default_factory=dict)
    _open: set[tuple[Any, ...]] = field(default_factory=set)
    _done: dict[tuple[Any, ...], Node] = field(default_factory=dict)

    @property
    def dialect(self) -> Dialect:
        return self.places.dialect

    def cells(self, spot: Spot, *, null_is_valid: bool | None = None) -> Node:
        """Judges every element, nulls included.

        Args:
            null_is_valid: the verdict on null where it is not the subschema's own.
        """
        if null_is_valid is None:
            null_is_valid = self.admits_null(spot.place)
        if spot.kind is Kind.NULL:
            return Constant(null_is_valid)
        if isinstance(spot.type, JsonText):
            return self._json_text(spot, null_is_valid=null_is_valid)
        node = Nullable(self.values(spot), null_is_valid)
        if types.is_dictionary(spot.type):
            # Null may stand in the dictionary as well as among the indices.
            node = Nullable(Encoded(node), null_is_valid)
        return ALWAYS if null_is_valid and node.node == ALWAYS else node

    def _json_text(self, spot: Spot, *, null_is_valid: bool) -> Node:
        if not self.dialect.keywords.intersection(spot.schema) and spot.place.schema is not False:
            return ALWAYS
        self.note(spot, "", "by distinct value", "it is JSON text")
        ask, take = self.questions.about(spot.place), spot.nulls.taken or _unchanged

        def judge(value: Any) -> bool:
            return null_is_valid if value is None else ask(take(value))

        return Nullable(Asked(judge), null_is_valid)

    def admits_null(self, place: Place) -> bool:
        node = self.values(Spot(place, pa.null(), STRICT))
        return node.verdict if isinstance(node, Constant) else self.questions.about(place)(None)

    def values(self, spot: Spot) -> Node:
        """Judges the elements that are not null."""
        if isinstance(spot.place.schema, bool):
            return ALWAYS if spot.place.schema else NEVER
        key = (spot.place, str(value_type(spot.type)), spot.nulls, spot.column, spot.every)
        if key not in self._done:
            self._done[key] = self._compile(spot, key)
        return self._done[key]

    def note(self, spot: Spot, keyword: str, how: How, why: str = "") -> None:
        if spot.type != pa.null():
            path = f"{spot.place.pointer}/{keyword}" if keyword else spot.place.pointer
            self.notes[Note(spot.column, keyword, path, how, why)] = None

    def ask_all(self, spot: Spot, why: str) -> Node:
        """Leave a subschema to the engine."""
        self._check_order(spot, why)
        for keyword in sorted(self.dialect.keywords.intersection(spot.schema)):
            self.note(spot, keyword, _asking(spot.type), why)
        if spot.kind is Kind.OTHER:
            return self._asked(spot, self.questions.about_member(spot.place))
        return self._asked(spot, self.questions.about(spot.place))

    def ask(self, spot: Spot, *keywords: str, why: str) -> Node:
        """Leave keywords that hold no subschema to the engine."""
        self._check_order(spot, why)
        self.note(spot, keywords[0], _asking(spot.type), why)
        schema = {word: spot.schema[word] for word in keywords}
        return self._asked(spot, self.questions.about_keywords(schema))

    def _check_order(self, spot: Spot, why: str) -> None:
        """The engine stops at what has no JSON form, and what it looks at first may decide."""
        if not spot.every and _may_be_no_json(spot.type):
            raise WholeRows(f"{why}, on values that may have no JSON form")

    def _asked(self, spot: Spot, ask: Ask) -> Node:
        take = spot.nulls.taken if types.is_nested(value_type(spot.type)) else None
        return Asked(ask if take is None else lambda value: ask(take(value)))

    def _compile(self, spot: Spot, key: tuple[Any, ...]) -> Node:
        why = self._beyond_us(spot)
        if why is not None:
            return self.ask_all(spot, why)
        if key in self._open:
            return self.ask_all(spot, "it refers to itself")
        self._open.add(key)
        try:
            node = all_of(self._parts(spot))
        finally:
            self._open.discard(key)
        if node.weight > _HEAVIEST:
            return self.ask_all(spot, "its references multiply without end")
        return node

    def _beyond_us(self, spot: Spot) -> str | None:
        words = self.dialect.keywords.intersection(spot.schema)
        if not words:
            return None
        if self.places.moves_base(spot.place):
            return "it is a schema of its own within the schema"
        if "$ref" in words and self.dialect.ref_alone:
            return None
        if spot.kind is Kind.OTHER:
            return f"{spot.type} has no JSON type"
        beyond = sorted(words & (_BEYOND | {_UNEVALUATED.get(spot.kind, "$dynamicRef")}))
        return f"{beyond[0]} has no kernel" if beyond else None

    def _parts(self, spot: Spot) -> Iterable[Node]:
        if "$ref" in spot.schema:
            yield self._reference(spot)
            if self.dialect.ref_alone:
                return
        for rule in self.rules[spot.kind]:
            yield from rule(self, spot)

    def _reference(self, spot: Spot) -> Node:
        target = self.places.follow(spot.place, spot.schema["$ref"])
        if target is None:
            return self.ask_all(spot, "the reference is not a name with a JSON Pointer")
        self.note(spot, "$ref", "vectorised")
        return self.values(replace(spot, place=target))


def _unchanged(value: Any) -> Any:
    return value


def _asking(arrow_type: Any) -> How:
    return "by value" if types.is_nested(value_type(arrow_type)) else "by distinct value"


def _may_be_no_json(arrow_type: Any) -> bool:
    """Whether Python may get something that the engine refuses to look at, as raw bytes."""
    plain = value_type(arrow_type)
    if types.is_map(plain):
        return _may_be_no_json(plain.key_type) or _may_be_no_json(plain.item_type)
    match kind_of(plain):
        case Kind.ARRAY:
            return _may_be_no_json(plain.value_type)
        case Kind.OBJECT:
            return any(_may_be_no_json(part.type) for part in plain)
        case Kind.OTHER:
            return not (types.is_decimal(plain) or types.is_temporal(plain))
        case _:
            return False
