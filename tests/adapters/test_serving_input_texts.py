"""All the text that reaches a model is judged, in whichever part of a request it stands."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.serving_apps import BAD, CHAT, GOOD, Server, chat_reply

RULES = [{"input": {"checks": [{"of": "messages", "schema": "user"}]}}]


async def status(body: dict[str, Any], path: str) -> int:
    return (await Server(chat_reply(GOOD), rules=RULES).post(body, path)).status


def bodies(*parts: Any) -> list[tuple[str, dict[str, Any]]]:
    """The parts as the content of a message, by the path of each endpoint that takes them."""
    message = {"role": "user", "content": list(parts)}
    return [
        (CHAT, {"messages": [message]}),
        ("/v1/chat/completions/batch", {"messages": [[message]]}),
        ("/v1/messages", {"messages": [message]}),
        ("/v1/responses", {"input": [message]}),
    ]


@pytest.mark.parametrize(
    "part",
    [
        "and more",
        {"type": "text", "text": "and more"},
        {"type": "input_text", "text": "and more"},
        {"type": "output_text", "text": "and more"},
        {"type": "refusal", "refusal": "and more"},
        {"type": "thinking", "thinking": "and more", "text": ""},
        {"type": "search_result", "content": [{"type": "text", "text": "and more"}]},
        {"type": "document", "source": {"type": "text", "data": "and more"}},
        {"type": "document", "source": {"type": "content", "content": ["and more"]}},
        {"type": "document", "source": {"type": "base64", "data": ""}, "context": "and more"},
        {"type": "prompt_embeds", "data": "AAAA"},
        {"text": "and more"},
        {"type": 7},
        None,
    ],
    ids=lambda part: str(part)[:40],
)
async def test_another_part_beside_a_good_one_is_no_way_round(part: Any) -> None:
    for path, body in bodies({"type": "text", "text": GOOD}, part):
        assert await status(body, path) == 400


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://a.example/b"}},
        {"type": "input_image", "image_url": "https://a.example/b"},
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
        {"type": "document", "source": {"type": "base64", "data": ""}},
    ],
    ids=lambda part: part["type"],
)
async def test_what_holds_no_text_may_stand_beside_it(part: Any) -> None:
    for path, body in bodies(part, {"type": "text", "text": GOOD}):
        assert await status(body, path) == 200


@pytest.mark.parametrize("path", ["/v1/completions", "/invocations", "/engines/m/completions"])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"prompt": [GOOD, GOOD]}, 200),
        ({"prompt": [BAD, GOOD]}, 400),
        ({"prompt": [GOOD, BAD, GOOD]}, 400),
        ({"prompt": GOOD, "prompt_embeds": "AAAA"}, 400),
        ({"prompt": GOOD, "prompt_embeds": None}, 200),
        ({"prompt_embeds": ["AAAA"]}, 400),
    ],
)
async def test_each_prompt_of_several_is_judged(
    path: str, body: dict[str, Any], expected: int
) -> None:
    assert await status(body, path) == expected


@pytest.mark.parametrize(
    ("prompt", "content", "expected"), [(GOOD, GOOD, 200), (BAD, GOOD, 400), (GOOD, BAD, 400)]
)
async def test_a_body_that_could_be_a_chat_or_a_completion_is_judged_as_both(
    prompt: str, content: str, expected: int
) -> None:
    body = {"prompt": prompt, "messages": [{"role": "user", "content": content}]}
    assert await status(body, "/invocations") == expected


USER = {"role": "user", "content": GOOD}
PART = {"type": "text", "text": GOOD}
DEEP: Any = []
for _ in range(150):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {"messages": [USER], "Messages": [{**USER, "content": BAD}]}),
        (CHAT, {"MESSAGES": [{**USER, "content": BAD}], "messages": [USER]}),
        (CHAT, {"messages": [{**USER, "Content": BAD}]}),
        (CHAT, {"messages": [USER], "me\u017f\u017fages": [{**USER, "content": BAD}]}),
        (CHAT, {"messages": [USER], "me\u017fsages": [{**USER, "content": BAD}]}),
        (CHAT, {"messages": [{"role": "user", "content": [{**PART, "TEXT": BAD}]}]}),
        (f"{CHAT}/batch", {"messages": [[{"role": "user", "content": [{**PART, "Text": BAD}]}]]}),
        ("/v1/completions", {"prompt": GOOD, "Prompt": BAD}),
        ("/v1/messages", {"messages": [{**USER, "Role": "system"}]}),
        ("/v1/responses", {"input": [USER], "INPUT": BAD}),
        (CHAT, {"messages": [USER, {"role": "assistant", "content": DEEP}, {**USER, "Role": ""}]}),
        (CHAT, {"messages": [USER, {"Role": "user", "content": BAD}]}),
        (CHAT, {"messages": [USER, {"role": "assistant", "Content": BAD}]}),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "Text": GOOD}]}, USER]}),
        (CHAT, {"messages": [USER], "Prompt": BAD}),
        (CHAT, {"messages": [USER, {"role": "User", "content": BAD}]}),
        (CHAT, {"messages": [USER, {"role": " USER ", "content": BAD}]}),
        ("/v1/responses", {"input": [USER, {"role": "User", "content": BAD}]}),
        ("/v1/messages", {"messages": [USER, {"role": "User", "content": BAD}]}),
    ],
)
async def test_a_key_that_differs_by_capitals_is_no_way_round_a_server_in_go(
    path: str, body: dict[str, Any]
) -> None:
    assert await status(body, path) == 400


@pytest.mark.parametrize(
    ("of", "body", "expected"),
    [
        ("/prompt", {"prompt": GOOD, "model": "m", "Model": "m"}, 200),
        ("/prompt", {"prompt": GOOD, "Prompt": BAD}, 400),
        ("/prompt", {"PROMPT": BAD}, 400),
        ("/options/prompt", {"options": {"prompt": GOOD}, "Options": {"prompt": BAD}}, 400),
        ("/options/prompt", {"options": {"prompt": GOOD, "Prompt": BAD}}, 400),
        ("/all/*/prompt", {"all": [{"prompt": GOOD}, {"prompt": GOOD, "pRompt": BAD}]}, 400),
        ("/all/*/prompt", {"all": [{"prompt": GOOD}, {"prompt": GOOD}]}, 200),
        ("/all/0/prompt", {"all": [{"prompt": GOOD, "Prompt": BAD}]}, 400),
    ],
)
async def test_nor_round_a_check_of_one_field(of: str, body: dict[str, Any], expected: int) -> None:
    check = {"of": of, "schema": "user", "json_text": True}
    rules = [{"paths": ["/api/generate"], "input": {"checks": [check]}}]
    made = Server({"response": "hi"}, rules=rules)
    assert (await made.post(body, "/api/generate")).status == expected


async def test_arguments_of_a_tool_may_have_such_keys() -> None:
    call = {"type": "tool_use", "id": "1", "name": "t", "input": {"a": 1, "A": 2}}
    answered = {"role": "assistant", "content": [call]}
    body = {"messages": [answered, USER], "metadata": {"x": 1, "X": 2}}
    assert await status(body, "/v1/messages") == 200


@pytest.mark.parametrize("text", ["{}", [{"type": "text", "text": "{}"}]], ids=["text", "part"])
@pytest.mark.parametrize(
    ("path", "field", "body"),
    [
        ("/v1/messages", "system", {"messages": [USER]}),
        ("/v1/responses", "instructions", {"input": [USER]}),
        ("/v1/responses", "instructions", {"input": GOOD}),
    ],
)
async def test_what_the_system_says_beside_the_messages_is_judged_as_its_role(
    path: str, field: str, body: dict[str, Any], text: Any
) -> None:
    for roles, given, expected in (
        (["user", "system"], text, 400),
        (["system"], text, 400),
        (["user", "system"], GOOD, 200),
        (["user"], text, 200),
        (["user", "system"], "", 200),
    ):
        check = {"of": "messages", "schema": "user", "roles": roles, "which": "all"}
        made = Server(chat_reply(GOOD), rules=[{"input": {"checks": [check]}}])
        assert (await made.post({**body, field: given}, path)).status == expected


async def test_instructions_beside_what_a_tool_gave_are_no_word_of_the_user() -> None:
    output = {"type": "function_call_output", "call_id": "1", "output": "4"}
    body = {"input": [output], "instructions": "Be brief.", "previous_response_id": "r"}
    assert await status(body, "/v1/responses") == 200
    assert await status({**body, "input": []}, "/v1/responses") == 400


async def test_what_the_model_had_said_is_judged_beside_its_calls() -> None:
    call = {"type": "tool_use", "id": "1", "name": "t", "input": {}}
    check = {"of": "messages", "schema": "user", "roles": ["assistant"]}
    for text, expected in ((GOOD, 200), (BAD, 400)):
        said = {"role": "assistant", "content": [{"type": "text", "text": text}, call]}
        made = Server(chat_reply(GOOD), rules=[{"input": {"checks": [check]}}])
        assert (await made.post({"messages": [said, USER]}, "/v1/messages")).status == expected


BESIDE: dict[str, Any] = {
    "a template of the client's": {"chat_template": BAD},
    "variables of a stored prompt": {"prompt_id": "p", "prompt_variables": {"text": BAD}},
    "a body that LiteLLM puts in place": {"extra_body": {"messages": [{**USER, "content": BAD}]}},
    "what it asks when this fails": {"fallbacks": [{"model": "m", "messages": [USER]}]},
    "in a list by model": {"fallbacks": [{"m": [{"model": "n", "messages": [USER]}]}]},
    "when the texts are too long": {"context_window_fallbacks": [{"m": [{"prompt": BAD}]}]},
    "when a filter stops this": {"content_policy_fallbacks": [{"m": [{"input": BAD}]}]},
    "a template in what LiteLLM puts in place": {"extra_body": {"chat_template": BAD}},
    "for a server in Go": {"extra_body": {"Messages": [USER]}},
}
FIRST: list[tuple[str, dict[str, Any]]] = [
    (CHAT, {"messages": [USER]}),
    ("/v1/completions", {"prompt": GOOD}),
    ("/v1/messages", {"messages": [USER]}),
    ("/v1/responses", {"input": [USER]}),
    ("/invocations", {"messages": [USER]}),
    ("/v1/chat/completions/batch", {"messages": [[USER]]}),
]


@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE)
@pytest.mark.parametrize(("path", "body"), FIRST, ids=lambda given: str(given)[:24])
async def test_what_reaches_the_model_beside_the_texts_is_refused(
    path: str, body: dict[str, Any], beside: dict[str, Any]
) -> None:
    assert await status(body, path) == 200
    assert await status({**body, **beside}, path) == 400
    fallbacks = ["m", {"model": "n", "temperature": 0}, {"m": ["n"]}]
    extra = {"top_k": 5, "metadata": {"input": "x"}, "prompt": None}
    empty = {"chat_template": None, "extra_body": extra, "fallbacks": fallbacks}
    assert await status({**body, **empty}, path) == 200


@pytest.mark.parametrize("role", [{}, {"role": None}, {"role": ["user"]}], ids=str)
@pytest.mark.parametrize(("path", "field"), [(CHAT, "messages"), ("/v1/messages", "messages"),
                                             ("/v1/responses", "input")])  # fmt: skip
async def test_a_message_that_names_nobody_is_a_users(path: str, field: str, role: Any) -> None:
    assert await status({field: [USER, {**role, "content": BAD}]}, path) == 400
    assert await status({field: [USER, {**role, "content": GOOD}]}, path) == 200


@pytest.mark.parametrize("item", [BAD, {"type": "input_text", "text": BAD}, {"type": "message"}])
async def test_a_bare_text_among_the_items_of_an_input_is_a_users(item: Any) -> None:
    assert await status({"input": [USER, item]}, "/v1/responses") == 400


async def test_messages_before_the_input_are_looked_at_where_all_are() -> None:
    body = {"input": [USER], "previous_input_messages": [{"role": "user", "content": BAD}]}
    check = {"of": "messages", "schema": "user", "which": "all"}
    made = Server(chat_reply(GOOD), rules=[{"input": {"checks": [check]}}])
    assert (await made.post(body, "/v1/responses")).status == 400
    assert (await made.post({"input": [USER]}, "/v1/responses")).status == 200


async def test_a_loop_of_tools_brings_nothing_beside_what_they_gave_back() -> None:
    given = {"type": "function_call_output", "call_id": "c", "output": "x"}
    body = {"previous_response_id": "r", "instructions": "be brief", "input": [given]}
    assert await status(body, "/v1/responses") == 200
    for beside in BESIDE.values():
        assert await status({**body, **beside}, "/v1/responses") == 400


async def test_a_suffix_is_a_text_of_its_own() -> None:
    assert await status({"prompt": GOOD, "suffix": BAD}, "/v1/completions") == 400
    assert await status({"prompt": GOOD, "suffix": GOOD}, "/v1/completions") == 200
