"""Tool calls, in whatever pieces and forms they come."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from tests.support.serving_apps import BAD, GOOD, Server, chat_reply, chat_request, counted, sse

TOOLS = [{"type": "function", "function": {"name": name}} for name in ("save", "other")]
STREAM = chat_request(stream=True, tools=TOOLS)
OUTPUT = {"mode": "enforce", "tools": {"save": "user"}}
DONE = sse("[DONE]")
END = sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})


def fragment(arguments: Any = None, index: Any = 0, **fields: Any) -> bytes:
    """A piece of a call; ``name`` and ``id`` are given where they are said."""
    function = {"arguments": arguments} if arguments is not None else {}
    if "name" in fields:
        function["name"] = fields.pop("name")
    call = {"function": function, **({} if index is None else {"index": index}), **fields}
    return sse({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})


def server(chunks: Any, **rules: Any) -> Server:
    return Server(chunks, rules=[{"output": {**OUTPUT, **rules}}])


async def verdicts(*fragments: bytes) -> tuple[float, float]:
    """How many calls of a stream were valid, and how many not."""
    before = counted("valid"), counted("invalid")
    reply = await server([*fragments, END, DONE]).post(STREAM)
    found = counted("valid") - before[0], counted("invalid") - before[1]
    assert (b"InvalidOutputError" in reply.body) is (found[1] > 0)
    return found


class TestFragments:
    async def test_another_id_at_the_same_index_is_another_call(self) -> None:
        assert await verdicts(
            fragment(GOOD, id="a", name="save"), fragment(BAD, id="b", name="save")
        ) == (1, 1)

    async def test_they_may_interleave(self) -> None:
        assert await verdicts(
            fragment(GOOD[:5], id="a", name="save"),
            fragment(BAD[:7], id="b", name="save"),
            fragment(GOOD[5:], id="a"),
            fragment(BAD[7:], id="b"),
        ) == (1, 1)

    async def test_the_tool_of_the_second_is_its_own(self) -> None:
        assert await verdicts(
            fragment("{}", id="a", name="other"), fragment(BAD, id="b", name="save")
        ) == (0, 1)

    async def test_an_id_without_a_name_hides_no_arguments(self) -> None:
        assert await verdicts(fragment(GOOD, id="a", name="save"), fragment(BAD, id="b")) == (1, 1)

    async def test_the_same_id_again_is_the_same_call(self) -> None:
        assert await verdicts(
            fragment(GOOD[:9], id="a", name="save"), fragment(GOOD[9:], id="a", name="save")
        ) == (1, 0)

    async def test_an_id_may_come_late(self) -> None:
        assert await verdicts(
            fragment(GOOD[:4], name="save"), fragment(GOOD[4:9], id="a"), fragment(GOOD[9:])
        ) == (1, 0)

    async def test_a_repeated_name_is_the_same_name(self) -> None:
        pieces = [GOOD[:3], GOOD[3:9], GOOD[9:]]
        assert await verdicts(*(fragment(p, name="save") for p in pieces)) == (1, 0)
        bad = [BAD[:3], BAD[3:9], BAD[9:]]
        assert await verdicts(*(fragment(p, name="save") for p in bad)) == (0, 1)

    async def test_a_name_may_come_in_pieces(self) -> None:
        assert await verdicts(fragment(name="sa"), fragment(BAD, name="ve")) == (0, 1)

    async def test_another_name_after_arguments_is_another_call(self) -> None:
        assert await verdicts(fragment("{}", name="other"), fragment(BAD, name="save")) == (0, 1)

    async def test_without_an_index_the_place_in_the_list_counts(self) -> None:
        calls = [
            {"function": {"name": name, "arguments": text}}
            for name, text in (("save", GOOD), ("other", "{}"), ("save", BAD))
        ]
        both = sse({"choices": [{"index": 0, "delta": {"tool_calls": calls}}]})
        assert await verdicts(both) == (1, 1)

    async def test_the_older_function_call_is_one(self) -> None:
        pieces = ({"name": "save", "arguments": BAD[:5]}, {"arguments": BAD[5:]})
        chunks = [sse({"choices": [{"index": 0, "delta": {"function_call": p}}]}) for p in pieces]
        assert await verdicts(*chunks) == (0, 1)

    async def test_calls_that_are_only_ids_are_held_within_the_limit(self) -> None:
        chunks = [fragment("", id=f"call-{n}") for n in range(100)]
        made = Server([*chunks, END, DONE], rules=[{"output": OUTPUT}], max_answer=1000)
        assert b'"code": 502' in (await made.post(STREAM)).body


@pytest.mark.parametrize("content", [GOOD, BAD])
async def test_the_older_function_call_is_judged_in_a_whole_reply(content: str) -> None:
    reply = chat_reply(None)
    reply["choices"][0]["message"]["function_call"] = {"name": "save", "arguments": content}
    request = chat_request(functions=[{"name": "save", "parameters": {}}])
    assert (await server(reply).post(request)).status == (200 if content == GOOD else 500)


TOOL_TEXT = '{"name": "Ann", "age": 3}'
LOOP: list[Any] = [
    {"role": "user", "content": GOOD},
    {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "t1", "name": "save", "input": {}}],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "done"}]},
]
REPLY: dict[str, Any] = {
    "type": "message",
    "content": [{"type": "text", "text": "ok"}],
    "stop_reason": "end_turn",
}


def judging(**check: Any) -> Server:
    checks = [{"of": "messages", "schema": "user", **check}]
    return Server(REPLY, rules=[{"input": {"checks": checks}}])


class TestAToolLoop:
    """What a tool gave back stands in a message of the user, and is not the user's."""

    @pytest.mark.parametrize("which", ["last", "all"])
    async def test_goes_on_after_its_first_turn(self, which: str) -> None:
        for messages in (LOOP, [*LOOP, *LOOP[1:], *LOOP[1:]]):
            reply = await judging(which=which).post({"messages": messages}, "/v1/messages")
            assert (reply.status, reply.headers["x-schema-valid"]) == (200, "true")

    async def test_text_of_the_user_beside_a_result_is_judged(self) -> None:
        for text, status in ((GOOD, 200), (BAD, 400)):
            content = [*LOOP[2]["content"], {"type": "text", "text": text}]
            messages = [*LOOP[:2], {"role": "user", "content": content}]
            reply = await judging().post({"messages": messages}, "/v1/messages")
            assert reply.status == status

    async def test_an_image_beside_a_result_is_no_text(self) -> None:
        content = [*LOOP[2]["content"], {"type": "image", "source": {}}]
        messages = [*LOOP[:2], {"role": "user", "content": content}]
        assert (await judging().post({"messages": messages}, "/v1/messages")).status == 400

    async def test_a_result_alone_is_no_way_round(self) -> None:
        assert (await judging().post({"messages": LOOP[1:]}, "/v1/messages")).status == 400

    @pytest.mark.parametrize(
        ("content", "status"),
        [
            (TOOL_TEXT, 200),
            ([{"type": "text", "text": TOOL_TEXT}], 200),
            (BAD, 400),
            ([{"type": "image"}], 400),
        ],
    )
    async def test_results_can_be_judged_as_the_tools(self, content: Any, status: int) -> None:
        result = {"type": "tool_result", "tool_use_id": "t1", "content": content}
        messages = [*LOOP[:2], {"role": "user", "content": [result]}]
        reply = await judging(roles=["tool"]).post({"messages": messages}, "/v1/messages")
        assert reply.status == status
        if status == 400:
            assert reply.json["error"]["type"] == "BadRequestError"


class TestALoopOfResponses:
    """The server has the conversation; what a tool gave back may come alone."""

    OUTPUT: ClassVar[dict[str, Any]] = {"type": "function_call_output", "call_id": "c"}

    async def asked(self, *given: Any, roles: Any = ("user",), **fields: Any) -> int:
        request = {"input": list(given), **fields}
        return (await judging(roles=roles).post(request, "/v1/responses")).status

    @pytest.mark.parametrize("field", ["previous_response_id", "conversation"])
    async def test_goes_on_with_what_the_tool_gave_back(self, field: str) -> None:
        output = {**self.OUTPUT, "output": "done"}
        assert await self.asked(output, output, **{field: "r1"}) == 200

    async def test_is_no_way_round(self) -> None:
        output = {**self.OUTPUT, "output": "done"}
        assert await self.asked(output) == 400
        assert await self.asked(previous_response_id="r1") == 400
        bad = {"role": "user", "content": BAD}
        assert await self.asked(output, bad, previous_response_id="r1") == 400
        assert await self.asked({"type": "reasoning"}, previous_response_id="r1") == 400

    @pytest.mark.parametrize("kind", ["function_call_output", "custom_tool_call_output"])
    async def test_results_can_be_judged_as_the_tools(self, kind: str) -> None:
        for text, status in ((TOOL_TEXT, 200), (BAD, 400)):
            for output in (text, [{"type": "input_text", "text": text}]):
                given = {"type": kind, "output": output}
                assert await self.asked(given, roles=["tool"]) == status
                assert await self.asked(given, roles=["tool"], conversation="c1") == status


FREE: dict[str, Any] = {"type": "object", "properties": {"name": {"type": "string"}}}
NOTHING: list[Any] = ["", " ", None, {}, "{}"]
WHOLE: list[Any] = [{"name": "Ann"}, '{"name": "Ann"}', {"name": 7}, '{"name": 7}', [], 7, "no"]


def is_good(arguments: Any) -> bool:
    return arguments in NOTHING or "Ann" in str(arguments)


class TestArguments:
    """None are an empty object, and an object is what it says."""

    def server(self, reply: Any) -> Server:
        made = Server(reply, rules=[{"output": {"mode": "enforce", "tools": {"save": "free"}}}])
        made.registry.register("free", FREE)
        return made

    async def judged(self, reply: Any, path: str, arguments: Any) -> None:
        tools: dict[str, list[Any]] = {
            "/v1/responses": [{"type": "function", "name": "save"}],
            "/v1/messages": [{"name": "save", "input_schema": {}}],
        }
        request: dict[str, Any] = {"messages": [], "tools": tools.get(path, TOOLS)}
        before = counted("valid", subject="free"), counted("invalid", subject="free")
        answer = await self.server(reply).post(request, path)
        good = is_good(arguments)
        assert (b"InvalidOutputError" in answer.body) is not good
        after = counted("valid", subject="free"), counted("invalid", subject="free")
        assert after == (before[0] + good, before[1] + (not good))

    @pytest.mark.parametrize("arguments", [*NOTHING, *WHOLE], ids=repr)
    async def test_of_a_chat(self, arguments: Any) -> None:
        call = {"function": {"name": "save", "arguments": arguments}}
        reply = chat_reply(None, calls=[call], finish="tool_calls")
        await self.judged(reply, "/v1/chat/completions", arguments)

    @pytest.mark.parametrize("arguments", [*NOTHING, *WHOLE], ids=repr)
    async def test_of_a_chats_stream(self, arguments: Any) -> None:
        chunks = [fragment(arguments, name="save"), END, DONE]
        await self.judged(chunks, "/v1/chat/completions", arguments)

    @pytest.mark.parametrize("arguments", [*NOTHING, *WHOLE], ids=repr)
    async def test_of_a_response(self, arguments: Any) -> None:
        item = {"type": "function_call", "name": "save", "arguments": arguments}
        reply = {"status": "completed", "output": [item]}
        await self.judged(reply, "/v1/responses", arguments)

    @pytest.mark.parametrize("arguments", [*NOTHING, *WHOLE], ids=repr)
    async def test_of_a_message(self, arguments: Any) -> None:
        block = {"type": "tool_use", "name": "save", "input": arguments}
        await self.judged({**REPLY, "content": [block]}, "/v1/messages", arguments)

    @pytest.mark.parametrize("arguments", [*NOTHING, *WHOLE], ids=repr)
    @pytest.mark.parametrize("place", ["start", "delta", "message"])
    async def test_of_a_messages_stream(self, place: str, arguments: Any) -> None:
        given = arguments if place != "delta" else {}
        block = {"type": "tool_use", "id": "t", "name": "save", "input": given}
        start = {"type": "content_block_start", "index": 0, "content_block": block}
        if place == "message":
            start = {"type": "message_start", "message": {"content": [block]}}
        piece = arguments if place == "delta" else ""
        delta = {"type": "input_json_delta", "partial_json": piece}
        chunks = [
            sse(start),
            sse({"type": "content_block_delta", "index": 0, "delta": delta}),
            sse({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}),
            sse({"type": "message_stop"}),
        ]
        await self.judged(chunks, "/v1/messages", arguments)


async def test_a_message_that_goes_on_after_its_end_is_withheld() -> None:
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta"}}
    stop = sse({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})
    text = sse({**delta, "delta": {"type": "text_delta", "text": GOOD}})
    chunks = [text, stop, text, stop, sse({"type": "message_stop"})]
    made = Server(chunks, rules=[{"output": {"schema": "user", "mode": "enforce"}}])
    assert b"event: error" in (await made.post({"stream": True}, "/v1/messages")).body


@pytest.mark.parametrize("offered", [None, [TOOLS[1]]])
@pytest.mark.parametrize("output", [OUTPUT, {**OUTPUT, "stream": "hold"}])
async def test_a_call_of_a_rules_tool_is_judged_though_nobody_offered_it(
    offered: Any, output: dict[str, Any]
) -> None:
    request = chat_request(**({"tools": offered} if offered else {}))
    call = {"type": "function", "function": {"name": "save", "arguments": BAD}}
    made = Server(chat_reply(None, calls=[call]), rules=[{"output": output}])
    assert (await made.post(request)).status == 500
    made = Server([fragment(BAD, name="save"), END, DONE], rules=[{"output": output}])
    assert b"InvalidOutputError" in (await made.post({**request, "stream": True})).body


async def test_a_tools_schema_that_is_not_to_be_had_stops_the_answers_that_call_it_alone() -> None:
    call = {"type": "function", "function": {"name": "lost", "arguments": GOOD}}
    rules = [{"output": {"mode": "enforce", "tools": {"lost": "nobody-has-it"}}}]
    assert (await Server(chat_reply(GOOD), rules=rules).post(chat_request())).status == 200
    reply = await Server(chat_reply(None, calls=[call]), rules=rules).post(chat_request())
    assert reply.status == 500
    offering = chat_request(tools=[{"type": "function", "function": {"name": "lost"}}])
    assert (await Server(chat_reply(GOOD), rules=rules).post(offering)).status == 503


UNKNOWN = {"id": "1", "type": "function", "function": {"name": "other", "arguments": "{}"}}
CUSTOM = {"id": "1", "type": "custom", "custom": {"name": "other", "input": "free text"}}
ENFORCED: dict[str, Any] = {"output": {"schema": "user", "mode": "enforce"}}


def stream_of(delta: dict[str, Any]) -> list[bytes]:
    return [sse({"choices": [{"index": 0, "delta": delta}]}), END, DONE]


class TestCallsThatNoSchemaIsFor:
    @pytest.mark.parametrize("call", [UNKNOWN, CUSTOM])
    async def test_pass_and_are_counted(self, call: Any) -> None:
        for reply in (chat_reply(None, calls=[call]), stream_of({"tool_calls": [call]})):
            before = counted("unjudged", subject="unknown")
            answer = await Server(reply, rules=[ENFORCED]).post()
            assert b"InvalidOutputError" not in answer.body
            assert counted("unjudged", subject="unknown") == before + 1
            if isinstance(reply, dict):
                assert answer.headers["x-schema-valid"] == "unjudged"

    @pytest.mark.parametrize("call", [UNKNOWN, CUSTOM])
    async def test_are_withheld_where_the_rule_says_so(self, call: Any) -> None:
        rules = [{"output": {**ENFORCED["output"], "other_tools": "withhold"}}]
        for reply in (chat_reply(None, calls=[call]), stream_of({"tool_calls": [call]})):
            assert b"InvalidOutputError" in (await Server(reply, rules=rules).post()).body

    @pytest.mark.parametrize("calls", [[{}], [None], [{"function": {"name": ""}}], [{"type": "x"}]])
    async def test_what_has_neither_name_nor_arguments_is_no_call(self, calls: Any) -> None:
        for content in (GOOD, BAD):
            delta = {"content": content, "tool_calls": calls}
            for reply in (chat_reply(content, calls=calls), stream_of(delta)):
                answer = await Server(reply, rules=[ENFORCED]).post()
                assert (b"InvalidOutputError" in answer.body) is (content == BAD)


class TestWhatTheClientIsToRun:
    """Items of ``/v1/responses`` that ask for more than a tool of a name."""

    RUNS: ClassVar = [
        {"type": "computer_call", "call_id": "c", "action": {"type": "click"}},
        {"type": "local_shell_call", "call_id": "c", "action": {"command": ["rm"]}},
        {"type": "shell_call", "call_id": "c", "action": {"commands": ["rm"]}},
        {"type": "apply_patch_call", "call_id": "c", "operation": {"type": "delete_file"}},
        {"type": "mcp_approval_request", "id": "c", "name": "wipe", "arguments": "{}"},
    ]
    SAID: ClassVar = {"type": "message", "content": [{"type": "output_text", "text": GOOD}]}

    @pytest.mark.parametrize("item", RUNS, ids=lambda item: item["type"])
    @pytest.mark.parametrize("output", [{"schema": "user"}, {"tools": {"save": "user"}}], ids=str)
    async def test_passes_counted_or_is_withheld_as_other_tools_say(
        self, item: dict[str, Any], output: dict[str, Any]
    ) -> None:
        reply = {"status": "completed", "output": [self.SAID, item]}
        for other, status in (("pass", 200), ("withhold", 500)):
            before = counted("unjudged", subject="unknown")
            rules = [{"output": {**output, "mode": "enforce", "other_tools": other}}]
            answer = await Server(reply, rules=rules).post({"input": "x"}, "/v1/responses")
            assert (answer.status, answer.headers["x-schema-valid"]) == (status, "unjudged")
            assert counted("unjudged", subject="unknown") == before + 1

    async def test_what_the_server_ran_itself_is_none(self) -> None:
        done = {"type": "shell_call_output", "call_id": "c", "output": []}
        reply = {"status": "completed", "output": [self.RUNS[2], done, self.SAID]}
        rules = [{"output": {"schema": "user", "mode": "enforce", "other_tools": "withhold"}}]
        answer = await Server(reply, rules=rules).post({"input": "x"}, "/v1/responses")
        assert (answer.status, answer.headers["x-schema-valid"]) == (200, "true")
