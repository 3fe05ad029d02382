"""Features and JSON Schema: nothing changes in a conversion without being named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from datasets import (
    Array2D,
    ClassLabel,
    Dataset,
    DatasetDict,
    Features,
    Image,
    Json,
    LargeList,
    List,
    Translation,
    TranslationVariableLanguages,
    Value,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry import SchemaReference, connect
from llm_integrations.core.validation import compile_validator
from llm_integrations.datasets import (
    SchemaMap,
    check_features,
    conversion_losses,
    features_from_schema,
    schema_from_features,
    validate_dataset,
)

EXACT = ("bool", "float64", "string", "null", "int8", "int64", "uint8", "uint32", "uint64")
INEXACT = ("float32", "large_string", "timestamp[us, tz=UTC]", "date32", "binary", "duration[s]")
names = st.text(st.sampled_from("ab/~é."), min_size=1, max_size=4)


def features_of(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Features]:
    def deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        lists = st.builds(List, inner, length=st.integers(-1, 3))
        return lists | st.dictionaries(names, inner, min_size=1, max_size=3)

    feature = st.recursive(leaves, deeper, max_leaves=6)
    return st.dictionaries(names, feature, min_size=1, max_size=4).map(Features)


exact = st.sampled_from(EXACT).map(Value) | st.builds(Json)
inexact = (
    st.sampled_from(INEXACT).map(Value)
    | st.just(ClassLabel(names=["a", "b"]))
    | st.just(LargeList(Value("string")))
    | st.just(Image())
    | st.just(Array2D((2, 2), "int32"))
    | st.just(Translation(["de", "fr"]))
    | st.just(TranslationVariableLanguages(["de"]))
)


@settings(max_examples=150)
@given(features_of(exact))
def test_features_come_back_the_same_where_nothing_is_lost(features: Features) -> None:
    schema = schema_from_features(features)
    assert conversion_losses(features) == ()
    assert conversion_losses(schema) == ()
    assert features_from_schema(schema) == features
    assert not check_features(features, schema).differences


@settings(max_examples=150)
@given(features_of(exact | inexact))
def test_features_that_come_back_changed_are_explained(features: Features) -> None:
    back = features_from_schema(schema_from_features(features))
    assert (back == features) == (conversion_losses(features) == ())
    assert check_features(features, schema_from_features(features))


def test_the_rows_of_a_data_set_satisfy_the_schema_of_its_features() -> None:
    dataset = Dataset.from_dict(
        {"n": [1, 2], "tags": [["a"], []], "who": [{"name": "Ada"}, {"name": "Zoe"}]}
    )
    schema = schema_from_features(dataset.features)
    compile_validator(schema).check(dataset[0])
    assert not compile_validator(schema).is_valid({"n": "1"})
    assert not compile_validator(schema).is_valid({"other": 1})


MOMENT = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
OWN_ROWS: list[tuple[Any, list[Any]]] = [
    *((Value(f"timestamp[{unit}]"), [MOMENT.replace(tzinfo=None)]) for unit in ("s", "us", "ns")),
    *((Value(f"timestamp[us, tz={zone}]"), [MOMENT]) for zone in ("UTC", "+05:30", "Asia/Tokyo")),
    (Value("date32"), [MOMENT.date()]),
    (Value("time64[us]"), [MOMENT.time()]),
    (Value("duration[s]"), [timedelta(days=1)]),
    (Value("decimal128(10, 2)"), [Decimal("1.25")]),
    (Value("binary"), [b"a"]),
    (Value("string_view"), ["a"]),
    (ClassLabel(names=["a", "b"]), [0, 1, -1]),
    (Array2D((1, 2), "float32"), [[[1.0, 2.0]]]),
    (List(Value("timestamp[us]")), [[MOMENT.replace(tzinfo=None)]]),
    ({"at": Value("timestamp[us]")}, [{"at": MOMENT.replace(tzinfo=None)}]),
]


@pytest.mark.parametrize(("feature", "values"), OWN_ROWS, ids=str)
def test_the_schema_of_features_takes_their_rows_by_columns_and_one_by_one(
    feature: Any, values: list[Any]
) -> None:
    features = Features({"x": feature})
    dataset = Dataset.from_list([{"x": value} for value in [*values, None]], features)
    with connect("memory://") as registry:
        registry.register("own", schema_from_features(features))
        assert validate_dataset(dataset, "own@1", registry=registry)
        judge = SchemaMap("own@1", registry)
        assert all(judge.keep(row) for row in dataset.data.table.to_pylist())


def test_a_time_without_a_zone_is_no_date_time_and_the_losses_say_so() -> None:
    [loss] = conversion_losses(Features({"at": Value("timestamp[us]")}))
    assert str(loss) == "/at: timestamp[us]: date-time demands a zone; any text is allowed here"


SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer", "minimum": 0},
        "mail": {"type": "string", "format": "email"},
        "plan": {"enum": ["free", "pro"]},
        "note": {"type": ["string", "null"]},
        "mixed": {"type": ["string", "integer"]},
        "pair": {"prefixItems": [{"type": "string"}, {"type": "integer"}]},
        "free": {"type": "object"},
        "byte": {"type": "integer", "minimum": 0, "maximum": 255},
        "where": {"$ref": "#/$defs/place"},
        "tree": {"$ref": "#/$defs/tree"},
    },
    "required": ["id"],
    "$defs": {
        "place": {"properties": {"city": {"type": "string"}}, "additionalProperties": False},
        "tree": {
            "type": "object",
            "properties": {"below": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
        },
    },
}


def test_a_schema_gives_columns_and_json_where_one_type_is_not_enough() -> None:
    features = features_from_schema(SCHEMA)
    tree = features.pop("tree")
    assert dict(features) == {
        "id": Value("int64"),
        "mail": Value("string"),
        "plan": Value("string"),
        "note": Value("string"),
        "mixed": Json(),
        "pair": Json(),
        "free": Json(),
        "byte": Value("uint8"),
        "where": {"city": Value("string")},
    }
    assert "Json" in repr(tree)


def test_what_features_cannot_say_is_named_with_its_place() -> None:
    losses = {(loss.path, loss.what) for loss in conversion_losses(SCHEMA)}
    assert {
        ("", "required"),
        ("", "additionalProperties"),
        ("/id", "minimum"),
        ("/mail", "format"),
        ("/plan", "enum"),
        ("/note", "null"),
        ("/mixed", "several types"),
        ("/pair", "prefixItems"),
        ("/free", "object"),
    } <= losses
    assert not any(path.startswith(("/byte", "/where")) for path, _ in losses)
    assert any(path.startswith("/tree") and what == "$ref" for path, what in losses)


INTEGER = {"type": "integer"}
DRAFT_7 = "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"$ref": "#n"}}, "$defs": {"x": {"$anchor": "n", **INTEGER}}},
        {"properties": {"a": {"$ref": "#/%24defs/x%20y"}}, "$defs": {"x y": INTEGER}},
        {"properties": {"a": {"$ref": "x/y"}}, "$defs": {"x": {"$id": "x/y", **INTEGER}}},
        {"properties": {"a": {"$dynamicRef": "#n"}}}
        | {"$defs": {"x": {"$dynamicAnchor": "n", **INTEGER}}},
        {"$schema": DRAFT_7, "properties": {"a": {"$ref": "#n"}}}
        | {"definitions": {"x": {"$id": "#n", **INTEGER}}},
        # Nothing counts beside a reference up to draft 7 ...
        {"$schema": DRAFT_7, "properties": {"a": {"$ref": "#/definitions/x", "type": "string"}}}
        | {"definitions": {"x": INTEGER}},
        # ... and since then all of it does.
        {"properties": {"a": {"$ref": "#/$defs/x", "type": ["integer", "string"]}}}
        | {"$defs": {"x": {"type": ["integer", "boolean"]}}},
        {"properties": {"a": {"$ref": "#/$defs/x", **INTEGER}}, "$defs": {"x": True}},
        {"$ref": "#row", "$defs": {"r": {"$anchor": "row", "properties": {"a": INTEGER}}}},
    ],
)
def test_a_column_is_of_the_type_that_its_reference_leads_to(schema: Any) -> None:
    validator = compile_validator(schema)
    assert validator.is_valid({"a": 1})
    assert not validator.is_valid({"a": "x"})
    assert features_from_schema(schema) == {"a": Value("int64")}
    assert check_features(Features({"a": Value("int64")}), schema)
    assert not check_features(Features({"a": Value("string")}), schema)


def test_references_inside_items_and_beside_properties_are_followed_from_where_they_stand() -> None:
    schema = {
        "$ref": "#/$defs/base",
        "properties": {"list": {"type": "array", "items": {"$ref": "inner#n"}}},
        "$defs": {
            "base": {"properties": {"a": {"$ref": "inner"}}, "required": ["a"]},
            "inner": {
                "$id": "inner",
                "properties": {"b": {"$ref": "#n"}},
                "$defs": {"x": {"$anchor": "n", **INTEGER}},
            },
        },
    }
    features = features_from_schema(schema)
    assert features == {"a": {"b": Value("int64")}, "list": List(Value("int64"))}
    assert check_features(features, schema)
    found = check_features(Features({"list": Value("bool")}), schema).differences
    assert {(d.path, d.kind) for d in found} == {("/list", "type"), ("/a", "missing")}


def test_references_to_other_schemas_of_the_registry_are_followed() -> None:
    with connect("memory://") as registry:
        registry.register("country", {"enum": ["AT", "CH"]})
        registry.register(
            "address",
            {"type": "object", "properties": {"country": {"$ref": "country"}}},
            references=[SchemaReference("country", "country", 1)],
        )
        registry.register(
            "row",
            {"type": "object", "properties": {"home": {"$ref": "address"}}},
            references=[SchemaReference("address", "address", 1)],
        )
        expected = {"home": {"country": Value("string")}}
        assert features_from_schema("row@1", registry=registry) == expected
        assert features_from_schema(registry.get("row@1"), registry=registry) == expected
        assert not check_features(
            Features({"home": {"country": Value("bool")}}), "row@1", registry=registry
        )
        assert any(
            loss.path == "/home/country" for loss in conversion_losses("row", registry=registry)
        )


@pytest.mark.parametrize("fan", [1, 2, 5])
def test_a_schema_that_contains_itself_is_json_there_however_often_it_does(fan: int) -> None:
    below = {f"n{number}": {"anyOf": [{"$ref": "#"}, {"type": "null"}]} for number in range(fan)}
    features = features_from_schema({"type": "object", "properties": {"v": INTEGER, **below}})
    assert dict(features) == {"v": Value("int64"), **dict.fromkeys(below, Json())}


def test_references_that_multiply_without_end_do_not_take_without_end() -> None:
    definitions: dict[str, Any] = {"d20": INTEGER}
    for number in range(20):
        below = {"$ref": f"#/$defs/d{number + 1}"}
        definitions[f"d{number}"] = {"type": "object", "properties": {"a": below, "b": below}}
        definitions[f"u{number}"] = {"anyOf": [{"$ref": f"#/$defs/u{(number + 1) % 20}"}] * 3}
    schema = {"properties": {"tree": {"$ref": "#/$defs/d0"}, "u": {"$ref": "#/$defs/u0"}}}
    features = features_from_schema({**schema, "$defs": definitions})
    assert features["u"] == Json()
    assert repr(features).count("Value") <= 10_000


@pytest.mark.parametrize("schema", [True, {"type": "string"}, {"type": "object"}])
def test_a_schema_without_columns_is_refused(schema: Any) -> None:
    with pytest.raises(ConfigurationError):
        features_from_schema(schema)


FEATURES = Features(
    {
        "id": Value("string"),
        "score": Value("float64"),
        "plan": ClassLabel(names=["free", "pro"]),
        "tags": List(Value("int64"), length=5),
        "who": {"age": Value("bool")},
        "extra": Value("string"),
        "none": Value("null"),
    }
)
EXPECTED = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "score": {"type": "integer"},
        "plan": {"enum": ["free", "pro"]},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
        "who": {"type": "object", "properties": {"age": {"type": "integer"}}},
        "none": {"type": "string"},
        "absent": {"type": "string"},
        "needed": {"type": "string"},
    },
    "required": ["id", "needed"],
    "additionalProperties": False,
}


def test_every_difference_is_named_and_weighed() -> None:
    report = check_features(FEATURES, EXPECTED)
    assert not report
    assert {(d.path, d.kind, d.fatal) for d in report.differences} == {
        ("/id", "type", True),
        ("/score", "type", False),
        ("/plan", "type", True),
        ("/tags/*", "type", True),
        ("/tags", "length", True),
        ("/who/age", "type", True),
        ("/extra", "unexpected", True),
        ("/none", "type", False),
        ("/absent", "missing", False),
        ("/needed", "missing", True),
    }
    assert "Value('string')" in str(report)
    assert report.to_dict()["is_valid"] is False


def test_every_split_is_looked_at_and_a_reference_is_looked_up() -> None:
    with connect("memory://") as registry:
        registry.register("row", {"type": "object", "properties": {"n": {"type": "integer"}}})
        splits = DatasetDict(
            {"train": Dataset.from_dict({"n": [1]}), "test": Dataset.from_dict({"n": ["1"]})}
        )
        report = check_features(splits, "row@1", registry=registry)
        assert [difference.path for difference in report.differences] == ["/n"]
        assert check_features(splits["train"], "row@1", registry=registry)
        assert features_from_schema("row@1", registry=registry) == {"n": Value("int64")}


def test_columns_that_are_not_known_are_an_error() -> None:
    stream = Dataset.from_dict({"n": [1]}).to_iterable_dataset().map(lambda row: row)
    with pytest.raises(ConfigurationError, match="not known"):
        check_features(stream, {"type": "object"})
