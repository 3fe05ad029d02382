"""Packed files and arrays of JSON are written out as what they stand for."""

from __future__ import annotations

import bz2
import gzip
import json
import tempfile
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.tables import unpack
from llm_integrations.core.tables.unpack import document_lines, form_of, unpacked

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
@given(st.lists(values, max_size=4), st.integers(1, 40), st.sampled_from([None, 2]))
def test_an_array_is_a_line_for_each_item(
    rows: list[object], piece: int, indent: int | None
) -> None:
    with tempfile.TemporaryDirectory() as folder, patch(f"{unpack.__name__}._CHARACTERS", piece):
        path = Path(folder, "rows.json")
        path.write_text(json.dumps(rows, indent=indent, ensure_ascii=bool(indent)), "utf-8")
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


@pytest.mark.parametrize("piece", [1, 3, 1 << 20])
def test_the_text_of_an_item_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(unpack, "_CHARACTERS", piece)
    path = tmp_path / "rows.json"
    path.write_bytes(
        b'\xef\xbb\xbf [ {"a": 1,\r\n "a": 1e400}, {"b": NaN}\n,"x\xe9", -0.0, 1.5e+3 ,'
        b'{"c":"\\ud800"} ,12] \n'
    )
    assert list(document_lines(path)) == [
        b'{"a": 1,   "a": 1e400}\n',
        b'{"b": NaN}\n',
        b'"x\xe9"\n',
        b"-0.0\n",
        b"1.5e+3\n",
        b'{"c":"\\ud800"}\n',
        b"12\n",
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32-le"])
def test_other_encodings_of_unicode_are_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text('[{"a": "é"}, 2]', encoding)
    assert list(document_lines(path)) == ['{"a": "é"}\n'.encode(), b"2\n"]


@pytest.mark.parametrize("end", ["", ",", "] 1", "] ]", ", ]", " {}]", ', {"b": tru}]', ', "\n"]'])
def test_items_are_read_one_after_the_other_until_one_is_none(tmp_path: Path, end: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text('[{"a": 1}' + end)
    lines = document_lines(path)
    assert next(lines) == b'{"a": 1}\n'
    with pytest.raises(ConfigurationError, match="neither JSON nor JSON lines"):
        list(lines)


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.jsonl.gz", b"no gzip", "packed as its name says"),
        ("a.jsonl.zst", b"no zstd", "packed as its name says"),
        ("a.jsonl.gz", gzip.compress(LINES * 50, mtime=0)[:-20], "packed as its name says"),
        ("a.json", b"{cut", "neither JSON nor JSON lines"),
        ("a.json", b"", "neither JSON nor JSON lines"),
        ("none.json", None, "No such file"),
    ],
    ids=["no gzip", "no zstd", "cut", "no JSON", "empty", "no file"],
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
        ".tsv",
        ".csv",
        ".txt",
        "",
    ]
