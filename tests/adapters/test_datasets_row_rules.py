"""Keys that are unique over all rows, rules in Python, and the share that may be invalid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset, DatasetDict, Features, Json, Value
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry
from llm_integrations.core.validation import compile_validator
from llm_integrations.datasets import validate_dataset
from llm_integrations.datasets.run.keys import repeated
from tests.support.training_rows import registry, small_blocks

__all__ = ["registry", "small_blocks"]


NUMBERS = [1, 2, -1, 2, -1, 3, 1, 1]
TEXTS = ["a", "b", "c", "b", "e", "f", "z", "a"]


def rows() -> pa.Table:
    return pa.table({"n": NUMBERS, "text": TEXTS})


def stored(form: str, folder: Path) -> Any:
    match form:
        case "memory":
            return Dataset(rows())
        case "selected":
            return Dataset(pa.concat_tables([rows(), rows()])).select(range(8, 16))
        case "parquet":
            parquet.write_table(rows(), folder / "rows.parquet")
            return folder / "rows.parquet"
    lines = [json.dumps(row) + "\n" for row in rows().to_pylist()]
    (folder / "rows.jsonl").write_text("\n" + "\n".join(lines))
    return folder / "rows.jsonl"


FORMS = ["memory", "selected", "parquet", "jsonl"]


@pytest.mark.parametrize("form", FORMS)
def test_of_rows_with_the_same_key_the_first_stays(
    registry: Registry, tmp_path: Path, form: str
) -> None:
    data = stored(form, tmp_path)
    result = validate_dataset(data, "row@1", registry=registry, unique="n")
    assert result.valid["n"] == [1, 2, 3]
    assert (result.report.total, result.report.invalid) == (8, 5)
    assert result.report.reasons == {"minimum at /n": 2, "unique at /n": 3}
    aside = {
        json.loads(row["position"]): json.loads(row["data"]) for row in result.quarantined.to_list()
    }
    places = range(8) if form != "jsonl" else range(1, 17, 2)
    wrong = [number for number in range(8) if number not in (0, 1, 5)]
    assert aside == {places[number]: rows().to_pylist()[number] for number in wrong}


@pytest.mark.parametrize("form", FORMS)
def test_doing_it_again_sets_nothing_aside_twice_and_without_keys_nothing_is_left(
    registry: Registry, tmp_path: Path, form: str
) -> None:
    data, bad = stored(form, tmp_path), tmp_path / "bad"
    for _ in range(2):
        result = validate_dataset(data, "row@1", registry=registry, unique="n", quarantine=bad)
        assert len(result.quarantined) == result.report.invalid == 5
    assert Quarantine(bad).count() == 5


def test_several_columns_make_one_key_and_several_keys_are_held_each(registry: Registry) -> None:
    data = Dataset(rows())
    both = validate_dataset(data, "row@1", registry=registry, unique=[("n", "text")])
    assert both.valid["text"] == ["a", "b", "f", "z"]
    assert both.report.reasons["unique n, text at (root)"] == 2
    each = validate_dataset(data, "row@1", registry=registry, unique=["text", "n"])
    assert each.valid["text"] == ["a", "b", "f"]


def test_a_key_is_unique_over_all_splits_and_files(registry: Registry, tmp_path: Path) -> None:
    splits = DatasetDict({"train": Dataset(rows()), "test": Dataset(rows())})
    result = validate_dataset(splits, "row@1", registry=registry, unique="n")
    assert [len(split) for split in result.valid.values()] == [3, 0]
    assert result.report.invalid == 13
    assert result.report.splits["test"].reasons["unique at /n"] == 6
    names = []
    for name in "ab":
        parquet.write_table(rows(), tmp_path / f"{name}.parquet")
        names.append(tmp_path / f"{name}.parquet")
    assert validate_dataset(names, "row@1", registry=registry, unique="n").valid["n"] == [1, 2, 3]


def test_null_is_no_key_and_members_of_structs_are_keys(registry: Registry) -> None:
    registry.register("any", True)
    data = Dataset.from_list([{"m": {"id": i}} for i in (1, None, 1, None)])
    result = validate_dataset(data, "any@1", registry=registry, unique="/m/id")
    assert [row["m"]["id"] for row in result.valid] == [1, None, None]
    assert result.report.reasons == {"unique at /m/id": 1}
    empty = Dataset.from_dict({"n": [None, None]})
    assert validate_dataset(empty, "any@1", registry=registry, unique="n")


def test_json_and_lists_are_keys_by_what_they_say(registry: Registry) -> None:
    registry.register("any", True)
    features = Features({"j": Json(), "l": [Value("int64")]})
    values = [({"a": 1, "b": 2}, [1]), ({"b": 2, "a": 1}, [1]), ({"a": 1}, [2])]
    data = Dataset.from_list([{"j": one, "l": other} for one, other in values], features)
    for column in ("j", "l"):
        result = validate_dataset(data, "any@1", registry=registry, unique=column)
        assert result.report.reasons == {f"unique at /{column}": 1}


keys = st.lists(
    st.tuples(
        st.none() | st.sampled_from(["", "a", "é", "aa"]),
        st.none() | st.sampled_from([0.0, -0.0, 1.5, 2.0**60]),
    ),
    max_size=12,
)


@settings(max_examples=60)
@given(st.lists(keys, min_size=1, max_size=3), st.sampled_from([("t",), ("f",), ("t", "f")]))
def test_keys_are_told_apart_as_a_set_does(parts: list[Any], key: tuple[str, ...]) -> None:
    """Also where a part holds integers, or no value at all."""
    sets = [
        Dataset.from_dict(
            {"t": [t for t, _ in part], "f": [f for _, f in part]},
            Features({"t": Value("string"), "f": Value("float64")}),
        )
        for part in parts
    ]
    wanted, seen = [], set()
    for number, pair in enumerate(pair for part in parts for pair in part):
        value = tuple(pair["tf".index(column)] for column in key)
        if None not in value and value in seen:
            wanted.append(number)
        seen.add(value)
    pairs = [(one, np.arange(len(one))) for one in sets if len(one)]
    assert (list(repeated(pairs, key)) if pairs else []) == wanted


def chosen_is_not_rejected(row: dict[str, Any]) -> bool:
    return bool(row["chosen"] != row["rejected"])


def both_are_said(row: dict[str, Any]) -> str | None:
    return None if row["chosen"] and row["rejected"] else "one is empty"


PAIRS = [("a", "b"), ("a", "a"), ("", "x"), ("", "")]


@pytest.fixture
def pairs(registry: Registry) -> Dataset:
    registry.register("pair", {"properties": {"chosen": {"type": "string", "maxLength": 3}}})
    texts = [*PAIRS, ("long text", "long text")]
    return Dataset.from_list([{"chosen": one, "rejected": other} for one, other in texts])


def test_a_rule_is_reported_like_a_keyword(registry: Registry, pairs: Dataset) -> None:
    rule = [chosen_is_not_rejected, both_are_said]
    result = validate_dataset(pairs, "pair@1", registry=registry, rule=rule)
    assert result.valid.to_list() == [{"chosen": "a", "rejected": "b"}]
    assert result.report.reasons == {
        "maxLength at /chosen": 1,
        "chosen is not rejected at (root)": 2,
        "both are said at (root)": 2,
    }
    messages = {e.message for record in result.quarantine.records() for e in record.errors}
    assert {"the rule is broken", "one is empty"} <= messages


def test_a_rule_that_fails_costs_its_row_and_a_lambda_is_given_a_name(
    registry: Registry, pairs: Dataset
) -> None:
    rules = {"starts with a": lambda row: {"a": True}[row["chosen"]]}
    result = validate_dataset(pairs, "pair@1", registry=registry, rule=rules)
    assert result.report.reasons["starts with a at (root)"] == 2
    with pytest.raises(ConfigurationError, match="without a name"):
        validate_dataset(pairs, "pair@1", registry=registry, rule=lambda row: True)
    with pytest.raises(ConfigurationError, match="a callable, not str"):
        validate_dataset(pairs, "pair@1", registry=registry, rule={"x": "y"})  # type: ignore[dict-item]


def test_no_schema_releases_what_a_rule_or_a_key_condemned(
    registry: Registry, pairs: Dataset, tmp_path: Path
) -> None:
    validate_dataset(
        pairs,
        "pair@1",
        registry=registry,
        quarantine=tmp_path,
        unique="chosen",
        rule=chosen_is_not_rejected,
    )
    wider = compile_validator({}, subject="pair")
    result = Quarantine(tmp_path).release(wider, lambda _: None)
    assert (result.released, result.kept) == (1, 2)


def test_a_broken_rule_raises_where_that_is_asked_for(registry: Registry, pairs: Dataset) -> None:
    short = pairs.select(range(4))
    with pytest.raises(SchemaValidationError, match="the rule is broken"):
        validate_dataset(
            short,
            "pair@1",
            registry=registry,
            rule=chosen_is_not_rejected,
            on_invalid="raise",
        )


def test_what_cannot_be_asked_is_refused(registry: Registry) -> None:
    stream = Dataset(rows()).to_iterable_dataset()
    with pytest.raises(ConfigurationError, match="a stream is read once"):
        validate_dataset(stream, "row@1", registry=registry, unique="n")
    with pytest.raises(ConfigurationError, match="before a stream was read"):
        validate_dataset(stream, "row@1", registry=registry, max_invalid=0.1)
    for key in ("x", "/n/x"):
        with pytest.raises(ConfigurationError, match="unique: there is no"):
            validate_dataset(Dataset(rows()), "row@1", registry=registry, unique=key)
    for share in (-0.1, 1, True, "1"):
        options: dict[str, Any] = {"max_invalid": share}
        with pytest.raises(ConfigurationError, match="a share from 0"):
            validate_dataset(Dataset(rows()), "row@1", registry=registry, **options)


@pytest.mark.parametrize(
    ("share", "passes"), [(0.24, False), (0.25, True), (0.3, True), (0, False)]
)
def test_a_run_fails_above_the_share_that_may_be_invalid(
    registry: Registry, tmp_path: Path, share: float, passes: bool
) -> None:
    data, bad = Dataset(rows()), tmp_path / "bad"
    if passes:
        result = validate_dataset(data, "row@1", registry=registry, max_invalid=share)
        assert result.report.invalid == 2
        return
    with pytest.raises(SchemaValidationError, match=r"2 of 8 rows \(25\.00%\)") as caught:
        validate_dataset(data, "row@1", registry=registry, max_invalid=share, quarantine=bad)
    assert caught.value.report is not None
    assert caught.value.report.errors[0].keyword == "minimum"
    assert Quarantine(bad).count() == 2
