"""Where columns and rows differ if one is not careful. Each case was seen to go wrong."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from tests.support.arrow import BOTH, column, hows, judged

NAN, INFINITY = float("nan"), float("inf")


def test_zero_and_negative_zero_are_one_number() -> None:
    assert column({"enum": [0]}, [0.0, -0.0]) == [True, True]
    assert column({"enum": [-0.0]}, [0.0, -0.0]) == [True, True]
    assert column({"enum": [-0.0, *range(10, 20)]}, [0.0, -0.0]) == [True, True]
    assert column({"minimum": 0.0}, [0.0, -0.0]) == [True, True]
    assert column({"exclusiveMinimum": 0}, [0.0, -0.0, 5e-324]) == [False, False, True]


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"minimum": 0},
        {"maximum": 0},
        {"not": {"type": "number"}},
        {"type": "number"},
        {"enum": [1]},
        {"multipleOf": 1},
        {"anyOf": [{"minimum": 0}, {}]},
        {"not": {"minimum": 5}},
    ],
)
@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.float16()])
def test_nan_and_infinity_are_violations_under_every_schema(schema: Any, kind: Any) -> None:
    assert column(schema, [NAN, INFINITY, -INFINITY], kind) == [False] * 3


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        (pa.list_(pa.float32()), [1.0, NAN]),
        (pa.struct([("deep", pa.list_(pa.float64()))]), {"deep": [INFINITY]}),
        (pa.map_(pa.string(), pa.float64()), [("a", NAN)]),
        (pa.dictionary(pa.int8(), pa.float64()), NAN),
    ],
)
def test_nan_is_found_where_no_keyword_looks(kind: Any, bad: Any) -> None:
    if pa.types.is_dictionary(kind):
        array = pa.array([bad, 1.0, None], pa.float64()).dictionary_encode()
    else:
        array = pa.array([bad, None], kind)
    for nulls in BOTH:
        mask = judged({"properties": {"other": {}}}, pa.table({"x": array}), nulls=nulls)
        assert mask == [False, *[True] * (len(array) - 1)]


def test_nan_under_a_null_is_nobodys_business() -> None:
    child = pa.array([NAN, 1.0])
    parent = pa.StructArray.from_arrays([child], ["a"], mask=pa.array([True, False]))
    assert column({"properties": {"a": {"minimum": 0}}}, parent) == [True, True]


def test_integers_beyond_float_precision_meet_float_bounds() -> None:
    numbers = [2**53 - 1, 2**53, 2**53 + 1, 9223372036854774900, 2**63 - 1, -(2**63)]
    for bound in (0.5, 2.0**53, 9.223372036854775e18, -1e300):
        for word in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
            column({word: bound}, numbers)
    for option in (2.0**53, 9.007199254740992e15, 9223372036854775807.0, 1e16):
        column({"enum": [option, "x"]}, numbers)


def test_floats_meet_integer_bounds_beyond_their_precision() -> None:
    numbers = [2.0**53, 2.0**53 + 2, -(2.0**63), 1e300]
    for bound in (2**53 - 1, 2**53 + 1, 2**53 + 2, -(2**63) - 1, 10**30):
        for word in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "const"):
            column({word: bound}, numbers)


def test_unsigned_integers_meet_negative_bounds() -> None:
    assert column({"minimum": -1, "maximum": 2**64}, [0, 2**64 - 1], pa.uint64()) == [True, True]
    assert column({"maximum": -1}, [0, 2**64 - 1], pa.uint64()) == [False, False]
    assert column({"enum": [-1, 300, 2**70]}, [0, 255], pa.uint8()) == [False, False]


def test_a_float32_is_not_the_decimal_that_it_was_made_from() -> None:
    assert column({"maximum": 0.1}, [0.1], pa.float32()) == [False]
    assert column({"minimum": 0.1}, [0.1], pa.float32()) == [True]
    assert column({"const": 0.1}, [0.1], pa.float32()) == [False]
    assert column({"const": 0.5}, [0.5], pa.float32()) == [True]
    assert column({"minimum": 1e300}, [3e38], pa.float32()) == [False]
    assert column({"maximum": -1e300}, [-3e38], pa.float32()) == [False]
    assert column({"multipleOf": 0.1}, [0.1], pa.float32()) == [False]


@pytest.mark.parametrize(
    "kind", [pa.string_view(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
)
@pytest.mark.parametrize(
    "schema",
    [
        {"minLength": 2},
        {"pattern": "^a"},
        {"pattern": "^[a-z]{2}$"},
        {"enum": ["ab"]},
        {"format": "date"},
    ],
)
def test_every_layout_of_text_is_judged_alike(kind: Any, schema: dict[str, Any]) -> None:
    values = ["ab", "a", None, "日本", "2024-01-01"]
    array = (
        pa.array(values).dictionary_encode()
        if pa.types.is_dictionary(kind)
        else pa.array(values, kind)
    )
    assert column(schema, array) == column(schema, pa.array(values))
    assert column(schema, array.slice(1, 3)) == column(schema, pa.array(values).slice(1, 3))


def test_a_dictionary_may_hold_null_twice_over_and_what_no_cell_has() -> None:
    values = pa.array(["good", None, "bad"])
    encoded = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0], pa.int8()), values)
    assert column({"const": "good"}, encoded) == [True, False, False, True]
    assert column({"const": "good"}, encoded, nulls="absent") == [True, True, True, True]
    assert judged(
        {"required": ["x"], "properties": {"x": {"type": "string"}}}, pa.table({"x": encoded})
    ) == [
        True,
        False,
        False,
        True,
    ]
    items = pa.ListArray.from_arrays(pa.array([0, 2, 4]), encoded)
    assert column({"uniqueItems": True}, items) == [True, True]
    assert column(
        {"maxProperties": 0}, pa.StructArray.from_arrays([encoded], ["a"]), nulls="absent"
    ) == [
        False,
        True,
        True,
        False,
    ]


def test_a_dictionary_larger_than_its_batch_is_not_judged_as_a_whole() -> None:
    values = pa.array([f"text-{number}" for number in range(1000)])
    encoded = pa.DictionaryArray.from_arrays(pa.array([999, 5]), values)
    assert column({"pattern": "9$"}, encoded) == [True, False]
    assert column({"pattern": "9$"}, encoded.slice(1)) == [False]


def test_an_empty_dictionary_holds_only_nulls() -> None:
    encoded = pa.DictionaryArray.from_arrays(
        pa.array([None, None], pa.int8()), pa.array([], pa.string())
    )
    assert column({"minLength": 1}, encoded) == [True, True]
    assert column({"type": "string"}, encoded) == [False, False]


def test_run_end_encoding_and_list_views_are_judged() -> None:
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", None]))
    assert column({"type": "string"}, runs) == [True, True, False]
    assert column({"const": "a"}, runs.slice(1), nulls="absent") == [True, True]
    for kind in (pa.list_view(pa.int64()), pa.large_list_view(pa.int64())):
        views = pa.array([[1, 2], None, [3], []], kind)
        assert column({"items": {"maximum": 2}}, views) == [True, True, False, True]


def test_what_stands_under_a_null_parent_does_not_count() -> None:
    child = pa.array([-1, -1, 5])
    parent = pa.StructArray.from_arrays([child], ["a"], mask=pa.array([True, False, False]))
    assert column({"properties": {"a": {"minimum": 0}}}, parent) == [True, False, True]
    assert column({"required": ["a"]}, parent) == [True, True, True]
    items = pa.ListArray.from_arrays(
        pa.array([0, 1, 2, 3]), child, mask=pa.array([True, False, False])
    )
    assert column({"items": {"minimum": 0}}, items) == [True, False, True]
    assert column({"contains": {"minimum": 0}}, items) == [True, False, True]


@pytest.mark.parametrize("start", range(4))
@pytest.mark.parametrize(
    ("schema", "kind", "values"),
    [
        ({"items": {"minimum": 0}}, pa.list_(pa.int64()), [[1], [-1], None, [], [2, -2], [3]]),
        ({"uniqueItems": True}, pa.list_(pa.string()), [["a"], ["a", "a"], [], None, ["b"], ["c"]]),
        ({"items": {"minimum": 0}}, pa.list_(pa.int64(), 1), [[1], [-1], None, [0], [-2], [3]]),
        (
            {"properties": {"a": {"minLength": 1}}},
            pa.struct([("a", pa.string())]),
            [{"a": "x"}, {"a": ""}] * 3,
        ),
        ({"const": True}, pa.bool_(), [True, False, None, True, False, True]),
        ({"pattern": "^[a-z]+$"}, pa.string(), ["a", "", "ab", None, "A", "b"]),
        ({"pattern": "^x[0-9]+y$"}, pa.string(), ["x1y", "xy", "x12y", None, "x1", "1xy"]),
        ({"pattern": "^[a-z]{2}$"}, pa.string(), ["ab", "a", "abc", "AB", "é", "zz"]),
        ({"enum": ["a", "bcd"]}, pa.string(), ["a", "bcd", "bc", None, "b", ""]),
    ],
)
def test_a_slice_is_judged_like_a_table_of_its_own(
    start: int, schema: dict[str, Any], kind: Any, values: list[Any]
) -> None:
    array = pa.array(values, kind)
    assert column(schema, array.slice(start, 2)) == column(schema, array)[start : start + 2]


def test_raw_bytes_are_a_violation_only_where_the_schema_looks() -> None:
    table = pa.table({"x": pa.array([b"a"]), "y": [1]})
    for schema, expected in [
        ({"properties": {"y": {"type": "integer"}}}, True),
        ({"properties": {"x": {"title": "anything"}}}, True),
        ({"properties": {"x": {"type": "string"}}}, False),
        ({"properties": {"x": {"not": {"type": "string"}}}}, False),
        ({"anyOf": [{"properties": {"x": {"type": "string"}}}, {"required": ["y"]}]}, None),
        ({"not": {"properties": {"x": {"type": "string"}}}}, None),
        ({"if": {"properties": {"x": {"minLength": 1}}}, "then": {"required": ["y"]}}, None),
    ]:
        for nulls in BOTH:
            mask = judged(schema, table, nulls=nulls)
            assert expected is None or mask == [expected]


def test_rows_with_raw_bytes_get_one_verdict_whichever_way_they_are_asked() -> None:
    from llm_integrations.core.validation import compile_validator

    closed = {"properties": {"x": {}}, "required": ["x"], "additionalProperties": False}
    table = pa.table({"x": pa.array([b"a"])})
    validator = compile_validator(closed)
    assert validator.is_valid({"x": b"a"}) is validator.validate({"x": b"a"}).is_valid
    for nulls in BOTH:
        assert judged(closed, table, nulls=nulls) == [True]
        judged({"properties": {"y": closed}}, pa.table({"y": table.to_struct_array()}), nulls=nulls)


def test_keywords_that_are_asked_about_bytes_in_a_branch_ask_whole_rows() -> None:
    pairs = pa.array([[[b"a"], [b"a"]], [[b"a"], [b"b"]], None], pa.list_(pa.list_(pa.binary())))
    branch = {"items": {"items": {"type": "string"}}, "uniqueItems": True}
    for nulls in BOTH:
        column({"anyOf": [branch, {"minItems": 2}]}, pairs, nulls=nulls)


def test_where_the_order_of_looking_matters_whole_rows_are_asked() -> None:
    from llm_integrations.core.arrow import compile_arrow

    schema = {"anyOf": [{"properties": {"x": {"type": "string"}}}, {"required": ["y"]}]}
    plan = compile_arrow(schema, schema=pa.schema([("x", pa.binary())]))
    assert [note.how for note in plan.explain()] == ["by row"]


def test_a_struct_with_two_members_of_one_name_has_no_python_form() -> None:
    twins = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])
    table = pa.table({"x": twins, "y": [1]})
    from llm_integrations.core.arrow import compile_arrow

    assert compile_arrow({"properties": {"y": {"type": "integer"}}}).mask(table).to_pylist() == [
        True
    ]
    assert compile_arrow({"properties": {"x": {"type": "object"}}}).mask(table).to_pylist() == [
        False
    ]


def test_a_date_that_python_cannot_hold_is_a_violation_where_the_schema_looks() -> None:
    from llm_integrations.core.arrow import compile_arrow

    table = pa.table({"x": pa.array([0, 10**15], pa.timestamp("s"))})
    assert compile_arrow({"required": ["x"]}).mask(table).to_pylist() == [True, True]
    plan = compile_arrow({"properties": {"x": {"type": "string"}}})
    assert plan.mask(table).to_pylist() == [True, False]
    (failure,) = plan.validate(table).violations()
    assert failure[0] == 1


def test_views_within_structs_can_be_asked_about() -> None:
    struct = pa.struct([("a", pa.string_view())])
    values = [{"a": "x"}, None, {"a": "y"}]
    schema = {"enum": [{"a": "x"}, None]}
    assert column(schema, values, struct) == [True, True, False]
    assert column({"allOf": [schema, {"required": ["b"]}]}, values, struct) == [False, True, False]


@pytest.mark.parametrize(
    "pattern", ["a{2,3}", "^[^\\d]$", ".", "^\\W+$", "(a|b)*c", "[.$]", "\\x41"]
)
def test_patterns_mean_to_columns_what_they_mean_to_rows(pattern: str) -> None:
    texts = ["aa", "é", "\n", "\r", "\u2028", "ab", "c", "$", ".", "", "A", "\ufeff", "\u0660"]
    column({"pattern": pattern}, texts)


def test_a_pattern_that_re2_does_not_compile_goes_to_the_engine() -> None:
    assert column({"pattern": "^(x{100}){20}$"}, ["x" * 2000, "x"]) == [True, False]
    assert hows({"pattern": "^(x{100}){20}$"}, pa.string()) == {"pattern": "by distinct value"}
    assert hows({"pattern": "x{1001}"}, pa.string()) == {"pattern": "by distinct value"}
