"""Reading the JSON that the server reads."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest

from llm_integrations.serving.shapes.jsontext import read_json

ALPHABET = [b'"', b"\\", b"{", b"}", b"[", b"]", b":", b",", b"a", b"\\u12", b"\\ud800", b"1", b"-"]
ALPHABET += [b"0", b".", b"e5", b"true", b"null", b"NaN", b"-Infinity", b"\xff", b"\xc3\xa4", b" "]
ALPHABET += [
    b"\x00",
    b"\n",
    b"\xef\xbb\xbf",
    b"9" * 30,
    b"E400",
    b'"k":',
    b"Infinity",
    b"\x7f",
    b"\xed\xa0\x80",
]


def outcome(read: Any, data: bytes | str) -> Any:
    try:
        value = read(data)
    except (ValueError, RecursionError):
        return "refused"
    return _comparable(value)


def _comparable(value: Any) -> Any:
    if isinstance(value, float):
        return ("float", "nan") if math.isnan(value) else ("float", value)
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in value.items()}
    return (type(value).__name__, value)


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b' {"a": 1} ',
        b"",
        b"nul",
        b"NaN",
        b"-NaN",
        b"-Infinity",
        b"1e999",
        b"-0",
        b"0.1",
        b"123456789012345678901234567890",
        b"9" * 4299,
        b"9" * 4301,
        b"1" + b"0" * 400 + b".5",
        b'{"a": 1, "a": 2}',
        b'"\\ud800"',
        b'"\xed\xa0\x80"',
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        b'{"a": "\t"}',
        b"[1,]",
        b"01",
        b"[" * 300 + b"]" * 300,
        b"[" * 100_000,
        '{"ä": "ö"}'.encode("utf-16"),
        '{"ä": "ö"}'.encode("utf-32-be"),
        b"{}x",
        b"'a'",
        b"5.",
        b"1.7976931348623157e308",
        b"2.2250738585072011e-308",
        b"9007199254740993.0",
    ],
)
def test_agrees_with_json_loads(data: bytes) -> None:
    assert outcome(read_json, data) == outcome(json.loads, data)


def test_agrees_on_whatever_comes() -> None:
    choose = random.Random(3)
    read = 0
    for _ in range(12_000):
        data = b"".join(choose.choices(ALPHABET, k=choose.randrange(1, 9)))
        expected = outcome(json.loads, data)
        read += expected != "refused"
        assert outcome(read_json, data) == expected, data
        text = data.decode("utf-8", "surrogatepass" if b"\xff" not in data else "replace")
        assert outcome(read_json, text) == outcome(json.loads, text), text
    assert read > 150


def test_agrees_on_numbers() -> None:
    choose = random.Random(4)
    for _ in range(6_000):
        digits = "".join(choose.choices("0123456789", k=choose.randrange(1, 25)))
        text = f"{choose.choice(['', '-'])}{digits}.{digits[::-1]}e{choose.randrange(-330, 330)}"
        assert outcome(read_json, text) == outcome(json.loads, text), text
