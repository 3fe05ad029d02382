"""SchemaMap: the verdict as data, in every way that `datasets` calls it."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, Features, IterableDataset, Json, Value
from datasets.fingerprint import Hasher

from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.registry import Registry, connect
from llm_integrations.datasets import SchemaMap

ROW = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 0}, "text": {"type": "string"}},
    "required": ["n"],
}
DATA = {"n": [1, -2, 3, None], "text": ["a", "b", None, "d"]}
VERDICT = [True, False, True, False]


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("row", ROW)
        yield client


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "hf"))


@pytest.mark.parametrize(
    ("form", "options"),
    [(None, {}), (None, {"batched": True}), ("arrow", {"batched": True}), (None, {"num_proc": 2})],
    ids=["row", "batch", "arrow", "processes"],
)
def test_map_adds_the_verdict_and_the_reasons(registry: Registry, form: Any, options: Any) -> None:
    dataset = Dataset.from_dict(DATA).with_format(form)
    judged = dataset.map(SchemaMap("row@1", registry), **options).with_format(None)
    assert judged["schema_valid"] == VERDICT
    good, bad, *_ = judged["schema_errors"]
    assert good == ""
    [error] = json.loads(bad)
    assert (error["path"], error["keyword"]) == ("/n", "minimum")
    assert judged["n"] == DATA["n"]


@pytest.mark.parametrize("options", [{}, {"batched": True}], ids=["row", "batch"])
def test_filter_takes_it_as_it_is(registry: Registry, options: Any) -> None:
    kept = Dataset.from_dict(DATA).filter(SchemaMap("row@1", registry), **options)
    assert kept["n"] == [1, 3]


@pytest.mark.parametrize(
    ("form", "options"), [(None, {}), (None, {"batched": True}), ("arrow", {"batched": True})]
)
def test_filter_takes_keep_in_every_format(registry: Registry, form: Any, options: Any) -> None:
    dataset = Dataset.from_dict(DATA).with_format(form)
    assert dataset.filter(SchemaMap("row@1", registry).keep, **options).with_format(None)["n"] == [
        1,
        3,
    ]


def test_streams_are_judged_by_row_by_batch_and_by_table(registry: Registry) -> None:
    stream: IterableDataset = Dataset.from_dict(DATA).to_iterable_dataset()
    rows = list(stream.map(SchemaMap("row@1", registry)))
    assert [row["schema_valid"] for row in rows] == VERDICT
    batches = stream.map(SchemaMap("row@1", registry, batched=True), batched=True, batch_size=2)
    assert [row["schema_valid"] for row in batches] == VERDICT
    tables = stream.with_format("arrow").map(SchemaMap("row@1", registry), batched=True)
    assert [row["schema_valid"] for row in tables.with_format(None)] == VERDICT
    assert [row["n"] for row in stream.filter(SchemaMap("row@1", registry).keep)] == [1, 3]


@pytest.mark.parametrize("form", [None, "arrow"])
def test_drop_leaves_invalid_rows_out(registry: Registry, form: Any) -> None:
    dataset = Dataset.from_dict(DATA).with_format(form)
    kept = dataset.map(SchemaMap("row@1", registry, on_invalid="drop"), batched=True)
    assert kept.with_format(None)["n"] == [1, 3]
    assert kept.column_names == ["n", "text"]


def test_drop_needs_batches(registry: Registry) -> None:
    with pytest.raises(ConfigurationError, match="batched=True"):
        Dataset.from_dict(DATA).map(SchemaMap("row@1", registry, on_invalid="drop"))


@pytest.mark.parametrize("form", [None, "arrow"])
def test_raise_stops_with_our_error(registry: Registry, form: Any) -> None:
    dataset = Dataset.from_dict(DATA).with_format(form)
    with pytest.raises(SchemaValidationError):
        dataset.map(SchemaMap("row@1", registry, on_invalid="raise"), batched=True)


def test_json_columns_are_judged_as_what_they_say(registry: Registry) -> None:
    registry.register("call", {"properties": {"args": {"type": "object", "required": ["q"]}}})
    features = Features({"args": Json(), "n": Value("int64")})
    dataset = Dataset.from_dict({"args": [{"q": 1}, {"z": [1]}], "n": [1, 2]}, features=features)
    for form in (None, "arrow"):
        judged = dataset.with_format(form).map(SchemaMap("call@1", registry), batched=True)
        assert judged.with_format(None)["schema_valid"] == [True, False]
    assert [SchemaMap("call@1", registry).keep(row) for row in dataset] == [True, False]


def test_the_hash_is_the_same_in_every_process_and_changes_with_the_schema(
    registry: Registry, tmp_path: Path
) -> None:
    folder = tmp_path / "schemas"
    with connect(folder) as files:
        files.register("row", ROW)
        files.register("row", {**ROW, "required": []})
        first, second = SchemaMap("row@1", files), SchemaMap("row@2", files)
        before = Hasher.hash(first)
        first.keep({"n": 1})
        assert Hasher.hash(first) == before
        assert Hasher.hash(second) != before
        assert Hasher.hash(SchemaMap("row@1", files, on_invalid="drop")) != before
    code = (
        "from datasets.fingerprint import Hasher\n"
        "from llm_integrations.datasets import SchemaMap\n"
        f"print(Hasher.hash(SchemaMap('row@1', {str(folder)!r})))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "7"},
    )
    assert found.stdout.strip() == before


def test_our_own_upgrade_busts_the_cache(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Hasher.hash(SchemaMap("row@1", registry))
    monkeypatch.setattr("llm_integrations.datasets.schema_map.version", lambda _: "99.0")
    assert Hasher.hash(SchemaMap("row@1", registry)) != before


def test_it_carries_no_registry_and_no_credential(registry: Registry) -> None:
    pickled = pickle.dumps(SchemaMap("row@1", registry))
    assert b"memory://" not in pickled
    assert b"Registry" not in pickled
    loaded = pickle.loads(pickled)
    assert loaded.keep({"n": 1})
    assert not loaded.keep({"n": -1})


def test_an_unknown_choice_is_refused(registry: Registry) -> None:
    with pytest.raises(ConfigurationError, match="flag"):
        SchemaMap("row@1", registry, on_invalid="ignore")  # type: ignore[arg-type]
