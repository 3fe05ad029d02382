"""Frames, files here and elsewhere, folders, patterns and lists are judged as what they hold."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]  # publishes no types
import pandas as pd
import pyarrow as pa
import pytest
from datasets import Dataset, DatasetDict, IterableDatasetDict
from pyarrow import feather, parquet

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry
from llm_integrations.core.tables.remote import fetch
from llm_integrations.datasets import (
    detect_drift,
    infer_schema,
    save_baseline,
    validate_dataset,
)
from tests.support.training_rows import (
    BAD,
    SIZE,
    registry,
    small_blocks,
    table,
)

__all__ = ["registry", "small_blocks"]

VALID = [{"n": 1, "text": "a"}, {"n": 3, "text": None}]


def rows() -> pa.Table:
    return pa.table({"n": [1, -2, 3], "text": ["a", "b", None]})


class Capsule:
    """What Arrow can read and nobody has heard of."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> object:
        stream: object = rows().__arrow_c_stream__(requested_schema)
        return stream


FRAMES: dict[str, Callable[[], Any]] = {
    "table": rows,
    "batch": lambda: rows().to_batches()[0],
    "reader": lambda: rows().to_reader(),
    "capsule": Capsule,
    "pandas": lambda: pd.DataFrame({"n": [1, -2, 3], "text": ["a", "b", None]}, index=[7, 8, 9]),
}


@pytest.mark.parametrize("kind", [pa.map_(pa.string(), pa.int64()), pa.list_view(pa.string())])
@pytest.mark.parametrize("form", ["frame", "parquet", "arrow"])
def test_columns_that_datasets_does_not_have_are_named_before_rows_are_judged(
    registry: Registry, tmp_path: Path, kind: pa.DataType, form: str
) -> None:
    odd = rows().append_column("odd", pa.array([None] * 3, kind))
    path = tmp_path / f"odd.{form}"
    if form == "parquet":
        parquet.write_table(odd, path)
    elif form == "arrow":
        feather.write_feather(odd, str(path), compression="uncompressed")
    data = odd if form == "frame" else path
    with pytest.raises(ConfigurationError, match="no columns like 'odd'"):
        validate_dataset(data, "row@1", registry=registry, quarantine=tmp_path / "bad")
    assert not Quarantine(tmp_path / "bad").count()


def test_two_columns_of_one_name_are_refused(registry: Registry) -> None:
    twins = pa.table([pa.array([1]), pa.array([-1])], names=["n", "n"])
    with pytest.raises(ConfigurationError, match="two columns of the name 'n'"):
        validate_dataset(twins, "row@1", registry=registry)


@pytest.mark.parametrize("name", FRAMES)
def test_frames_are_judged_as_tables_and_null_may_be_missing(registry: Registry, name: str) -> None:
    result = validate_dataset(FRAMES[name](), "row@1", registry=registry)
    assert result.valid.to_list() == VALID
    assert result.report.to_dict()["reasons"] == {"minimum at /n": 1}


def test_what_is_missing_in_pandas_is_missing_and_its_index_is_no_column(
    registry: Registry,
) -> None:
    frame = pd.DataFrame({"n": [1.0, 2.0], "text": pd.Categorical(["a", None])}, index=["x", "y"])
    registry.register(
        "tight",
        {
            "properties": {"n": {"type": "number"}, "text": {"enum": ["a"]}},
            "additionalProperties": False,
        },
    )
    assert validate_dataset(frame, "tight@1", registry=registry)


def test_polars_is_read_as_arrow(registry: Registry) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"n": [1, -2, 3], "text": ["a", "b", None]})
    frame = frame.with_columns(polars.col("text").cast(polars.Categorical))
    for data in (frame, frame.lazy()):
        assert validate_dataset(data, "row@1", registry=registry).valid.to_list() == VALID


def test_a_frame_without_types_is_refused_and_quotes_nothing(registry: Registry) -> None:
    with pytest.raises(ConfigurationError, match="column n") as caught:
        validate_dataset(pd.DataFrame({"n": [1, "secret"]}), "row@1", registry=registry)
    assert "secret" not in str(caught.value)


def written(folder: Path) -> Path:
    folder.mkdir()
    parquet.write_table(rows(), folder / "a.parquet")
    feather.write_feather(rows(), str(folder / "b.feather"))
    Dataset(rows()).save_to_disk(str(folder / "saved"))
    (folder / "deeper").mkdir()
    (folder / "deeper" / "c.csv").write_text("n,text\n1,a\n-2,b\n3,\n")
    (folder / "README.md").write_text("no rows")
    (folder / "_SUCCESS").write_text("")
    return folder


@pytest.mark.parametrize(
    ("place", "files"),
    [
        ("a.parquet", 1),
        ("b.feather", 1),
        ("saved", 1),
        ("saved/data-00000-of-00001.arrow", 1),
        ("*.[pf]*", 2),
        ("**/*.csv", 1),
        ("", 4),
    ],
)
def test_files_folders_and_patterns(
    registry: Registry, tmp_path: Path, place: str, files: int
) -> None:
    folder = written(tmp_path / "data")
    where = str(folder / place)
    for data in (where, [where] if place != "saved" else where, f"file://{where}"):
        result = validate_dataset(data, "row@1", registry=registry, quarantine=tmp_path / "bad")
        assert (result.report.total, result.report.invalid) == (3 * files, files)
        assert len(result.report.splits) == (files if files > 1 else 0)
        assert result.valid["n"] == [1, 3] * files
        assert len(result.quarantined) == files


def test_several_files_share_a_quarantine_and_one_report(
    registry: Registry, tmp_path: Path
) -> None:
    folder = written(tmp_path / "data")
    names = [folder / "a.parquet", folder / "deeper" / "c.csv"]
    result = validate_dataset(names, "row@1", registry=registry)
    assert {name: part.invalid for name, part in result.report.splits.items()} == {
        str(name): 1 for name in names
    }
    assert set(result.quarantined["source"]) == set(map(str, names))
    assert validate_dataset(names, "row@1", registry=registry).report == result.report


def test_saved_splits_are_read_as_splits(registry: Registry, tmp_path: Path) -> None:
    DatasetDict({"train": Dataset(rows()), "test": Dataset(rows())}).save_to_disk(str(tmp_path))
    result = validate_dataset(tmp_path, "row@1", registry=registry)
    assert isinstance(result.valid, DatasetDict)
    assert result.report.splits["test"].invalid == 1


def test_what_cannot_be_read_together_is_refused(registry: Registry, tmp_path: Path) -> None:
    folder = written(tmp_path / "data")
    (folder / "d.jsonl").write_text('{"n": 1}\n')
    with pytest.raises(ConfigurationError, match="by themselves"):
        validate_dataset([folder / "a.parquet", folder / "d.jsonl"], "row@1", registry=registry)
    parquet.write_table(pa.table({"n": [1], "text": ["a"], "m": ["x"]}), folder / "e.parquet")
    parquet.write_table(pa.table({"n": [1], "text": ["a"], "m": [[1]]}), folder / "f.parquet")
    with pytest.raises(ConfigurationError, match=r"e\.parquet.*by themselves"):
        validate_dataset([folder / "e.parquet", folder / "f.parquet"], "row@1", registry=registry)
    with pytest.raises(ConfigurationError, match="no file of rows"):
        validate_dataset(str(folder / "*.md*x"), "row@1", registry=registry)


# -- elsewhere -------------------------------------------------------------------------------


@pytest.fixture
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    for name in ("a", "b"):
        with system.open(f"/bucket/{name}.parquet", "wb") as stream:
            parquet.write_table(rows(), stream)
    yield system
    system.rm("/bucket", recursive=True)


@pytest.mark.parametrize(
    ("url", "files"),
    [
        ("memory://bucket/a.parquet", 1),
        ("memory://bucket/*.parquet", 2),
        ("memory://bucket", 2),
    ],
)
def test_a_url_is_read_and_its_rows_are_known_by_it(
    registry: Registry, memory: Any, url: str, files: int
) -> None:
    result = validate_dataset(url, "row@1", registry=registry)
    assert (result.report.total, result.report.invalid) == (3 * files, files)
    sources = set(result.quarantined["source"])
    assert sources == {f"memory:///bucket/{name}.parquet" for name in "ab"[:files]}


def test_a_copy_is_used_again_until_its_file_changes(memory: Any, tmp_path: Path) -> None:
    url = "memory://bucket/a.parquet"
    [first] = fetch(url, tmp_path).values()
    before = first.stat().st_mtime_ns
    assert fetch(url, tmp_path)["memory:///bucket/a.parquet"].stat().st_mtime_ns == before
    memory.pipe_file("/bucket/a.parquet", b"another")
    [second] = fetch(url, tmp_path).values()
    assert second.read_bytes() == b"another"
    assert first != second


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("memory://none/x.parquet", "there is no such file"),
        ("memory://none/*.parquet", "there is no such file"),
        ("nobody-knows://x.parquet", "no scheme of a storage"),
    ],
)
def test_a_url_that_leads_nowhere_is_named(registry: Registry, url: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        validate_dataset(url, "row@1", registry=registry)
    assert url.split("?")[0] in str(caught.value)


def test_no_credential_of_a_url_is_quoted(registry: Registry) -> None:
    with pytest.raises(ConfigurationError) as caught:
        validate_dataset("memory://me:secret@none/x.csv?sig=secret", "row@1", registry=registry)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["hf://datasets/x/rows.parquet", "s3://bucket/rows.parquet"])
def test_a_path_made_of_a_url_is_named_as_what_it_was(registry: Registry, text: str) -> None:
    with pytest.raises(ConfigurationError, match="give it as text"):
        validate_dataset(Path(text), "row@1", registry=registry)
    for what in ("quarantine", "output"):
        for place in (text, Path(text)):
            options: dict[str, Any] = {what: place}
            with pytest.raises(ConfigurationError, match=r"text|this machine"):
                validate_dataset(rows(), "row@1", registry=registry, **options)
    with pytest.raises(ConfigurationError, match="folder of this machine"):
        Quarantine(text)


def test_drift_is_looked_for_at_a_url_and_in_frames(
    registry: Registry, memory: Any, tmp_path: Path
) -> None:
    path = tmp_path / "row.json"
    profile = save_baseline("memory://bucket/a.parquet", "row@1", registry=registry, path=path)
    assert profile.rows == 3
    frame = pd.DataFrame({"n": [1, -2, 3], "text": ["a", "b", None]})
    assert not detect_drift(frame, "row@1", registry=registry, baseline=path).drifted


def test_s3_is_read(registry: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("s3fs")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        monkeypatch.setitem(os.environ, "AWS_DEFAULT_REGION", "us-east-1")
        system = fsspec.filesystem("s3", skip_instance_cache=True)
        system.mkdir("rows")
        with system.open("rows/a.parquet", "wb") as stream:
            parquet.write_table(rows(), stream)
        result = validate_dataset("s3://rows/a.parquet", "row@1", registry=registry)
        assert result.valid.to_list() == VALID
        assert result.quarantined["source"] == ["s3://rows/a.parquet"]
    finally:
        server.stop()


# -- streams ---------------------------------------------------------------------------------


def test_the_report_of_all_streams_grows_with_each(registry: Registry, tmp_path: Path) -> None:
    streams = IterableDatasetDict(
        {
            "train": Dataset(table()).to_iterable_dataset(),
            "test": Dataset(rows()).to_iterable_dataset(),
        }
    )
    result = validate_dataset(streams, "row@1", registry=registry, quarantine=tmp_path / "bad")
    assert (result.report.total, result.report.complete) == (0, False)
    for _ in range(2):
        # Read again, the same rows count once.
        assert len(list(result.valid["train"])) == SIZE - len(BAD)
        assert (result.report.total, result.report.invalid) == (SIZE, len(BAD))
    assert len(list(result.valid["test"])) == 2
    assert not result.report
    assert (result.report.total, result.report.invalid) == (SIZE + 3, len(BAD) + 1)
    assert result.report.reasons == {"minimum at /n": len(BAD) + 1}
    assert result.report.splits["test"].invalid == 1
    assert Quarantine(tmp_path / "bad").count() == len(BAD) + 1


# -- packed ----------------------------------------------------------------------------------


def test_cells_are_told_apart_as_one_says_and_a_latin_1_byte_costs_its_row(
    registry: Registry, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"n;text\n1;'a;b'\n-2;c\n3;caf\xe9\n")
    found = validate_dataset(path, "row@1", registry=registry, delimiter=";", quotechar="'")
    assert found.valid.to_list() == [{"n": 1, "text": "a;b"}]
    assert found.report.reasons == {"minimum at /n": 1, "csv at (root)": 1}
    assert [r.value for r in found.quarantine.records()] == [{"n": -2, "text": "c"}, r"3;caf\xe9"]
    schema = infer_schema(path, delimiter=";", quotechar="'")
    assert schema["properties"]["n"] == {"type": "integer"}
    # Read otherwise, it is another run over other rows.
    other = validate_dataset(path, "row@1", registry=registry, delimiter=",")
    assert other.parts != found.parts
    with pytest.raises(ConfigurationError, match="delimiter=';'"):
        validate_dataset(path, "row@1", registry=registry)
    for data in (rows(), tmp_path / "rows.parquet"):
        parquet.write_table(rows(), tmp_path / "rows.parquet")
        with pytest.raises(ConfigurationError, match="there is none"):
            validate_dataset(data, "row@1", registry=registry, delimiter=";")


def test_a_latin_1_byte_in_an_array_costs_its_row(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(b'[{"n": 1},\n {"n": 2, "text": "caf\xe9"},\n {"n": 3}]')
    found = validate_dataset(path, "row@1", registry=registry)
    assert found.valid["n"] == [1, 3]
    assert found.report.reasons == {"json at (root)": 1}


@pytest.mark.parametrize(
    "name", ["rows.jsonl.gz", "rows.json", "rows.json.gz", "rows.tsv", "r.csv.gz"]
)
def test_packed_files_arrays_and_tabs_are_judged_as_what_they_stand_for(
    registry: Registry, tmp_path: Path, name: str
) -> None:
    lines = [{"n": 1, "text": "a"}, {"n": -2, "text": "b"}, {"n": 3, "text": "c"}]
    forms = {
        "jsonl": "".join(json.dumps(line) + "\n" for line in lines),
        "json": json.dumps(lines),
        "tsv": "n\ttext\n1\ta\n-2\tb\n3\tc\n",
        "csv": "n,text\n1,a\n-2,b\n3,c\n",
    }
    data = forms[name.split(".")[1]].encode()
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    for place in (folder / name, folder):
        result = validate_dataset(place, "row@1", registry=registry)
        assert result.valid["n"] == [1, 3]
        assert result.report.nulls == ("strict" if "json" in name else "absent")
        [record] = result.quarantine.records()
        assert (record.source, record.position) == (str(folder / name), 1)
