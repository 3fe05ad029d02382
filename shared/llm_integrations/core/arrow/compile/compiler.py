"""A JSON Schema and an Arrow type, compiled to a node.

Since a column's type says which JSON type its values have, most keywords either become a kernel on
the column or drop out. What has no exact kernel becomes a node that calls the row-wise engine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from llm_integrations.core.arrow.compile.explanation import How, Note
from llm_integrations.core.arrow.compile.kinds import ColumnType, Kind, kind_of, value_type
from llm_integrations.core.arrow.compile.null_policy import STRICT, NullPolicy
from llm_integrations.core.arrow.compile.subschema_validators import SubschemaValidators
from llm_integrations.core.arrow.compile.whole_rows import WholeRows
from llm_integrations.core.arrow.kernels.fallback_nodes import Accepts, FallbackNode, Unless
from llm_integrations.core.arrow.kernels.jsontext import JsonText, JsonTexts
from llm_integrations.core.arrow.kernels.nested import Encoded
from llm_integrations.core.arrow.kernels.nodes import (
    ALWAYS,
    REFUSED,
    Constant,
    Node,
    Nullable,
    all_of,
)
from llm_integrations.core.arrow.kernels.temporal import ordinary_times, sample_of
from llm_integrations.core.arrow.pyarrow_modules import pa, types
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.jsonschema.drafts import Draft
from llm_integrations.core.jsonschema.location import SchemaLocation
from llm_integrations.core.jsonschema.pointer import to_pointer

__all__ = ["Compiler", "Rule", "Spot"]

_HEAVIEST: Final = 20_000
"""Nodes that one run may visit. References can multiply without end in a small schema."""

_DEEPEST: Final = 50
"""Subschemas within each other, and members of structs: each takes Python about ten calls."""

_COMPANIONS: Final = frozenset(["then", "else", "minContains", "maxContains"])
"""Keywords that another one reads."""

_NULL: Final = ColumnType(pa.null())
"""Of no column: to learn what a subschema says about null."""

_UNNAMED: Final = "\x00any other name"
"""A property that no schema declares, to learn what holds of those."""

_OF_TIMES: Final = frozenset(["type", "format"])
_FORMATS_OF_TIMES: Final = frozenset([None, "date", "date-time", "time"])
"""Keywords that say the same of all times of one type."""

_BEYOND: Final = frozenset(["$dynamicRef", "$recursiveRef"])
_UNEVALUATED: Final = {
    Kind.ARRAY: "unevaluatedItems",
    Kind.OBJECT: "unevaluatedProperties",
    Kind.MAP: "unevaluatedProperties",
}


@dataclass(frozen=True)
class Spot:
    """A subschema that judges a part of the data.

    Attributes:
        location: the subschema.
        of: the Arrow type of the values.
        column: where the values are in a row, as a pointer with ``*`` for items.
        nulls: which null members of objects count as missing here.
        every: whether a row is valid only if this subschema accepts, so that it does not matter
            which part of it the engine looks at first.
    """

    location: SchemaLocation
    of: ColumnType
    nulls: NullPolicy
    column: str = ""
    every: bool = True

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        return self.location.schema if isinstance(self.location.schema, dict) else {}

    @property
    def type(self) -> Any:
        return self.of.arrow

    @property
    def kind(self) -> Kind:
        return self.of.kind

    def at(self, *steps: str | int, every: bool | None = None) -> Spot:
        """A subschema further down, on the same values."""
        below = self.location.below(*steps)
        return replace(self, location=below, every=self.every if every is None else every)

    def member(self, name: str, member_type: Any, *steps: str | int) -> Spot:
        """A subschema further down, on a member of the objects."""
        below = self.location.below(*steps)
        column = f"{self.column}{to_pointer([name])}"
        nulls = self.nulls.member(name)
        return replace(self, location=below, of=ColumnType(member_type), column=column, nulls=nulls)

    def entries(self, *steps: str | int) -> Spot:
        """A subschema further down, on the values of a map under keys that no keyword names."""
        item = value_type(self.type).item_type
        return replace(self.member(_UNNAMED, item, *steps), column=f"{self.column}/*")

    def items(self, position: int, *steps: str | int) -> Spot:
        """A subschema further down, on the lists' items from a position on."""
        return replace(
            self,
            location=self.location.below(*steps),
            of=ColumnType(value_type(self.type).value_type),
            column=f"{self.column}/*",
            nulls=self.nulls.item(position),
        )


Rule = Callable[["Compiler", Spot], Iterable[Node]]
"""Compiles what one group of keywords says about values of one kind."""


@dataclass
class Compiler:
    """Compiles one schema for columns of any type.

    Attributes:
        documents: the schema and those that it refers to.
        options: how to judge.
        validators: the row-wise engine, for parts of the schema.
        rules: for each kind of value, what compiles the keywords that concern it.
        texts: by column, what judges JSON text there.
        notes: what was decided on the way.
        draft: the draft of the schema itself.
    """

    documents: Documents
    options: ValidationOptions
    validators: SubschemaValidators
    rules: Mapping[Kind, tuple[Rule, ...]]
    texts: defaultdict[str, JsonTexts]
    notes: dict[Note, None] = field(default_factory=dict)
    draft: Draft = field(init=False, repr=False)
    _keywords: frozenset[str] = field(init=False, repr=False)
    _open: set[tuple[Any, ...]] = field(default_factory=set)
    _done: dict[tuple[Any, ...], Node] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.draft = self.documents.top.draft
        self._keywords = self.draft.keywords - _COMPANIONS

    def keywords(self, spot: Spot) -> frozenset[str]:
        """The keywords that have an effect here, each with its companions."""
        return self._keywords.intersection(spot.schema)

    def cells(self, spot: Spot, *, null_is_valid: bool | None = None) -> Node:
        """Judges every element, nulls included.

        Args:
            null_is_valid: the verdict on null where it is not the subschema's own.
        """
        if null_is_valid is None:
            null_is_valid = self.admits_null(spot.location)
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
        if not self.keywords(spot) and spot.location.schema is not False:
            return ALWAYS
        self.note(spot, "", "by distinct value", "it is JSON text")
        node = self.texts[spot.column].node(
            self.validators.at(spot.location),
            null_is_valid=null_is_valid,
            drop_nulls=spot.nulls.drop_nulls,
        )
        return Nullable(node, null_is_valid)

    def admits_null(self, location: SchemaLocation) -> bool:
        node = self.values(Spot(location, _NULL, STRICT))
        return node.verdict if isinstance(node, Constant) else self.validators.at(location)(None)

    def values(self, spot: Spot) -> Node:
        """Judges the elements that are not null."""
        if isinstance(spot.location.schema, bool):
            return ALWAYS if spot.location.schema else REFUSED
        key = (spot.location, spot.of.name, spot.nulls, spot.column, spot.every)
        if key not in self._done:
            self._done[key] = self._compile(spot, key)
        return self._done[key]

    def note(self, spot: Spot, keyword: str, how: How, why: str = "") -> None:
        if spot.kind is not Kind.NULL:
            path = f"{spot.location.pointer}/{keyword}" if keyword else spot.location.pointer
            self.notes[Note(spot.column, keyword, path, how, why)] = None

    def fall_back(self, spot: Spot, why: str) -> Node:
        """Leave a subschema to the engine."""
        self._check_order(spot, why)
        for keyword in sorted(self.keywords(spot)):
            self.note(spot, keyword, _how_often(spot.type), why)
        if spot.kind is Kind.OTHER:
            accepts = self.validators.at_member(spot.location)
            return self._of_time(spot, accepts) or self._fallback(spot, accepts)
        return self._fallback(spot, self.validators.at(spot.location))

    def _of_time(self, spot: Spot, accepts: Accepts) -> Node | None:
        """The verdict on a date or time that stands for all ordinary ones; None where they may
        differ."""
        sample = sample_of(spot.type)
        if sample is None or self.keywords(spot) - _OF_TIMES:
            return None
        if spot.schema.get("format") not in _FORMATS_OF_TIMES:
            return None
        verdict = Constant(accepts(sample))
        return Unless(ordinary_times(spot.type), verdict, self._fallback(spot, accepts))

    def fall_back_on(self, spot: Spot, *keywords: str, why: str) -> Node:
        """Leave keywords that hold no subschema to the engine."""
        self._check_order(spot, why)
        self.note(spot, keywords[0], _how_often(spot.type), why)
        schema = {word: spot.schema[word] for word in keywords}
        return self._fallback(spot, self.validators.of_keywords(schema))

    def _check_order(self, spot: Spot, why: str) -> None:
        """The engine stops at what has no JSON form, and what it looks at first may decide."""
        if not spot.every and _may_be_no_json(spot.type):
            raise WholeRows(f"{why}, on values that may have no JSON form")

    def _fallback(self, spot: Spot, accepts: Accepts) -> Node:
        drop = spot.nulls.drop_nulls if types.is_nested(value_type(spot.type)) else None
        return FallbackNode(accepts if drop is None else lambda value: accepts(drop(value)))

    def _compile(self, spot: Spot, key: tuple[Any, ...]) -> Node:
        why = self._no_kernel(spot)
        if why is not None:
            return self.fall_back(spot, why)
        if key in self._open:
            return self.fall_back(spot, "it refers to itself")
        if len(self._open) >= _DEEPEST:
            return self.fall_back(spot, "it is nested too deep")
        self._open.add(key)
        try:
            node = all_of(self._parts(spot))
        finally:
            self._open.discard(key)
        if node.weight > _HEAVIEST:
            return self.fall_back(spot, "its references multiply without end")
        return node

    def _no_kernel(self, spot: Spot) -> str | None:
        """Why the whole subschema is left to the engine; None if it is not."""
        words = self.keywords(spot)
        if not words:
            return None
        if spot.location.has_own_identity:
            return "it is a schema of its own within the schema"
        if "$ref" in words and self.draft.ref_hides_siblings:
            return None
        if spot.kind is Kind.OTHER:
            return f"{spot.type} has no JSON type"
        beyond = sorted(words & (_BEYOND | {_UNEVALUATED.get(spot.kind, "$dynamicRef")}))
        return f"{beyond[0]} has no kernel" if beyond else None

    def _parts(self, spot: Spot) -> Iterable[Node]:
        if "$ref" in spot.schema:
            yield self._reference(spot)
            if self.draft.ref_hides_siblings:
                return
        for rule in self.rules[spot.kind]:
            yield from rule(self, spot)

    def _reference(self, spot: Spot) -> Node:
        target = self.documents.follow(spot.location)
        if target is None or not self._is_plain(spot.location, target):
            return self.fall_back(spot, "the reference is not a name with a JSON Pointer")
        self.note(spot, "$ref", "vectorised")
        return self.values(replace(spot, location=target))

    def _is_plain(self, origin: SchemaLocation, target: SchemaLocation) -> bool:
        """Whether a reference crosses no id and no draft, on which engines differ."""
        _, _, fragment = origin.schema["$ref"].partition("#")
        here, there = map(self.documents.top_of, (origin.document, target.document))
        if target.draft is not self.draft or target.base != there.base:
            return False
        if here != there and here.own_id is not None:
            return False
        return not fragment or fragment.startswith("/")


def _how_often(arrow_type: Any) -> How:
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
