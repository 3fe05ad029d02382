"""Whatever is set aside comes back, and is judged then as it was judged before."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import BaseModel

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord, rows_of
from llm_integrations.core.quarantine.encoding import Unwritable, read, write, write_row
from llm_integrations.core.validation import compile_validator

REFUSES = compile_validator(False, subject="row", reference="row@1")


class Colour(Enum):
    RED = "red"
    RAW = b"\xff"


@dataclass
class Point:
    x: int
    raw: bytes


class Person(BaseModel):
    born: datetime
    photo: bytes


@pytest.fixture(params=["jsonl", "parquet"])
def quarantine(tmp_path: Path, request: pytest.FixtureRequest) -> Quarantine:
    return Quarantine(tmp_path / "bad", request.param)


def stored(quarantine: Quarantine, value: Any) -> Any:
    quarantine.add([QuarantinedRecord.of(value, REFUSES.validate(value))])
    [record] = quarantine.records()
    return record.value


WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KINDS: list[tuple[Any, Any]] = [
    (b"\x00\xff", b"\x00\xff"),
    (bytearray(b"x"), b"x"),
    (memoryview(b"abcd")[::2], b"ac"),
    ({"a": [b"x", {"b/~": b"y"}]}, {"a": [b"x", {"b/~": b"y"}]}),
    ({"": b"x", "0": [b"y"]}, {"": b"x", "0": [b"y"]}),
    (WHEN, "2026-01-02T03:04:05+00:00"),
    ([date(2026, 1, 2), time(1, 2, tzinfo=UTC)], ["2026-01-02", "01:02:00+00:00"]),
    (timedelta(days=1, seconds=2), "P1DT2S"),
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (Decimal("0.12345678901234567890"), Decimal("0.12345678901234567890")),
    (
        {"d": Decimal("1e500"), "e": Decimal("1e9999")},
        {"d": Decimal("1e500"), "e": Decimal("1e9999")},
    ),
    ({"i": math.inf, "j": [-math.inf]}, {"i": math.inf, "j": [-math.inf]}),
    (10**5000, 10**5000),
    ({"big": [-(10**5000)]}, {"big": [-(10**5000)]}),
    (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
    (np.float32(0.5), 0.5),
    (np.datetime64("2026-01-02T03:04:05"), "2026-01-02T03:04:05"),
    ({"b", "a", "c"}, ["a", "b", "c"]),
    (Colour.RED, "red"),
    (Colour.RAW, b"\xff"),
    (Point(1, b"\xff"), {"x": 1, "raw": b"\xff"}),
    (
        Person(born=WHEN, photo=b"\xff"),
        {"born": "2026-01-02T03:04:05+00:00", "photo": b"\xff"},
    ),
    ({1: "a", None: b"b"}, {"1": "a", "null": b"b"}),
    ({1: "a", "1": b"b"}, {1: "a", "1": b"b"}),
    ({(1, (2,)): {"x": b"b"}}, {(1, (2,)): {"x": b"b"}}),
    ("\ud800 \U0001f600", "\ud800 \U0001f600"),
    ({"\ud800": ["\udfff"]}, {"\ud800": ["\udfff"]}),
    ((1, (2, 3)), [1, [2, 3]]),
    (object(), Unwritable("object")),
    ({"f": print, "n": 1}, {"f": Unwritable("builtin_function_or_method"), "n": 1}),
]


@pytest.mark.parametrize(("value", "back"), KINDS, ids=lambda v: type(v).__name__)
def test_every_kind_of_value_comes_back(quarantine: Quarantine, value: Any, back: Any) -> None:
    assert stored(quarantine, value) == back


def test_nan_comes_back(quarantine: Quarantine) -> None:
    value = {"n": math.nan, "d": Decimal("NaN"), "a": np.array([np.nan])}
    back = stored(quarantine, value)
    assert math.isnan(back["n"])
    assert back["d"].is_nan()
    assert math.isnan(back["a"][0])


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I", "F", "CMYK", "I;16"])
def test_an_image_is_the_same_image(quarantine: Quarantine, mode: str) -> None:
    image = Image.new(mode, (3, 2))
    image.putpixel((1, 1), (9, 8, 7, 6)[: len(image.getbands())] if len(mode) > 2 else 1)
    [back] = stored(quarantine, [image])
    assert (back.mode, back.size, back.tobytes()) == (image.mode, image.size, image.tobytes())


def test_what_is_written_is_json_and_bytes_are_base64_with_their_encoding() -> None:
    text, encodings = write({"photo": b"\x00", "n": math.nan, "t": WHEN})
    assert json.loads(text) == {"photo": "AA==", "n": "nan", "t": "2026-01-02T03:04:05+00:00"}
    assert encodings["/photo"] == {"contentEncoding": "base64"}
    row = json.loads(json.dumps(QuarantinedRecord.of(b"\x00", REFUSES.validate(b"\x00")).to_row()))
    assert json.loads(row["data"]) == "AA=="
    assert json.loads(row["encodings"])["data"] == {"": {"contentEncoding": "base64"}}


def test_rows_of_tables_are_written_as_records_are() -> None:
    row = {"t": WHEN, "d": Decimal("1.5"), "b": [b"x"], "id": UUID(int=1), "n": math.nan}
    assert write_row(row) == write(row)
    [made] = rows_of([row], ["[]"], [0], schema="row@1", fingerprint="f", source="s")
    again = QuarantinedRecord.from_row(made)
    assert again.value["b"] == [b"x"]
    assert again.record_id == made["record_id"]


def test_a_value_in_a_value_a_thousand_times_is_cut_and_says_so() -> None:
    deep: list[Any] = []
    for _ in range(2000):
        deep = [deep]
    text, encodings = write({"deep": deep, "b": b"x"})
    assert [encoding for encoding in encodings.values() if encoding.get("type") == "cut"]
    assert read(text, encodings)["b"] == b"x"


def test_a_value_that_contains_itself_and_one_whose_code_fails_are_written() -> None:
    ring: list[Any] = [1]
    ring.append(ring)

    class Broken(dict[str, Any]):
        def items(self) -> Any:
            raise RuntimeError("no")

    released = memoryview(b"x")
    released.release()
    assert read(*write(ring)) == [1, Unwritable("list")]
    assert read(*write([Broken(a=1)])) == [Unwritable("Broken")]
    assert read(*write([released])) == [Unwritable("memoryview")]


def test_the_text_is_the_same_in_every_process() -> None:
    assert write({"tags": frozenset({"c", "a", "b"})})[0] == '{"tags": ["a", "b", "c"]}'
    assert write([object()]) == write([object()])


def test_an_encoding_that_does_not_fit_is_our_error() -> None:
    for text, pointer, encoding in (
        ('{"a": 1}', "/b", {"contentEncoding": "base64"}),
        ('{"a": "?"}', "/a", {"contentEncoding": "base64", "contentMediaType": "image/png"}),
        ('{"a": 1}', "/a", {"type": "no such"}),
        ("1", "/a/b", {"type": "cut"}),
    ):
        with pytest.raises(LLMIntegrationsError, match="cannot be read"):
            read(text, {pointer: encoding})


# -- the verdict is the same ----------

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(alphabet=st.characters(codec=None), max_size=5),
    st.binary(max_size=5),
    st.decimals(),
    st.datetimes(timezones=st.sampled_from([UTC, None])),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.sampled_from(Colour),
    st.just(object()),
)
KEYS = st.one_of(st.text(max_size=2), st.integers(0, 2), st.none(), st.booleans())
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.frozensets(st.integers(), max_size=3)
    ),
    max_leaves=8,
)
SCHEMAS: list[Any] = [
    True,
    {"type": "string"},
    {"type": "object"},
    {"type": "array", "items": {"type": ["string", "number"]}},
    {"additionalProperties": {"type": "string"}, "items": {"type": "object"}},
    {"format": "date-time"},
    {"additionalProperties": {"format": "date"}, "items": {"format": "uuid"}},
    {"type": "number", "multipleOf": 0.01},
    {"maxProperties": 1, "maxItems": 1, "maxLength": 3},
    {"propertyNames": {"maxLength": 1}},
    {"additionalProperties": {"contentEncoding": "base64", "type": "string"}},
]
VALIDATORS = [compile_validator(schema) for schema in SCHEMAS]


@given(value=VALUES)
def test_what_comes_back_is_judged_as_what_came(value: Any) -> None:
    back = read(*write(value))
    for validator in VALIDATORS:
        assert validator.is_valid(back) == validator.is_valid(value), validator.body
    assert write(back)[0] == write(value)[0]
