"""validate_dataset: in = valid + quarantined, always."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest
from datasets import Dataset, DatasetDict, Features, IterableDataset, Json, Value
from datasets.distributed import split_dataset_by_node
from pyarrow import csv, parquet
from pydantic import BaseModel

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry
from llm_integrations.core.validation import compile_validator
from llm_integrations.datasets import validate_dataset
from tests.support.training_rows import (
    BAD,
    NUMBERS,
    ROW,
    SIZE,
    lines_with_blanks,
    registry,
    small_blocks,
    table,
)

__all__ = ["registry", "small_blocks"]


def on_disk(folder: Path, rows: pa.Table) -> Dataset:
    Dataset(rows).save_to_disk(str(folder))
    return Dataset.load_from_disk(str(folder))


@pytest.fixture(params=["memory", "disk", "selected", "shuffled", "parquet", "csv", "jsonl"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    rows = table()
    match request.param:
        case "memory":
            return Dataset(rows)
        case "disk":
            return on_disk(tmp_path / "saved", rows)
        case "shuffled":
            order = [*range(0, SIZE, 2), *range(1, SIZE, 2)]
            places = [order.index(index) for index in range(SIZE)]
            return on_disk(tmp_path / "saved", rows.take(order)).select(places)
        case "selected":
            doubled = Dataset(pa.concat_tables([rows, rows]))
            return doubled.select(range(SIZE, 2 * SIZE))
        case "parquet":
            parquet.write_table(rows, tmp_path / "rows.parquet", row_group_size=77)
            return tmp_path / "rows.parquet"
        case "csv":
            csv.write_csv(rows, tmp_path / "rows.csv")
            return str(tmp_path / "rows.csv")
    lines = "".join(json.dumps(row) + "\n" for row in rows.to_pylist())
    (tmp_path / "rows.jsonl").write_text(lines)
    return tmp_path / "rows.jsonl"


def test_every_row_is_valid_or_set_aside_with_its_reason(
    registry: Registry, data: Any, tmp_path: Path
) -> None:
    result = validate_dataset(data, "row@1", registry=registry, quarantine=tmp_path / "bad")
    assert not result
    assert result.report.total == SIZE
    assert result.report.invalid == len(BAD) == len(result.quarantined)
    assert result.valid["n"] == [number for number in NUMBERS if number >= 0]
    records = list(Quarantine(tmp_path / "bad").records())
    assert sorted(int(record.position or 0) for record in records) == BAD
    assert {record.reason for record in records} == {"minimum at /n"}
    assert sorted(record.value["n"] for record in records) == sorted(
        number for number in NUMBERS if number < 0
    )
    assert result.report.reasons == {"minimum at /n": len(BAD)}


def test_doing_it_again_adds_nothing(registry: Registry, data: Any, tmp_path: Path) -> None:
    validate_dataset(data, "row@1", registry=registry, quarantine=tmp_path / "bad")
    result = validate_dataset(data, "row@1", registry=registry, quarantine=tmp_path / "bad")
    assert Quarantine(tmp_path / "bad").count() == len(BAD)
    assert result.report.total == SIZE


def test_a_run_cut_off_goes_on_and_loses_nothing(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet.write_table(table(), tmp_path / "rows.parquet")
    judge = "llm_integrations.datasets.run.blocks.BlockJudge.examine"
    from llm_integrations.datasets.run.blocks import BlockJudge

    original, seen = BlockJudge.examine, []

    def cut_off(self: Any, block: Any, first: int) -> Any:
        seen.append(first // 128)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return original(self, block, first)

    monkeypatch.setattr(judge, cut_off)
    arguments: Any = {"registry": registry, "quarantine": tmp_path / "bad"}
    with pytest.raises(KeyboardInterrupt):
        validate_dataset(tmp_path / "rows.parquet", "row@1", **arguments)
    result = validate_dataset(tmp_path / "rows.parquet", "row@1", **arguments)
    assert seen == [0, 1, 2, 3, 3, 4, 5, 6, 7]
    assert result.report.total == SIZE
    assert len(result.valid) == SIZE - len(BAD)
    assert Quarantine(tmp_path / "bad").count() == len(BAD)


def test_a_run_that_is_to_raise_does_so_wherever_another_was_cut_off(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llm_integrations.datasets.run.blocks import BlockJudge

    dataset = on_disk(tmp_path / "saved", table())
    original = BlockJudge.examine

    def cut_off(self: Any, block: Any, first: int) -> Any:
        if first:
            raise KeyboardInterrupt
        return original(self, block, first)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(BlockJudge, "examine", cut_off)
        validate_dataset(dataset, "row@1", registry=registry)
    with pytest.raises(SchemaValidationError, match="row@1"):
        validate_dataset(dataset, "row@1", registry=registry, on_invalid="raise")


@pytest.mark.parametrize("kind", ["dataset", "jsonl"])
def test_the_same_data_may_be_validated_several_times_at_once(
    registry: Registry, tmp_path: Path, kind: str
) -> None:
    data: Any = (
        on_disk(tmp_path / "saved", table())
        if kind == "dataset"
        else lines_with_blanks(tmp_path / "rows.jsonl")
    )

    def lengths(_: int) -> tuple[int, int]:
        result = validate_dataset(data, "row@1", registry=registry)
        return len(result.valid), result.report.invalid

    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(lengths, range(9))) == {(SIZE - len(BAD), len(BAD))}


def test_a_block_whose_quarantine_is_gone_is_done_again(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finished run's files are no reason to set nothing aside the next time."""
    Dataset(table()).save_to_disk(str(tmp_path / "saved"))
    dataset = Dataset.load_from_disk(str(tmp_path / "saved"))
    validate_dataset(dataset, "row@1", registry=registry, quarantine=tmp_path / "one")
    result = validate_dataset(dataset, "row@1", registry=registry, quarantine=tmp_path / "two")
    assert Quarantine(tmp_path / "two").count() == len(BAD)
    assert len(result.valid) == SIZE - len(BAD)


def test_a_changed_schema_is_another_run(registry: Registry, data: Any, tmp_path: Path) -> None:
    validate_dataset(data, "row@1", registry=registry, quarantine=tmp_path / "bad")
    registry.register("row", {**ROW, "properties": {"n": {"type": "integer"}}})
    result = validate_dataset(data, "row@2", registry=registry, quarantine=tmp_path / "bad")
    assert result
    assert len(result.valid) == SIZE
    assert len(result.quarantined) == 0


def test_a_dataset_is_not_copied(registry: Registry, tmp_path: Path) -> None:
    dataset = on_disk(tmp_path / "saved", table()).with_format("numpy", columns=["n"])
    result = validate_dataset(dataset, "row@1", registry=registry, quarantine=tmp_path / "bad")
    assert result.valid.data.nbytes == dataset.data.nbytes
    assert result.valid.format == dataset.format
    assert result.valid.column_names == ["n", "text"]
    kept = sum(path.stat().st_size for path in (tmp_path / "hf").rglob("*.arrow"))
    assert 8 * len(result.valid) <= kept < 16 * len(result.valid)
    assert list(result.valid["n"]) == [number for number in NUMBERS if number >= 0]


def test_output_takes_the_rows_themselves(registry: Registry, tmp_path: Path) -> None:
    dataset = on_disk(tmp_path / "saved", table())
    result = validate_dataset(dataset, "row@1", registry=registry, output=tmp_path / "out")
    assert result.valid.data.num_rows == SIZE - len(BAD)
    files = [Path(file["filename"]) for file in result.valid.cache_files]
    assert {file.parent for file in files} == {tmp_path / "out"}


def test_runs_share_an_output_folder_and_leave_the_rest_of_it_alone(
    registry: Registry, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    splits = DatasetDict(
        {"one": on_disk(tmp_path / "one", table()), "two": on_disk(tmp_path / "two", table()[500:])}
    )
    validate_dataset(splits, "row@1", registry=registry, output=out)
    result = validate_dataset(splits, "row@1", registry=registry, output=out)
    assert (len(result.valid["one"]), len(result.valid["two"])) == (900, 450)
    assert result.valid["one"]["n"] == [n for n in NUMBERS if n >= 0]
    assert len(result.quarantined) == len(result.quarantine) == 150
    assert (out / "notes.txt").read_text() == "mine"
    validate_dataset(on_disk(tmp_path / "three", table()), "row@1", registry=registry, output=out)
    assert len(result.quarantine) == 250


def test_nothing_valid_is_an_empty_data_set(registry: Registry, tmp_path: Path) -> None:
    dataset = on_disk(tmp_path / "saved", pa.table({"n": [-1, -2]}))
    result = validate_dataset(dataset, "row@1", registry=registry)
    assert (len(result.valid), result.valid.column_names) == (0, ["n"])
    assert len(result.quarantined) == 2


def test_valid_data_comes_back_as_it_was(registry: Registry) -> None:
    dataset = Dataset.from_dict({"n": [1, 2]})
    assert validate_dataset(dataset, "row@1", registry=registry).valid is dataset


@pytest.mark.parametrize("named", [True, False])
def test_splits_are_judged_each_and_counted_together(
    registry: Registry, tmp_path: Path, named: bool
) -> None:
    quarantine = tmp_path / "bad" if named else None
    splits = DatasetDict(
        {
            "train": Dataset(table()),
            "again": Dataset(table()),
            "test": Dataset.from_dict({"n": [1, -1], "text": ["a", "b"]}),
        }
    )
    result = validate_dataset(splits, "row@1", registry=registry, quarantine=quarantine)
    assert isinstance(result.valid, DatasetDict)
    assert len(result.valid["test"]) == 1
    assert result.report.total == 2 * SIZE + 2
    assert result.report.splits["test"].invalid == 1
    assert len(result.quarantined) == 2 * len(BAD) + 1


def test_a_stream_is_judged_while_it_is_read(registry: Registry, tmp_path: Path) -> None:
    stream: IterableDataset = Dataset(table()).to_iterable_dataset()
    result = validate_dataset(stream, "row@1", registry=registry, quarantine=tmp_path / "bad")
    assert result.report.total == 0
    for _ in range(2):
        assert [row["n"] for row in result.valid] == [n for n in NUMBERS if n >= 0]
        assert (result.report.total, result.report.invalid) == (SIZE, len(BAD))
    assert Quarantine(tmp_path / "bad").count() == len(BAD)


def test_two_streams_do_not_take_each_others_place(registry: Registry, tmp_path: Path) -> None:
    for rows in (table(), table()[500:]):
        stream: IterableDataset = Dataset(rows).to_iterable_dataset()
        bad = tmp_path / "bad"
        result = validate_dataset(stream, "row@1", registry=registry, quarantine=bad)
        assert sum(1 for _ in result.valid) == result.report.valid
    assert Quarantine(tmp_path / "bad").count() == 150


def test_the_shards_of_a_stream_do_not_take_each_others_place(
    registry: Registry, tmp_path: Path
) -> None:
    stream = Dataset(table()).to_iterable_dataset(num_shards=2)
    result = validate_dataset(stream, "row@1", registry=registry, quarantine=tmp_path / "bad")
    seen = [row["n"] for rank in (0, 1) for row in split_dataset_by_node(result.valid, rank, 2)]
    assert seen == [number for number in NUMBERS if number >= 0]
    assert Quarantine(tmp_path / "bad").count() == len(BAD)


def test_raise_stops_at_the_first_bad_block(registry: Registry, data: Any) -> None:
    with pytest.raises(SchemaValidationError, match="row@1"):
        validate_dataset(data, "row@1", registry=registry, on_invalid="raise")


def test_json_columns_are_set_aside_as_what_they_say(registry: Registry, tmp_path: Path) -> None:
    registry.register("call", {"properties": {"args": {"required": ["a"]}}})
    rows = {"args": [{"a": 1}, {"b": "2"}, None], "n": [1, 2, 3]}
    data = Dataset.from_dict(rows, Features({"args": Json(), "n": Value("int64")}))
    validate_dataset(data, "call@1", registry=registry, quarantine=tmp_path)
    [record] = Quarantine(tmp_path).records()
    assert record.value == {"args": {"b": "2"}, "n": 2}
    wider = compile_validator({"properties": {"args": {"required": ["b"]}}}, subject="call")
    assert Quarantine(tmp_path).release(wider, lambda _: None).released == 1


def test_other_things_are_refused(registry: Registry) -> None:
    with pytest.raises(ConfigurationError, match="list"):
        validate_dataset(cast("Any", [1]), "row@1", registry=registry)


def test_the_report_reads_well(registry: Registry) -> None:
    report = validate_dataset(Dataset(table()), "row@1", registry=registry).report
    assert str(report).startswith("1,000 rows = 900 valid + 100 invalid by row@1")
    assert report.to_dict()["reasons"] == {"minimum at /n": 100}
    assert "minimum" in report._repr_html_()


def test_the_valid_part_is_a_dataset_like_any_other(registry: Registry, tmp_path: Path) -> None:
    dataset = on_disk(tmp_path / "saved", table())
    valid = validate_dataset(dataset, "row@1", registry=registry).valid
    wanted = [number for number in NUMBERS if number >= 0]
    assert valid.map(lambda row: {"n": row["n"] + 1})["n"] == [number + 1 for number in wanted]
    assert valid.filter(lambda n: n > 500, input_columns="n")["n"][0] == 501
    assert pickle.loads(pickle.dumps(valid))["n"] == wanted
    valid.to_parquet(str(tmp_path / "valid.parquet"))
    assert parquet.read_table(tmp_path / "valid.parquet")["n"].to_pylist() == wanted
    valid.save_to_disk(str(tmp_path / "valid"))
    assert Dataset.load_from_disk(str(tmp_path / "valid"))["n"] == wanted
    again = validate_dataset(valid, "row@1", registry=registry)
    assert again
    assert again.valid is valid
    once_more = validate_dataset(dataset, "row@1", registry=registry).valid
    assert once_more._fingerprint == valid._fingerprint


@pytest.mark.parametrize("form", ["dataset", "jsonl", "parquet", "stream"])
def test_the_report_and_the_quarantine_count_alike(
    registry: Registry, tmp_path: Path, form: str
) -> None:
    body = {"properties": {"tags": {"items": {"maximum": 0}}, "n": {"minimum": 0}}}
    registry.register("listed", body)
    rows = [{"n": -1, "tags": [1, 2]}, {"n": 1, "tags": [0, 3]}, {"n": -2, "tags": []}] * 2
    data: Any = Dataset.from_list(rows)
    if form == "stream":
        data = data.to_iterable_dataset()
    elif form != "dataset":
        getattr(data, {"jsonl": "to_json", "parquet": "to_parquet"}[form])(tmp_path / f"r.{form}")
        data = tmp_path / f"r.{form}"
    result = validate_dataset(data, "listed", registry=registry, quarantine=tmp_path / "bad")
    list(result.valid)
    assert result.report.reasons == {"minimum at /n": 4, "maximum at /tags/*": 4}
    assert Quarantine(tmp_path / "bad").reasons() == result.report.reasons


def test_rows_with_images_and_dates_come_back_as_they_came(
    registry: Registry, tmp_path: Path
) -> None:
    when = datetime(2026, 1, 2, tzinfo=UTC)
    image = {"bytes": b"\x89PNG\x00\xff", "path": None}
    body = {"properties": {"when": {"format": "date-time"}, "n": {"minimum": 0}}}
    registry.register("pictures", body)
    columns = {
        "n": pa.array([-1, -2]),
        "when": pa.array([when] * 2, pa.timestamp("us", "UTC")),
        "price": pa.array([Decimal("1.10")] * 2),
        "image": pa.array([image] * 2),
    }
    data = Dataset(pa.table(columns))
    validate_dataset(data, "pictures", registry=registry, quarantine=tmp_path / "bad")
    relaxed = {"properties": {"when": {"type": "string", "format": "date-time"}}}
    registry.register("pictures", relaxed, compatibility="NONE")
    released: list[Any] = []
    options = ValidationOptions(nulls="absent")
    Quarantine(tmp_path / "bad").release(
        registry.validator("pictures@2", options=options), released.extend
    )
    assert [record.value for record in released] == [
        {"n": n, "when": when.isoformat(), "price": Decimal("1.10"), "image": image}
        for n in (-1, -2)
    ]


class Answer(BaseModel):
    text: str


def test_rows_are_judged_by_a_class_without_any_registry() -> None:
    rows = Dataset.from_list([{"text": "a"}, {"text": None}])
    assert validate_dataset(rows, Answer).report.invalid == 1
    assert validate_dataset(rows, Answer).report.schema == "answer@1"
