"""A schema inferred of a data set accepts it, in whatever form it comes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from datasets import Array2D, Dataset, DatasetDict, Features, Image, Json, List, Value

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry import Registry
from llm_integrations.datasets import infer_schema, validate_dataset
from tests.support.training_rows import registry, small_blocks

__all__ = ["registry", "small_blocks"]

ROWS = [
    {"id": n, "messages": [{"role": "user", "n": n}, {"role": "tool", "args": [n]}], "s": "a"}
    for n in range(40)
]
FEATURES = Features({"id": Value("int32"), "messages": List(Json()), "s": Value("string")})


def data_of(form: str, folder: Path) -> Any:
    dataset = Dataset.from_list(ROWS, features=FEATURES)
    match form:
        case "dataset":
            return dataset
        case "splits":
            return DatasetDict({"train": dataset, "test": dataset.select(range(3))})
        case "stream":
            return dataset.to_iterable_dataset()
        case "parquet":
            dataset.to_parquet(str(folder / "rows.parquet"))
            return folder / "rows.parquet"
        case "jsonl":
            (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
            return folder / "rows.jsonl"
    return pd.DataFrame({"id": [1.0, None], "s": ["a", None]})


@pytest.mark.parametrize("form", ["dataset", "splits", "stream", "parquet", "jsonl", "pandas"])
def test_the_data_satisfies_what_was_inferred_of_it(
    registry: Registry, tmp_path: Path, form: str
) -> None:
    data = data_of(form, tmp_path)
    registry.register("inferred", infer_schema(data, ranges=True))
    result = validate_dataset(data, "inferred@1", registry=registry)
    assert result.report.invalid == 0
    if form != "pandas":
        messages = infer_schema(data)["properties"]["messages"]["items"]
        assert messages["properties"]["role"] == {"type": "string", "enum": ["tool", "user"]}
        assert messages["required"] == ["role"]


def test_media_and_arrays_are_described_as_far_as_json_goes(registry: Registry) -> None:
    from PIL import Image as Picture

    features = Features({"photo": Image(), "grid": Array2D((1, 2), "int8"), "raw": Value("binary")})
    rows = [{"photo": Picture.new("L", (1, 1)), "grid": [[1, 2]], "raw": b"\xff"}]
    data = Dataset.from_list(rows, features=features)
    schema = infer_schema(data)
    assert schema["properties"]["raw"] == {}
    assert schema["properties"]["grid"]["items"]["items"] == {"type": "integer"}
    registry.register("media", schema)
    assert validate_dataset(data, "media@1", registry=registry)


def test_rows_are_data_and_other_things_are_refused() -> None:
    assert infer_schema([{"a": 1}, {"a": None}])["properties"] == {
        "a": {"type": ["integer", "null"]}
    }
    with pytest.raises(ConfigurationError, match="not int"):
        infer_schema(1)
    with pytest.raises(ConfigurationError, match="no row"):
        infer_schema([])
