"""``Json()`` at any depth, as `datasets` gives it to chats with tools, is what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from datasets import Array2D, Dataset, Features, Image, Json, List, Value
from pyarrow import parquet

from llm_integrations.core.arrow import ArrowPlan
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry
from llm_integrations.core.validation import compile_validator
from llm_integrations.datasets import (
    SchemaMap,
    check_features,
    detect_drift,
    features_from_schema,
    save_baseline,
    validate_dataset,
)
from tests.support.nested_calls import CALL_REASONS, CALLS, VALID_CALLS, calls
from tests.support.training_rows import registry, small_blocks

__all__ = ["registry", "small_blocks"]

MESSAGE = {"type": "object", "properties": {"role": {"type": "string"}}, "required": ["role"]}
CHAT = {"type": "object", "properties": {"messages": {"type": "array", "items": MESSAGE}}}
CALL = {
    "type": "object",
    "properties": {
        "calls": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "arguments": {"required": ["q"]}},
            },
        }
    },
}
SHAPES: dict[str, tuple[Any, Features, list[Any], list[bool]]] = {
    "items": (
        CHAT,
        Features({"messages": List(Json())}),
        [[{"role": "user"}], ["text"], None, [], [{"role": "user"}, {"role": 1}], [None]],
        [True, False, True, True, False, False],
    ),
    "members": (
        CALL,
        Features({"calls": List({"name": Value("string"), "arguments": Json()})}),
        [
            [{"name": "a", "arguments": {"q": 1}}],
            [{"name": "a", "arguments": {"z": 1}}],
            [{"name": "a", "arguments": [1]}],
            [{"name": None, "arguments": None}],
        ],
        [True, False, True, True],
    ),
    "lists of lists": (
        {"properties": {"x": {"items": {"items": {"type": "integer"}}}}},
        Features({"x": List(List(Json()))}),
        [[[1], [2]], [[1], ["a"]], [[1.5]]],
        [True, False, False],
    ),
}


def rows_of(shape: str) -> tuple[Dataset, list[bool], Any]:
    schema, features, values, right = SHAPES[shape]
    [name] = features
    return Dataset.from_list([{name: value} for value in values], features), right, schema


@pytest.mark.parametrize("form", ["memory", "disk", "parquet", "stream"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_verdicts_are_those_on_its_rows(
    registry: Registry, tmp_path: Path, shape: str, form: str
) -> None:
    dataset, right, schema = rows_of(shape)
    registry.register("nested", schema)
    data: Any = dataset
    if form == "disk":
        dataset.save_to_disk(str(tmp_path / "saved"))
        data = Dataset.load_from_disk(str(tmp_path / "saved"))
    elif form == "parquet":
        data = tmp_path / "rows.parquet"
        dataset.to_parquet(str(data))
    elif form == "stream":
        data = dataset.to_iterable_dataset(num_shards=2)
    result = validate_dataset(data, "nested@1", registry=registry, quarantine=tmp_path / "bad")
    rows = list(zip(dataset.to_list(), right, strict=True))
    assert list(result.valid) == [row for row, is_valid in rows if is_valid]
    assert result.report.invalid == right.count(False)
    aside = [record.value for record in Quarantine(tmp_path / "bad").records()]
    wrong = [row for row, is_valid in rows if not is_valid]
    assert sorted(aside, key=json.dumps) == sorted(wrong, key=json.dumps)


@pytest.mark.parametrize("shape", SHAPES)
def test_schema_map_gives_the_same_in_every_form(registry: Registry, shape: str) -> None:
    dataset, right, schema = rows_of(shape)
    registry.register("nested", schema)
    judge = SchemaMap("nested@1", registry)
    for form, batched in ((None, False), (None, True), ("arrow", True)):
        judged = dataset.with_format(form).map(judge, batched=batched).with_format(None)
        assert judged["schema_valid"] == right
    assert [judge.keep(row) for row in dataset] == right
    assert len(dataset.filter(judge)) == right.count(True)
    explained = ArrowPlan(judge.validator).explain(dataset.data.schema)
    assert "it is JSON text" in str(explained)


def test_the_columns_that_a_schema_asks_for_fit_it_and_take_its_rows(registry: Registry) -> None:
    schema = {"properties": {"messages": {"type": "array", "items": {"type": "object"}}}}
    registry.register("m", {"type": "object", **schema})
    features = features_from_schema("m@1", registry=registry)
    assert features == Features({"messages": List(Json())})
    assert check_features(features, "m@1", registry=registry)
    dataset = Dataset.from_list([{"messages": [{"role": "user"}]}], features=features)
    assert validate_dataset(dataset, "m@1", registry=registry)
    assert not check_features(features, {"properties": {"messages": {"type": "string"}}})


def test_chats_whose_tools_differ_are_json_for_datasets_and_judged_as_such(
    registry: Registry, tmp_path: Path
) -> None:
    tools = [[{"name": "a", "parameters": {"x": {"type": "int"}}}], [{"name": "b"}, "no tool"]]
    path = tmp_path / "chats.json"
    path.write_text("".join(json.dumps({"tools": one}) + "\n" for one in tools))
    dataset = Dataset.from_json(str(path), cache_dir=str(tmp_path / "cache"))
    assert isinstance(dataset, Dataset)
    registry.register("tools", {"properties": {"tools": {"items": {"required": ["name"]}}}})
    registry.register("named", {"properties": {"tools": {"items": {"type": "object"}}}})
    assert validate_dataset(dataset, "tools@1", registry=registry)
    result = validate_dataset(dataset, "named@1", registry=registry)
    assert result.valid.to_list() == [{"tools": tools[0]}]


def test_ray_and_spark_judge_the_same_calls_alike(registry: Registry, tmp_path: Path) -> None:
    """Theirs are in tests/real."""
    registry.register("calls", CALLS)
    parquet.write_table(calls(pa.json_()), tmp_path / "calls.parquet")
    for data in (Dataset(calls(pa.json_())), tmp_path / "calls.parquet"):
        result = validate_dataset(data, "calls@1", registry=registry)
        assert result.valid["id"] == VALID_CALLS
        assert set(result.report.reasons) == CALL_REASONS


def test_drift_is_looked_for_in_nested_json_too(registry: Registry, tmp_path: Path) -> None:
    features = Features({"messages": List(Json()), "grid": Array2D((1, 2), "int32")})
    rows = [{"messages": [{"role": "user"}], "grid": [[number, 2]]} for number in range(50)]
    dataset = Dataset.from_list(rows, features=features)
    registry.register("chat", CHAT)
    profile = save_baseline(dataset, "chat@1", registry=registry, path=tmp_path / "chat.json")
    assert profile.invalid == 0
    report = detect_drift(dataset, "chat@1", registry=registry, baseline=tmp_path / "chat.json")
    assert not report.drifted


def test_arrays_of_datasets_are_judged_as_lists_and_null_is_null(registry: Registry) -> None:
    features = Features({"grid": Array2D((1, 2), "int32"), "many": List(Array2D((1, 2), "int32"))})
    rows = [
        {"grid": [[1, 2]], "many": [[[1, 2]]]},
        {"grid": [[-1, 2]], "many": []},
        {"grid": None, "many": None},
        {"grid": [[1, 2]], "many": [[[1, 2]], [[1, -2]]]},
    ]
    grid = {"items": {"items": {"type": "integer", "minimum": 0}}}
    registry.register("grids", {"properties": {"grid": grid, "many": {"items": grid}}})
    dataset = Dataset.from_list(rows, features=features)
    result = validate_dataset(dataset, "grids@1", registry=registry)
    assert result.valid.to_list() == [rows[0], rows[2]]
    assert ArrowPlan(registry.validator("grids@1")).explain(dataset.data.schema).is_vectorised


def test_a_released_image_is_the_same_image(registry: Registry, tmp_path: Path) -> None:
    from PIL import Image as Picture

    picture = Picture.new("RGB", (3, 2), (200, 10, 30))
    features = Features({"photo": Image(), "pages": List(Image()), "n": Value("int64")})
    rows = [{"photo": picture, "pages": [picture], "n": -1}]
    dataset = Dataset.from_list(rows, features=features)
    registry.register("photo", {"properties": {"n": {"minimum": 0}}})
    validate_dataset(dataset, "photo@1", registry=registry, quarantine=tmp_path)
    stored = dataset.with_format("arrow")[:]["photo"].to_pylist()[0]["bytes"]
    freed: list[Any] = []
    wider = compile_validator({}, subject="photo")
    Quarantine(tmp_path).release(wider, freed.extend)
    [record] = freed
    assert record.value["photo"]["bytes"] == stored
    back = Dataset.from_list([record.value], features=features)[0]
    assert back["photo"].tobytes() == picture.tobytes()
    assert back["pages"][0].tobytes() == picture.tobytes()
