"""Rows written column by column are the texts that are written row by row."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_integrations.core.arrow.run.judged_rows import judged_rows
from llm_integrations.core.arrow.run.row_texts import row_texts, text_column
from llm_integrations.core.quarantine import RecordColumns
from llm_integrations.core.quarantine.columns import texts_of

KINDS: dict[Any, st.SearchStrategy[Any]] = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint8(): st.integers(0, 255),
    pa.float64(): st.floats() | st.integers(-100, 100).map(float),
    pa.float32(): st.floats(width=32),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(),
    pa.large_string(): st.text(alphabet='ab"\\\n\x7f\u2028é'),
    pa.dictionary(pa.int8(), pa.string()): st.sampled_from(["a", 'b"']),
    pa.list_(pa.float64()): st.lists(st.floats(allow_nan=False), max_size=2),
    pa.struct([("x", pa.int64()), ("y", pa.string())]): st.fixed_dictionaries(
        {"x": st.integers(0, 9), "y": st.text()}
    ),
    pa.date32(): st.dates(),
    pa.binary(): st.binary(max_size=3),
    pa.null(): st.none(),
}


@settings(max_examples=100)
@given(st.data())
def test_by_columns_as_by_rows(data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 4))
    kinds = data.draw(st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=4))
    table = pa.table(
        {
            data.draw(st.sampled_from(["a", 'b"', "é"])) + str(index): pa.array(
                [data.draw(st.none() | KINDS[kind]) for _ in range(rows)], kind
            )
            for index, kind in enumerate(kinds)
        }
    )
    texts, encodings = row_texts(table)
    assert (list(texts), encodings) == texts_of(judged_rows(table))


@pytest.mark.parametrize(
    "number", [0.0, -0.0, 1.0, 1e-4, 9e-5, 1e9, 1e10, 123456789.5, 5e-324, 1.7976931348623157e308]
)
def test_numbers_look_as_python_writes_them(number: float) -> None:
    assert row_texts(pa.table({"n": [number, 0.1]}))[0] == [f'{{"n": {number}}}', '{"n": 0.1}']


def test_records_of_arrow_columns_are_those_of_lists() -> None:
    table = pa.concat_tables([pa.table({"a": ["x"]}), pa.table({"a": ['"', None]})])
    data, _ = text_column(table)
    assert isinstance(data, pa.ChunkedArray)
    about: dict[str, Any] = {"schema": "s@1", "fingerprint": "f", "source": "s"}
    positions, errors = pa.chunked_array([[7], [8, 9]]), pa.array(["[]"] * 3)
    columns = RecordColumns(data=data, positions=positions, errors=errors, **about)
    texts, numbers = data.to_pylist(), [7, 8, 9]
    lists = RecordColumns(data=texts, positions=numbers, errors=["[]"] * 3, at=columns.at, **about)
    assert list(columns.rows()) == list(lists.rows())
    assert texts == ['{"a": "x"}', '{"a": "\\""}', '{"a": null}']
