"""Random JSON Schemas, Arrow types and data, for comparing columns with rows.

Schemas are drawn for the data they will judge, so that most keywords meet values on both sides of
what they say.
"""

from __future__ import annotations

import json
import random
import struct
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

__all__ = ["DRAFTS", "Case", "is_readable", "random_case"]

DRAFTS: Final = (
    "http://json-schema.org/draft-04/schema#",
    "http://json-schema.org/draft-06/schema#",
    "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
)

_JSON: Final = "arrow.json"
NAMES: Final = ("a", "b", "c", "d~/e", "id", "x1")
TEXTS: Final = (
    "",
    "a",
    "ab",
    "abc",
    "Ab1",
    "aa",
    "a b",
    "é",
    "日本語",
    "a\n",
    "\n",
    "\u2028",
    "😀😀",
    "2024-02-29",
    "2023-02-29",
    "2024-01-31T10:20:30Z",
    "10:20:30Z",
    "user@example.com",
    "1.2.3.4",
    "01.2.3.4",
    "123e4567-e89b-12d3-a456-426614174000",
    "https://example.com/a.txt",
    "example.com",
    "deadbeef",
    "DEADBEEF",
    "A-1",
    "AB-12",
    "x" * 20,
    "0",
    "_",
    "\x00",
    "$",
    "a.b",
)
PATTERNS: Final = (
    "^[0-9a-f]{8}$",
    "^[a-z]+$",
    "^[a-z]*$",
    "^[A-Z]{1,2}-[0-9]+$",
    "^[A-Za-z_][A-Za-z0-9_]{0,3}$",
    "^\\d{4}-\\d{2}-\\d{2}$",
    "^.$",
    ".",
    "^$",
    "a",
    "[^a]",
    "^[^a]+$",
    "^(a|b)+$",
    "(?:ab)?c$",
    "\\w",
    "\\W",
    "^\\D*$",
    "\\d",
    "a{2}",
    "^a.?b",
    "\\s",
    "\\bab",
    "\\p{L}",
    "é",
    "^[a-zé]+$",
    "\\.",
    "^[^\\n]*$",
    "^ab$",
    "(a)(b)?",
    "^[\\w.-]+$",
    "x{3,}",
    "^\\$$",
)
FORMATS: Final = (
    "date",
    "date-time",
    "time",
    "email",
    "ipv4",
    "ipv6",
    "uuid",
    "uri",
    "hostname",
    "regex",
    "json-pointer",
    "duration",
    "no-such-format",
)
INTEGERS: Final = (0, 1, -1, 2, 3, 5, 7, 10, 100, 127, -128, 255, 256, 1000, 2**31 - 1, -(2**31))
GREAT: Final = (
    9223372036854774900,
    2**53 - 1,
    2**53,
    2**53 + 1,
    -(2**53) - 1,
    2**63 - 1,
    -(2**63),
    2**62,
)
FLOATS: Final = (
    0.0,
    -0.0,
    0.1,
    0.5,
    1.0,
    1.5,
    -2.25,
    0.3,
    0.30000000000000004,
    3.0,
    7.7,
    100.0,
    1e15,
    1e16,
    123456789.12,
    1e300,
    -1e300,
    5e-324,
    2.0**53,
    2.0**63,
    9.223372036854775e18,
)
ODD_FLOATS: Final = (float("nan"), float("inf"), float("-inf"))

_OPTIONS: Final = (None, True, False, 0, 1, 1.0, "a", "", 2.0**53, 2**53 + 1, 1e16)
_STEPS: Final = (1, 2, 3, 7, 100, 0.5, 0.1, 0.01, 0.3, 2.0, 1.5, 1e-8, 0.123456789012345, 1e-7)


@dataclass(frozen=True)
class Case:
    """Attributes: the schema, those that it refers to by name, a table of any chunking, and its
    columns that hold JSON text."""

    schema: dict[str, Any] | bool
    resources: dict[str, Any]
    table: pa.Table
    json_columns: tuple[str, ...]

    def rows(self) -> list[dict[str, Any]]:
        """The rows as Python sees them, JSON text read. NotJson stands for what is none."""
        kinds = {field.name: field.type for field in self.table.schema}
        rows = [
            {name: _said(value, kinds[name]) for name, value in row.items()}
            for row in self.table.to_pylist(maps_as_pydicts="strict")
        ]
        for row in rows:
            for name in self.json_columns:
                row[name] = None if row[name] is None else _read(row[name])
        return rows


class NotJson:
    """Text that is no JSON makes its row invalid, whatever the schema."""


def is_readable(value: Any) -> bool:
    """Whether all text that should be JSON is."""
    if isinstance(value, dict):
        return all(map(is_readable, value.values()))
    if isinstance(value, list):
        return all(map(is_readable, value))
    return not isinstance(value, NotJson)


def _said(value: Any, kind: Any) -> Any:
    """The value with what JSON text in it says, where the type tells that it is some."""
    if value is None or _JSON not in str(kind):
        return value
    if isinstance(kind, pa.JsonType):
        return _read(value)
    if pa.types.is_struct(kind):
        return {field.name: _said(value[field.name], field.type) for field in kind}
    return [_said(item, kind.value_type) for item in value]


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return NotJson()


def random_case(seed: int) -> Case:
    """The same case for the same seed, in every process."""
    for attempt in range(_ATTEMPTS):
        try:
            return _Drawing(random.Random(seed + attempt * _APART)).case()
        except pa.ArrowInvalid:  # pyarrow makes arrays that it refuses, of lists of maps in structs
            continue
    raise AssertionError(f"no table comes of {seed}")


_ATTEMPTS: Final = 5
_APART: Final = 10**9


class _Drawing:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.draft = rng.choice(DRAFTS)
        self.null_share = rng.choice((0.0, 0.0, 0.1, 0.4))
        self.odd_share = rng.choice((0.0, 0.0, 0.0, 0.05))
        self.definitions: dict[str, Any] = {}
        self.named: dict[str, Any] = {}
        self.pools: dict[str, list[Any]] = {}

    # -- data -------------------------------------------------------------------------------

    def case(self) -> Case:
        rng = self.rng
        rows = rng.choice((0, 1, 7, 40, 40, 90))
        names = rng.sample(NAMES, rng.randint(1, 4))
        kinds = {name: self.column_type(2) for name in names}
        columns = {name: self.column(kind, rows) for name, kind in kinds.items()}
        json_columns = tuple(name for name in names if rng.random() < 0.05)
        for name in json_columns:
            columns[name] = self.as_json(columns[name])
        for name in names:
            if rng.random() < 0.15 and name not in json_columns:
                columns[name] = self.with_json(columns[name])
        schema = self.row_schema(pa.struct(list(kinds.items())))
        table = self.rechunked(pa.table(columns))
        return Case(self.dressed(schema), self.named, table, json_columns)

    def as_json(self, column: Any) -> Any:
        """The values as JSON text, some of it broken."""
        texts = [self.json_text(value) for value in column.to_pylist()]
        return pa.array(texts, self.rng.choice((pa.string(), pa.large_string())))

    def json_text(self, value: Any) -> str | None:
        if value is None and self.rng.random() < 0.5:
            return None
        return json.dumps(value, default=str)[: None if self.rng.random() < 0.97 else -1]

    def with_json(self, column: Any) -> Any:
        """The values with some parts of lists and structs as JSON text, typed as such."""
        kind = self.jsonised(column.type)
        if _JSON not in str(kind):
            return column
        values = [self.dumped(value, kind) for value in column.to_pylist()]
        return pa.array(values, _stored(kind)).cast(kind)

    def jsonised(self, kind: Any) -> Any:
        """The type with some of its parts as JSON."""
        if pa.types.is_struct(kind):
            return pa.struct([field.with_type(self.json_part(field.type)) for field in kind])
        if pa.types.is_list(kind):
            return pa.list_(self.json_part(kind.value_type))
        if pa.types.is_large_list(kind):
            return pa.large_list(self.json_part(kind.value_type))
        return kind

    def json_part(self, kind: Any) -> Any:
        return pa.json_() if self.rng.random() < 0.5 else self.jsonised(kind)

    def dumped(self, value: Any, kind: Any) -> Any:
        if isinstance(kind, pa.JsonType):
            return self.json_text(value)
        if value is None or _JSON not in str(kind):
            return value
        if pa.types.is_struct(kind):
            return {field.name: self.dumped(value[field.name], field.type) for field in kind}
        return [self.dumped(item, kind.value_type) for item in value]

    def column(self, kind: Any, rows: int) -> Any:
        return self.array([self.value(kind) for _ in range(rows)], kind)

    def array(self, values: list[Any], kind: Any) -> Any:
        """As ``pa.array``, with rubbish under the nulls of structs and lists."""
        if pa.types.is_dictionary(kind):
            encoded = pa.array(values, kind.value_type).dictionary_encode()
            return pa.DictionaryArray.from_arrays(
                encoded.indices.cast(pa.int8()), encoded.dictionary
            )
        if pa.types.is_struct(kind) and len(values):
            return self.structs(values, kind)
        if (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and len(values):
            return self.lists(values, kind)
        return pa.array(values, kind)

    def structs(self, values: list[Any], kind: Any) -> Any:
        members = [
            self.array(
                [self.value(f.type) if value is None else value[f.name] for value in values], f.type
            )
            for f in kind
        ]
        missing = pa.array([value is None for value in values])
        return pa.StructArray.from_arrays(members, fields=list(kind), mask=missing)

    def lists(self, values: list[Any], kind: Any) -> Any:
        item = kind.value_type
        filled = [[self.value(item)] if value is None else value for value in values]
        ends = [0]
        for value in filled:
            ends.append(ends[-1] + len(value))
        items = self.array([part for value in filled for part in value], item)
        missing = pa.array([value is None for value in values])
        large = pa.types.is_large_list(kind)
        make = pa.LargeListArray if large else pa.ListArray
        offsets = pa.array(ends, pa.int64() if large else pa.int32())
        return make.from_arrays(offsets, items, mask=missing)

    def rechunked(self, table: pa.Table) -> pa.Table:
        """Slices with offsets, and several chunks: where kernels on buffers go wrong."""
        rng = self.rng
        if table.num_rows < 4 or rng.random() < 0.4:
            return table
        start = rng.randint(1, 3)
        table = table.slice(start, table.num_rows - start - rng.randint(0, 1))
        cut = rng.randint(0, table.num_rows)
        return pa.concat_tables([table.slice(0, cut), table.slice(cut)])

    def column_type(self, depth: int) -> Any:
        rng = self.rng
        draw = rng.random()
        if depth > 0 and draw < 0.16:
            return self.list_type(depth)
        if depth > 0 and draw < 0.32:
            return self.struct_type(depth)
        if draw < 0.38:
            return pa.dictionary(pa.int8(), rng.choice((pa.string(), pa.int64())))
        if draw < 0.46:
            return rng.choice(_RARE)
        return rng.choice(_COMMON)

    def list_type(self, depth: int) -> Any:
        within = depth - 1 if self.rng.random() < 0.6 else 1
        item = self.struct_type(1) if self.rng.random() < 0.3 else self.column_type(within)
        draw = self.rng.random()
        if draw < 0.65 or pa.types.is_dictionary(item) or pa.types.is_nested(item):
            return pa.list_(item)
        return pa.large_list(item) if draw < 0.85 else pa.list_(item, 2)

    def struct_type(self, depth: int) -> Any:
        if self.rng.random() < 0.3:
            key = self.rng.choice((pa.string(), pa.string(), pa.large_string()))
            return pa.map_(key, self.rng.choice((self.column_type(0), *_COMMON)))
        names = self.rng.sample(NAMES, self.rng.randint(1, 3))
        return pa.struct([(name, self.column_type(depth - 1)) for name in names])

    def value(self, kind: Any) -> Any:
        rng = self.rng
        if pa.types.is_null(kind) or rng.random() < self.null_share:
            return None
        if pa.types.is_dictionary(kind):
            return self.value(kind.value_type) if rng.random() < 0.97 else None
        if pa.types.is_struct(kind):
            return {field.name: self.value(field.type) for field in kind}
        if pa.types.is_fixed_size_list(kind):
            return [self.value(kind.value_type) for _ in range(kind.list_size)]
        if _is_list(kind):
            return [self.value(kind.value_type) for _ in range(rng.choice((0, 0, 1, 2, 3, 5)))]
        if pa.types.is_map(kind):
            keys = rng.sample((*NAMES, "é"), rng.choice((0, 1, 1, 2, 4)))
            return [(key, self.value(kind.item_type)) for key in keys]
        return self.scalar(kind)

    def scalar(self, kind: Any) -> Any:
        """Often one of a few values that the whole case uses, so that some columns agree wholly
        with what a schema says of them."""
        pool = self.pools.setdefault(str(kind), [])
        if not pool:
            wide = self.rng.random() < 0.3
            pool += [self.any_scalar(kind) for _ in range(40 if wide else self.rng.randint(1, 5))]
        return self.rng.choice(pool)

    def any_scalar(self, kind: Any) -> Any:
        rng = self.rng
        if pa.types.is_boolean(kind):
            return rng.random() < 0.5
        if pa.types.is_integer(kind):
            return self.integer(kind)
        if pa.types.is_floating(kind):
            return self.floating(kind)
        if _is_text(kind):
            return rng.choice(TEXTS)
        return rng.choice(_SCALARS[str(kind)])

    def integer(self, kind: Any) -> int:
        bits, signed = kind.bit_width, pa.types.is_signed_integer(kind)
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        pool = GREAT if self.rng.random() < 0.2 else INTEGERS
        drawn: int = self.rng.choice((*pool, low, high))
        return int(min(max(drawn, low), high))

    def floating(self, kind: Any) -> float:
        rng = self.rng
        if rng.random() < self.odd_share:
            return rng.choice(ODD_FLOATS)
        number = rng.choice(FLOATS) if rng.random() < 0.8 else round(rng.uniform(-5, 5), 2)
        if kind == pa.float16():
            return max(min(number, 60000.0), -60000.0)
        if kind == pa.float32():
            number = max(min(number, 3e38), -3e38)
            return float(struct.unpack("f", struct.pack("f", number))[0])
        return number

    # -- schemas ----------------------------------------------------------------------------

    def dressed(self, schema: Any) -> Any:
        """With ``$schema``, definitions and sometimes an ``$id``."""
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema and self.is_old:
            schema = {"allOf": [schema]}
        if self.definitions:
            schema = {**schema, self.heap: self.definitions}
        if self.rng.random() < 0.03:
            schema = {"id" if self.draft == DRAFTS[0] else "$id": "http://x.example/s", **schema}
        return {"$schema": self.draft, **schema}

    @property
    def heap(self) -> str:
        return "definitions" if self.is_old else "$defs"

    @property
    def is_old(self) -> bool:
        return self.draft in DRAFTS[:3]

    @property
    def has_const(self) -> bool:
        return self.draft != DRAFTS[0]

    def branched(self, kind: Any, depth: int) -> dict[str, Any]:
        """An object that only a branch requires something of: two ways to read a null."""
        rng = self.rng
        branches = []
        for _ in range(2):
            more = self.schema(kind, depth) if rng.random() < 0.5 else {}
            required = rng.sample(_names(kind), rng.randint(1, 2))
            branches.append({**(more if isinstance(more, dict) else {}), "required": required})
        rest = self.schema(kind, depth)
        word = rng.choice(("anyOf", "oneOf"))
        return {**(rest if isinstance(rest, dict) else {}), word: branches}

    def row_schema(self, row: Any) -> Any:
        """Mostly about one column alone, since many columns seldom leave a row valid."""
        if self.rng.random() < 0.45:
            return self.schema(row, 3)
        field = self.rng.choice(list(row))
        found: dict[str, Any] = {"properties": {field.name: self.schema(field.type, 3)}}
        if self.rng.random() < 0.3:
            found["required"] = [field.name]
        return found

    def schema(self, kind: Any, depth: int) -> Any:
        """For values of this type: keywords that concern it, some that do not, combinations."""
        rng = self.rng
        if rng.random() < 0.04 and self.has_const:
            return rng.choice((True, True, False))
        if depth > 0 and rng.random() < 0.08:
            return self.reference(kind, depth)
        found: dict[str, Any] = {}
        if rng.random() < 0.5:
            found["type"] = self.type_names(kind)
        if rng.random() < 0.12:
            self.enumerate(found, kind)
        for _ in range(rng.choice((0, 1, 1, 2))):
            found.update(self.keywords(kind if rng.random() < 0.92 else self.column_type(0), depth))
        if depth > 0 and rng.random() < 0.3:
            found.update(self.combination(kind, depth - 1))
        return found

    def type_names(self, kind: Any) -> Any:
        right = _json_types(kind)
        wrong = ["string", "integer", "number", "object", "array", "boolean", "null"]
        names = [self.rng.choice(right if self.rng.random() < 0.9 else wrong)]
        if self.rng.random() < 0.5:
            names.append("null")
        names = list(dict.fromkeys(names))
        return names[0] if len(names) == 1 and self.rng.random() < 0.7 else names

    def enumerate(self, found: dict[str, Any], kind: Any) -> None:
        options = [_json(_entries(self.value(kind), kind)) for _ in range(self.rng.randint(1, 4))]
        options += self.rng.sample(_OPTIONS, 2)
        options = [option for option in options if _is_json(option)]
        unique = [o for i, o in enumerate(options) if not any(_same(o, p) for p in options[:i])]
        if self.rng.random() < 0.3 and self.has_const:
            found["const"] = unique[0]
        else:
            found["enum"] = unique[: self.rng.randint(1, len(unique))]

    def reference(self, kind: Any, depth: int) -> dict[str, Any]:
        rng = self.rng
        if self.definitions and rng.random() < 0.3:
            name = rng.choice(list(self.definitions))
        else:
            name = rng.choice(("r", "s~t", "u/v", "w%")) + str(len(self.definitions))
            self.definitions[name] = {}
            self.definitions[name] = self.schema(kind, depth - 1)
        if rng.random() < 0.1 and "$ref" not in json.dumps(self.definitions[name]):
            return {"$ref": self.elsewhere(name)}
        escaped = name.replace("~", "~0").replace("/", "~1").replace("%", "%25")
        siblings = self.keywords(kind, 0) if rng.random() < 0.2 else {}
        return {"$ref": f"#/{self.heap}/{escaped}", **siblings}

    def elsewhere(self, name: str) -> str:
        """The definition moved into a schema of its own, which refers to it once more."""
        file = f"other-{len(self.named)}.json"
        self.named[file] = {
            "$schema": self.draft,
            "allOf": [{"$ref": f"#/{self.heap}/x"}],
            self.heap: {"x": self.definitions[name]},
        }
        return self.rng.choice((file, f"{file}#/{self.heap}/x", f"{file}#"))

    def combination(self, kind: Any, depth: int) -> dict[str, Any]:
        rng = self.rng
        draw = rng.choice(("allOf", "anyOf", "anyOf", "oneOf", "oneOf", "not", "if"))
        if _is_object(kind) and rng.random() < 0.3:
            return self.branched(kind, depth)
        if draw == "not":
            return {"not": self.schema(kind, depth)}
        if draw == "if":
            if self.draft in DRAFTS[:2]:
                return {}
            words = ("if", *rng.sample(("then", "else"), rng.randint(1, 2)))
            return {word: self.schema(kind, depth) for word in words}
        return {draw: [self.schema(kind, depth) for _ in range(rng.randint(1, 3))]}

    def keywords(self, kind: Any, depth: int) -> dict[str, Any]:
        kind = _decoded(kind)
        if _is_object(kind):
            return self.object_keywords(kind, depth)
        if _is_list(kind):
            return self.array_keywords(kind, depth)
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            return self.number_keywords()
        return self.text_keywords()

    def number_keywords(self) -> dict[str, Any]:
        rng = self.rng
        found: dict[str, Any] = {}
        for plain, exclusive in (
            ("minimum", "exclusiveMinimum"),
            ("maximum", "exclusiveMaximum"),
        ):
            draw = rng.random()
            if draw < 0.35:
                found[plain] = self.number()
                if self.draft == DRAFTS[0] and rng.random() < 0.4:
                    found[exclusive] = rng.random() < 0.7
            elif draw < 0.5 and self.draft != DRAFTS[0]:
                found[exclusive] = self.number()
        if rng.random() < 0.2:
            found["multipleOf"] = rng.choice(_STEPS)
        return found

    def number(self) -> int | float:
        """A bound: often one of the values that are there."""
        numbers = [n for pool in self.pools.values() for n in pool if _is_finite_number(n)]
        if numbers and self.rng.random() < 0.5:
            number: int | float = self.rng.choice(numbers)
            return number if self.rng.random() < 0.7 else float(number)
        pool = self.rng.choice((INTEGERS, INTEGERS, FLOATS, FLOATS, GREAT))
        return self.rng.choice(pool)

    def text_keywords(self) -> dict[str, Any]:
        rng = self.rng
        draw = rng.choice(("minLength", "maxLength", "both", "pattern", "pattern", "format"))
        if draw == "pattern":
            return {"pattern": rng.choice(PATTERNS)}
        if draw == "format":
            return {"format": rng.choice(FORMATS)}
        if draw == "both":
            low = rng.randint(0, 3)
            return {"minLength": low, "maxLength": low + rng.randint(0, 8)}
        return {draw: rng.choice((0, 1, 2, 3, 10))}

    def array_keywords(self, kind: Any, depth: int) -> dict[str, Any]:
        rng = self.rng
        item = kind.value_type
        draw = rng.choice(("size", "unique", "items", "items", "prefix", "contains", "unevaluated"))
        if draw == "size":
            return {rng.choice(("minItems", "maxItems")): rng.randint(0, 4)}
        if draw == "unique":
            return {"uniqueItems": rng.random() < 0.9}
        if draw == "items" or depth == 0:
            return {"items": self.schema(item, depth - 1) if depth else {"type": "string"}}
        if draw == "contains":
            return self.contains(item, depth)
        if draw == "unevaluated":
            known = {} if self.is_old else {"unevaluatedItems": self.schema(item, 0)}
            return known if rng.random() < 0.4 else {}
        return self.prefix(item, depth)

    def contains(self, item: Any, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {"contains": self.schema(item, depth - 1)}
        if self.rng.random() < 0.3:
            found["minContains"] = self.rng.randint(0, 2)
        if self.rng.random() < 0.3:
            found["maxContains"] = self.rng.randint(1, 3)
        return found

    def prefix(self, item: Any, depth: int) -> dict[str, Any]:
        rng = self.rng
        first = [self.schema(item, depth - 1) for _ in range(rng.randint(1, 2))]
        rest = self.schema(item, depth - 1)
        if rng.random() < 0.3 and self.has_const:
            rest = False
        if self.draft == DRAFTS[-1]:
            found = {"prefixItems": first, "items": rest}
        else:
            found = {"items": first, "additionalItems": rest if rest != {} else {"type": "null"}}
        if rng.random() < 0.3:
            found.popitem()
        return found

    def object_keywords(self, kind: Any, depth: int) -> dict[str, Any]:
        rng = self.rng
        if depth == 0:
            return {"required": [rng.choice(NAMES)]}
        found: dict[str, Any] = {}
        if rng.random() < 0.8:
            found["properties"] = self.properties(kind, depth)
        if rng.random() < 0.4:
            found["required"] = rng.sample(_names(kind), rng.randint(1, 2))
        if rng.random() < 0.2:
            found["additionalProperties"] = rng.choice(
                (True, False, False, self.schema(rng.choice(_fields(kind)).type, depth - 1))
            )
        if rng.random() < 0.35:
            found.update(self.rare_object_keyword(kind, depth))
        return found

    def properties(self, kind: Any, depth: int) -> dict[str, Any]:
        rng = self.rng
        chosen = [field for field in _fields(kind) if rng.random() < 0.75]
        found = {field.name: self.schema(field.type, depth - 1) for field in chosen}
        if rng.random() < 0.1:
            found[rng.choice(NAMES)] = self.schema(self.column_type(0), 0)
        return found

    def rare_object_keyword(self, kind: Any, depth: int) -> dict[str, Any]:
        rng = self.rng
        names = _names(kind)
        member = rng.choice(_fields(kind)).type
        choices: dict[str, Any] = {
            "minProperties": rng.randint(0, 3),
            "maxProperties": rng.randint(0, 4),
            "patternProperties": {rng.choice(("^a", "[bc]", "x")): self.schema(member, depth - 1)},
            "dependencies": {rng.choice(names): [rng.choice(names)]},
        }
        if self.has_const:
            choices["propertyNames"] = {"pattern": rng.choice(("^[a-z]$", "a", "."))}
        if not self.is_old:
            choices["dependentRequired"] = {rng.choice(names): [rng.choice(names)]}
            choices["dependentSchemas"] = {rng.choice(names): self.schema(kind, depth - 1)}
            choices["unevaluatedProperties"] = rng.random() < 0.3
        word = rng.choice(list(choices))
        return {word: choices[word]}


def _names(kind: Any) -> list[str]:
    return list(dict.fromkeys([*(field.name for field in _fields(kind)), "b", "zz"]))


def _fields(kind: Any) -> list[Any]:
    """The members of a struct; of a map, some of those that it may have."""
    if pa.types.is_map(kind):
        return [pa.field(name, kind.item_type) for name in NAMES[:3]]
    return list(kind)


def _is_object(kind: Any) -> bool:
    return bool(pa.types.is_struct(kind) or pa.types.is_map(kind))


_COMMON: Final = (
    pa.bool_(),
    pa.int64(),
    pa.int64(),
    pa.int32(),
    pa.int8(),
    pa.uint8(),
    pa.uint64(),
    pa.float64(),
    pa.float64(),
    pa.float32(),
    pa.string(),
    pa.string(),
    pa.string(),
    pa.large_string(),
    pa.string_view(),
)
_RARE: Final = (
    pa.null(),
    pa.float16(),
    pa.binary(),
    pa.date32(),
    pa.timestamp("us", "UTC"),
    pa.timestamp("ms"),
    pa.time64("us"),
    pa.duration("ms"),
    pa.decimal128(12, 2),
    pa.map_(pa.string(), pa.int64()),
    pa.map_(pa.string(), pa.float64()),
)
_SCALARS: Final[dict[str, tuple[Any, ...]]] = {
    "binary": (b"", b"a", b"\xff"),
    "date32[day]": (date(2024, 2, 29), date(1970, 1, 1)),
    "timestamp[us, tz=UTC]": (datetime(2024, 1, 2, 3, 4, 5, 6, UTC), datetime(1, 1, 1, tzinfo=UTC)),
    "timestamp[ms]": (datetime(2024, 1, 2, 3, 4, 5), datetime(1999, 12, 31)),  # noqa: DTZ001 - naive
    "time64[us]": (time(1, 2, 3), time(0, 0)),
    "duration[ms]": (timedelta(seconds=5), timedelta(days=-1)),
    "decimal128(12, 2)": (Decimal("1.00"), Decimal("0.50"), Decimal("-3.25"), Decimal(7)),
}


def _entries(value: Any, kind: Any) -> Any:
    return dict(value) if value is not None and pa.types.is_map(kind) else value


def _is_list(kind: Any) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _is_text(kind: Any) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _decoded(kind: Any) -> Any:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _stored(kind: Any) -> Any:
    """The type with JSON as the text that it is stored as."""
    if isinstance(kind, pa.JsonType):
        return pa.string()
    if _JSON not in str(kind):
        return kind
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_stored(field.type)) for field in kind])
    make = pa.large_list if pa.types.is_large_list(kind) else pa.list_
    return make(_stored(kind.value_type))


def _json_types(kind: Any) -> list[str]:
    kind = _decoded(kind)
    if pa.types.is_boolean(kind):
        return ["boolean"]
    if pa.types.is_integer(kind):
        return ["integer", "number"]
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return ["number", "number", "integer"]
    if _is_object(kind):
        return ["object"]
    if _is_list(kind):
        return ["array"]
    return ["null"] if pa.types.is_null(kind) else ["string"]


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return value


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_json, value.values()))
    if isinstance(value, list):
        return all(map(_is_json, value))
    if isinstance(value, float):
        return value - value == 0
    return value is None or isinstance(value, bool | int | str)


def _is_finite_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return value - value == 0


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and a == b
