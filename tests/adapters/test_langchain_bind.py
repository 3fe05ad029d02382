"""A bound prompt stays a prompt, and stays bound."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from langchain_core.load import dumpd, load
from langchain_core.prompts import (
    ChatPromptTemplate,
    FewShotPromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
)

from llm_integrations.core.errors import (
    ConfigurationError,
    InvalidReference,
    SchemaValidationError,
)
from llm_integrations.core.registry import connect
from llm_integrations.langchain import SchemaCallbackHandler, bind_schema
from llm_integrations.langchain.bind import binding_of
from tests.support.langchain import WAYS, outcome

REF = "user-profile@2.0.0"


@pytest.fixture(params=["chat", "text"])
def prompt(request: pytest.FixtureRequest) -> Any:
    if request.param == "chat":
        return ChatPromptTemplate.from_messages([("system", "Be {tone}."), ("human", "{name}")])
    return PromptTemplate.from_template("Be {tone} to {name}.")


def test_binding_leaves_the_original_alone(prompt: Any) -> None:
    bound = bind_schema(prompt, REF, owner="team-a", output="answer@1")
    assert binding_of(prompt) == {}
    assert binding_of(bound) == {
        "schema": REF,
        "schema_owner": "team-a",
        "schema_output": "answer@1",
    }
    assert isinstance(bound, type(prompt))
    assert bound.invoke({"tone": "kind", "name": "Ada"}) == prompt.invoke(
        {"tone": "kind", "name": "Ada"}
    )


def test_the_spoken_form_of_a_reference_is_read(prompt: Any) -> None:
    assert binding_of(bind_schema(prompt, "user-profile v2.0.0"))["schema"] == REF


def test_nonsense_is_refused(prompt: Any) -> None:
    with pytest.raises(InvalidReference):
        bind_schema(prompt, "user-profile@two")


def test_partial_keeps_the_binding_and_remembers_what_it_filled_in(prompt: Any) -> None:
    bound = bind_schema(prompt, REF).partial(tone="kind")
    assert binding_of(bound) == {"schema": REF, "schema_partials": {"tone": "kind"}}
    assert bound.partial(name=lambda: "Ada").metadata["schema_partials"] == {"tone": "kind"}


def test_adding_keeps_the_binding_on_either_side(prompt: Any) -> None:
    bound = bind_schema(prompt, REF)
    plain = type(prompt).from_template(" Answer in {language}.")
    for made in (bound + plain, plain + bound, bound + " Thanks.", bound + bound):
        assert binding_of(made) == {"schema": REF}
    assert set((bound + plain).input_variables) == {"tone", "name", "language"}
    assert set((plain + bound).input_variables) == {"tone", "name", "language"}


def test_adding_prompts_of_two_schemas_says_which_one_is_lost(
    prompt: Any, caplog: pytest.LogCaptureFixture
) -> None:
    made = bind_schema(prompt, REF) + bind_schema(prompt, "other@1")
    assert binding_of(made) == {"schema": REF}
    assert "other@1 is lost" in caplog.text


def test_slicing_a_chat_prompt_keeps_the_binding() -> None:
    prompt = ChatPromptTemplate.from_messages([("system", "Be {tone}."), ("human", "{name}")])
    bound = bind_schema(prompt, REF)
    assert binding_of(bound[1:]) == {"schema": REF}
    assert bound[0] == prompt[0]


@pytest.mark.filterwarnings("ignore:The function `load` is in beta")
def test_it_serialises_as_the_prompt_it_is_with_its_binding(prompt: Any) -> None:
    document = dumpd(bind_schema(prompt, REF))
    assert document["id"] == dumpd(prompt)["id"]
    loaded = load(document, allowed_objects="core")
    assert binding_of(loaded) == {"schema": REF}
    assert type(loaded) is type(prompt)


def test_it_pickles(prompt: Any) -> None:
    loaded = pickle.loads(pickle.dumps(bind_schema(prompt, REF)))
    assert binding_of(loaded + " More.") == {"schema": REF}


def test_chains_still_find_it(prompt: Any) -> None:
    bound = bind_schema(prompt, REF)
    [found] = (bound | (lambda value: value)).get_prompts()
    assert binding_of(found) == {"schema": REF}


def _profile(**variables: Any) -> Any:
    return ChatPromptTemplate([("human", "Greet {name}, aged {age}.")], **variables)


FILLED: dict[str, Any] = {
    "partial-after": lambda age: bind_schema(_profile(), "profile@1").partial(age=age),
    "partial-before": lambda age: bind_schema(_profile().partial(age=age), "profile@1"),
    "given": lambda age: bind_schema(_profile(partial_variables={"age": age}), "profile@1"),
    "function": lambda age: bind_schema(_profile().partial(age=lambda: age), "profile@1"),
    "function-after": lambda age: bind_schema(_profile(), "profile@1").partial(age=lambda: age),
    "text": lambda age: bind_schema(
        PromptTemplate.from_template("{name} {age}", partial_variables={"age": lambda: age}),
        "profile@1",
    ),
    "few-shot": lambda age: bind_schema(
        FewShotPromptTemplate(
            examples=[],
            example_prompt=PromptTemplate.from_template("{x}"),
            suffix="{name} {age}",
            input_variables=["name"],
            partial_variables={"age": age},
        ),
        "profile@1",
    ),
    "added": lambda age: (
        bind_schema(ChatPromptTemplate.from_template("{name}"), "profile@1")
        + ChatPromptTemplate.from_template("{age}").partial(age=age)
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", FILLED)
async def test_what_partial_variables_fill_in_counts_as_input(how: str, way: str) -> None:
    with connect("memory://") as registry:
        closed = {
            "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
            "required": ["name", "age"],
            "additionalProperties": False,
        }
        registry.register("profile", closed)
        for age, valid in ((36, True), (-1, False)):
            found = await outcome(
                FILLED[how](age), {"name": "Ada"}, way, SchemaCallbackHandler(registry)
            )
            assert isinstance(found, SchemaValidationError) is not valid, found


def test_what_a_function_fills_in_is_asked_for_once() -> None:
    ages = iter([36, 37])
    bound = bind_schema(_profile(), "profile@1").partial(age=lambda: next(ages))
    assert "aged 36" in bound.invoke({"name": "Ada"}).to_string()
    assert list(ages) == [37]
    with pytest.raises(ConfigurationError, match="age"):
        FILLED["few-shot"](lambda: 36)


def test_an_optional_placeholder_is_no_input() -> None:
    prompt = ChatPromptTemplate([MessagesPlaceholder("history", optional=True), ("human", "{x}")])
    assert binding_of(bind_schema(prompt, REF)) == {"schema": REF}
