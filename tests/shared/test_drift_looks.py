"""Drift looks into lists, maps and vectors, and says what it did not look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from benchmarks.drift_cases import KINDS, drifted
from llm_integrations.core.cli.app import app
from llm_integrations.core.drift import (
    DriftReport,
    DriftThresholds,
    Profile,
    compare_profiles,
    detect,
    profile_tables,
)
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry import connect
from llm_integrations.core.validation import compile_validator

ANY = compile_validator({"type": "object"}, reference="row@1")
ROWS = 1500
Random = np.random.Generator


def compared(before: pa.Table, after: pa.Table, **options: Any) -> DriftReport:
    return detect([after], ANY, profile_tables([before], ANY), **options)


def words(random: Random, rows: int = ROWS, names: str = "abc") -> list[list[str]]:
    return [list(random.choice(list(names), int(k))) for k in random.integers(0, 4, rows)]


def chats(random: Random, roles: tuple[str, ...] = ("user", "assistant")) -> list[Any]:
    return [
        [{"role": roles[turn % len(roles)], "content": "x" * int(random.integers(5, 60))}
         for turn in range(int(k))]
        for k in random.integers(1, 5, ROWS)
    ]  # fmt: skip


def vectors(random: Random, shift: float = 0.0, size: int = 64) -> Any:
    numbers = random.normal(shift, 1, (ROWS, size)).astype(np.float32)
    return pa.FixedSizeListArray.from_arrays(numbers.ravel(), size)


def clock(random: Random, start: int) -> Any:
    seconds = random.integers(start * 3600, (start + 8) * 3600, ROWS)
    midnight = datetime(2026, 1, 1)  # noqa: DTZ001 - only its time of day is used
    return pa.array([(midnight + timedelta(seconds=int(s))).time() for s in seconds])


def counts(random: Random, keys: str = "abc", size: int = 5) -> Any:
    rows = [[(k, int(random.poisson(size))) for k in keys] for _ in range(ROWS)]
    return pa.array(rows, pa.map_(pa.string(), pa.int64()))


CASES: dict[str, tuple[str, Callable[[Random], Any], Callable[[Random], Any]]] = {
    "roles": ("messages[*].role", chats, lambda r: chats(r, ("human", "gpt"))),
    "tags": ("messages", words, lambda r: words(r, names="xyz")),
    "numbers in lists": (
        "messages",
        lambda r: [list(r.normal(0, 1, int(k))) for k in r.integers(1, 5, ROWS)],
        lambda r: [list(r.normal(2, 1, int(k))) for k in r.integers(1, 5, ROWS)],
    ),
    "embeddings": ("messages", vectors, lambda r: vectors(r, 5.0)),
    "embeddings, little": ("messages", vectors, lambda r: vectors(r, 0.3)),
    "embeddings, varying lists": (
        "messages",
        lambda r: vectors(r).cast(pa.list_(pa.float32())),
        lambda r: vectors(r, 5.0).cast(pa.list_(pa.float32())),
    ),
    "time of day": ("messages", lambda r: clock(r, 8), lambda r: clock(r, 14)),
    "keys of maps": ("messages", counts, lambda r: counts(r, "xyz")),
    "values of maps": ("messages[*]", counts, lambda r: counts(r, size=9)),
    "sizes of maps": ("messages", counts, lambda r: counts(r, "abcd")),
    "bytes": (
        "messages",
        lambda r: [b"x" * int(k) for k in r.integers(1, 9, ROWS)],
        lambda r: [b"x" * int(k) for k in r.integers(1, 99, ROWS)],
    ),
    "lists of lists": (
        "messages[*]",
        lambda r: [words(r, 2) for _ in range(ROWS)],
        lambda r: [words(r, 2, "xyz") for _ in range(ROWS)],
    ),
    "a struct in a list": (
        "messages[*].function.name",
        lambda r: [[{"function": {"name": str(n)}} for n in r.choice(["a", "b"], 2)]] * ROWS,
        lambda r: [[{"function": {"name": "c"}}]] * ROWS,
    ),
    "an outlier hides nothing": (
        "messages",
        lambda r: np.append(r.normal(0, 1, ROWS), 1e9),
        lambda r: np.append(r.normal(3, 1, ROWS), 1e9),
    ),
    "lognormal": (
        "messages",
        lambda r: r.lognormal(0, 1.5, ROWS),
        lambda r: 3 * r.lognormal(0, 1.5, ROWS),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_changed_within_a_column_is_found_and_the_same_again_is_not(name: str) -> None:
    column, before, after = CASES[name]
    tables = [
        pa.table({"messages": make(np.random.default_rng(seed))})
        for make, seed in ((before, 1), (before, 2), (after, 3))
    ]
    same = compared(tables[0], tables[1])
    assert same, str(same)
    assert same.not_compared == {}
    found = compared(tables[0], tables[2])
    assert column in found.drifted_columns


def test_words_that_the_schema_names_within_lists_are_shown() -> None:
    roles = {"enum": ["user", "assistant", "human", "gpt"]}
    messages = {"type": "array", "items": {"properties": {"role": roles}}}
    body = {"properties": {"messages": messages, "tags": {"type": "array", "items": roles}}}
    validator = compile_validator(body, reference="row@1")
    made = np.random.default_rng(1)
    table = pa.table({"messages": chats(made), "tags": [["user", "secret"]] * ROWS})
    columns = profile_tables([table], validator).columns
    known = columns["messages[*].role"].categories
    assert known is not None
    assert set(known.counts) == {'"user"', '"assistant"'}
    items = columns["tags"].parts["items"].categories
    assert items is not None
    assert '"user"' in items.counts
    assert "secret" not in str(items)


def test_values_of_one_list_are_no_independent_samples() -> None:
    # Each row repeats one value 20 times: the rows are the sample, not the values.
    def lists(seed: int) -> pa.Table:
        random = np.random.default_rng(seed)
        return pa.table({"x": [[str(n)] * 20 for n in random.integers(0, 5, 100)]})

    for seed in range(10):
        assert compared(lists(2 * seed), lists(2 * seed + 1)), seed


def test_a_field_of_listed_objects_that_comes_late_was_missing_before() -> None:
    early = pa.table({"m": [[{"a": 1}, {"a": 2}]] * 10})
    late = pa.table({"m": [[{"a": 1, "b": "x"}]] * 10})
    column = profile_tables([early, late], ANY).columns["m[*].b"]
    assert (column.rows, column.nulls) == (30, 20)


def test_a_million_rows_that_become_few_are_drift() -> None:
    few, many = pa.table({"n": range(50)}), pa.table({"n": np.arange(50_000) % 50})
    shuffled = few.take(np.random.default_rng(0).permutation(50))
    found = compared(many, shuffled)
    assert [a.kind for a in found.anomalies if a.drift] == ["rows"]
    assert "1,000 times fewer" in str(found)
    assert compared(many, shuffled, thresholds=DriftThresholds(rows=2000))
    with pytest.raises(ConfigurationError, match="rows"):
        DriftThresholds(rows=0.5)


def test_values_that_are_new_each_time_are_left_out_and_said() -> None:
    def week(number: int) -> pa.Table:
        start = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(weeks=number)
        at = [start + timedelta(minutes=n) for n in range(ROWS)]
        ids = np.arange(ROWS) + ROWS * number
        prices = np.random.default_rng(number).normal(10, 1, ROWS)
        return pa.table({"at": at, "id": ids, "day": [d.date() for d in at], "price": prices})

    report = compared(week(0), week(1))
    assert report
    assert report.compared == ("price",)
    assert set(report.not_compared) == {"at", "id", "day"}
    for text in (str(report), report.to_markdown(), report.to_html(), report.to_json()):
        assert "at" in text
        assert "not compared" in text.lower() or "not_compared" in text
    wanted = compared(week(0), week(1), compare=["at", "id"])
    assert {"at", "id"} <= set(wanted.drifted_columns)
    with pytest.raises(ConfigurationError, match="'no'"):
        compared(week(0), week(1), compare=["no"])


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ({"n": range(29)}, {"n": range(100, 129)}, "grows"),
        ({"n": [1, 0] * 14}, {"n": [9, 8] * 14}, "28 values are too few"),
        ({"n": pa.nulls(99)}, {"n": pa.nulls(99)}, "too few"),
        ({"n": [1, 0] * 99}, {"n": ["a", "b"] * 99}, ""),
    ],
)
def test_where_nothing_could_be_compared_there_is_no_verdict(
    before: Any, after: Any, why: str
) -> None:
    report = compared(pa.table(before), pa.table(after))
    assert not report, "false: nobody has looked"
    if why:
        assert not report.drifted
        assert not report.decided
        assert "nothing compared" in str(report)
        assert why in report.not_compared["n"]
        assert "# Nothing compared" in report.to_markdown()


def test_the_command_exits_with_2_where_nothing_was_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_INTEGRATIONS_REGISTRY_URL", str(tmp_path / "schemas"))
    with connect(tmp_path / "schemas") as registry:
        registry.register("row", {"type": "object"})
    for name, rows in (("few", 29), ("many", 300)):
        lines = [f'{{"n": {n % 7}}}\n' for n in range(rows)]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))

    def code(data: str, baseline: str) -> int:
        options = ["drift", data, "row@1", "--baseline", str(tmp_path / baseline)]
        return CliRunner().invoke(app, options).exit_code

    assert code(str(tmp_path / "few.jsonl"), "few.jsonl") == 2
    assert code(str(tmp_path / "many.jsonl"), "many.jsonl") == 0
    assert code(str(tmp_path / "[m]any*"), "many.jsonl") == 0


def test_folders_patterns_and_packed_files_are_one_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gzip

    monkeypatch.setenv("LLM_INTEGRATIONS_REGISTRY_URL", str(tmp_path / "schemas"))
    with connect(tmp_path / "schemas") as registry:
        registry.register("row", {"type": "object"})
    (tmp_path / "parts").mkdir()
    for part in range(3):
        lines = "".join(f'{{"n": {n % 7}, "part": "{part}"}}\n' for n in range(100))
        (tmp_path / "parts" / f"{part}.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    for data in ("parts", "parts/*.gz"):
        target = tmp_path / "p.json"
        options = ["drift", str(tmp_path / data), "row@1", "--save", "--baseline", str(target)]
        assert CliRunner().invoke(app, options).exit_code == 0
        profile = Profile.read(target)
        assert (profile.rows, profile.columns["part"].rows) == (300, 300)
        assert profile.source == str(tmp_path / data)


def test_a_profile_of_before_is_compared_as_far_as_it_goes() -> None:
    random = np.random.default_rng(1)
    table = pa.table({"messages": chats(random), "n": random.normal(0, 1, ROWS)})
    profile = profile_tables([table], ANY)
    old: dict[str, Any] = profile.to_dict() | {"format": 1}
    old["columns"] = {n: c for n, c in old["columns"].items() if "[*]" not in n}
    for column in old["columns"].values():
        for later in ("parts", "groups", "ascending"):
            del column[later]
    del old["source"]
    report = compare_profiles(Profile.from_dict(old), profile)
    assert report
    assert set(report.not_compared) == {"messages[*].role", "messages[*].content"}
    assert "older" in report.not_compared["messages[*].role"]


def mixed(seed: int, rows: int) -> pa.Table:
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {f"n{i}": random.normal(0, 1, rows) for i in range(10)}
    columns |= {f"l{i}": random.lognormal(0, 1, rows) for i in range(5)}
    columns |= {f"p{i}": random.poisson(3, rows) for i in range(5)}
    columns |= {f"c{i}": random.choice(list("abcdefgh")[: i + 2], rows) for i in range(6)}
    for i in range(8):
        columns[f"z{i}"] = [f"z{n}" for n in np.minimum(random.zipf(1.6, rows), 3000)]
    columns |= {f"b{i}": random.random(rows) < 0.1 * (i + 1) for i in range(3)}
    for i in range(3):
        columns[f"h{i}"] = pa.array(random.normal(0, 1, rows), mask=random.random(rows) < 0.1)
    return pa.table(columns)


@pytest.mark.parametrize("rows", [30, 100, 1000])
def test_forty_columns_without_drift_raise_no_alarm(rows: int) -> None:
    alarms = [
        str(report)
        for seed in range(6)
        if (report := compared(mixed(2 * seed, rows), mixed(2 * seed + 1, rows))).drifted
    ]
    assert len(mixed(0, rows).schema) == 40
    assert len(alarms) <= 1, alarms


def test_words_stand_for_hashes_where_values_may_be_shown() -> None:
    random = np.random.default_rng(1)
    before = pa.table({"city": random.choice(["Ulm", "Bonn"], ROWS), "tags": words(random)})
    after = pa.table(
        {"city": random.choice(["Ulm", "Kiel"], ROWS), "tags": words(random, names="xy")}
    )
    profile = profile_tables([before], ANY)
    hidden = detect([after], ANY, profile)
    shown = detect([after], ANY, profile, show_values=True)
    for text in (hidden.to_html(), hidden.to_markdown(), hidden.to_json()):
        assert "Kiel" not in text
    page = shown.to_html()
    assert "Kiel" in page
    assert "Ulm" in page
    city = next(column for column in shown.columns if column.name == "city")
    assert city.new == ('"Kiel"',)
    assert city.gone[0].startswith("#"), "the baseline does not hold it"
    tags = next(column for column in shown.columns if column.name == "tags")
    assert set(tags.new) == {'"x"', '"y"'}


def test_the_page_fits_a_telephone_and_a_dark_room() -> None:
    random = np.random.default_rng(1)
    table = pa.table({"a_name_that_has_no_place_to_break" * 3: random.normal(0, 1, ROWS)})
    page = detect([table], ANY, profile_tables([table], ANY), source="rows.parquet").to_html()
    assert 'name="viewport" content="width=device-width' in page
    assert "color-scheme:light dark" in page
    assert "rows.parquet" in page
    assert page.count('<div class="wide"><table>') == page.count("<table>"), "tables scroll alone"


def test_a_hundred_rows_show_drift_that_is_plain() -> None:
    found: Counter[str] = Counter()
    for seed in range(3):
        before, after = drifted(seed, 100)
        baseline = profile_tables([pa.table(before)], ANY)
        report = detect([pa.table(after)], ANY, baseline)
        found.update({name.removesuffix("[*].role") for name in report.drifted_columns})
    assert {name for name in KINDS if found[name] < 2} == set()


def test_words_are_the_same_in_whatever_layout_they_come() -> None:
    words = pa.array(["a", "b", None, "a"] * 25)
    coded = words.dictionary_encode()
    views = pa.DictionaryArray.from_arrays(coded.indices, coded.dictionary.cast(pa.string_view()))
    edges = pa.array(range(0, 101, 2), pa.int32())
    for column in (words, coded, views, words.cast(pa.string_view())):
        found = profile_tables([pa.table({"word": column})], ANY).columns["word"]
        lists = pa.table({"words": pa.ListArray.from_arrays(edges, column)})
        items = profile_tables([lists], ANY).columns["words"].parts["items"]
        for known in (found.categories, items.categories):
            assert known is not None
            assert sorted(known.counts.values()) == [25, 50]


def test_lists_and_maps_are_the_same_in_whatever_layout_they_come() -> None:
    view = pa.string_view()
    lists = [[{"role": "a"}], None, [{"role": "b"}, {"role": None}]] * 20
    kinds = [pa.struct([("role", text)]) for text in (pa.string(), view)]
    columns = [pa.array(lists, of(kind)) for of in (pa.list_, pa.list_view) for kind in kinds]
    columns.append(
        pa.RunEndEncodedArray.from_arrays(pa.array(range(1, 61), pa.int32()), columns[1])
    )
    for column in columns:
        found = profile_tables([pa.table({"m": column})], ANY).columns
        role = found["m[*].role"]
        assert (found["m"].rows, found["m"].nulls) == (60, 20)
        assert (role.rows, role.nulls, role.groups) == (60, 20, 40)
        assert role.categories is not None
        assert sorted(role.categories.counts.values()) == [20, 20]
    maps = [[("k", "x"), ("l", "y")], None] * 20
    for text in (pa.string(), view):
        table = pa.table({"m": pa.array(maps, pa.map_(text, text))})
        found = profile_tables([table], ANY).columns
        assert (found["m"].parts["keys"].rows, found["m[*]"].rows) == (40, 40)
    number = pa.array([[1], None, [2, 3]] * 20, pa.list_view(pa.int64()))
    items = profile_tables([pa.table({"n": number})], ANY).columns["n"].parts["items"]
    assert items.rows == 60
