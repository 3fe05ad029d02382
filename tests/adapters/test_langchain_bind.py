"""A bound prompt stays a prompt, and stays bound."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from langchain_core.load import dumpd, load
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate

from llm_integrations.core.errors import InvalidReference
from llm_integrations.langchain import bind_schema
from llm_integrations.langchain.bind import binding_of

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
