"""A bad answer is asked for again: the model is told what was wrong; the last failure raises."""

from __future__ import annotations

import cProfile
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser, StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import (
    ConfigurableField,
    RunnableBranch,
    RunnableLambda,
    RunnablePassthrough,
)
from langchain_core.tools import tool
from pydantic import BaseModel

from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.observability import VALIDATION_TOTAL
from llm_integrations.core.registry import Registry, connect
from llm_integrations.langchain import SchemaCallbackHandler, SchemaValidator, bind_schema, reask
from tests.support.langchain import WAYS, outcome

ANSWER: dict[str, Any] = {
    "title": "answer",
    "type": "object",
    "properties": {"greeting": {"type": "string"}},
    "required": ["greeting"],
}
GOOD = '{"greeting": "hi"}'
BAD = ['{"greeting": 7}', '{"greting": "hi"}', '{"greeting": "h', "I'm sorry, I can't."]
PROMPT = ChatPromptTemplate.from_template("Greet {name}.")
ADA = {"name": "Ada"}


class Answering(BaseChatModel):
    """Says one thing after the other, and keeps what it was asked."""

    answers: list[Any]
    asked: list[list[BaseMessage]]
    n: int = 0

    @property
    def _llm_type(self) -> str:
        return "answering"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind(tools=tools, **kwargs)

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.asked.append(list(messages))
        said = self.answers[self.n]
        self.n += 1
        message = said if isinstance(said, AIMessage) else AIMessage(said)
        return ChatResult(generations=[ChatGeneration(message=message)])


def model(*answers: Any) -> Any:
    return Answering(answers=list(answers), asked=[])


def call(name: str, **args: Any) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": args, "id": "c1"}])


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("answer", ANSWER)
        yield client


def said(found: Any) -> str:
    chunks = found if isinstance(found, list) else [found]
    return "".join(chunk.text for chunk in chunks)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("bad", BAD)
async def test_the_model_mends_its_answer(registry: Registry, bad: str, way: str) -> None:
    asked = model(bad, GOOD)
    chain = PROMPT | reask(asked, "answer@1", retries=2, registry=registry)
    assert said(await outcome(chain, ADA, way)) == GOOD
    first, second = asked.asked
    assert [m.text for m in first] == ["Greet Ada."]
    assert [type(m) for m in second] == [HumanMessage, AIMessage, HumanMessage]
    assert second[1].text == bad
    assert "answer@1" in second[2].text


async def test_the_message_says_what_was_wrong_with_its_values(registry: Registry) -> None:
    asked = model('{"greeting": 7}', GOOD)
    await outcome(PROMPT | reask(asked, "answer@1", registry=registry), ADA, "invoke")
    assert "/greeting: is an integer, not a string (got 7)" in asked.asked[1][-1].text
    for bad, words in ((BAD[2], "breaks off"), (BAD[3], "refusal"), ('{"a": b}', "broken JSON")):
        asked = model(bad, GOOD)
        await outcome(PROMPT | reask(asked, "answer@1", registry=registry), ADA, "invoke")
        assert words in asked.asked[1][-1].text


@pytest.mark.parametrize("way", WAYS)
async def test_the_last_failure_raises_with_all_reports(registry: Registry, way: str) -> None:
    counter = VALIDATION_TOTAL.labels("langchain", "answer", "output", "invalid")
    before = counter._value.get()
    asked = model(*BAD)
    found = await outcome(PROMPT | reask(asked, "answer@1", retries=2, registry=registry), ADA, way)
    assert isinstance(found, SchemaValidationError)
    assert len(found.reports) == 3 == len(asked.asked)
    assert found.report is found.reports[-1]
    assert counter._value.get() - before == 3
    assert "7" not in str(found)


def parsed() -> Any:
    return model("no", BAD[0], GOOD) | JsonOutputParser()


class Greeting(BaseModel):
    greeting: str


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "make",
    [
        lambda r: (
            PROMPT | reask(model("no", BAD[0], GOOD) | JsonOutputParser(), "answer@1", registry=r)
        ),
        lambda r: reask(
            PROMPT | model("no", BAD[0], GOOD) | JsonOutputParser(), "answer@1", registry=r
        ),
        lambda r: (
            PROMPT
            | reask(
                model(BAD[0], BAD[1], GOOD) | PydanticOutputParser(pydantic_object=Greeting),
                "answer@1",
                registry=r,
            )
        ),
    ],
)
async def test_parsers_and_structured_output_are_asked_again(
    registry: Registry, make: Any, way: str
) -> None:
    found = await outcome(make(registry), ADA, way)
    last = found[-1] if isinstance(found, list) else found
    assert last in ({"greeting": "hi"}, Greeting(greeting="hi")), found


@pytest.mark.parametrize("way", [way for way in WAYS if "stream" not in way])
@pytest.mark.parametrize(("name", "shape"), [("answer", ANSWER), ("Greeting", Greeting)])
async def test_structured_output_is_asked_again(
    registry: Registry, name: str, shape: Any, way: str
) -> None:
    asked = model(call(name, greeting=7), call(name), call(name, greeting="hi"))
    chain = PROMPT | reask(asked.with_structured_output(shape), "answer@1", registry=registry)
    assert await outcome(chain, ADA, way) in ({"greeting": "hi"}, Greeting(greeting="hi"))


async def test_each_call_of_a_tool_is_answered(registry: Registry) -> None:
    asked = model(call("answer", greeting=7), call("answer", greeting="hi"))
    structured = asked.with_structured_output(ANSWER, include_raw=True)
    found = await outcome(reask(structured, "answer@1", registry=registry), "q", "invoke")
    assert found["parsed"] == {"greeting": "hi"}
    assert [type(m) for m in asked.asked[1]] == [HumanMessage, AIMessage, ToolMessage]


async def test_calls_of_ordinary_tools_are_no_answers(registry: Registry) -> None:
    asked = model(call("answer", q=1)).bind_tools([{"name": "answer"}])
    found = await outcome(reask(asked, "answer@1", registry=registry), "q", "invoke")
    assert found.tool_calls


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "on_invalid", [AIMessage("Sorry!"), lambda error: AIMessage("Sorry!" * len(error.reports))]
)
async def test_the_products_own_words_stand_for_a_refusal(
    registry: Registry, way: str, on_invalid: Any
) -> None:
    asked = reask(model(*BAD), "answer@1", retries=0, registry=registry, on_invalid=on_invalid)
    assert said(await outcome(PROMPT | asked, ADA, way)) == "Sorry!"


@pytest.mark.parametrize("way", WAYS)
async def test_warn_passes_the_last_answer_on_and_off_asks_nobody(
    registry: Registry, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    asked = reask(model(*BAD[:3]), "answer@1", registry=registry, mode="warn")
    assert said(await outcome(PROMPT | asked, ADA, way)) == (BAD[0] if "stream" in way else BAD[2])
    assert "answer@1" in caplog.text
    off = reask(model(*BAD), "no-such-schema@1", registry=registry, mode="off")
    assert said(await outcome(PROMPT | off, ADA, way)) == BAD[0]


class Traced(BaseCallbackHandler):
    run_inline = True

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.tags: list[Any] = []

    def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
        self.events.append((name, data["schema"], data["attempt"]))

    def on_chat_model_start(self, *args: Any, tags: Any = None, **kwargs: Any) -> None:
        self.tags.append([tag for tag in tags if tag.startswith("reask")])


@pytest.mark.parametrize("way", [way for way in WAYS if way != "astream_events"])
async def test_a_trace_shows_each_time_it_was_asked_again(registry: Registry, way: str) -> None:
    traced = Traced()
    chain = PROMPT | reask(model(*BAD[:2], GOOD), "answer@1", registry=registry)
    assert not isinstance(await outcome(chain, ADA, way, traced), Exception)
    assert traced.events == [("schema_reask", "answer@1", 1), ("schema_reask", "answer@1", 2)]
    assert traced.tags == [[], ["reask:1"], ["reask:2"]]


@pytest.mark.parametrize("way", WAYS)
async def test_a_handler_leaves_answers_to_who_asks_again(registry: Registry, way: str) -> None:
    registry.register("in", {"type": "object"})
    bound = bind_schema(PROMPT, "in@1", output="answer@1")
    chain = bound | reask(model(BAD[0], GOOD), "answer@1", registry=registry)
    assert said(await outcome(chain, ADA, way, SchemaCallbackHandler(registry))) == GOOD


def test_what_cannot_be_asked_again_about_is_said(registry: Registry) -> None:
    with pytest.raises(ConfigurationError, match="retries"):
        reask(model(), "answer@1", retries=-1, registry=registry)
    with pytest.raises(ConfigurationError, match="a model or a chain"):
        reask("gpt", "answer@1", registry=registry)  # type: ignore[arg-type]
    chain = reask(RunnableLambda(lambda _: "no"), "answer@1", registry=registry)
    with pytest.raises(ConfigurationError, match="put the prompt before it"):
        chain.invoke({"name": "Ada"})


@tool
def look_up(name: str) -> str:
    """Look somebody up."""
    return name


WRAPPED: dict[str, Any] = {
    "with_retry": lambda m: m.with_retry(),
    "with_fallbacks": lambda m: m.with_fallbacks([m]),
    "a sequence": lambda m: RunnablePassthrough() | m,
    "a function": lambda m: RunnableLambda(lambda asked: m.invoke(asked)),
    "a branch": lambda m: RunnableBranch((bool, m), m),
    "configurable": lambda m: m.configurable_alternatives(ConfigurableField("one"), other=m),
}


@pytest.mark.parametrize("wrapped", WRAPPED)
@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_a_call_of_a_tool_is_on_the_way_however_the_model_is_wrapped(
    registry: Registry, wrapped: str, way: str
) -> None:
    call = AIMessage("", tool_calls=[{"name": "look_up", "args": {"name": "Ada"}, "id": "1"}])
    asked = WRAPPED[wrapped](model(call, GOOD).bind_tools([look_up]))
    result = await outcome(PROMPT | reask(asked, "answer@1", registry=registry), ADA, way)
    assert result.tool_calls == call.tool_calls


FRONTS: dict[str, Any] = {
    "a function": lambda: RunnableLambda(lambda given: given) | PROMPT,
    "a dict": lambda: {"name": itemgetter("name")} | PROMPT,
    "a first model": lambda: PROMPT | model("Ada") | StrOutputParser() | PROMPT,
}


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("way", WAYS)
async def test_a_chain_is_asked_again_from_its_last_prompt_on(
    registry: Registry, front: str, way: str
) -> None:
    bad_then_good = model(BAD[0], GOOD)
    chain = FRONTS[front]() | bad_then_good | JsonOutputParser()
    result = await outcome(reask(chain, "answer@1", registry=registry), ADA, way)
    assert (result[-1] if isinstance(result, list) else result) == {"greeting": "hi"}
    first, again = bad_then_good.asked
    assert again[:1] == first == [HumanMessage("Greet Ada.")]
    assert "is an integer, not a string" in again[-1].text


def calls_of(chain: Any, data: Any) -> int:
    """How many functions one call of it calls."""
    chain.invoke(data)
    profile = cProfile.Profile()
    profile.runcall(chain.invoke, data)
    return sum(entry.callcount for entry in profile.getstats())


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("parser", [False, True])
def test_without_a_failure_it_calls_no_more_than_the_validator_does(
    registry: Registry, parser: bool, within: bool
) -> None:
    answering: Any = FakeListChatModel(responses=[GOOD])
    chain: Any = answering | JsonOutputParser() if parser else answering
    asked: Any = reask(chain, "answer@1", registry=registry)
    judged = chain | SchemaValidator("answer@1", registry, side="output")
    if within:
        asked, judged = PROMPT | asked, PROMPT | judged
    data = ADA if within else "q"
    assert calls_of(asked, data) <= calls_of(judged, data)


class Runs(BaseCallbackHandler):
    """The names of the runs, each with that of the run around it."""

    run_inline = True

    def __init__(self) -> None:
        self.names: dict[Any, str] = {None: ""}
        self.seen: list[tuple[str, str]] = []

    def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
        name = self.names[kwargs["run_id"]] = kwargs["name"] or "model"
        self.seen.append((name, self.names[kwargs["parent_run_id"]]))

    on_chat_model_start = on_chain_start


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_a_model_and_its_parser_are_runs_of_one_trace(registry: Registry, way: str) -> None:
    asked = reask(
        FakeListChatModel(responses=[GOOD]) | JsonOutputParser(), "answer@1", registry=registry
    )
    runs = Runs()
    await outcome(PROMPT | asked, ADA, way, runs)
    of_parts = ["model", "JsonOutputParser"]
    assert runs.seen[2:] == [(part, "RunnableSequence") for part in of_parts]
    for alone, name in ((asked, "RunnableSequence"), (asked.with_config(run_name="mine"), "mine")):
        runs = Runs()
        await outcome(alone, "q", way, runs)
        assert runs.seen == [(name, ""), *((part, name) for part in of_parts)]
    runs = Runs()
    await outcome(PROMPT | asked.with_config(run_name="mine"), ADA, way, runs)
    assert runs.seen[2:] == [("mine", "RunnableSequence"), *((part, "mine") for part in of_parts)]
