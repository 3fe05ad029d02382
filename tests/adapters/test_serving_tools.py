"""Tools that name a schema instead of spelling it out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.serving_apps import BAD, GOOD, USER, Server, chat_reply, chat_request

NAMED = {"$ref": "schema:user@1"}


def tool(name: str = "save", parameters: Any = NAMED) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def server(*replies: Any, allow: tuple[str, ...] = ("user",), **output: Any) -> Server:
    rule: dict[str, Any] = {"fill_tools": list(allow)}
    if output:
        rule["output"] = output
    return Server(*(replies or (b"null",)), rules=[rule])


async def test_the_registrys_schema_takes_its_place() -> None:
    made = server()
    other = tool("other", {"type": "object"})
    await made.post(chat_request(tools=[other, tool()], note="kept"))
    request = json.loads(made.requests[0])
    assert request["tools"] == [other, tool(parameters=USER)]
    assert request["note"] == "kept"


@pytest.mark.parametrize(
    ("path", "field"), [("/v1/responses", "parameters"), ("/v1/messages", "input_schema")]
)
async def test_wherever_an_endpoint_keeps_it(path: str, field: str) -> None:
    made = server()
    await made.post({"tools": [{"type": "function", "name": "save", field: NAMED}]}, path)
    (filled,) = json.loads(made.requests[0])["tools"]
    assert filled[field] == USER


async def test_the_arguments_of_its_calls_are_judged_by_it() -> None:
    for arguments, status in ((GOOD, 200), (BAD, 500)):
        call = {"id": "1", "type": "function", "function": {"name": "save", "arguments": arguments}}
        made = server(chat_reply(None, calls=[call]), mode="enforce")
        reply = await made.post(chat_request(tools=[tool()]))
        assert reply.status == status
        assert reply.headers["x-schema"] == "user@1"


async def test_a_request_that_names_none_is_left_as_it_is() -> None:
    made = server()
    body = json.dumps(chat_request(tools=[tool(parameters={"$ref": "#/x"})]), indent=3).encode()
    await made.post(body)
    assert made.requests == [body]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("user@9", "there is no schema user@9"),
        ("user@x", "is not a version"),
        ("secret", "cannot be asked for here"),
    ],
)
async def test_what_is_wrong_is_said_with_its_place(reference: str, message: str) -> None:
    reply = await server().post(
        chat_request(tools=[tool(parameters={"$ref": f"schema:{reference}"})])
    )
    assert reply.status == 400
    assert reply.json["error"]["param"] == "body.tools.0.function.parameters"
    assert message in reply.json["error"]["message"]


async def test_without_fill_tools_nothing_is_filled_in() -> None:
    made = Server(b"null", rules=[{"output": {"schema": "user"}}])
    await made.post(chat_request(tools=[tool()]))
    assert json.loads(made.requests[0])["tools"] == [tool()]


async def test_the_registry_being_away_is_503() -> None:
    from llm_integrations.core.config import RetryOptions
    from llm_integrations.core.registry import connect

    registry = connect("http://127.0.0.1:9", retry=RetryOptions(attempts=1))
    made = Server(b"null", registry=registry, rules=[{"fill_tools": ["*"]}])
    assert (await made.post(chat_request(tools=[tool()]))).status == 503
