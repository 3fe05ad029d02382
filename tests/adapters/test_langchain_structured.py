"""What a model is asked for is what the registry says, and its answer is judged by all of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import JsonOutputParser
from langchain_core.prompts import ChatPromptTemplate

from llm_integrations.core.errors import (
    ConfigurationError,
    SchemaNotFound,
    SchemaValidationError,
)
from llm_integrations.core.model.schema import SchemaReference
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.validation import compile_validator
from llm_integrations.langchain import structured
from llm_integrations.langchain.asking_again.strict import (
    PROVIDERS,
    subset_for,
    without_added_nulls,
)
from tests.adapters.test_langchain_reask import Answering
from tests.support.langchain import WAYS, outcome

PROMPT = ChatPromptTemplate.from_template("Who is {name}?")
ADA = {"name": "Ada"}
PERSON: dict[str, Any] = {
    "title": "A person",
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2},
        "age": {"type": "integer", "minimum": 0},
        "pet": {"oneOf": [{"type": "string"}, {"type": "boolean"}]},
        "home": {"$ref": "#/$defs/home"},
    },
    "required": ["name"],
    "$defs": {
        "home": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "zip": {"type": "string"}},
            "required": ["city"],
        }
    },
}


class Asked(Answering):
    """Keeps how it was asked for structured output."""

    requests: list[Any]

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Any:
        self.requests.append((schema, kwargs))
        return super().with_structured_output(schema, **kwargs)


class Streaming(Asked):
    """Says JSON as text, in parts where it is streamed."""

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Any:
        return self | JsonOutputParser()


def model(*answers: Any, name: str = "A_person", kind: type[Asked] = Asked) -> Any:
    calls = [
        AIMessage("", tool_calls=[{"name": name, "args": args, "id": f"c{n}"}])
        for n, args in enumerate(answers)
    ]
    return kind(answers=calls, asked=[], requests=[])


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("person", PERSON, compatibility="NONE")
        yield client


SIMPLE = [way for way in WAYS if "stream" not in way]


@pytest.mark.parametrize("way", SIMPLE)
async def test_the_answer_is_judged_by_the_whole_schema(registry: Registry, way: str) -> None:
    good = PROMPT | structured(model({"name": "Ada"}), "person@1", registry=registry)
    assert await outcome(good, ADA, way) == {"name": "Ada"}
    bad = PROMPT | structured(model({"name": "A"}), "person@1", registry=registry)
    assert isinstance(await outcome(bad, ADA, way), SchemaValidationError)
    again = structured(
        model({"name": "A"}, {"name": "Ada"}), "person@1", registry=registry, retries=1
    )
    assert await outcome(PROMPT | again, ADA, way) == {"name": "Ada"}


@pytest.mark.parametrize("way", [way for way in WAYS if "stream" in way])
async def test_a_stream_is_held_until_it_is_judged(registry: Registry, way: str) -> None:
    def saying(text: str) -> Any:
        said = Streaming(answers=[text], asked=[], requests=[])
        return PROMPT | structured(said, "person@1", registry=registry)

    assert (await outcome(saying('{"name": "Ada"}'), ADA, way))[-1] == {"name": "Ada"}
    assert isinstance(await outcome(saying('{"name": "A"}'), ADA, way), SchemaValidationError)


def test_a_new_version_is_asked_for_from_the_next_call_on(registry: Registry) -> None:
    asked = model({"name": "Ada"}, {"name": "Ada"}, {"nick": "Ada"})
    chain = structured(asked, "person", registry=registry)
    assert chain.invoke("Who?")
    assert chain.invoke("Who?")
    nick = {"title": "A person", "type": "object", "properties": {"nick": {"type": "string"}}}
    registry.register("person", {**nick, "required": ["nick"]})
    assert chain.invoke("Who?") == {"nick": "Ada"}
    assert [list(schema["properties"]) for schema, _ in asked.requests] == [
        ["name", "age", "pet", "home"],
        ["nick"],
    ]


def test_method_strict_and_raw_are_passed_on_if_they_are_given(registry: Registry) -> None:
    asked = model({"name": "Ada"}, {"name": "Ada"})
    assert structured(asked, "person@1", registry=registry).invoke("Who?")
    chain = structured(
        asked, "person@1", registry=registry, method="json_schema", strict=True, include_raw=True
    )
    found = chain.invoke("Who?")
    assert found["parsed"] == {"name": "Ada"}
    assert isinstance(found["raw"], AIMessage)
    assert [kwargs for _, kwargs in asked.requests] == [
        {},
        {"method": "json_schema", "strict": True, "include_raw": True},
    ]


def test_schemas_that_it_refers_to_are_sent_with_it(registry: Registry) -> None:
    city = {"$defs": {"zip": {"type": "string", "pattern": "^[0-9]{5}$"}}, "$ref": "#/$defs/zip"}
    registry.register("zip", city)
    registry.register(
        "letter",
        {"type": "object", "properties": {"zip": {"$ref": "zip.json"}}, "required": ["zip"]},
        references=[SchemaReference("zip.json", "zip", 1)],
    )
    asked = model({"zip": "10115"}, {"zip": "x"}, name="letter")
    chain = structured(asked, "letter@1", registry=registry)
    assert chain.invoke("Where?") == {"zip": "10115"}
    with pytest.raises(SchemaValidationError):
        chain.invoke("Where?")
    [(schema, _)] = asked.requests
    alone = compile_validator(schema)
    assert alone.is_valid({"zip": "10115"})
    assert not alone.is_valid({"zip": "x"})


@pytest.mark.parametrize(
    ("body", "answer", "bad"),
    [
        ({"type": "array", "items": {"type": "integer"}}, [1, 2], ["x"]),
        ({"enum": ["yes", "no"]}, "yes", "maybe"),
        ({"type": "string", "pattern": "^[0-9]{5}$"}, "10115", "x"),
    ],
)
def test_what_is_no_object_is_asked_for_in_one(
    registry: Registry, body: Any, answer: Any, bad: Any
) -> None:
    registry.register("my.odd subject", body)
    asked = model({"value": answer}, {"value": bad}, name="my_odd_subject")
    chain = structured(asked, "my.odd subject@1", registry=registry)
    assert chain.invoke("What?") == answer
    with pytest.raises(SchemaValidationError):
        chain.invoke("What?")


def test_strict_says_what_it_widened_and_leaves_out_what_was_null(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    said = {"name": "Ada", "age": None, "pet": None, "home": {"city": "London", "zip": None}}
    asked = model(said, {**said, "name": "A"})
    chain = structured(asked, "person@1", registry=registry, strict=True)
    assert chain.widened == ["minLength at /name", "oneOf (as anyOf) at /pet"]
    assert "is asked for without minLength at /name" in caplog.text
    assert chain.invoke("Who?") == {"name": "Ada", "home": {"city": "London"}}
    with pytest.raises(SchemaValidationError, match="/name"):
        chain.invoke("Who?")
    [(schema, _)] = asked.requests
    assert schema["required"] == list(schema["properties"])
    assert "minLength: 2" in schema["properties"]["name"]["description"]
    registry.register("map", {"type": "object", "additionalProperties": {"type": "string"}})
    with pytest.raises(ConfigurationError, match="map"):
        structured(asked, "map@1", registry=registry, strict=True).invoke("Who?")


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema and isinstance(schema["properties"], dict):
            yield schema
        for inner in schema.values():
            yield from objects(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from objects(inner)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_subset_takes_every_answer_that_the_schema_takes(provider: Any) -> None:
    subset = subset_for(PERSON, provider)
    assert all(one["additionalProperties"] is False for one in objects(subset.schema))
    if provider == "openai":
        assert all(one["required"] == list(one["properties"]) for one in objects(subset.schema))
    whole, sent = compile_validator(PERSON), compile_validator(subset.schema)
    for answer in (
        {"name": "Ada"},
        {"name": "Ada", "age": 3, "pet": True},
        {"name": "Ada", "home": {"city": "London"}},
    ):
        filled: dict[str, Any] = dict(answer)
        if provider == "openai":
            filled = {**dict.fromkeys(PERSON["properties"]), **answer}
            if filled["home"]:
                filled["home"] = {"zip": None, **filled["home"]}
        assert sent.is_valid(filled), (provider, filled)
        assert without_added_nulls(filled, subset) == answer
        assert whole.is_valid(answer)


def test_geminis_subset_is_always_applied(registry: Registry) -> None:
    gemini = type("Gemini", (Asked,), {"__module__": "langchain_google_genai.chat_models"})
    asked = model({"name": "Ada"}, kind=gemini)
    assert structured(asked, "person@1", registry=registry).invoke("Who?") == {"name": "Ada"}
    [(schema, kwargs)] = asked.requests
    assert "oneOf" not in str(schema["properties"])
    assert schema["required"] == ["name"]
    assert kwargs == {}


def test_what_cannot_be_asked_for_is_said(registry: Registry) -> None:
    with pytest.raises(ConfigurationError, match="with_structured_output"):
        structured(PROMPT, "person@1", registry=registry)
    with pytest.raises(SchemaNotFound):
        structured(model(), "nobody@1", registry=registry, mode="off").invoke("Who?")
    off = structured(model({"name": "A"}), "person@1", registry=registry, mode="off")
    assert off.invoke("Who?") == {"name": "A"}


def test_only_nulls_that_stand_for_what_was_left_out_are_taken_out() -> None:
    node: Any = {
        "type": "object",
        "properties": {"note": {"type": "string"}, "next": {"$ref": "#/$defs/node"}},
    }
    schema: Any = {
        "type": "object",
        "properties": {
            "note": {"type": ["string", "null"]},
            "list": {"type": "array", "items": {"$ref": "#/$defs/node"}},
        },
        "required": ["note", "list"],
        "$defs": {"node": node},
    }
    inner = {"note": None, "next": {"note": "x", "next": None}}
    answer = without_added_nulls({"note": None, "list": [inner]}, subset_for(schema, "openai"))
    assert answer == {"note": None, "list": [{"next": {"note": "x"}}]}
    assert compile_validator(schema).is_valid(answer)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_subset_grows_with_its_schema_however_deep_what_may_be_null_is_nested(
    provider: Any,
) -> None:
    schema: dict[str, Any] = {"type": ["string", "null"], "minLength": 1}
    for _ in range(30):
        schema = {"type": ["object", "null"], "properties": {"inner": schema}}
    schema = {**schema, "type": "object"}
    assert len(str(subset_for(schema, provider).schema)) < 5 * len(str(schema))


def test_an_answer_of_any_depth_is_taken_as_it_is() -> None:
    node: Any = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}
    subset = subset_for({**node, "$defs": {"node": node}}, "openai")
    answer: Any = {"next": None}
    for _ in range(2000):
        answer = {"next": answer}
    found = without_added_nulls(answer, subset)
    assert found["next"] is not answer["next"]
    assert set(found) == {"next"}
