"""Each keyword on columns: the verdict of the rows, and by kernels where there is one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from tests.support.arrow import BOTH, column, hows, judged

DRAFT_4 = "http://json-schema.org/draft-04/schema#"
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
DRAFT_2019 = "https://json-schema.org/draft/2019-09/schema"

STRUCT = pa.struct([("a", pa.int64()), ("b", pa.string())])
OBJECTS = [{"a": 1, "b": "x"}, {"a": -1, "b": None}, {"a": None, "b": "y"}, {"a": None, "b": None}]


@pytest.mark.parametrize(
    ("schema", "kind", "values", "expected"),
    [
        ({"type": "integer"}, pa.int64(), [1, 2], [True, True]),
        ({"type": "number"}, pa.int64(), [1], [True]),
        ({"type": "string"}, pa.int64(), [1], [False]),
        ({"type": "integer"}, pa.float64(), [1.0, 1.5, -0.0, 1e300], [True, False, True, True]),
        ({"type": ["integer", "string"]}, pa.float32(), [2.0, 2.5], [True, False]),
        ({"type": "number"}, pa.float64(), [1.5], [True]),
        ({"type": "boolean"}, pa.bool_(), [True], [True]),
        ({"type": ["string", "null"]}, pa.string(), ["a", None], [True, True]),
        ({"type": "string"}, pa.string(), ["a", None], [True, False]),
        ({"type": "null"}, pa.null(), [None], [True]),
        ({"type": "array"}, pa.list_(pa.int64()), [[], [1]], [True, True]),
        ({"type": "object"}, STRUCT, [{"a": 1, "b": "x"}], [True]),
        ({"minimum": 2}, pa.int32(), [1, 2, 3], [False, True, True]),
        ({"exclusiveMinimum": 2}, pa.int32(), [1, 2, 3], [False, False, True]),
        ({"maximum": 2.5}, pa.int8(), [2, 3], [True, False]),
        ({"exclusiveMaximum": 2}, pa.float64(), [1.9, 2.0], [True, False]),
        (
            {"minimum": 1, "maximum": 2},
            pa.float64(),
            [0.5, 1.0, 2.0, 2.5],
            [False, True, True, False],
        ),
        ({"minimum": 1, "exclusiveMinimum": 1}, pa.int64(), [1, 2], [False, True]),
        ({"minimum": -1000}, pa.int8(), [-128, 127], [True, True]),
        ({"minimum": 1000}, pa.int8(), [-128, 127], [False, False]),
        ({"minimum": 5, "maximum": 1}, pa.int8(), [3], [False]),
        ({"multipleOf": 3}, pa.int64(), [0, 3, 4, -6], [True, True, False, True]),
        ({"multipleOf": 1.5}, pa.int64(), [3, 4], [True, False]),
        ({"multipleOf": 0.5}, pa.int64(), [3, 4], [True, True]),
        ({"multipleOf": 300}, pa.int8(), [0, 100], [True, False]),
        ({"multipleOf": 128}, pa.int8(), [0, -128, 100], [True, True, False]),
        ({"minLength": 2}, pa.string(), ["é", "éé", "ab", ""], [False, True, True, False]),
        ({"maxLength": 2}, pa.string(), ["日本", "日本語", "😀😀"], [True, False, True]),
        ({"minLength": 1, "maxLength": 3.0}, pa.large_string(), ["", "abcd"], [False, False]),
        (
            {"enum": ["a", "bc", None]},
            pa.string(),
            ["a", "b", "bcd", None],
            [True, False, False, True],
        ),
        ({"enum": ["a" * 90]}, pa.string(), ["a" * 90, "a"], [True, False]),
        ({"enum": ["", "x"]}, pa.string(), ["", "", ""], [True, True, True]),
        ({"const": 2}, pa.float64(), [2.0, 2.5], [True, False]),
        ({"enum": [1, "1", 2.0, 3.5]}, pa.int64(), [1, 2, 3], [True, True, False]),
        ({"enum": list(range(20))}, pa.int16(), [5, 20], [True, False]),
        ({"enum": [True, 1]}, pa.bool_(), [True, False], [True, False]),
        ({"enum": [0, 1]}, pa.bool_(), [True, False], [False, False]),
        ({"enum": [[1], {"a": 1}, "x"]}, pa.int64(), [1], [False]),
        (
            {"minItems": 1, "maxItems": 2},
            pa.list_(pa.int8()),
            [[], [1], [1] * 3],
            [False, True, False],
        ),
        ({"items": {"minimum": 1}}, pa.list_(pa.int8()), [[], [1, 0], [1, 2]], [True, False, True]),
        ({"items": False}, pa.list_(pa.int8()), [[], [1]], [True, False]),
        (
            {"prefixItems": [{"minimum": 5}], "items": {"maximum": 3}},
            pa.list_(pa.int8()),
            [[], [5], [4], [5, 3, 1], [5, 3, 4], [5, 5]],
            [True, True, False, True, False, False],
        ),
        (
            {"contains": {"minimum": 5}},
            pa.list_(pa.int8()),
            [[], [1], [1, 5]],
            [False, False, True],
        ),
        (
            {"contains": {"minimum": 5}, "minContains": 2, "maxContains": 2},
            pa.list_(pa.int8()),
            [[5], [5, 6, 1], [5, 6, 7]],
            [False, True, False],
        ),
        ({"contains": {"minimum": 5}, "minContains": 0}, pa.list_(pa.int8()), [[]], [True]),
        (
            {"uniqueItems": True},
            pa.list_(pa.string()),
            [["a", "b"], ["a", "a"], []],
            [True, False, True],
        ),
        ({"uniqueItems": True}, pa.list_(pa.float64()), [[0.0, -0.0], [0.0, 1.0]], [False, True]),
        ({"uniqueItems": True}, pa.list_(pa.bool_()), [[True, False], [None, None]], [True, False]),
        ({"uniqueItems": True}, pa.list_(pa.null()), [[None], [None, None]], [True, False]),
        ({"uniqueItems": False}, pa.list_(pa.int8()), [[1, 1]], [True]),
        ({"anyOf": [{"minimum": 5}, {"maximum": 1}]}, pa.int8(), [0, 3, 7], [True, False, True]),
        ({"oneOf": [{"minimum": 5}, {"maximum": 7}]}, pa.int8(), [0, 6, 8], [True, False, True]),
        ({"oneOf": [True, {"maximum": 7}]}, pa.int8(), [0, 8], [False, True]),
        ({"oneOf": [True, True]}, pa.int8(), [0], [False]),
        ({"allOf": [{"minimum": 5}, {"maximum": 7}]}, pa.int8(), [0, 6, 8], [False, True, False]),
        ({"not": {"minimum": 5}}, pa.int8(), [0, 6], [True, False]),
        ({"not": {"not": {"minimum": 5}}}, pa.int8(), [0, 6], [False, True]),
        (
            {"if": {"minimum": 5}, "then": {"multipleOf": 2}, "else": {"maximum": 2}},
            pa.int8(),
            [6, 7, 2, 3],
            [True, False, True, False],
        ),
        ({"if": True, "then": {"maximum": 2}}, pa.int8(), [1, 3], [True, False]),
    ],
)
def test_kernels_give_the_verdict_of_the_rows(
    schema: dict[str, Any], kind: Any, values: list[Any], expected: list[bool]
) -> None:
    assert column(schema, values, kind) == expected
    assert set(hows(schema, kind).values()) <= {"vectorised", "decided"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"required": ["a"]}, [True, True, False, False]),
        ({"properties": {"a": {"minimum": 0}}}, [True, False, True, True]),
        ({"properties": {"b": {"type": "string"}}}, [True, True, True, True]),
        ({"additionalProperties": {"type": "integer"}}, [False, True, False, True]),
        ({"properties": {"a": True}, "additionalProperties": False}, [False, True, False, True]),
        ({"patternProperties": {"^b": {"const": "x"}}}, [True, True, False, True]),
        ({"propertyNames": {"const": "a"}}, [False, True, False, True]),
        ({"minProperties": 2}, [True, False, False, False]),
        ({"maxProperties": 1}, [False, True, True, True]),
        ({"dependentRequired": {"a": ["b"]}}, [True, False, True, True]),
        ({"dependentSchemas": {"b": {"properties": {"a": {"minimum": 0}}}}}, [True] * 4),
        ({"dependencies": {"b": ["a"]}}, [True, True, False, True]),
        ({"dependentRequired": {"zz": ["b"]}}, [True] * 4),
        ({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, [True] * 4),
    ],
)
def test_keywords_on_objects_where_null_counts_as_missing(
    schema: dict[str, Any], expected: list[bool]
) -> None:
    if "required" in schema:
        # The member must be there, and its null is null, which the schema admits.
        expected = [True] * 4
        assert column({**schema, "properties": {"a": {"type": "integer"}}}, OBJECTS, STRUCT) == [
            True,
            True,
            False,
            False,
        ]
    assert column(schema, OBJECTS, STRUCT, nulls="absent") == expected
    column(schema, OBJECTS, STRUCT, nulls="strict")
    assert set(hows(schema, STRUCT).values()) <= {"vectorised", "decided"}


@pytest.mark.parametrize(
    ("schema", "kind", "values", "how"),
    [
        ({"format": "ipv6"}, pa.string(), ["::1", "x"], "by distinct value"),
        ({"format": "email"}, pa.string(), ["a@b.co", "ü@b.co", "x"], "by distinct value"),
        ({"pattern": "\\s"}, pa.string(), ["a b", "ab", "\u00a0"], "by distinct value"),
        ({"pattern": "\\bab"}, pa.string(), ["ab", "xab", "éab"], "by distinct value"),
        ({"multipleOf": 0.1}, pa.float64(), [0.3, 0.35, 1e23], "by distinct value"),
        ({"minimum": 1}, pa.decimal128(5, 2), [Decimal("0.50"), Decimal(2)], "by distinct value"),
        ({"format": "date"}, pa.date32(), [date(2024, 2, 29)], "by distinct value"),
        ({"type": "string"}, pa.timestamp("us"), [datetime(2024, 1, 1)], "by distinct value"),  # noqa: DTZ001 - naive
        (
            {"format": "date-time"},
            pa.timestamp("ns", "UTC"),
            [datetime(2024, 1, 1, tzinfo=UTC)],
            "by distinct value",
        ),
        ({"type": "string"}, pa.binary(), [b"a"], "by distinct value"),
        (
            {"minProperties": 1},
            pa.map_(pa.date32(), pa.int8()),
            [[(date(2024, 2, 29), 1)], []],
            "by value",
        ),
        ({"enum": [[1], [2]]}, pa.list_(pa.int8()), [[1], [3]], "by value"),
        ({"uniqueItems": True}, pa.list_(STRUCT), [OBJECTS[:1] * 2, OBJECTS[:1]], "by value"),
        ({"unevaluatedProperties": False}, STRUCT, OBJECTS, "by value"),
        ({"const": 2**53}, pa.float64(), [2.0**53], "by distinct value"),
        ({"maximum": 9.3e18}, pa.uint64(), [2**64 - 1, 1], "by distinct value"),
    ],
)
def test_what_has_no_exact_kernel_is_asked_of_the_engine(
    schema: dict[str, Any], kind: Any, values: list[Any], how: str
) -> None:
    for nulls in BOTH:
        column(schema, [*values, None], kind, nulls=nulls)
        column(schema, values * 40, kind, nulls=nulls)
    assert hows(schema, kind)[next(iter(schema))] == how


def test_the_engine_sees_only_values_whose_verdict_is_open() -> None:
    from llm_integrations.core.arrow.kernels.cells import Cells
    from llm_integrations.core.arrow.kernels.fallback_nodes import FallbackNode
    from llm_integrations.core.arrow.kernels.nodes import Nullable, all_of, any_of
    from llm_integrations.core.arrow.kernels.strings import one_of_texts

    seen: list[Any] = []

    def ask(value: Any) -> bool:
        seen.append(value)
        return True

    cells = Cells(pa.array(["a", "b", "c", None, "c"]))
    Nullable(all_of([FallbackNode(ask), one_of_texts(["b", "c"])]), null_is_valid=True).run(
        cells, True
    )
    assert sorted(seen) == ["b", "c", "c"]
    seen.clear()
    Nullable(any_of([FallbackNode(ask), one_of_texts(["b", "c"])]), null_is_valid=True).run(
        cells, True
    )
    assert seen == ["a"]


def test_equal_values_are_asked_about_once() -> None:
    from llm_integrations.core.arrow.kernels.cells import Cells
    from llm_integrations.core.arrow.kernels.fallback_nodes import FallbackNode

    seen: list[Any] = []

    def ask(value: Any) -> bool:
        seen.append(value)
        return bool(value == "a")

    found = FallbackNode(ask).run(Cells(pa.array(["a", "b"] * 50)), True)
    assert not isinstance(found, bool)
    assert found.tolist() == [True, False] * 50
    assert sorted(seen) == ["a", "b"]


@pytest.mark.parametrize(
    ("schema", "kind", "values"),
    [
        ({"$schema": DRAFT_4, "type": "integer"}, pa.float64(), [1.0, 1.5]),
        ({"$schema": DRAFT_4, "minimum": 1, "exclusiveMinimum": True}, pa.int8(), [0, 1, 2]),
        ({"$schema": DRAFT_4, "const": 1}, pa.int8(), [1, 2]),
        ({"$schema": DRAFT_4, "minimum": 2.0**60, "exclusiveMinimum": True}, pa.int64(), [2**60]),
        ({"$schema": DRAFT_7, "items": [{"minimum": 1}]}, pa.list_(pa.int8()), [[0], [1, 0]]),
        (
            {"$schema": DRAFT_7, "items": [{}], "additionalItems": {"minimum": 1}},
            pa.list_(pa.int8()),
            [[0], [0, 0], [0, 1]],
        ),
        ({"$schema": DRAFT_7, "additionalItems": False}, pa.list_(pa.int8()), [[1]]),
        ({"$schema": DRAFT_7, "contains": {}, "minContains": 5}, pa.list_(pa.int8()), [[], [1]]),
        ({"$schema": DRAFT_7, "dependentRequired": {"a": ["zz"]}}, STRUCT, OBJECTS),
        ({"$schema": DRAFT_7, "contentEncoding": "base64"}, pa.string(), ["YQ==", "!"]),
        ({"$schema": DRAFT_2019, "contentEncoding": "base64"}, pa.string(), ["YQ==", "!"]),
        ({"$schema": DRAFT_2019, "items": [{"minimum": 1}]}, pa.list_(pa.int8()), [[0], [1, 0]]),
        ({"$schema": DRAFT_2019, "prefixItems": [{"minimum": 1}]}, pa.list_(pa.int8()), [[0]]),
    ],
)
def test_each_draft_has_its_own_keywords(
    schema: dict[str, Any], kind: Any, values: list[Any]
) -> None:
    for nulls in BOTH:
        column(schema, values, kind, nulls=nulls)


def test_formats_that_are_not_asserted_have_no_effect() -> None:
    from llm_integrations.core.arrow import compile_arrow
    from llm_integrations.core.config import ValidationOptions

    table = pa.table({"x": ["no date"]})
    schema = {"properties": {"x": {"format": "date"}}}
    options = ValidationOptions(formats=False)
    plan = compile_arrow(schema, options=options, schema=table.schema)
    assert plan.mask(table).to_pylist() == [True]
    assert [note.how for note in plan.explain() if note.keyword == "format"] == ["no effect"]


def test_lookaround_is_judged_where_it_is_allowed() -> None:
    table = pa.table({"x": ["ab", "ba", "a"]})
    schema = {"properties": {"x": {"pattern": "a(?=b)"}}}
    assert judged(schema, table, regex="bounded") == [True, False, False]
