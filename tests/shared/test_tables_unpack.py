"""Packed files, arrays of JSON and cells between tabs are written out as what they stand for."""

from __future__ import annotations

import bz2
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.tables.unpack import form_of, unpacked

LINES = b'{"n": 1}\n\n{"n": "\xc3\xa9"}\n{cut'


def packed(path: Path, data: bytes) -> Path:
    match path.suffix:
        case ".gz":
            # In two members, as `cat a.gz b.gz` makes them.
            path.write_bytes(gzip.compress(data[:9]) + gzip.compress(data[9:]))
        case ".bz2":
            path.write_bytes(bz2.compress(data))
        case suffix:
            codec = {".zst": "zstd", ".lz4": "lz4"}[suffix]
            with pa.output_stream(str(path), compression=codec) as stream:
                stream.write(data)
    return path


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".bz2", ".lz4"])
def test_a_packed_file_is_unpacked_once(tmp_path: Path, suffix: str) -> None:
    path = packed(tmp_path / f"rows.jsonl{suffix}", LINES)
    found = unpacked(path, tmp_path / "copies")
    assert (found.name, found.read_bytes()) == ("rows.jsonl", LINES)
    written = found.stat().st_mtime_ns
    assert unpacked(path, tmp_path / "copies").stat().st_mtime_ns == written
    packed(path, b"another")
    assert unpacked(path, tmp_path / "copies").read_bytes() == b"another"


def test_what_is_read_as_it_stands_is_not_copied(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.csv", "a.parquet", "a", "none.jsonl"):
        assert unpacked(tmp_path / name, tmp_path / "copies") == tmp_path / name
    assert not (tmp_path / "copies").exists()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)


@settings(max_examples=40)
@given(st.lists(values, max_size=4))
def test_an_array_is_a_line_for_each_item(rows: list[object]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.json")
        path.write_text(json.dumps(rows, indent=2))
        lines = unpacked(path, Path(folder, "copies")).read_bytes().splitlines()
        assert [json.loads(line) for line in lines] == rows


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('{"a": 1}', [{"a": 1}]),
        ('{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        ('{\n"a": 18446744073709551616\n}', [{"a": 2**64}]),
        ("[]", []),
    ],
)
def test_one_value_and_lines_are_told_apart(tmp_path: Path, text: str, rows: list[object]) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text)
    found = unpacked(path, tmp_path / "copies").read_bytes().splitlines()
    assert [json.loads(line) for line in found] == rows


def test_cells_between_tabs_are_cells_between_commas(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_bytes('\ufeffa\tb\n1,5\t"x\ty"\n\n\tlong "q"\n'.encode() + b"\xe9\t\n")
    found = unpacked(path, tmp_path / "copies")
    assert found.suffix == ".csv"
    assert found.read_bytes() == b'a,b\r\n"1,5",x\ty\r\n,"long ""q"""\r\n\xe9,\r\n'


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.jsonl.gz", b"no gzip", "packed as its name says"),
        ("a.jsonl.zst", b"no zstd", "packed as its name says"),
        ("a.jsonl.gz", gzip.compress(LINES * 50, mtime=0)[:-20], "packed as its name says"),
        ("a.json", b"{cut", "neither JSON nor JSON lines"),
        ("a.json", b"", "neither JSON nor JSON lines"),
        ("a.tsv", b'a\tb\n"open\tx\n', "unexpected end of data"),
        ("none.json", None, "No such file"),
    ],
    ids=["no gzip", "no zstd", "cut", "no JSON", "empty", "open quote", "no file"],
)
def test_what_is_not_what_its_name_says_is_named_and_leaves_nothing(
    tmp_path: Path, name: str, data: bytes | None, why: str
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=why):
            unpacked(tmp_path / name, tmp_path / "copies")


def test_the_form_of_a_file_is_told_by_its_name() -> None:
    assert [form_of(Path(name)) for name in ("a.JSON.gz", "b.tsv", "c.csv.zst", "d.txt", "e")] == [
        ".jsonl",
        ".csv",
        ".csv",
        ".txt",
        "",
    ]
