"""SchemaValidator: valid data flows through unchanged, invalid data does what the mode says."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel

from llm_integrations.core.errors import ConfigurationError, SchemaNotFound, SchemaValidationError
from llm_integrations.core.registry import Registry, connect
from llm_integrations.langchain import SchemaValidator
from tests.support.langchain import WAYS, outcome

PROFILE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
ADA = {"name": "Ada", "age": 36}
BAD = {"name": "Ada", "age": -1}


class Profile(BaseModel):
    name: str
    age: int


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("user-profile", PROFILE)
        yield client


@pytest.fixture
def chain(registry: Registry) -> Any:
    prompt = ChatPromptTemplate.from_template("Greet {name}, aged {age}.")
    model = FakeListChatModel(responses=["Hello!"])
    return SchemaValidator("user-profile@1", registry) | prompt | model | StrOutputParser()


def test_valid_input_reaches_the_model(chain: Any) -> None:
    assert chain.invoke(ADA) == "Hello!"


async def test_invalid_input_stops_before_the_model_in_every_way_of_running(chain: Any) -> None:
    with pytest.raises(SchemaValidationError) as caught:
        chain.invoke(BAD)
    assert caught.value.report.errors[0].path == "/age"
    with pytest.raises(SchemaValidationError):
        await chain.ainvoke(BAD)
    with pytest.raises(SchemaValidationError):
        list(chain.stream(BAD))
    with pytest.raises(SchemaValidationError):
        [chunk async for chunk in chain.astream(BAD)]


async def test_a_batch_isolates_the_bad_item(chain: Any) -> None:
    first, second, third = chain.batch([ADA, BAD, ADA], return_exceptions=True)
    assert (first, third) == ("Hello!", "Hello!")
    assert isinstance(second, SchemaValidationError)
    _, second, _ = await chain.abatch([ADA, BAD, ADA], return_exceptions=True)
    assert isinstance(second, SchemaValidationError)
    with pytest.raises(SchemaValidationError):
        chain.batch([ADA, BAD])


def test_input_passes_through_as_the_same_object(registry: Registry) -> None:
    data = dict(ADA)
    assert SchemaValidator("user-profile@1", registry).invoke(data) is data


def test_warn_lets_it_pass_and_says_so_without_the_data(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    validator = SchemaValidator("user-profile@1", registry, mode="warn")
    secret = {"name": "Ada", "age": -4242}
    assert validator.invoke(secret) is secret
    assert "user-profile@1" in caplog.text
    assert "4242" not in caplog.text


def test_off_asks_nobody(registry: Registry) -> None:
    assert SchemaValidator("no-such-schema", registry, mode="off").invoke(BAD) is BAD


@pytest.mark.parametrize("mode", ["enforce", "warn"])
def test_a_schema_that_does_not_exist_is_an_error_in_both_modes(
    registry: Registry, mode: Any
) -> None:
    with pytest.raises(SchemaNotFound):
        SchemaValidator("no-such-schema", registry, mode=mode).invoke(ADA)


def test_a_mode_that_does_not_exist_is_refused_at_once(registry: Registry) -> None:
    with pytest.raises(ConfigurationError, match="enforce"):
        SchemaValidator("user-profile@1", registry, mode="strict")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        (Profile(name="Ada", age=36), True),
        (Profile(name="Ada", age=-1), False),
        (AIMessage('{"name": "Ada", "age": 36}'), True),
        (AIMessage('{"name": "Ada"}'), False),
        (AIMessage("I am afraid I can't do that"), False),
        (AIMessage("", tool_calls=[{"name": "f", "args": ADA, "id": "1"}]), True),
        (AIMessage("", tool_calls=[{"name": "f", "args": BAD, "id": "1"}]), False),
        (
            AIMessage(
                "",
                tool_calls=[
                    {"name": "f", "args": ADA, "id": "1"},
                    {"name": "f", "args": BAD, "id": "2"},
                ],
            ),
            False,
        ),
        (
            AIMessage(
                "",
                invalid_tool_calls=[
                    {
                        "name": "f",
                        "args": "{cut",
                        "id": "1",
                        "error": None,
                        "type": "invalid_tool_call",
                    }
                ],
            ),
            False,
        ),
        ({"raw": AIMessage("x"), "parsed": ADA, "parsing_error": None}, True),
        ({"raw": AIMessage("x"), "parsed": None, "parsing_error": ValueError()}, False),
        (HumanMessage("[1, 2"), False),
    ],
)
async def test_structured_output_is_judged_as_what_it_means(
    registry: Registry, value: Any, valid: bool
) -> None:
    validator = SchemaValidator("user-profile@1", registry, side="output")
    if valid:
        assert validator.invoke(value) is value
        assert await validator.ainvoke(value) is value
    else:
        with pytest.raises(SchemaValidationError):
            validator.invoke(value)
        with pytest.raises(SchemaValidationError):
            await validator.ainvoke(value)


async def test_streamed_output_passes_at_once_under_warn_and_whole_under_enforce(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    model = FakeListChatModel(responses=['{"name": "Ada"}'])
    warn = model | SchemaValidator("user-profile@1", registry, side="output", mode="warn")
    assert len(list(warn.stream("hi"))) > 3
    assert "missing" in caplog.text or "required" in caplog.text
    caplog.clear()
    assert len([chunk async for chunk in warn.astream("hi")]) > 3
    assert "user-profile@1" in caplog.text
    seen: list[Any] = []
    enforce = model | SchemaValidator("user-profile@1", registry, side="output")
    with pytest.raises(SchemaValidationError):
        seen.extend(enforce.stream("hi"))
    assert seen == []


def test_a_chain_with_a_validator_pickles(registry: Registry) -> None:
    validator = pickle.loads(pickle.dumps(SchemaValidator("user-profile@1", registry)))
    assert validator.invoke(ADA) == ADA
    with pytest.raises(SchemaValidationError):
        validator.invoke(BAD)
    validator.judge.registry.close()


def test_retry_and_fallbacks_can_leave_the_error_alone(registry: Registry) -> None:
    calls: list[int] = []

    class Counting(SchemaValidator):
        def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
            calls.append(1)
            return super().invoke(input, config, **kwargs)

    validator = Counting("user-profile@1", registry)
    with pytest.raises(SchemaValidationError):
        validator.with_retry(retry_if_exception_type=(OSError,)).invoke(BAD)
    assert len(calls) == 1
    with pytest.raises(SchemaValidationError):
        validator.with_fallbacks([StrOutputParser()], exceptions_to_handle=(OSError,)).invoke(BAD)


def test_a_new_version_is_in_force_at_the_next_call(registry: Registry) -> None:
    validator = SchemaValidator("user-profile@latest", registry)
    validator.invoke(ADA)
    open_profile = {k: v for k, v in PROFILE.items() if k != "additionalProperties"}
    registry.register("user-profile", open_profile, compatibility="NONE")
    assert validator.invoke({**ADA, "extra": 1})


class Question(BaseModel):
    text: str


def test_a_class_judges_without_any_registry() -> None:
    validator = SchemaValidator(Question)
    assert validator.invoke({"text": "why?"}) == {"text": "why?"}
    with pytest.raises(SchemaValidationError, match="question@1"):
        validator.invoke({"text": 1})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("on_invalid", [ADA, lambda error: {"name": error.report.schema, "age": 0}])
async def test_words_of_the_products_own_stand_for_a_refusal(
    registry: Registry, on_invalid: Any, way: str
) -> None:
    validator = SchemaValidator("user-profile@1", registry, on_invalid=on_invalid)
    found = await outcome(RunnableLambda(lambda value: value) | validator, BAD, way)
    last = found[-1] if isinstance(found, list) else found
    assert last == (on_invalid if on_invalid is ADA else {"name": "user-profile@1", "age": 0})
    good = await outcome(RunnableLambda(lambda value: value) | validator, ADA, way)
    assert (good[-1] if isinstance(good, list) else good) == ADA


async def test_words_that_have_to_be_waited_for_are_awaited(registry: Registry) -> None:
    async def words(error: SchemaValidationError) -> str:
        return "Sorry!"

    validator = SchemaValidator("user-profile@1", registry, on_invalid=words)
    assert await validator.ainvoke(BAD) == "Sorry!"
    with pytest.raises(ConfigurationError, match="sync"):
        validator.invoke(BAD)
    warn = SchemaValidator("user-profile@1", registry, mode="warn", on_invalid=words)
    assert warn.invoke(BAD) is BAD


def test_one_whose_constructor_failed_can_be_shown_by_error_trackers() -> None:
    with pytest.raises(ConfigurationError) as refused:
        SchemaValidator("user-profile", None, mode="nonsense")  # type: ignore[arg-type]
    shown = [repr(frame.locals) for frame in refused.traceback]
    assert any("SchemaValidator" in text for text in shown)
