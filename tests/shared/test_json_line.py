"""Lines of JSON are read as json.loads reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_integrations.core.tables.json_line import read_line

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda v: st.lists(v) | st.dictionaries(st.text(), v),
)
pieces = st.lists(st.sampled_from(list('{}[],:"0123456789.-+eEtruefalsn\\ud8 \n')), max_size=12)


def outcome(read: Any, line: bytes) -> str:
    try:
        return repr(read(line))
    except (ValueError, RecursionError):
        return "no JSON"


@given(values.map(lambda v: json.dumps(v).encode()) | pieces.map(lambda p: "".join(p).encode()))
def test_a_line_says_what_it_says_to_json_loads(line: bytes) -> None:
    assert outcome(read_line, line) == outcome(json.loads, line)


@pytest.mark.parametrize(
    "line",
    [
        b'{"a": 1, "a": 2}',
        b'"\\ud800"',
        b"\xef\xbb\xbf{}",
        b'"\xff"',
        b"9" * 5000,
        b"[" * 300 + b"]" * 300,
        b"[" * 100_000,
        b"18446744073709551616",
        b"1e400",
        b"NaN",
    ],
    ids=range(10),
)
def test_where_readers_of_json_differ_it_follows_json_loads(line: bytes) -> None:
    assert outcome(read_line, line) == outcome(json.loads, line)
