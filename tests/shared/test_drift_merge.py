"""Sketches of parts merge to the sketch of the whole, wherever the parts were sketched."""

from __future__ import annotations

import pickle
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_integrations.core.drift import (
    Labels,
    Profile,
    ProfileSketch,
    detect,
    detect_in,
    profile_tables,
    sketch_tables,
)
from llm_integrations.core.drift.sketches import floats
from llm_integrations.core.drift.sketches.numbers import NumberSketch
from llm_integrations.core.drift.workers import SKETCH, SketchTask, merged
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.validation import compile_validator

BODY = {"properties": {"n": {"maximum": 2.5}, "word": {"enum": ["a", "b", "c", "d"]}}}
ROW = compile_validator(BODY, reference="row@1")
ROWS = 400


def table(rows: int = ROWS, seed: int = 0) -> pa.Table:
    made = np.random.default_rng(seed)
    days = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=int(d)) for d in range(rows)]
    vectors = made.normal(0, 1, (rows, 8)).astype(np.float32)
    return pa.table(
        {
            "id": list(range(rows)),
            "n": made.normal(0, 1, rows),
            "word": made.choice(["a", "b"], rows),
            "tag": made.choice([f"t{i}" for i in range(40)], rows),
            "gap": [None if made.random() < 0.3 else int(made.integers(0, 9)) for _ in range(rows)],
            "flag": made.random(rows) < 0.2,
            "at": days,
            "text": ["x" * int(made.integers(1, 90)) + str(i) for i in range(rows)],
            "chat": [[{"role": str(r)} for r in made.choice(["u", "v"], 2)] for _ in range(rows)],
            "tags": [list(made.choice(["k", "l"], int(made.integers(0, 3)))) for _ in range(rows)],
            "vector": pa.FixedSizeListArray.from_arrays(vectors.ravel(), 8),
        }
    )


def same(one: Profile, two: Profile) -> bool:
    return replace(one, made_at="") == replace(two, made_at="")


def whole(data: Any, labels: Labels) -> Profile:
    return profile_tables([data], ROW, labels=labels)


def parts_of(data: pa.Table, cuts: Sequence[int]) -> list[pa.Table]:
    edges = [0, *sorted(cuts), data.num_rows]
    return [data.slice(a, b - a) for a, b in pairwise(edges)]


def merged_parts(parts: Sequence[Any]) -> ProfileSketch:
    """As the driver of an engine does."""
    task = pickle.loads(pickle.dumps(SketchTask(ROW)))
    answers = [task([part]).column(SKETCH)[0].as_py() for part in parts]
    return merged(answers, ROW)


@given(st.lists(st.integers(0, ROWS), min_size=3, max_size=3), st.randoms())
@settings(max_examples=8, deadline=None)
def test_four_parts_in_any_order_have_the_profile_of_the_whole(
    cuts: list[int], order: random.Random
) -> None:
    labels, data = Labels(), table()
    parts = parts_of(data, cuts)
    order.shuffle(parts)
    found = merged_parts(parts).profile(labels)
    assert same(found, whole(data, labels))
    assert found.columns["id"].ascending == (min(np.diff([0, *sorted(cuts), ROWS])) >= 0)


def test_parts_of_more_numbers_than_are_kept_have_the_profile_of_the_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(floats, "BINS", 100)
    labels, data = Labels(), table()
    found = merged_parts(parts_of(data, [7, 90, 333])).profile(labels)
    assert same(found, whole(data, labels))
    exact = np.quantile(np.asarray(data["n"]), (np.arange(100) + 0.5) / 100)
    known = found.columns["n"].numbers
    assert known is not None
    assert np.abs(np.subtract(known.quantiles, exact)).max() < 0.15


@given(st.lists(st.lists(st.floats(-1e200, 1e200) | st.integers(-5, 5), max_size=20), max_size=5))
@settings(max_examples=40, deadline=None)
def test_the_numbers_that_are_kept_depend_on_no_order(parts: list[list[float]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(floats, "BINS", 8)
        once, merging = NumberSketch(), NumberSketch()
        once.add(np.array([n for part in parts for n in part], np.float64))
        for part in reversed(parts):
            sketch = NumberSketch()
            sketch.add(np.array(part, np.float64))
            merging.merge(sketch)
        one, two = once.numbers(), merging.numbers()
        assert (one is None) == (two is None)
        if one is not None and two is not None:
            assert (one.count, one.quantiles) == (two.count, two.quantiles)


def test_a_column_that_a_part_lacks_is_missing_in_its_rows() -> None:
    labels, data = Labels(), table()
    parts = [data.slice(0, 100).drop_columns(["n", "chat"]), data.slice(100)]
    found = merged_parts(parts).profile(labels)
    assert found.columns["n"].nulls == 100
    assert found.columns["chat[*].role"].rows == 2 * (ROWS - 100)
    back = merged_parts(parts[::-1]).profile(labels)
    assert back.columns["n"] == found.columns["n"]
    assert found.rows == ROWS


def test_a_counter_in_parts_is_one_and_other_numbers_are_not() -> None:
    numbers_of = np.arange(90)
    shuffled = np.random.default_rng(1).permutation(90)
    for values, grows in ((numbers_of, True), (shuffled, False), (np.sort(shuffled) // 2, False)):
        data = pa.table({"i": values})
        for cuts in ([30, 60], list(range(90))):
            parts = parts_of(data, cuts)
            found = merged_parts(parts[::-1]).profile(Labels()).columns["i"].ascending
            assert found == (grows and len(cuts) == 2)


def test_merged_parts_drift_as_the_whole_does() -> None:
    baseline = profile_tables([table(seed=1)], ROW)
    after = table(seed=2).set_column(1, "n", pa.array(np.random.default_rng(2).normal(2, 1, ROWS)))
    one = detect_in(merged_parts(parts_of(after, [50, 200])), baseline)
    two = detect([after], ROW, baseline)
    assert one.drifted_columns == two.drifted_columns == ("n",)


@pytest.mark.parametrize("form", ["table", "batches", "pandas", "polars"])
def test_frames_and_tables_have_one_profile(form: str) -> None:
    labels = Labels()
    data = table().select(["n", "word", "flag"])
    expected = whole(data, labels)
    match form:
        case "table":
            given_data: Any = data
        case "batches":
            given_data = data.to_batches(max_chunksize=100)
        case "pandas":
            pytest.importorskip("pandas")
            given_data = data.to_pandas().set_index(np.arange(ROWS)[::-1])
        case _:
            given_data = pytest.importorskip("polars").from_arrow(data)
    found = sketch_tables(given_data, ROW).profile(labels)
    assert found.columns.keys() == expected.columns.keys()
    assert found.reasons == expected.reasons
    assert all(found.columns[n].numbers == c.numbers for n, c in expected.columns.items())


def test_what_does_not_merge_or_has_no_columns_is_said() -> None:
    other = sketch_tables([pa.table({"n": [1]})], compile_validator({}, reference="row@2"))
    with pytest.raises(ConfigurationError, match="different schemas do not merge"):
        sketch_tables([pa.table({"n": [1]})], ROW).merge(other)
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ConfigurationError, match="DataFrame has no columns"):
        sketch_tables(pandas.DataFrame({"a": [1, "x"]}), ROW)


def test_numbers_that_are_infinite_are_told_apart_from_counters() -> None:
    data = pa.table({"n": [np.inf, np.inf, -np.inf, *range(40)]})
    found = profile_tables([data], ROW).columns["n"]
    assert (found.numbers is not None and found.numbers.count, found.ascending) == (40, False)


def test_reasons_of_many_invalid_rows_do_not_depend_on_their_order() -> None:
    body = {"properties": {"a": {"minimum": 0}, "b": {"minimum": 0}}}
    rows = compile_validator(body, reference="pair@1")
    first = np.where(np.arange(6000) < 3000, -1, 1)
    ordered = pa.table({"a": first, "b": -first})
    shuffled = ordered.take(np.random.default_rng(0).permutation(6000))
    report = detect([ordered], rows, profile_tables([shuffled], rows))
    assert report.current.reasons == {"minimum at /a": 3000, "minimum at /b": 3000}
    assert not report.drifted
    assert [note.kind for note in report.anomalies if "33% and 33%" in note.message] == ["estimate"]
    exact = detect([ordered[:1500]], rows, profile_tables([ordered[:1500]], rows))
    assert exact.anomalies == ()


def test_the_report_says_where_values_are_too_many_to_be_counted_by_themselves() -> None:
    data = pa.table({"tag": [f"t{i}" for i in range(10_100)]})
    report = detect([data], ROW, profile_tables([pa.table({"tag": ["t0", "t1"] * 500})], ROW))
    notes = [note for note in report.anomalies if note.kind == "estimate"]
    assert [(note.column, note.drift) for note in notes] == [("tag", False)]
