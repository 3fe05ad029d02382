"""Python objects are judged by the JSON that they stand for; none of them raises."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime as dt
import enum
import fractions
import ipaddress
import math
import pathlib
import types
import uuid
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel, ConfigDict, Field

from llm_integrations.core.validation import compile_validator
from llm_integrations.core.validation.normalise import normalise

UTC = dt.timezone.utc  # noqa: UP017 - the class attribute reads better than dt.UTC in a table


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Text(str):
    """As many libraries have one: text with a method or two."""


class Number(int):
    pass


class Real(float):
    pass


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Card:
    title: str
    when: dt.date


class Row(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        return {"a": 1}[key]

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return 1


class Twice(Sequence[int]):
    def __getitem__(self, index: Any) -> Any:
        return [7, 7][index]

    def __len__(self) -> int:
        return 2


class Account(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    user_name: str = Field(alias="userName")
    since: dt.datetime
    extra: Any = None


FORMS: dict[str, tuple[Any, Any]] = {
    "tuple": ((1, 2), [1, 2]),
    "named tuple": (Point(1, 2), [1, 2]),
    "set": ({5}, [5]),
    "frozenset": (frozenset({5}), [5]),
    "range": (range(3), [0, 1, 2]),
    "deque": (collections.deque([1]), [1]),
    "any sequence": (Twice(), [7, 7]),
    "array of the standard library": (array.array("i", [1, 2]), [1, 2]),
    "ordered dict": (collections.OrderedDict(a=1), {"a": 1}),
    "default dict": (collections.defaultdict(int, a=1), {"a": 1}),
    "mapping proxy": (types.MappingProxyType({"a": 1}), {"a": 1}),
    "any mapping": (Row(), {"a": 1}),
    "dataclass": (Card("t", dt.date(2026, 1, 2)), {"title": "t", "when": "2026-01-02"}),
    "enum": (Colour.RED, "red"),
    "int enum": (Level.HIGH, 3),
    "text subclass": (Text("x"), "x"),
    "integer subclass": (Number(4), 4),
    "float subclass": (Real(0.5), 0.5),
    "decimal": (Decimal("0.10"), Decimal("0.10")),
    "fraction": (fractions.Fraction(1, 2), 0.5),
    "datetime": (dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05+00:00"),
    "date": (dt.date(2026, 1, 2), "2026-01-02"),
    "time": (dt.time(3, 4, 5), "03:04:05"),
    "timedelta": (dt.timedelta(days=1, seconds=90), "P1DT90S"),
    "negative timedelta": (dt.timedelta(seconds=-1.5), "-PT1.5S"),
    "no time at all": (dt.timedelta(), "PT0S"),
    "uuid": (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "path": (pathlib.PurePosixPath("a/b"), "a/b"),
    "ip address": (ipaddress.ip_address("10.0.0.1"), "10.0.0.1"),
    "numpy integer": (np.int64(3), 3),
    "numpy float": (np.float32(0.5), 0.5),
    "numpy bool": (np.bool_(True), True),
    "numpy text": (np.str_("x"), "x"),
    "numpy array": (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    "numpy array of objects": (np.array([None, "a"], dtype=object), [None, "a"]),
    "numpy array without dimension": (np.array(5), 5),
    "numpy datetime": (np.datetime64("2026-01-02T03:04:05"), "2026-01-02T03:04:05"),
    "numpy datetime of nanoseconds": (
        np.array(["2026-01-02", "NaT"], dtype="datetime64[ns]"),
        ["2026-01-02T00:00:00.000000000", None],
    ),
    "pandas timestamp": (pd.Timestamp("2026-01-02"), "2026-01-02T00:00:00"),
    "pandas series": (pd.Series([1, 2]), [1, 2]),
    "pandas NaT": (pd.NaT, None),
    "pandas NA": (pd.NA, None),
    "keys that are no text": (
        {2: "a", None: "b", True: "c", 0.5: "d", Colour.RED: "e"},
        {"2": "a", "null": "b", "true": "c", "0.5": "d", "red": "e"},
    ),
    "pydantic model": (
        Account(userName="ada", since=dt.datetime(2026, 1, 2, tzinfo=UTC)),
        {"userName": "ada", "since": "2026-01-02T00:00:00Z", "extra": None},
    ),
    "all of it in one": (
        {"rows": [Point(1, 2), {"at": {dt.date(2026, 1, 2)}}]},
        {"rows": [[1, 2], {"at": ["2026-01-02"]}]},
    ),
}


@pytest.mark.filterwarnings("ignore:no explicit representation of timezones")
@pytest.mark.parametrize("name", FORMS)
def test_an_object_has_the_json_form_that_one_would_write(name: str) -> None:
    value, form = FORMS[name]
    result = normalise(value)
    assert result.value == form
    assert type(result.value) is type(form)
    assert (result.problems, result.opaque) == ([], [])


@pytest.mark.parametrize("name", FORMS)
def test_an_object_is_judged_by_its_json_form(name: str) -> None:
    value, form = FORMS[name]
    exact = compile_validator({"const": form} if not isinstance(form, Decimal) else {"minimum": 0})
    assert exact.is_valid(value)
    assert exact.is_valid({"const": form}["const"])
    assert not compile_validator({"not": {}}).is_valid(value)


def test_langchain_messages_are_judged_as_langchain_writes_them() -> None:
    messages = pytest.importorskip(
        "langchain_core.messages", reason="pip install 'llm-integrations[langchain]'"
    )
    chat = compile_validator(
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "type": {"enum": ["human", "ai"]},
                    "content": {"type": "string", "maxLength": 5},
                },
                "required": ["type", "content"],
            },
        }
    )
    assert chat.is_valid([messages.HumanMessage("hi"), messages.AIMessage("hello")])
    report = chat.validate([messages.HumanMessage("far too long")])
    assert [(e.path, e.keyword) for e in report.errors] == [("/0/content", "maxLength")]


def test_a_model_with_one_odd_field_is_still_judged_by_the_others() -> None:
    account = Account(userName="ada", since=dt.datetime(2026, 1, 2, tzinfo=UTC), extra=object())
    assert compile_validator({"properties": {"userName": {"const": "ada"}}}).is_valid(account)
    assert not compile_validator({"properties": {"extra": {"type": "null"}}}).is_valid(account)


class Vicious:
    """Raises whatever is done with it."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    __hash__ = None  # type: ignore[assignment]  # part of being vicious


class RaisingMapping(Row):
    def __iter__(self) -> Iterator[str]:
        raise KeyError("the database went away")


class RaisingModel:
    def model_dump(self, **_: Any) -> Any:
        raise SystemError


class EndlessModel:
    def model_dump(self, **_: Any) -> Any:
        return EndlessModel()


HOSTILE: dict[str, Any] = {
    "object": object(),
    "class": Card,
    "function": print,
    "generator": (number for number in range(3)),
    "bytes": b"text or binary?",
    "bytearray": bytearray(b"x"),
    "numpy bytes": np.bytes_(b"x"),
    "complex": 1j,
    "mock": MagicMock(),
    "raises on every attribute": Vicious(),
    "mapping that raises": RaisingMapping(),
    "model that raises": RaisingModel(),
    "model without end": EndlessModel(),
    "key without text": {(1, 2): "x"},
    "key that is bytes": {b"k": "x"},
    "key that is NaN": {math.nan: 1},
    "data frame": pd.DataFrame({"a": [1]}),
    "exception": ValueError("x"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "schema",
    [{"type": "string"}, {"enum": ["a"]}, {"properties": {"a": {"type": "string"}}}, {}],
    ids=["type", "enum", "properties", "empty"],
)
def test_what_has_no_json_form_is_invalid_where_the_schema_looks(
    name: str, schema: dict[str, Any]
) -> None:
    validator = compile_validator({"properties": {"it": schema}, "items": schema})
    assert not validator.is_valid({"it": HOSTILE[name]}) or schema == {}
    assert not validator.is_valid([HOSTILE[name]]) or schema == {}
    whole = compile_validator(schema)
    assert not whole.is_valid(HOSTILE[name])
    (error,) = whole.validate(HOSTILE[name]).errors
    assert error.path == ""


@pytest.mark.parametrize("name", HOSTILE)
def test_what_has_no_json_form_may_stand_where_the_schema_does_not_look(name: str) -> None:
    validator = compile_validator({"type": "object", "properties": {"a": {"type": "integer"}}})
    assert validator.is_valid({"a": 1, "callback": HOSTILE[name]})
    report = validator.validate({"a": "x", "callback": HOSTILE[name]})
    assert [error.path for error in report.errors] == ["/a"]


def test_a_report_says_what_was_no_json_and_what_else_is_wrong() -> None:
    validator = compile_validator(
        {"properties": {"raw": {"type": "string"}, "n": {"type": "integer"}}}
    )
    report = validator.validate({"raw": b"secret", "n": "secret"})
    assert {(e.path, e.message) for e in report.errors} == {
        ("/raw", "is raw bytes (decode them, or write them as base64 text)"),
        ("/n", "is a string, not an integer"),
    }


@pytest.mark.parametrize(
    ("schema", "valid"),
    [
        ({"type": "string"}, True),
        ({"type": "integer"}, False),
        ({"maxLength": 7}, True),
        ({"minLength": 8}, False),
        ({"pattern": "^smile .$"}, True),
        ({"enum": ["smile"]}, False),
    ],
)
def test_a_lone_surrogate_counts_as_one_character(schema: dict[str, Any], valid: bool) -> None:
    """``json.loads`` lets them through, and what a model says may be cut in the middle of one."""
    cut = "smile \ud83d"
    assert compile_validator(schema).is_valid(cut) is valid
    assert compile_validator({"properties": {"a": schema}}).is_valid({"a": cut}) is valid
    assert compile_validator({"propertyNames": schema}).is_valid({cut: 1}) is valid


def test_two_keys_that_are_one_in_json_are_invalid() -> None:
    report = compile_validator({"type": "object"}).validate({1: "a", "1": "b"})
    assert [e.message for e in report.errors] == ["has two keys that are written alike in JSON"]


def test_data_that_contains_itself_is_judged_where_the_schema_looks() -> None:
    loop: dict[str, Any] = {"name": "x"}
    loop["self"] = loop
    loop["list"] = [loop, loop]
    assert compile_validator({"properties": {"name": {"type": "string"}}}).is_valid(loop)
    tree = {"properties": {"self": {"$ref": "#"}, "list": {"items": {"$ref": "#"}}}}
    report = compile_validator(tree).validate(loop)
    assert {e.message for e in report.errors} == {"is an object that contains itself"}


def test_raw_json_text_is_text() -> None:
    assert compile_validator({"type": "string"}).is_valid('{"a": 1}')
    assert not compile_validator({"type": "object"}).is_valid('{"a": 1}')


def test_the_original_is_left_as_it_was() -> None:
    original = {"when": dt.date(2026, 1, 2), "rows": [(1, 2)], "bad": math.nan}
    before = dict(original)
    compile_validator({"properties": {"when": {"type": "integer"}}}).validate(original)
    assert original == before
    assert original["rows"] is before["rows"]


def test_a_key_without_text_makes_its_whole_mapping_opaque_whatever_came_before_it() -> None:
    for value in ({"a": b"x", (0,): None}, {"a": {"b": object()}, frozenset(): 1}):
        found = normalise(value)
        assert [problem.path for problem in found.opaque] == [()]
        assert not compile_validator({"type": "object"}).is_valid(value)
        assert not compile_validator({"additionalProperties": {"type": "string"}}).validate(value)
