"""Numbers and times that floats do not tell apart are compared as what they are."""

from __future__ import annotations

import json
import pickle
import random
from decimal import Decimal
from itertools import permutations
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from llm_integrations.core.drift import (
    DriftReport,
    Labels,
    Numbers,
    Profile,
    detect,
    profile_tables,
    sketch_tables,
)
from llm_integrations.core.drift.sketches import floats, wholes
from llm_integrations.core.drift.sketches.floats import FloatSketch
from llm_integrations.core.drift.sketches.numbers import NumberSketch
from llm_integrations.core.validation import compile_validator

ANY = compile_validator({"type": "object"}, reference="any@1")
ROWS = 2000
NS = 1_700_000_000_000_000_000
DECIMAL = pa.decimal128(38, 0)


def around(middle: int, spread: int, kind: Any, seed: int = 0) -> pa.Table:
    made = np.random.default_rng(seed).normal(0, spread, ROWS).astype(int).tolist()
    values = [middle + value for value in made]
    if pa.types.is_decimal(kind):
        return pa.table({"n": pa.array([Decimal(value) for value in values], kind)})
    stored = kind if pa.types.is_unsigned_integer(kind) else pa.int64()
    return pa.table({"n": pa.array(values, stored).cast(kind)})


def compared(before: pa.Table, after: pa.Table) -> DriftReport:
    return detect([after], ANY, profile_tables([before], ANY), compare=["n"])


@pytest.mark.parametrize(
    ("middle", "spread", "by", "kind"),
    [
        (2**60, 1000, 5000, pa.int64()),
        (-(2**60), 1000, 5000, pa.int64()),
        (2**62, 0, 5000, pa.int64()),
        (2**60, 1_000_000, 5_000_000, pa.int64()),
        (10**15, 0, 500, pa.int64()),
        (2**63 - 2500, 1000, 5000, pa.uint64()),
        (2**63 + 2**61, 1000, 5000, pa.uint64()),
        (10**30, 1000, 5000, DECIMAL),
        (-(10**30), 1000, 5000, DECIMAL),
        (10**15, 1000, 5000, pa.decimal128(38, 2)),
        (NS, 3000, 20_000, pa.timestamp("ns")),
        (NS // 1000, 1000, 5000, pa.timestamp("us", "UTC")),
        (500, 50, 300, pa.duration("ns")),
        (10**18, 1000, 5000, pa.duration("ns")),
        (5000, 50, 300, pa.time64("ns")),
    ],
)
def test_what_moved_by_less_than_floats_tell_apart_is_found(
    middle: int, spread: int, by: int, kind: Any
) -> None:
    before = around(middle, spread, kind)
    assert compared(before, around(middle + by, spread, kind, seed=1)).drifted_columns == ("n",)
    assert not compared(before, around(middle, spread, kind, seed=2)).drifted


@pytest.mark.parametrize("measure", ["ks", "lepage", "psi", "l-infinity", "wasserstein"])
def test_each_measure_of_one_column_sees_it(measure: str) -> None:
    before, after = (around(middle, 1000, pa.int64()) for middle in (2**60, 2**60 + 5000))
    limits = {"columns": {"n": {"measure": measure}}}
    report = detect([after], ANY, profile_tables([before], ANY), limits=limits)
    assert report.drifted_columns == ("n",)
    assert not detect([before], ANY, profile_tables([before], ANY), limits=limits).drifted


def test_floats_far_from_zero_are_measured_by_their_own_spread() -> None:
    made = np.random.default_rng(0).normal(0, 1, ROWS)
    limits = {"columns": {"n": {"measure": "wasserstein"}}}
    before, after = (pa.table({"n": 1e9 + made + by}) for by in (0, 2))
    assert detect([after], ANY, profile_tables([before], ANY), limits=limits).drifted


def test_errors_of_computing_are_no_drift() -> None:
    before, after = (pa.table({"n": np.full(ROWS, n)}) for n in (0.3, 0.1 + 0.1 + 0.1))
    assert not detect([after], ANY, profile_tables([before], ANY)).drifted


def test_a_profile_keeps_large_numbers_as_they_are() -> None:
    profile = profile_tables([around(2**60, 1000, pa.int64())], ANY)
    kept = Profile.from_dict(json.loads(json.dumps(profile.to_dict())))
    known = kept.columns["n"].numbers
    exact = np.sort(np.asarray(around(2**60, 1000, pa.int64())["n"]))
    assert kept == profile
    assert known is not None
    assert known.quantiles[50] - int(exact[ROWS // 2 + 10]) in range(-3, 4)
    assert 900 < known.std < 1100


def test_ids_by_time_only_grow_although_floats_do_not_tell_them_apart() -> None:
    steps = np.random.default_rng(0).integers(1, 40, ROWS)
    ids = 1_800_000_000_000_000_000 + np.cumsum(steps)
    for values in (ids, ids.astype(np.uint64) + np.uint64(2**63), [Decimal(int(i)) for i in ids]):
        kind = DECIMAL if isinstance(values, list) else None
        found = profile_tables([pa.table({"id": pa.array(values, kind)})], ANY)
        assert found.columns["id"].ascending


WHOLE = st.integers(-9, 9) | st.integers(-(2**63), 2**63 - 1) | st.integers(2**60, 2**60 + 99)


@given(st.lists(st.lists(WHOLE, max_size=15), max_size=5), st.randoms(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_large_numbers_that_are_kept_depend_on_no_order(
    parts: list[list[int]], order: random.Random, with_a_float: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for module in (floats, wholes):
            patch.setattr(module, "BINS", 8)
        arrays: list[Any] = [np.array(part, np.int64) for part in parts]
        arrays += [np.array([0.5])] if with_a_float else []
        once, merging = NumberSketch(), NumberSketch()
        for values in arrays:
            once.add(values)
        order.shuffle(arrays)
        for values in arrays:
            sketch = NumberSketch()
            sketch.add(values)
            merging.merge(sketch)
        assert told(once.numbers()) == told(merging.numbers())


def test_large_numbers_among_floats_are_the_same_floats_in_any_order() -> None:
    parts = [
        np.array([0.5]),
        np.array([2**53 + 3, -(2**60) - 255]),
        np.array([2**64 - 1], np.uint64),
    ]
    found = []
    for order in permutations(parts):
        sketch = NumberSketch()
        for part in order:
            sketch.add(part)
        found.append(sketch.numbers())
    assert found == found[:1] * 6


def told(numbers: Numbers | None) -> Any:
    return numbers and (numbers.count, numbers.quantiles)


@given(st.lists(st.integers(-(2**63), 2**64 - 1), min_size=1, max_size=30), st.integers(0, 127))
@settings(max_examples=200, deadline=None)
def test_digits_are_dropped_alike_from_one_number_and_from_many(
    values: list[int], dropped: int
) -> None:
    for kind, low, high in ((np.int64, -(2**63), 2**63), (np.uint64, 0, 2**64)):
        held = [value for value in values if low <= value < high]
        many = wholes._cut_all(np.array(held, kind), dropped).tolist()
        assert many == [wholes._cut(value, dropped) for value in held]


@given(
    st.lists(st.lists(st.sampled_from([0.0, -0.0, 1e-300, -1e-300, 1.0, -2.5, 1e9])), max_size=6)
)
@settings(max_examples=60, deadline=None)
def test_floats_of_which_many_digits_are_dropped_are_counted_the_same_in_one_and_in_parts(
    parts: list[list[float]],
) -> None:
    many = np.random.default_rng(0).normal(size=3000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(floats, "BINS", 64)
        once, merging = FloatSketch(), FloatSketch()
        once.add(np.array([*many, *(n for part in parts for n in part)]))
        for values in ([*many], *parts):
            merging.add(np.array(values, np.float64))
            merging._count_waiting()
        assert told(once.numbers()) == told(merging.numbers())


def test_what_travels_are_counts_and_not_the_values() -> None:
    values = np.random.default_rng(0).integers(0, 50, 100_000)
    sketch = sketch_tables(pa.table({"n": values, "x": values / 8}), ANY)
    assert len(pickle.dumps(sketch)) < 30_000


def test_texts_by_codes_have_the_profile_of_texts(tmp_path: Any) -> None:
    words = np.array([f"word {n}" for n in range(300)])
    chosen = np.random.default_rng(0).integers(0, 300, 70_000)
    plain = pa.table({"w": pa.array(words[chosen], mask=chosen % 7 == 0)})
    coded = plain.set_column(0, "w", plain["w"].dictionary_encode())
    doubled = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 1, None]), ["a", "b", "a"])
    parquet.write_table(plain, tmp_path / "rows.parquet", row_group_size=20_000)
    labels = Labels()
    whole = profile_tables([plain], ANY, labels=labels).columns
    for data in ([coded], [coded[:9], coded[9:]], tmp_path / "rows.parquet"):
        assert profile_tables(data, ANY, labels=labels).columns == whole
    found = profile_tables([pa.table({"w": doubled})], ANY, labels=labels).columns
    assert (
        found
        == profile_tables([pa.table({"w": ["a", "b", "a", "b", None]})], ANY, labels=labels).columns
    )
