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
