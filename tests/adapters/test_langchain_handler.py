"""SchemaCallbackHandler: existing chains are held to what their metadata names."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder, PromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import tool

from llm_integrations.core.errors import RegistryUnavailable, SchemaValidationError
from llm_integrations.core.registry import Registry, connect
from llm_integrations.langchain import SchemaCallbackHandler, SchemaValidator, bind_schema

PROFILE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
}
ANSWER = {"type": "object", "required": ["greeting"]}
ADA = {"name": "Ada", "age": 36}
BAD = {"name": "Ada", "age": -1}


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("user-profile", PROFILE)
        client.register("answer", ANSWER)
        client.register("word", {"type": "object", "properties": {"word": {"maxLength": 3}}})
        yield client


@pytest.fixture
def prompt() -> Any:
    template = ChatPromptTemplate.from_template("Greet {name}, aged {age}.")
    return bind_schema(template, "user-profile@1")


def model(*answers: str) -> Any:
    return FakeListChatModel(responses=list(answers or ["Hello!"]))


def config(handler: BaseCallbackHandler) -> Any:
    return {"callbacks": [handler]}


async def test_it_blocks_in_every_way_of_running(registry: Registry, prompt: Any) -> None:
    chain = prompt | model() | StrOutputParser()
    using = config(SchemaCallbackHandler(registry))
    assert chain.invoke(ADA, using) == "Hello!"
    assert await chain.ainvoke(ADA, using) == "Hello!"
    for run in (chain.invoke, lambda *a: list(chain.stream(*a))):
        with pytest.raises(SchemaValidationError):
            run(BAD, using)
    with pytest.raises(SchemaValidationError):
        await chain.ainvoke(BAD, using)
    with pytest.raises(SchemaValidationError):
        [chunk async for chunk in chain.astream(BAD, using)]
    good, bad = chain.batch([ADA, BAD], using, return_exceptions=True)
    assert good == "Hello!"
    assert isinstance(bad, SchemaValidationError)
    good, bad = await chain.abatch([ADA, BAD], using, return_exceptions=True)
    assert isinstance(bad, SchemaValidationError)


def test_the_reference_may_stand_on_the_config_or_the_whole_chain(registry: Registry) -> None:
    plain = ChatPromptTemplate.from_template("Greet {name}, aged {age}.")
    named: Any = {"metadata": {"schema": "user-profile@1"}}
    using = config(SchemaCallbackHandler(registry))
    for chain in (plain.with_config(named) | model(), (plain | model()).with_config(named)):
        chain.invoke(ADA, using)
        with pytest.raises(SchemaValidationError):
            chain.invoke(BAD, using)


def test_the_handlers_own_reference_applies_where_none_is_named(registry: Registry) -> None:
    plain = ChatPromptTemplate.from_template("Greet {name}, aged {age}.")
    using = config(SchemaCallbackHandler(registry, schema="user-profile@1"))
    with pytest.raises(SchemaValidationError):
        (plain | model()).invoke(BAD, using)


def test_the_callers_dict_stays_as_it_was(registry: Registry, prompt: Any) -> None:
    data = dict(ADA)
    (prompt.partial(age=36) | model()).invoke(data, config(SchemaCallbackHandler(registry)))
    assert data == ADA


def test_what_partial_filled_in_counts(registry: Registry, prompt: Any) -> None:
    using = config(SchemaCallbackHandler(registry))
    assert (prompt.partial(age=36) | model()).invoke({"name": "Ada"}, using)
    with pytest.raises(SchemaValidationError):
        (prompt.partial(age=-1) | model()).invoke({"name": "Ada"}, using)


def test_a_bare_value_stands_for_the_only_property(registry: Registry) -> None:
    prompt = bind_schema(PromptTemplate.from_template("Say {word}."), "word@1")
    using = config(SchemaCallbackHandler(registry))
    assert prompt.invoke("hey", using)  # type: ignore[arg-type] # LangChain takes it
    with pytest.raises(SchemaValidationError):
        prompt.invoke("hello", using)  # type: ignore[arg-type]


def test_messages_in_the_input_are_no_obstacle(registry: Registry) -> None:
    template = ChatPromptTemplate.from_messages(
        [MessagesPlaceholder("history"), ("human", "{name} {age}")]
    )
    chain = bind_schema(template, "user-profile@1") | model()
    using = config(SchemaCallbackHandler(registry))
    history = ChatPromptTemplate.from_template("hi").invoke({}).to_messages()
    assert chain.invoke({**ADA, "history": history}, using)


def test_a_models_answer_is_held_to_its_schema(registry: Registry, prompt: Any) -> None:
    bound = bind_schema(prompt, "user-profile@1", output="answer@1")
    using = config(SchemaCallbackHandler(registry))
    assert (bound | model('{"greeting": "hi"}')).invoke(ADA, using)
    with pytest.raises(SchemaValidationError, match="answer@1"):
        (bound | model("no JSON")).invoke(ADA, using)
    named = model("{}").with_config(metadata={"schema_output": "answer@1"})
    with pytest.raises(SchemaValidationError):
        (prompt | named).invoke(ADA, using)


def test_a_streamed_answer_is_judged_at_its_end(
    registry: Registry, prompt: Any, caplog: pytest.LogCaptureFixture
) -> None:
    chain = prompt | model("{}").with_config(metadata={"schema_output": "answer@1"})
    chunks: list[Any] = []
    with pytest.raises(SchemaValidationError):
        chunks.extend(chain.stream(ADA, config(SchemaCallbackHandler(registry))))
    handler = SchemaCallbackHandler(registry, output_mode="warn")
    assert len(list(chain.stream(ADA, config(handler)))) >= 2
    assert "answer@1" in caplog.text


def test_a_tools_arguments_are_judged_before_it_runs(registry: Registry) -> None:
    ran: list[str] = []

    @tool
    def greet(name: str, age: int) -> str:
        """Greet somebody."""
        ran.append(name)
        return name

    greet.metadata = {"schema_tool": "user-profile@1"}
    using = config(SchemaCallbackHandler(registry))
    assert greet.invoke(ADA, using) == "Ada"
    with pytest.raises(SchemaValidationError):
        greet.invoke(BAD, using)
    assert ran == ["Ada"]


def test_retrieved_documents_are_judged_by_their_metadata(registry: Registry) -> None:
    class Fixed(BaseRetriever):
        metadata_of_it: dict[str, Any]

        def _get_relevant_documents(
            self, query: str, *, run_manager: CallbackManagerForRetrieverRun
        ) -> list[Document]:
            return [Document("text", metadata=self.metadata_of_it)]

    using = config(SchemaCallbackHandler(registry))
    named = {"schema_document": "user-profile@1"}
    assert Fixed(metadata_of_it=ADA, metadata=named).invoke("q", using)
    registry.register("closed", {"properties": {"title": {}}, "additionalProperties": False})
    stamped = {"title": "A", "schema_subject": "doc-meta", "schema_version": "1"}
    closed = {"schema_document": "closed@1"}
    assert Fixed(metadata_of_it=stamped, metadata=closed).invoke("q", using)
    with pytest.raises(SchemaValidationError):
        Fixed(metadata_of_it=BAD, metadata=named).invoke("q", using)


def test_warn_logs_and_off_does_nothing(
    registry: Registry, prompt: Any, caplog: pytest.LogCaptureFixture
) -> None:
    chain = prompt | model()
    chain.invoke(BAD, config(SchemaCallbackHandler(registry, mode="off")))
    assert "user-profile" not in caplog.text
    chain.invoke(BAD, config(SchemaCallbackHandler(registry, mode="warn")))
    assert "user-profile@1" in caplog.text


async def test_no_fetch_happens_on_the_event_loop(
    prompt: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(tmp_path / "schemas") as registry:
        registry.register("user-profile", PROFILE)
    with connect(tmp_path / "schemas") as registry:
        threads: list[str] = []
        handler = SchemaCallbackHandler(registry)
        resolve = handler._resolver.validator

        def watched(*args: Any) -> Any:
            threads.append(threading.current_thread().name)
            return resolve(*args)

        monkeypatch.setattr(handler._resolver, "validator", watched)
        chain = prompt | model()
        assert handler.run_inline is False
        await asyncio.create_task(chain.ainvoke(ADA, config(handler)))
        await asyncio.create_task(chain.ainvoke(ADA, config(handler)))
        assert threads[0] != "MainThread"
        assert threads[1] == "MainThread"


async def test_preparing_makes_the_first_run_inline_already(
    registry: Registry, prompt: Any
) -> None:
    handler = SchemaCallbackHandler(registry, output="answer@1")
    chain = SchemaValidator("word@1", registry, mode="warn") | prompt | model()
    assert await handler.prepare(chain) == ["answer@1", "user-profile@1", "word@1"]
    assert handler.run_inline is True


async def test_a_cold_schema_that_arrives_inline_is_waited_for_briefly_and_said_to_be(
    prompt: Any, registry: Registry, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    handler = SchemaCallbackHandler(registry)
    await handler.prepare(prompt)
    other = bind_schema(ChatPromptTemplate.from_template("{greeting}"), "answer@latest")
    assert await (other | model()).ainvoke({"greeting": "hi"}, config(handler))
    assert "handler.prepare(chain)" in caplog.text

    monkeypatch.setattr("llm_integrations.langchain.resolve.PATIENCE", 0.05)

    async def never(*args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(60)

    monkeypatch.setattr(type(registry.aio), "validator", never)
    slow = bind_schema(ChatPromptTemplate.from_template("{word}"), "word@latest")
    with pytest.raises(RegistryUnavailable, match=r"within 0\.05 s"):
        await (slow | model()).ainvoke({"word": "hey"}, config(handler))
    lenient = SchemaCallbackHandler(registry, on_unavailable="pass")
    lenient._resolver._met.add("user-profile@1")
    assert await (slow | model()).ainvoke({"word": "hey"}, config(lenient))


async def test_an_event_is_never_skipped_when_the_cache_warms_between_two_questions(
    registry: Registry, prompt: Any
) -> None:
    """LangChain asks twice for one event; an answer that flips would lose the event."""
    handler = SchemaCallbackHandler(registry)
    assert handler.run_inline is False
    await handler.prepare(prompt)
    assert handler.run_inline is False  # the same run goes on
    with pytest.raises(SchemaValidationError):
        await (prompt | model()).ainvoke(BAD, config(handler))
    assert handler.run_inline is True  # that run is over


async def test_many_runs_at_once_keep_their_own_schemas_and_leave_nothing_behind(
    registry: Registry, prompt: Any
) -> None:
    bound = bind_schema(prompt, "user-profile@1", output="answer@1")
    handler = SchemaCallbackHandler(registry)
    good, bad = bound | model('{"greeting": "hi"}'), bound | model("{}")
    runs = [chain.ainvoke(ADA, config(handler)) for chain in [good, bad] * 25]
    results = await asyncio.gather(*runs, return_exceptions=True)
    failed = [isinstance(result, SchemaValidationError) for result in results]
    assert failed == [False, True] * 25
    assert len(handler._runs) == 0


def test_chains_with_the_handler_can_be_copied_and_pickled(registry: Registry, prompt: Any) -> None:
    handler = SchemaCallbackHandler(registry)
    assert copy.deepcopy(handler) is handler
    assert hash(handler)
    loaded = pickle.loads(pickle.dumps(handler))
    with pytest.raises(SchemaValidationError):
        (prompt | model()).invoke(BAD, config(loaded))
    loaded.registry.close()
