"""What goes over the wire when the real clients of OpenAI and Anthropic ask for a schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from pydantic import SecretStr

from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.validation import compile_validator
from llm_integrations.langchain import SchemaMiddleware, reask, response_format, structured
from tests.adapters.test_langchain_agents import QUESTION
from tests.adapters.test_langchain_structured import ADA, PERSON, PROMPT, objects
from tests.support.langchain import outcome
from tests.support.model_server import ModelServer

TYPELESS: Any = {
    "type": "object",
    "properties": {
        "list": {"items": {"type": "string"}},
        "both": {"allOf": [{"type": "integer"}, {"minimum": 3}]},
        "kind": {"enum": ["a", 1]},
        "none": {"type": ["string", "null"]},
        "one": {"const": True},
        "text": {"pattern": "^a"},
    },
}
ON_ONE_LOOP = pytest.mark.asyncio(loop_scope="module")  # to which the clients' connections belong
NULLS: Any = {"age": None, "pet": None, "home": None}


def openai(server: ModelServer) -> Any:
    from langchain_openai import ChatOpenAI

    url = f"{server.url}/v1"
    return ChatOpenAI(model="gpt-4o", base_url=url, api_key=SecretStr("x"), max_retries=0)


def anthropic(server: ModelServer) -> Any:
    # Takes seconds to import, in each process that collects this file.
    from langchain_anthropic import ChatAnthropic

    return ChatAnthropic(
        model_name="claude-sonnet-5",
        base_url=server.url,
        api_key=SecretStr("x"),
        max_retries=0,
        timeout=10,
        stop=None,
    )


def sent(body: Any) -> Any:
    """The schema in a request, wherever the API has it."""
    if "output_config" in body:
        return body["output_config"]["format"]["schema"]
    if body.get("tools"):
        [tool] = body["tools"]
        return tool["input_schema"] if "input_schema" in tool else tool["function"]["parameters"]
    return body["response_format"]["json_schema"]["schema"]


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("person", PERSON)
        client.register("typeless", TYPELESS)
        client.register("any", {"type": "object", "properties": {"x": {}}})
        client.register("list", {"type": "array", "items": {"type": "integer"}})
        yield client


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    """One for all: clients of one URL share the certificates that they read, half a second each."""
    with ModelServer() as found:
        yield found


@ON_ONE_LOOP
@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
@pytest.mark.parametrize(
    ("client", "method"),
    [
        (openai, None),
        (openai, "function_calling"),
        (openai, "json_mode"),
        (anthropic, None),
        (anthropic, "json_schema"),
    ],
)
async def test_what_the_registry_says_is_asked_for_and_judged(
    registry: Registry, server: ModelServer, client: Any, method: Any, way: str
) -> None:
    server.says({"name": "A"}, {"name": "Ada"}, {"name": "A"})
    chain = PROMPT | structured(
        client(server), "person@1", registry=registry, method=method, retries=1
    )
    found = await outcome(chain, ADA, way)
    assert (found[-1] if isinstance(found, list) else found) == {"name": "Ada"}
    once = structured(client(server), "person@1", registry=registry, method=method)
    assert isinstance(await outcome(PROMPT | once, ADA, way), SchemaValidationError)
    first, again, _ = server.asked
    assert ("stream" in way) is bool(first.get("stream"))
    assert "is shorter than 2 characters" in str(again["messages"])
    if method == "json_mode":
        assert "minLength" in str(first["messages"])
        assert first["response_format"] == {"type": "json_object"}
        return
    assert "minLength" in str(sent(first))
    assert sent(first)["properties"].keys() == PERSON["properties"].keys()


@pytest.mark.parametrize("method", [None, "json_schema", "function_calling"])
def test_openais_strict_form_is_closed_and_requires_all(
    registry: Registry, server: ModelServer, method: Any
) -> None:
    server.says({"name": "Ada", **NULLS})
    chain = structured(openai(server), "person@1", registry=registry, method=method, strict=True)
    assert chain.invoke("Who?") == {"name": "Ada"}
    [body] = server.asked
    form = body["tools"][0]["function"] if method == "function_calling" else None
    assert (form or body["response_format"]["json_schema"])["strict"] is True
    found = list(objects(sent(body)))
    assert len(found) == 2
    assert all(one["additionalProperties"] is False for one in found)
    assert all(one["required"] == list(one["properties"]) for one in found)
    assert compile_validator(sent(body)).is_valid({"name": "Ada", **NULLS})


def test_anthropics_strict_form_is_closed(registry: Registry, server: ModelServer) -> None:
    server.says({"name": "Ada"})
    chain = structured(anthropic(server), "person@1", registry=registry, strict=True)
    assert chain.invoke("Who?") == {"name": "Ada"}
    [body] = server.asked
    assert body["output_config"]["format"]["type"] == "json_schema"
    assert all(one["additionalProperties"] is False for one in objects(sent(body)))
    assert sent(body)["required"] == ["name"]


def typed(schema: Any) -> bool:
    return bool({"type", "anyOf", "$ref"} & schema.keys()) and all(
        typed(one) for one in [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
    )


@pytest.mark.parametrize("client", [openai, anthropic])
def test_a_strict_form_says_of_what_type_everything_is(
    registry: Registry, server: ModelServer, client: Any
) -> None:
    answer = {"list": ["x"], "both": 4, "kind": "a", "none": None, "one": True, "text": "ab"}
    server.says(answer)
    chain = structured(client(server), "typeless@1", registry=registry, strict=True)
    assert chain.invoke("What?") == answer
    assert compile_validator(sent(server.asked[0])).is_valid(answer)
    if client is openai:
        assert typed(sent(server.asked[0]))
    nothing = structured(client(server), "any@1", registry=registry, strict=True)
    with pytest.raises(ConfigurationError, match="/x may be of any type"):
        nothing.invoke("What?")
    assert len(server.asked) == 1


def test_what_is_no_object_comes_out_of_the_one_it_was_asked_for_in(
    registry: Registry, server: ModelServer
) -> None:
    for client in (openai, anthropic):
        server.says({"value": [1]}, {"value": ["x"]})
        chain = structured(client(server), "list@1", registry=registry)
        assert chain.invoke("What?") == [1]
        with pytest.raises(SchemaValidationError):
            chain.invoke("What?")


def test_what_a_client_does_not_take_is_a_configuration_error(
    registry: Registry, server: ModelServer
) -> None:
    server.says()
    with pytest.raises(ConfigurationError, match="json_mode"):
        structured(openai(server), "person@1", registry=registry, method="json_mode", strict=True)
    odd: Any = "by_post"
    with pytest.raises(ConfigurationError, match="by_post"):
        structured(openai(server), "person@1", registry=registry, method=odd).invoke("?")


@ON_ONE_LOOP
async def test_a_model_is_asked_again_over_the_wire(
    registry: Registry, server: ModelServer
) -> None:
    for client in (openai, anthropic):
        server.says({"name": "A"}, {"name": "Ada"})
        answer = await reask(client(server), "person@1", registry=registry).ainvoke("Who?")
        assert answer.text == '{"name": "Ada"}'
        assert "is shorter than 2 characters" in str(server.asked[1]["messages"][-1])


@pytest.mark.parametrize("client", [openai, anthropic])
def test_an_agent_asks_for_its_response_by_reference(
    registry: Registry, server: ModelServer, client: Any
) -> None:
    server.says({"name": "A"}, {"name": "Ada"})
    agent = create_agent(
        client(server),
        response_format=response_format("person@1", registry=registry),
        middleware=[SchemaMiddleware(registry, response="person@1", retries=1)],
    )
    assert agent.invoke(QUESTION)["structured_response"] == {"name": "Ada"}
    assert sent(server.asked[0])["properties"].keys() == PERSON["properties"].keys()
