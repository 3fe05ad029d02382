"""Layouts that Arrow cannot select from, extension types and times are judged like all others."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest

from llm_integrations.core.arrow import compile_arrow
from llm_integrations.core.arrow.pyarrow_modules import pc
from llm_integrations.core.arrow.run.selecting import rows_where
from tests.support.arrow import BOTH, hows, judged

VIEWS = {
    "string": (pa.string_view(), ["a", None, "c"]),
    "binary": (pa.binary_view(), [b"a", None, b"c"]),
    "member": (pa.struct([("t", pa.string_view())]), [{"t": "a"}, None, {"t": "c"}]),
    "items": (pa.list_(pa.string_view()), [["a"], None, ["c", "d"]]),
    "pairs": (pa.map_(pa.string(), pa.string_view()), [[("k", "a")], None, [("k", "c")]]),
    "large": (pa.large_list_view(pa.int64()), [[1], None, [2]]),
}


def column_of(name: str) -> Any:
    if name == "runs":
        return pc.run_end_encode(pa.array(["a", "a", None]))
    kind, values = VIEWS[name]
    return pa.array(values, kind)


@pytest.mark.parametrize("name", [*VIEWS, "runs"])
def test_one_bad_row_is_split_off_whatever_the_layout(name: str) -> None:
    array = column_of(name)
    column = pa.chunked_array([array, array.slice(1)])
    table = pa.table({"x": column, "n": [0, 1, 2, 0, 4]})
    split = compile_arrow({"properties": {"n": {"minimum": 1}}}).split(table)
    assert split.valid.schema == split.invalid.schema == table.schema
    rows = table.to_pylist()
    assert split.valid.to_pylist() == [rows[1], rows[2], rows[4]]
    assert split.invalid.to_pylist() == [rows[0], rows[3]]


def test_all_rows_and_none_are_selected_too() -> None:
    batch = pa.record_batch({"x": column_of("string"), "y": column_of("runs")})
    for bits in ([True] * 3, [False] * 3):
        found = rows_where(batch, pa.array(bits))
        assert (found.num_rows, found.schema) == (sum(bits), batch.schema)


TIMES = [date(1, 1, 1), date(999, 2, 3), date(2024, 2, 29), date(9999, 12, 31), None]
CLOCK = [
    *map(
        datetime.fromisoformat,
        ("0001-01-01", "0999-02-03T04:05:06.007", "2024-02-29T01:01:01.001", "9999-12-31T23:00:00"),
    ),
    None,
]
KINDS = [
    pa.date32(),
    pa.date64(),
    *(pa.timestamp(unit, zone) for unit in ("s", "ms", "us") for zone in (None, "UTC", "+05:30")),
    pa.timestamp("ms", "Europe/Amsterdam"),
]


@pytest.mark.parametrize("word", ["date", "date-time", "time", "email", None])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_times_are_judged_as_the_text_that_rows_see(kind: Any, word: str | None) -> None:
    values: list[Any] = TIMES if pa.types.is_date(kind) else CLOCK
    if not pa.types.is_date(kind) and kind.tz is not None:
        values = [datetime(1900, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC), None]
    schema: dict[str, Any] = {"type": "string"}
    if word is not None:
        schema["format"] = word
    table = pa.table({"x": pa.array(values, kind)})
    for nulls in BOTH:
        judged({"properties": {"x": schema}}, table, nulls=nulls)
    assert judged({"properties": {"x": {"minLength": 11}}}, table)


def test_times_that_python_cannot_hold_are_refused_where_a_schema_looks() -> None:
    far = pa.array([2**40, 0], pa.int64()).cast(pa.timestamp("s", "UTC"))
    fine = pa.array([1, 1_000], pa.int64()).cast(pa.timestamp("ns", "UTC"))
    plan = compile_arrow({"properties": {"t": {"type": "string", "format": "date-time"}}})
    assert plan.mask(pa.table({"t": far})).to_pylist() == [False, True]
    assert plan.mask(pa.table({"t": fine})).to_pylist()[1]
    assert compile_arrow({}).mask(pa.table({"t": far})).to_pylist() == [True, True]


class _Tensor(pa.ExtensionType):  # type: ignore[misc]  # pyarrow has no types
    """As those of `datasets`: stored as lists, and read as such."""

    def __init__(self) -> None:
        super().__init__(pa.list_(pa.list_(pa.int32())), "tests.tensor")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""


def test_values_of_extension_types_are_judged_by_columns_where_python_sees_what_is_stored() -> None:
    tensor = _Tensor()
    stored = pa.array([[[1], [2]], [[-1]], None], tensor.storage_type)
    column = pa.ExtensionArray.from_storage(tensor, stored)
    schema = {"items": {"items": {"minimum": 0}}}
    assert judged({"properties": {"x": schema}}, pa.table({"x": column})) == [True, False, True]
    assert hows({"type": "array", **schema}, tensor)["items"] == "vectorised"
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 3], pa.int32()), column)
    table = pa.table({"x": lists})
    assert judged({"properties": {"x": {"items": schema}}}, table) == [False, True]


def test_a_uuid_is_judged_as_the_text_that_rows_see() -> None:
    column = pa.array([b"0" * 16, None], pa.binary(16)).cast(pa.uuid())
    schema = {"properties": {"x": {"type": "string", "format": "uuid"}}}
    assert judged(schema, pa.table({"x": column})) == [True, True]


def test_fixed_offsets_are_read_by_value() -> None:
    zone = timezone(timedelta(hours=2))
    column = pa.array([datetime(2024, 1, 1, tzinfo=zone)], pa.timestamp("us", "+02:00"))
    schema = {"properties": {"x": {"type": "string", "format": "date-time"}}}
    assert judged(schema, pa.table({"x": column})) == [True]


LISTS = [[1, 2], [], None, [-1], [None], [3]]
WORDS = ["ok", "x", None, "", "ok"]
PLACES = pa.array([0, 1, None, 0], pa.int8())
TEXT = {"type": "string", "minLength": 2}
NUMBERS = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
MEMBERS = pa.list_view(pa.struct([("x", pa.list_view(pa.string_view()))]))
LAYOUTS = [
    (TEXT, pa.array(WORDS, pa.string_view())),
    (TEXT, pc.run_end_encode(pa.array(WORDS)).slice(1)),
    (TEXT, pa.RunEndEncodedArray.from_arrays([1, 3], pa.array(["ok", "x"]).dictionary_encode())),
    (TEXT, pa.DictionaryArray.from_arrays(PLACES, pa.array(["ok", "x"], pa.string_view()))),
    (NUMBERS, pa.array(LISTS, pa.list_view(pa.int32()))),
    (NUMBERS, pa.array(LISTS, pa.large_list_view(pa.int64())).slice(2)),
    (NUMBERS, pa.ListViewArray.from_arrays([3, 0, 1, 0], [1, 2, 0, 4], [3, -1, 2, 3])),
    ({"uniqueItems": True}, pa.array([[1, 1], [2], None], pa.list_view(pa.int8()))),
    ({"contains": {"const": 3}}, pa.array(LISTS, pa.list_view(pa.int32()))),
    ({"prefixItems": [{"const": 1}]}, pa.array(LISTS, pa.list_view(pa.int32()))),
    ({"enum": [[3], [1, 2]]}, pa.array(LISTS, pa.list_view(pa.int32()))),
    (
        {"items": {"required": ["x"], "properties": {"x": {"items": TEXT}}}},
        pa.array([[{"x": ["a"]}], None, [{"x": ["ok"]}, None], [{"x": None}]], MEMBERS),
    ),
]


@pytest.mark.parametrize(("schema", "array"), LAYOUTS, ids=range(len(LAYOUTS)))
def test_views_and_runs_are_judged_as_what_they_hold(schema: Any, array: Any) -> None:
    for nulls in BOTH:
        verdicts = judged({"properties": {"x": schema}}, pa.table({"x": array}), nulls=nulls)
        assert set(verdicts) == {True, False}


def test_of_a_key_that_stands_twice_the_last_counts_beside_views_too() -> None:
    kind = pa.map_(pa.string(), pa.string_view())
    array = pa.array([[("k", "ok"), ("k", "x")], [("k", "x"), ("k", "ok")]], kind)
    plan = compile_arrow({"properties": {"x": {"properties": {"k": TEXT}}}})
    assert plan.mask(pa.table({"x": array})).to_pylist() == [False, True]


def test_views_of_json_text_are_read_as_what_they_say() -> None:
    texts = pa.array(['{"a": 1}', '{"a": "b"}', None], pa.string_view())
    table = pa.table(
        {"x": texts, "y": pa.array([["1"], ["{"], []], pa.list_view(pa.string_view()))}
    )
    schema = {"properties": {"x": {"properties": {"a": {"type": "integer"}}}}}
    plan = compile_arrow(schema, json_columns=["x", "/y/*"])
    assert plan.mask(table).to_pylist() == [True, False, True]
