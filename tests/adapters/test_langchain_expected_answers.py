"""What a prompt is to be answered with: judged wherever the model stands, and no other answer."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.documents import Document
from langchain_core.language_models import FakeListLLM, GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_core.tools import tool
from langgraph.graph import StateGraph

from llm_integrations.core.errors import SchemaValidationError
from llm_integrations.core.observability import VALIDATION_TOTAL
from llm_integrations.core.registry import Registry, connect
from llm_integrations.langchain import SchemaCallbackHandler, bind_schema, reask
from tests.support.langchain import WAYS, outcome
from tests.support.patience import eventually

GOOD, BAD = '{"greeting": "hi"}', '{"greeting": 7}'
ADA = {"name": "Ada"}
ANSWER: dict[str, Any] = {
    "title": "Answer",
    "type": "object",
    "properties": {"greeting": {"type": "string"}},
    "required": ["greeting"],
}


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("in", {"type": "object", "required": ["name"]})
        client.register("answer", ANSWER)
        yield client


def model(*answers: str) -> Any:
    return GenericFakeChatModel(messages=itertools.cycle([AIMessage(text) for text in answers]))


def plain(text: str = "{name}") -> Any:
    return ChatPromptTemplate.from_template(text)


branch: Any = RunnableBranch
"""Any callables are its branches, whatever its types say."""


def as_text(prompt: Any) -> str:
    return str(prompt.to_string())


def bound() -> Any:
    return bind_schema(plain(), "in@1", output="answer@1")


def asked_for_json(said: Any) -> Any:
    return said.bind(
        ls_structured_output_format={"kwargs": {"method": "json_schema"}, "schema": ANSWER}
    )


WRAPPED: dict[str, Any] = {
    "bare": lambda m: bound() | m,
    "retry": lambda m: bound() | m.with_retry(stop_after_attempt=1),
    "fallback": lambda m: bound() | m.with_fallbacks([m]),
    "parallel": lambda m: bound() | RunnableParallel(a=m, b=m),
    "beside": lambda m: bound() | RunnableParallel(prompt=RunnablePassthrough(), a=m),
    "branch": lambda m: bound() | RunnableBranch((lambda _: True, m), m),
    "lambda": lambda m: bound() | RunnableLambda(lambda value: m.invoke(value)),
    "given": lambda m: bound() | RunnableLambda(lambda _: m),
    "sequence": lambda m: bound() | (RunnablePassthrough() | (RunnablePassthrough() | m)),
    "bound": lambda m: bound() | m.bind(stop=["x"]).with_config(tags=["t"]),
    "parsed": lambda m: bound() | m | StrOutputParser(),
    "prompt-retried": lambda m: bound().with_retry() | m,
    "prompt-chosen": lambda m: RunnableBranch((lambda _: True, bound()), plain()) | m,
    "prompt-in-a-function": lambda m: RunnableLambda(lambda v: bound().invoke(v)) | m,
    "raw": lambda m: bound() | RunnableParallel(raw=asked_for_json(m)) | RunnablePassthrough(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wrapping", WRAPPED)
async def test_an_answer_is_judged_however_the_model_is_wrapped(
    registry: Registry, wrapping: str, way: str
) -> None:
    handler = SchemaCallbackHandler(registry)
    good = await outcome(WRAPPED[wrapping](model(GOOD)), ADA, way, handler)
    assert not isinstance(good, Exception), good
    bad = await outcome(WRAPPED[wrapping](model(BAD)), ADA, way, handler)
    assert isinstance(bad, SchemaValidationError)
    await eventually(lambda: len(handler._runs) == 0)


LATER: dict[str, Any] = {
    "next-prompt": lambda m: bound() | m | StrOutputParser() | plain("{text}") | m,
    "in-a-step": lambda m: bound() | m | StrOutputParser() | (plain("{text}") | m),
    "without-a-prompt": lambda m: bound() | m | StrOutputParser() | m,
    "after-a-retry": lambda m: bound() | m.with_retry() | StrOutputParser() | m.with_retry(),
    "after-parallel": lambda m: bound() | RunnableParallel(a=m) | (lambda v: v["a"].text) | m,
    "another-prompt-first": lambda m: bound() | (lambda v: v.to_string()) | plain("{x}") | m,
    "what-decides": lambda m: bound() | branch((m | bool, lambda _: "x"), lambda _: "y"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("chain", LATER)
async def test_later_models_are_not_held_to_the_first_ones_schema(
    registry: Registry, chain: str, way: str
) -> None:
    first_only = chain in ("another-prompt-first", "what-decides")
    said = model("free text") if first_only else model(GOOD, "free text")
    result = await outcome(LATER[chain](said), ADA, way, SchemaCallbackHandler(registry))
    assert not isinstance(result, Exception), result


@pytest.mark.parametrize("way", WAYS)
async def test_a_fallback_that_answers_after_a_refused_answer_is_judged(
    registry: Registry, way: str
) -> None:
    chain = bound() | model(BAD).with_fallbacks([model(BAD)])
    result = await outcome(chain, ADA, way, SchemaCallbackHandler(registry))
    assert isinstance(result, SchemaValidationError)
    mended = bound() | model(BAD).with_fallbacks([model(GOOD)])
    if "stream" not in way:  # a stream that has begun is not begun again
        assert not isinstance(
            await outcome(mended, ADA, way, SchemaCallbackHandler(registry)), Exception
        )


def calling(*answers: AIMessage) -> Any:
    return GenericFakeChatModel(messages=iter(answers))


def again(m: Any) -> Any:
    return RunnableLambda(lambda message: m.invoke([message]))


def call(name: str, **args: Any) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": args, "id": "c1"}])


@pytest.mark.parametrize("way", [way for way in WAYS if "stream" not in way])
async def test_a_tool_call_on_the_way_is_no_answer_and_the_answer_after_it_is_judged(
    registry: Registry, way: str
) -> None:
    for said, valid in ((GOOD, True), (BAD, False)):
        m = calling(call("search", q="x"), AIMessage(said))
        chain = bound() | m | again(m)
        result = await outcome(chain, ADA, way, SchemaCallbackHandler(registry))
        assert isinstance(result, SchemaValidationError) is not valid


@pytest.mark.parametrize("way", [way for way in WAYS if "stream" not in way])
async def test_the_tool_call_that_is_the_structured_output_is_judged(
    registry: Registry, way: str
) -> None:
    for greeting, valid in (("hi", True), (7, False)):
        for handler in (
            SchemaCallbackHandler(registry),
            SchemaCallbackHandler(registry, output="answer@1"),
        ):
            chain = bound() | asked_for_json(calling(call("Answer", greeting=greeting)))
            result = await outcome(chain, ADA, way, handler)
            assert isinstance(result, SchemaValidationError) is not valid


def test_models_in_tools_and_retrievers_answer_somebody_else(registry: Registry) -> None:
    inner = model("free text")

    @tool
    def summarise(text: str) -> str:
        """Summarise."""
        return str(inner.invoke(text).content)

    chain = bound() | RunnableLambda(lambda v: summarise.invoke({"text": as_text(v)}))
    using: Any = {"callbacks": [SchemaCallbackHandler(registry)]}
    assert (chain | (lambda text: f"{text}!")).invoke(ADA, using) == "free text!"


@pytest.mark.parametrize("asker", ["model", "chain", "reask", "reask of a chain"])
@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_what_decides_which_way_to_go_answers_somebody_else(
    registry: Registry, way: str, asker: str
) -> None:
    registry.register("route", {"type": "boolean"})
    decides = model("true") | JsonOutputParser() if "chain" in asker else model("true")
    if "reask" in asker:
        decides = reask(decides, "route@1", registry=registry)
    for text, is_valid in (('{"greeting": "Hi"}', True), ("{}", False)):
        chain = bound() | branch((decides, model(text)), model("no JSON"))
        found = await outcome(chain, ADA, way, SchemaCallbackHandler(registry))
        assert isinstance(found, SchemaValidationError) is not is_valid, found


def test_a_handler_on_single_steps_keeps_nothing(registry: Registry) -> None:
    handler = SchemaCallbackHandler(registry)
    using: Any = {"callbacks": [handler]}
    chain = bound().with_config(using) | model(GOOD, BAD).with_config(using)
    assert chain.invoke(ADA)
    with pytest.raises(SchemaValidationError):
        chain.invoke(ADA)
    assert len(handler._runs) == 0


def kept(text: str) -> Any:
    """A model of text whose answer another chain has put into its cache."""
    made = FakeListLLM(responses=[text], cache=InMemoryCache())
    (plain() | made).invoke(ADA)
    return made


def by_thread(text: str) -> Any:
    def ask(value: Any) -> Any:
        with ThreadPoolExecutor(1) as threads:  # callbacks do not follow into it
            return threads.submit(model(text).invoke, value).result()

    return RunnableLambda(ask)


UNSEEN: dict[str, Any] = {
    "out of a cache": lambda text: bound() | kept(text),
    "another client": lambda text: bound() | RunnableLambda(lambda _: text),
    "another client, parsed": lambda text: bound() | (lambda _: text) | JsonOutputParser(),
    "another client, read": lambda text: bound() | (lambda _: text) | json.loads | len,
    "another client, beside": lambda text: (
        bound()
        | RunnableParallel(asked=RunnablePassthrough(), a=RunnableLambda(lambda _: AIMessage(text)))
    ),
    "a function of both": lambda text: RunnableLambda(lambda v: bound() | (lambda _: text)),
    "after a retriever": lambda text: (
        {"name": Finding() | (lambda found: found[0].page_content)}
        | bound()
        | RunnableLambda(lambda _: text)
    ),
    "a thread": lambda text: bound() | as_text | by_thread(text),
    "a chain's own": lambda text: (plain() | kept(text)).with_config(
        metadata={"schema_output": "answer@1"}
    ),
}


class Finding(BaseRetriever):
    def _get_relevant_documents(self, query: Any, **kwargs: Any) -> list[Document]:
        return [Document(str(query))]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("where", UNSEEN)
async def test_an_answer_that_no_model_was_seen_to_give_is_judged_at_the_end(
    registry: Registry, where: str, way: str
) -> None:
    handler = SchemaCallbackHandler(registry)
    good = await outcome(UNSEEN[where](GOOD), ADA, way, handler)
    assert not isinstance(good, Exception), good
    bad = await outcome(UNSEEN[where](BAD), ADA, way, handler)
    assert isinstance(bad, SchemaValidationError)


def test_an_answer_that_cannot_be_told_is_said_to_be_unjudged(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    @tool
    def look(text: str) -> str:
        """Look."""
        return text

    count = VALIDATION_TOTAL.labels("langchain", "answer", "output", "unjudged")
    before = count._value.get()
    using: Any = {"callbacks": [SchemaCallbackHandler(registry)]}
    (bound() | as_text | look | (lambda _: BAD)).invoke(ADA, using)
    of_dicts: Any = StateGraph
    builder = of_dicts(dict[str, Any])
    builder.add_node("ask", lambda state: {"text": (bound() | (lambda _: BAD)).invoke(ADA)})
    builder.set_entry_point("ask").compile().invoke(ADA, using)
    assert caplog.text.count("passed unjudged by answer@1: no model gave it") == 2
    assert count._value.get() - before == 2


ONLY_ASKING: dict[str, Any] = {
    "text": lambda: bound() | as_text,
    "messages": lambda: bound() | (lambda value: value.to_messages()),
    "kept beside": lambda: RunnablePassthrough.assign(prompt=bound()),
    "several": lambda: RunnableLambda(lambda v: [v]) | bound().map(),
    "a call of a tool": lambda: bound() | (lambda _: call("search", q="x")),
}


@pytest.mark.parametrize("way", [way for way in WAYS if way != "astream_events"])
@pytest.mark.parametrize("chain", ONLY_ASKING)
async def test_what_only_asks_has_no_answer(registry: Registry, chain: str, way: str) -> None:
    result = await outcome(ONLY_ASKING[chain](), ADA, way, SchemaCallbackHandler(registry))
    assert not isinstance(result, Exception), result


@pytest.mark.parametrize("spelling", ["answer@1", "answer@1.0.0", "answer", "answer@latest"])
@pytest.mark.parametrize("way", WAYS)
async def test_an_answer_that_is_asked_for_again_is_left_to_who_asks_by_the_same_schema(
    registry: Registry, spelling: str, way: str
) -> None:
    chain = bound() | reask(model(BAD, GOOD), spelling, registry=registry)
    result = await outcome(chain, ADA, way, SchemaCallbackHandler(registry))
    assert not isinstance(result, Exception), result
    registry.register("other", {"type": "object"}, "1.0.0")
    chain = bound() | reask(model(BAD), "other@1", registry=registry)
    result = await outcome(chain, ADA, way, SchemaCallbackHandler(registry))
    assert isinstance(result, SchemaValidationError)
