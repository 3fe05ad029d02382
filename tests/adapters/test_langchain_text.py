"""What a model said, as data: text that may hold JSON, and streams that are judged whole."""

from __future__ import annotations

import cProfile
import functools
import itertools
import json
import operator
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.language_models import (
    BaseChatModel,
    BaseLLM,
    FakeListChatModel,
    GenericFakeChatModel,
)
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser
from langchain_core.outputs import ChatGenerationChunk, Generation, GenerationChunk, LLMResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import (
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
)
from langchain_core.utils.json import parse_partial_json

from llm_integrations.core.errors import SchemaValidationError
from llm_integrations.core.registry import Registry, connect
from llm_integrations.langchain import SchemaCallbackHandler, SchemaValidator, reask, structured
from llm_integrations.langchain.reading.chunks import Whole
from tests.support.langchain import WAYS, outcome

PROFILE = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("zip", {"type": "string", "pattern": "^[0-9]{5}$"})
        client.register("word", {"enum": ["true", "null", "ok"]})
        client.register("named", {"$ref": "#/$defs/zip", "$defs": {"zip": {"pattern": "^[0-9]+$"}}})
        client.register("number", {"type": "integer"})
        client.register("profile", PROFILE)
        client.register("untyped", {k: v for k, v in PROFILE.items() if k != "type"})
        client.register("either", {"anyOf": [PROFILE, {"type": "string", "maxLength": 5}]})
        client.register("words", {"type": "array", "items": {"enum": ["alpha", "beta"]}})
        client.register("big", {"const": 1234567})
        yield client


TEXTS = [
    ("zip", "10115", True),
    ("zip", '"10115"', True),
    ("zip", "1011", False),
    ("word", "true", True),
    ("word", "null", True),
    ("word", '"ok"', True),
    ("word", "false", False),
    ("named", "10115", True),
    ("number", "42", True),
    ("number", "42.5", False),
    ("profile", '{"name": "Ada"}', True),
    ("profile", '```json\n{"name": "Ada"}\n```', True),
    ("profile", 'Here you are:\n```\n{"name": "Ada"}\n```\nAnything else?', True),
    ("profile", '```json\n{"name": "A\nda"}```', True),
    ("profile", '```json\n{"age": 3}\n```', False),
    ("profile", "```yaml\nname: Ada\n```", False),
    ("untyped", '{"name": "Ada"}', True),
    ("untyped", '{"age": 3}', False),
    ("untyped", "I am afraid I cannot do that.", False),
    ("either", '{"name": "Ada"}', True),
    ("either", "Ada", True),
    ("either", "Ada Lovelace", False),
]


@pytest.mark.parametrize(("subject", "text", "valid"), TEXTS)
async def test_text_is_valid_if_it_or_the_json_in_it_is(
    registry: Registry, subject: str, text: str, valid: bool
) -> None:
    model = FakeListChatModel(responses=[text])
    handler = SchemaCallbackHandler(registry, output=f"{subject}@1")
    validator = SchemaValidator(f"{subject}@1", registry, side="output")
    for way in WAYS:
        for chain in (model, model | validator, model | StrOutputParser() | validator):
            found = await outcome(chain, "q", way, *([handler] if chain is model else []))
            assert isinstance(found, SchemaValidationError) is not valid, (way, found)


SAID = [
    (AIMessage("I'm sorry, but I can't help with that."), "refusal"),
    (AIMessage("", additional_kwargs={"refusal": "No."}), "refused"),
    (AIMessage([{"type": "refusal", "refusal": "No."}]), "refused"),
    (AIMessage("", response_metadata={"stop_reason": "refusal"}), "refused"),
    (AIMessage('{"name": "Ad', response_metadata={"finish_reason": "length"}), "cut off"),
    (AIMessage("Let me", response_metadata={"stop_reason": "max_tokens"}), "cut off"),
    (AIMessage('{"name": "Ad'), "cut off"),
    (AIMessage('```json\n{"name": \n```'), "cut off"),
    (AIMessage('{"name": Ada}'), "broken JSON"),
    (AIMessage("```json\n{name: 1}\n```"), "broken JSON"),
    (AIMessage("  "), "said nothing"),
    (AIMessage("Ada, aged 36"), "not an object"),
]


@pytest.mark.parametrize(("message", "words"), SAID)
async def test_what_is_no_answer_is_told_apart(
    registry: Registry, message: AIMessage, words: str
) -> None:
    validator = SchemaValidator("profile@1", registry, side="output")
    with pytest.raises(SchemaValidationError, match=words) as caught:
        validator.invoke(message)
    assert "Ada" not in str(caught.value)
    with pytest.raises(SchemaValidationError, match=words):
        await validator.ainvoke(message)


STREAMS = [
    ("words", '["alpha", "beta"]', JsonOutputParser()),
    ("big", "1234567", JsonOutputParser()),
    ("profile", '{"name": "Ada", "tags": ["x", "yy"]}', JsonOutputParser()),
    ("profile", '{"name": "Ada"}', StrOutputParser()),
]


@pytest.mark.parametrize("inside", ["1" * 5000, "[" * 3000], ids=["digits", "depth"])
@pytest.mark.parametrize("form", ["{}", '{{"name": {}}}', "```json\n{}\n```"])
def test_json_beyond_what_python_reads_is_text(registry: Registry, form: str, inside: str) -> None:
    registry.register("text", {"type": "string"})
    said = AIMessage(form.format(inside))
    assert SchemaValidator("text@1", registry, side="output").invoke(said) is said
    with pytest.raises(SchemaValidationError):
        SchemaValidator("profile@1", registry, side="output").invoke(said)


@pytest.mark.parametrize("way", ["stream", "astream"])
@pytest.mark.parametrize(("subject", "text", "parser"), STREAMS)
async def test_what_was_held_is_replayed_as_it_came(
    registry: Registry, subject: str, text: str, parser: Any, way: str, caplog: Any
) -> None:
    chain = FakeListChatModel(responses=[text]) | parser
    plain = await outcome(chain, "q", way)
    for mode in ("enforce", "warn"):
        validator = SchemaValidator(f"{subject}@1", registry, side="output", mode=mode)
        assert await outcome(chain | validator, "q", way) == plain
    assert "does not satisfy" not in caplog.text


async def test_parallel_parsers_are_judged_by_what_each_read_last(registry: Registry) -> None:
    registry.register("both", {"properties": {"a": {"const": ["alpha"]}, "b": {"const": 12}}})
    chain = RunnableParallel(
        a=FakeListChatModel(responses=['["alpha"]']) | JsonOutputParser(),
        b=FakeListChatModel(responses=["12"]) | JsonOutputParser(),
    )
    for way in WAYS:
        found = await outcome(chain | SchemaValidator("both@1", registry, side="output"), "q", way)
        assert not isinstance(found, Exception), (way, found)


def test_lists_in_parts_and_messages_add_up(registry: Registry) -> None:
    def three(_: Iterator[Any]) -> Iterator[list[str]]:
        yield from (["alpha"], ["beta"], ["alpha"])

    parts = RunnableGenerator(three)
    registry.register("three", {"type": "array", "minItems": 3, "maxItems": 3})
    validator = SchemaValidator("three@1", registry, side="output")
    assert list((parts | validator).stream("q")) == [["alpha"], ["beta"], ["alpha"]]
    message = AIMessage('{"name": "Ada Lovelace"}')
    chain = GenericFakeChatModel(messages=iter([message])) | SchemaValidator(
        "profile@1", registry, side="output"
    )
    chunks = list(chain.stream("q"))
    assert len(chunks) > 2
    assert all(isinstance(chunk, AIMessageChunk) for chunk in chunks)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | st.text("ab1", max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("kl", max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=20)
@given(st.lists(JSON, min_size=1, max_size=3))
def test_growing_values_end_as_the_last_one(value: Any) -> None:
    text, whole = json.dumps(value), Whole()
    seen: list[Any] = []
    for end in range(1, len(text) + 1):
        try:
            read = parse_partial_json(text[:end])
        except json.JSONDecodeError:
            continue
        if read is not None and (not seen or seen[-1] != read):
            seen.append(read)
            whole.add(read)
    assert whole.value == value


def says(value: Any) -> Any:
    return lambda _: value


def nothing(given: Iterator[Any]) -> Iterator[Any]:
    yield from itertools.islice(given, 0)


async def anothing(given: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for _ in given:
        return
    yield


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "before",
    [RunnableLambda(says(None)), RunnableGenerator(nothing, anothing)],
    ids=["None", "an empty stream"],
)
async def test_no_answer_is_as_invalid_in_a_stream_as_elsewhere(
    registry: Registry, before: Any, way: str
) -> None:
    chain = before | SchemaValidator("profile@1", registry, side="output")
    assert isinstance(await outcome(chain, "q", way), SchemaValidationError)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("rest", "schema"),
    [
        (RunnablePick("zip"), {"type": "string", "pattern": "^[0-9]{5}$"}),
        (
            RunnablePassthrough.assign(n=says(1)),
            {"properties": {"zip": {"enum": ["10115"]}}, "required": ["n"]},
        ),
    ],
    ids=["picked", "assigned beside"],
)
@pytest.mark.parametrize(("text", "is_valid"), [("10115", True), ("1011", False)])
async def test_text_that_a_parser_reads_bit_by_bit_is_what_it_is_at_its_end(
    registry: Registry, rest: Any, schema: dict[str, Any], text: str, is_valid: bool, way: str
) -> None:
    registry.register("grown", schema)
    model = FakeListChatModel(responses=[json.dumps({"zip": text})])
    validator = SchemaValidator("grown@1", registry, side="output")
    result = await outcome(model | JsonOutputParser() | rest | validator, "q", way)
    assert isinstance(result, SchemaValidationError) is not is_valid


@pytest.mark.parametrize(
    "chunks", [["1", "0", "115"], ["101", "", "15"], ["10", "10"], ["1", "11"]]
)
def test_text_in_parts_adds_up(chunks: list[str]) -> None:
    whole = Whole()
    for chunk in chunks:
        whole.add(chunk)
    assert whole.value == "".join(chunks)


def test_a_message_in_parts_is_added_up_once_at_its_end() -> None:
    """Adding chunk to chunk as they come makes a message of each."""
    call = tool_call_chunk(name=None, args="1", id=None, index=0)
    first = AIMessageChunk(content="", id="m", tool_call_chunks=[{**call, "name": "f", "id": "c"}])
    end = AIMessageChunk(content="", response_metadata={"finish_reason": "stop"})
    parts = [AIMessageChunk(content="a", tool_call_chunks=[call]) for _ in range(50)]
    chunks = [first, *parts, end]
    whole, profile = Whole(), cProfile.Profile()
    for chunk in chunks:
        profile.runcall(whole.add, chunk)
    assert sum(entry.callcount for entry in profile.getstats()) < 10 * len(chunks)
    assert whole.value == functools.reduce(operator.add, chunks)
    whole.add(AIMessageChunk(content="b"))
    assert whole.value.text == "a" * 50 + "b"


class Calling(BaseChatModel):
    """Streams the arguments of a call in parts, or text without a tool, and why it ended."""

    parts: list[str]
    ended: str = "tool_calls"
    name_of_tool: str = "Answer"

    @property
    def _llm_type(self) -> str:
        return "calling"

    def _stream(self, messages: Any, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for number, part in enumerate(self.parts):
            name = None if number else self.name_of_tool
            call = tool_call_chunk(name=name, args=part, id="1", index=0)
            said = AIMessageChunk(content="", tool_call_chunks=[call])
            text = AIMessageChunk(content=part)
            yield ChatGenerationChunk(message=said if self.name_of_tool else text)
        metadata = {"finish_reason": self.ended}
        yield ChatGenerationChunk(message=AIMessageChunk(content="", response_metadata=metadata))

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        name = tools[0]["title"]
        return self.model_copy(update={"name_of_tool": name}).bind(tools=tools, **kwargs)

    def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        return generate_from_stream(self._stream(messages))


GUARDS: dict[str, Any] = {
    "validator": lambda r, m: m | SchemaValidator("profile@1", r, side="output"),
    "reask": lambda r, m: reask(m, "profile@1", registry=r, retries=0),
    "reask a parser": lambda r, m: reask(
        m | JsonOutputKeyToolsParser(key_name="Answer", first_tool_only=True),
        "profile@1",
        registry=r,
        retries=0,
    ),
    "structured": lambda r, m: structured(m, "profile@1", registry=r),
    "structured, raw": lambda r, m: structured(m, "profile@1", registry=r, include_raw=True),
    "handler": lambda r, m: m.bind(
        ls_structured_output_format={"kwargs": {}, "schema": {**PROFILE, "title": "Answer"}}
    ).with_config(callbacks=[SchemaCallbackHandler(r)], metadata={"schema_output": "profile@1"}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("guard", GUARDS)
async def test_a_call_that_broke_off_is_not_what_could_be_read_of_it(
    registry: Registry, guard: str, way: str
) -> None:
    whole = Calling(parts=['{"name": "A', 'da"}'])
    good = await outcome(GUARDS[guard](registry, whole), "q", way)
    assert not isinstance(good, Exception), good
    for part in ('{"name": "A', '{"name": "Ada", "tags": [1'):
        broken = GUARDS[guard](registry, Calling(parts=[part], ended="length"))
        result = await outcome(broken, "q", way)
        assert isinstance(result, SchemaValidationError), result
        assert "is cut off: the model stopped at its limit (length)" in str(result)


PARSED: dict[str, Any] = {
    "by a sequence": lambda m: m | JsonOutputParser(),
    "after a function": lambda m: RunnableLambda(lambda given: given) | m | JsonOutputParser(),
    "with_config": lambda m: (m | JsonOutputParser()).with_config(tags=["one"]),
    "with_retry": lambda m: (m | JsonOutputParser()).with_retry(),
    "with_fallbacks": lambda m: (m | JsonOutputParser()).with_fallbacks([m]),
    "in a function": lambda m: RunnableLambda(lambda q: JsonOutputParser().invoke(m.invoke(q))),
}


class Completing(BaseLLM):
    """A text model, which says in its own word why it ended."""

    parts: list[str]
    ended: str = "length"

    @property
    def _llm_type(self) -> str:
        return "completing"

    def _generate(self, prompts: Any, *args: Any, **kwargs: Any) -> LLMResult:
        info = {"finish_reason": self.ended}
        said = Generation(text="".join(self.parts), generation_info=info)
        return LLMResult(generations=[[said] for _ in prompts])

    def _stream(self, prompt: str, *args: Any, **kwargs: Any) -> Iterator[GenerationChunk]:
        yield from (GenerationChunk(text=part) for part in self.parts)
        yield GenerationChunk(text="", generation_info={"finish_reason": self.ended})


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("parsed", PARSED)
@pytest.mark.parametrize("way", WAYS)
async def test_json_that_broke_off_is_not_what_a_parser_makes_of_it(
    registry: Registry, way: str, parsed: str, within: bool
) -> None:
    for text, is_valid in (('{"name": "Ada"}', True), ('{"name": "A', False)):
        parts = [text[:5], text[5:]]
        chat = Calling(parts=parts, ended="length", name_of_tool="")
        for model in (chat, Completing(parts=parts)):
            chain = reask(PARSED[parsed](model), "profile@1", registry=registry, retries=0)
            whole = ChatPromptTemplate.from_template("{q}") | chain if within else chain
            result = await outcome(whole, "q", way)
            assert isinstance(result, SchemaValidationError) is not is_valid, result


@pytest.mark.parametrize("mode", ["warn", "off"])
@pytest.mark.parametrize("way", WAYS)
async def test_what_broke_off_passes_where_nothing_is_enforced(
    registry: Registry, way: str, mode: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = Calling(parts=['{"name": "A'], ended="length", name_of_tool="")
    chain = reask(model | JsonOutputParser(), "profile@1", registry=registry, retries=0, mode=mode)
    result = await outcome(chain, "q", way)
    assert (result[-1] if isinstance(result, list) else result) == {"name": "A"}
    assert ("is cut off: the model stopped" in caplog.text) is (mode == "warn")


def test_a_call_that_broke_off_without_a_word_is_known_by_its_json(registry: Registry) -> None:
    chain = GUARDS["validator"](registry, Calling(parts=['{"name": "A']))
    with pytest.raises(SchemaValidationError, match="its JSON breaks off"):
        list(chain.stream("q"))
