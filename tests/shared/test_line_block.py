"""Lines are read in blocks, and say what each says by itself."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_integrations.core.tables import json_line
from llm_integrations.core.tables.json_line import NoRow, read_row
from llm_integrations.core.tables.line_block import (
    LineBlock,
    blocks_of_lines,
    decoded_lines,
    places_of_lines,
)
from llm_integrations.core.tables.line_columns import LineColumns

CHUNK = "llm_integrations.core.tables.line_block._CHUNK"
TRAPS = [
    b'{"a": 18446744073709551616}',
    b'{"a": 123456789012345678901234567890}',
    b'{"a": NaN}',
    b'{"a": -Infinity}',
    b'{"a": 1e400}',
    b'{"a": "\\ud800"}',
    b'{"a": "\xed\xa0\x80"}',
    b'{"a": "\xff"}',
    b'{"a": "\xc0\x80"}',
    b'\xef\xbb\xbf{"a": 1}',
    b'{"a": 1, "a": 2}',
    b'{"a": 1}{"b": 2}',
    b'{"a": 1} {"b": 2}',
    b'{"a": {}',
    b'{"b": 1}}',
    b'{"a": [{}',
    b"{}]}",
    b'{"a": "x',
    b'y"}',
    b'{"a": 1}\r',
    b' {"a": 1} ',
    b'\t{"a": 1}\x0b',
    b"[1]",
    b"null",
    b'"text"',
    b"",
    b"  ",
    b"\r",
    b'{"a": ' + b"[" * 300 + b"]" * 300 + b"}",
    b'{"a": ' + b"9" * 5000 + b"}",
    b"{",
    b"}",
    b"{}",
    b'{"a": "\\ud83d\\ude00"}',
    b'{"a": -0.0, "b": 1e2, "c": 0.1}',
]


def one_by_one(line: bytes) -> Any:
    if not line.strip():
        return None
    try:
        return read_row(line)
    except NoRow as error:
        return error


def said(data: bytes) -> list[Any]:
    block = LineBlock(memoryview(data), 0, 0, len(data))
    return [row for some in decoded_lines(block) for row in some.rows]


@given(st.lists(st.sampled_from(TRAPS), max_size=12), st.sampled_from([1, 60, 1 << 15]))
def test_lines_read_together_say_what_each_says_by_itself(lines: list[bytes], size: int) -> None:
    with patch(CHUNK, size):
        found = said(b"".join(line + b"\n" for line in lines))
    assert list(map(repr, found)) == [repr(one_by_one(line + b"\n")) for line in lines]


@pytest.mark.parametrize("line", TRAPS)
def test_without_msgspec_lines_say_the_same(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    by_msgspec = repr(one_by_one(line + b"\n"))
    monkeypatch.setattr(json_line, "_decoder", None)
    assert list(map(repr, said(line + b"\n" + line + b"\n"))) == [by_msgspec] * 2


@given(st.lists(st.sampled_from([b"{}\n", b"\n", b'{"a": 1}\n'])), st.integers(1, 5))
def test_blocks_are_the_whole_file_in_its_order(lines: list[bytes], most: int) -> None:
    whole = b"".join(lines) + b"[]"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_bytes(whole)
        with patch("llm_integrations.core.tables.line_block._BYTES", 7):
            blocks = list(blocks_of_lines(path, most))
            places = list(places_of_lines(path, most))
        assert [block.place().read(path) for block in blocks] == blocks
        assert [place.read(path) for place in places] == blocks
        assert [len(place) for place in places] == [len(block) for block in blocks]
    assert b"".join(bytes(block.data) for block in blocks) == whole
    firsts = 0
    for block in blocks:
        assert (block.first, 0 < len(block) <= most) == (firsts, True)
        firsts += len(block)
    assert firsts == len(lines) + 1


def test_a_line_is_never_cut(tmp_path: Path) -> None:
    lines = [json.dumps({"n": n, "text": "x" * n}).encode() + b"\n" for n in range(50)]
    (tmp_path / "rows.jsonl").write_bytes(b"".join(lines))
    with patch("llm_integrations.core.tables.line_block._BYTES", 64):
        blocks = list(blocks_of_lines(tmp_path / "rows.jsonl", 1000))
    assert [row["n"] for block in blocks for s in decoded_lines(block) for row in s.rows] == [
        *range(50)
    ]
    assert len(blocks) > 20


@pytest.mark.parametrize(
    ("rows", "shown"),
    [
        ([{"a": [1, {}, 2], "b": 1}], [{"a": None, "b": 1}]),
        ([{"a": [1, 2]}, {"a": ["x"]}, {"a": [3, "y"]}], [{"a": [1, 2]}, {"a": None}, {"a": None}]),
        ([{"a": {"b": [1, {}], "c": 1}}], [{"a": {"c": 1}}]),
        ([{"a": [[1, 2], ["x"]]}, {"a": [[3]]}], [{"a": None}, {"a": [[3]]}]),
        ([{"a": [1, "x"]}, {"a": 2}, {"a": 3}], [{"a": None}, {"a": 2}, {"a": 3}]),
    ],
    ids=["list", "lists", "member", "lists of lists", "number"],
)
def test_lists_of_words_and_numbers_are_of_the_type_of_most_of_them(rows: Any, shown: Any) -> None:
    assert LineColumns().table(rows).to_pylist() == shown
