"""Lists of the answers that a server stored, and answers under a schema that is not known again."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any, cast

import pytest

from llm_integrations.serving.upstream.middleware import UpstreamMiddleware
from tests.support.serving_apps import (
    BAD,
    CHAT,
    GOOD,
    Reply,
    Server,
    chat_reply,
    chat_request,
    counted,
)

OUTPUT = {"schema": "user", "mode": "enforce"}
DROPS = {**OUTPUT, "on_invalid": "drop_choice"}
CONVERSATION = "/v1/conversations/conv_1/items"
FILE = "/v1/files/file-1/content"
RESULTS = "/v1/messages/batches/b_1/results"
PAGE = {"object": "list", "first_id": "a", "last_id": "z", "has_more": True}


def said(text: str, role: str = "assistant", **fields: Any) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    content = [{"type": kind, "text": text}]
    return {"type": "message", "role": role, "content": content, "status": "completed", **fields}


def response(text: str) -> dict[str, Any]:
    return {"object": "response", "status": "completed", "output": [said(text)]}


def message(text: str) -> dict[str, Any]:
    content = [{"type": "text", "text": text}]
    return {"type": "message", "role": "assistant", "content": content, "stop_reason": "end_turn"}


def listed(*entries: Any) -> dict[str, Any]:
    return {**PAGE, "data": list(entries)}


def lines(*results: Any) -> bytes:
    return "".join(json.dumps(result) + "\n" for result in results).encode()


def result(name: str, body: Any, status: Any = 200) -> dict[str, Any]:
    answer = {"status_code": status, "request_id": "r", "body": body}
    return {"id": f"batch_req_{name}", "custom_id": name, "response": answer, "error": None}


def succeeded(name: str, text: str) -> dict[str, Any]:
    return {"custom_id": name, "result": {"type": "succeeded", "message": message(text)}}


def call(name: str, arguments: str) -> dict[str, Any]:
    return {"type": "function_call", "name": name, "arguments": arguments, "call_id": "c"}


async def get(
    path: str, reply: Any, *, headers: Any = None, kind: Any = None, **rule: Any
) -> Reply:
    output = rule.pop("output", OUTPUT)
    rules = rule.pop("rules", [{"output": output, **rule}])
    made = Server(reply, rules=rules, **({} if kind is None else {"kind": kind}))
    return await made.post(b"", path, method="GET", headers=headers)


LISTS = [
    (CHAT, lambda text: listed(chat_reply(GOOD), chat_reply(text))),
    (f"{CHAT}/", lambda text: listed(chat_reply(text))),
    (f"/V1/{CHAT}".replace("/V1//v1", "/V1"), lambda text: listed(chat_reply(text))),
    ("/v1/responses", lambda text: listed(response(text))),
    (f"{CHAT}/c_1/messages", lambda text: listed({"role": "assistant", "content": text})),
    (CONVERSATION, lambda text: listed(said("hello", "user"), said(text))),
    ("/conversations/c/items", lambda text: listed(said(text))),
    (f"{CONVERSATION}/msg_1", said),
    ("/v1/responses/resp_1/input_items", lambda text: listed(said("x", "user"), said(text))),
    (FILE, lambda text: lines(result("a", chat_reply(GOOD)), result("b", chat_reply(text)))),
    (FILE, lambda text: lines(result("a", response(text)))),
    (FILE, lambda text: lines(result("a", message(text)))),
    (FILE, lambda text: lines(result("a", {"choices": [{"index": 0, "text": text}]}))),
    (
        "/openai/files/f/content",
        lambda text: b"\xef\xbb\xbf" + lines(result("a", chat_reply(text))),
    ),
    (FILE, lambda text: lines(result("a", chat_reply(text), status="200"))),
    ("/v1/files/gs://bucket/files/1/content", lambda text: lines(result("a", chat_reply(text)))),
    ("/v1/files/gs%3A%2F%2Fb%2Fo/content", lambda text: lines(result("a", chat_reply(text)))),
    ("/azure/v1/files/f/content", lambda text: lines(result("a", chat_reply(text)))),
    (RESULTS, lambda text: lines(succeeded("a", GOOD), succeeded("b", text))),
]


@pytest.mark.parametrize(("path", "reply"), LISTS)
@pytest.mark.parametrize("paths", [{}, {"paths": ["/*"]}], ids=str)
class TestWhatIsRead:
    async def test_goes_out_as_it_came_where_all_of_it_is_valid(
        self, path: str, reply: Any, paths: Any
    ) -> None:
        held = reply(GOOD)
        answer = await get(path, held, **paths)
        assert answer.status == 200
        assert answer.body == (held if isinstance(held, bytes) else json.dumps(held).encode())
        assert answer.headers["x-schema-valid"] == "true"

    async def test_is_withheld_where_an_answer_is_invalid(
        self, path: str, reply: Any, paths: Any
    ) -> None:
        answer = await get(path, reply(BAD), **paths)
        assert (answer.status, b"old" in answer.body) == (500, False)
        assert answer.headers["x-schema-valid"] == "false"

    async def test_passes_under_warn_and_says_so(self, path: str, reply: Any, paths: Any) -> None:
        answer = await get(path, reply(BAD), output={"schema": "user"}, **paths)
        assert (answer.status, answer.headers["x-schema-valid"]) == (200, "false")
        assert b"old" in answer.body

    async def test_of_another_form_is_counted_and_withheld(
        self, path: str, reply: Any, paths: Any
    ) -> None:
        before = counted("unjudged", subject="unknown")
        is_file = isinstance(reply(GOOD), bytes) and path != RESULTS
        odd: Any = {"custom_id": "a", "response": {"status_code": 200, "body": 7}}
        if path == RESULTS:
            odd = {"custom_id": "a", "result": {"type": "succeeded", "message": 7}}
        strange = lines(odd) if is_file or path == RESULTS else b"<html>"
        answer = await get(path, strange, **paths)
        assert (answer.status, answer.headers["x-schema-valid"]) == (500, "unjudged")
        assert counted("unjudged", subject="unknown") == before + 1


@pytest.mark.parametrize(
    ("path", "reply", "left"),
    [
        (CHAT, listed(chat_reply(GOOD), chat_reply(BAD)), [chat_reply(GOOD)]),
        (CHAT, listed(chat_reply(BAD)), []),
        (CONVERSATION, listed(said("a", "user"), said(BAD), said(GOOD)),
         [said("a", "user"), said(GOOD)]),
    ],
)  # fmt: skip
async def test_an_invalid_item_is_left_out_alone_and_the_page_stays(
    path: str, reply: Any, left: Any
) -> None:
    answer = await get(path, reply, output=DROPS)
    assert (answer.status, answer.json) == (200, {**PAGE, "data": left})
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert answer.headers["x-schema-dropped"] == "1"


async def test_a_choice_of_a_stored_chat_is_dropped_alone() -> None:
    answer = await get(CHAT, listed(chat_reply(GOOD, BAD)), output=DROPS)
    assert answer.json["data"][0]["choices"] == chat_reply(GOOD)["choices"]


@pytest.mark.parametrize(
    ("path", "good", "bad"),
    [
        (FILE, result("a", chat_reply(GOOD)), result("b", chat_reply(BAD))),
        (RESULTS, succeeded("a", GOOD), succeeded("b", BAD)),
    ],
)
async def test_a_batchs_result_that_is_dropped_is_an_error_of_its_request(
    path: str, good: Any, bad: Any
) -> None:
    answer = await get(path, lines(good, bad), output=DROPS)
    first, second = (json.loads(line) for line in answer.body.splitlines())
    assert (answer.status, first, second["custom_id"]) == (200, good, "b")
    assert b"old" not in answer.body
    told = second.get("error") or second["result"]["error"]["error"]
    assert told["code"] == "invalid_output"


class TestWhatIsNoAnswer:
    @pytest.mark.parametrize(
        ("path", "reply"),
        [
            (CHAT, listed()),
            (CONVERSATION, listed(said("anything", "user"))),
            (CONVERSATION, listed({"type": "reasoning", "summary": []}, {"type": "mcp_call"})),
            (CONVERSATION, listed({"type": "function_call_output", "output": "x", "call_id": "c"})),
            (f"{CHAT}/c/messages", listed({"role": "user", "content": "x"})),
            (FILE, lines(result("a", {"error": {"message": "bad"}}, status=400))),
            (FILE, lines(result("a", {"object": "list", "data": [{"embedding": [1.0]}]}))),
            (FILE, lines({"custom_id": "a", "method": "POST", "url": CHAT, "body": {}})),
            (FILE, lines(result("a", {"id": "modr", "results": [{"flagged": False}]}))),
            (FILE, lines(result("a", {"created": 1, "data": [{"b64_json": "x"}]}))),
            (FILE, b'["custom_id"]\n'),
            (FILE, b'custom_id,text\n1,"{"\n'),
            (FILE, b"%PDF-1.7\n\x00"),
            (FILE, b'{"messages": []}\n{"custom_id": 1}\n'),
            (FILE, b""),
            (RESULTS, lines({"custom_id": "a", "result": {"type": "canceled"}})),
        ],
    )
    async def test_passes_as_it_came(self, path: str, reply: Any) -> None:
        answer = await get(path, reply)
        assert answer.status == 200
        assert answer.body == (reply if isinstance(reply, bytes) else json.dumps(reply).encode())

    async def test_a_large_file_that_is_no_batchs_is_not_held(self) -> None:
        made = Server([b'{"text": "a"}\n', *[b"x" * 2**20] * 4], rules=[{"output": OUTPUT}],
                      max_answer=2**20)  # fmt: skip
        answer = await made.post(b"", FILE, method="GET")
        assert (answer.status, len(answer.body)) == (200, 4 * 2**20 + 14)
        assert max(map(len, answer.pieces)) <= 2**20

    async def test_a_large_batch_is_withheld(self) -> None:
        made = Server([lines(result("a", chat_reply(GOOD)))] * 9, rules=[{"output": OUTPUT}],
                      max_answer=512)  # fmt: skip
        assert (await made.post(b"", FILE, method="GET")).status == 502


DEEP = json.dumps(succeeded("b", GOOD))[:-3] + ', "x": ' + "[" * 200_000 + "]" * 200_000 + "}}}\n"


@pytest.mark.parametrize("before", [b"", lines(succeeded("a", GOOD))], ids=["first", "second"])
@pytest.mark.parametrize("path", [RESULTS, FILE])
async def test_a_result_that_is_nested_too_deeply_to_be_read_is_withheld(
    path: str, before: bytes
) -> None:
    reply = before + DEEP.encode()
    assert (await get(path, reply)).status == 500
    warned = await get(path, reply, output={"schema": "user"})
    assert (warned.body, warned.headers["x-schema-valid"]) == (reply, "unjudged")


@pytest.mark.parametrize(("encoding", "text", "status"), [
    ("gzip", BAD, 500), ("gzip", GOOD, 200), ("br", GOOD, 500), ("identity", GOOD, 200),
])  # fmt: skip
async def test_a_batch_that_comes_compressed_all_the_same_is_read(
    encoding: str, text: str, status: int
) -> None:
    data = lines(result("a", chat_reply(text)))
    made = Server(gzip.compress(data) if encoding == "gzip" else data, rules=[{"output": OUTPUT}])
    made.headers = [(b"content-encoding", encoding.encode())]
    answer = await made.post(b"", FILE, method="GET")
    assert answer.status == status
    assert answer.body == data or status == 500


async def test_others_have_their_turn_while_a_large_batch_is_judged() -> None:
    made = Server(lines(*[result("a", chat_reply(GOOD))] * 2000), rules=[{"output": OUTPUT}])
    asking = asyncio.ensure_future(made.post(b"", FILE, method="GET"))
    turns = 0
    while not asking.done():
        await asyncio.sleep(0)
        turns += 1
    assert asking.result().status == 200
    assert turns > 30


async def test_a_server_is_not_to_send_a_file_past_us() -> None:
    asked: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["extensions"])
        await send(STARTED)
        await send({"type": "http.response.body", "body": b"%PDF"})

    extensions: Any = {"http.response.pathsend": {}, "http.response.zerocopysend": {}, "tls": {}}
    assert (await by(app, FILE, extensions=extensions)).body == b"%PDF"
    assert asked == [{"tls": {}}]


@pytest.mark.parametrize(("text", "status"), [(GOOD, 200), (BAD, 500)])
async def test_a_hint_before_a_reply_is_not_the_reply(text: str, status: int) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.early_hint", "links": []})
        await send(STARTED)
        await send({"type": "http.response.body", "body": json.dumps(chat_reply(text)).encode()})

    assert (await by(app, f"{CHAT}/c_1")).status == status


async def test_a_reply_that_the_server_is_to_send_by_itself_is_withheld() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(STARTED)
        await send({"type": "http.response.pathsend", "path": "/a/file"})

    answer = await by(app, FILE)
    assert (answer.status, answer.headers["x-schema-valid"]) == (500, "unjudged")


STARTED: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}


async def by(app: Any, path: str, **fields: Any) -> Reply:
    """What a client gets of an app of its own."""
    made = Server(b"", rules=[{"output": OUTPUT}])
    middleware = type(made.middleware)(app, {"rules": [{"output": OUTPUT}]}, registry=made.registry)

    async def call(scope: Any, receive: Any, send: Any) -> None:
        await middleware({**scope, **fields}, receive, send)

    made.middleware = cast("Any", call)
    return await made.post(b"", path, method="GET")


async def test_neither_a_part_nor_what_is_compressed_is_asked_for() -> None:
    made = Server(lines(result("a", chat_reply(BAD))), rules=[{"output": OUTPUT}])
    headers = {"range": "bytes=9-", "if-range": "x", "accept-encoding": "br", "x-other": "1"}
    answer = await made.post(b"", FILE, method="GET", headers=headers)
    asked = {name for name, _ in made.scopes[0]["headers"]}
    assert answer.status == 500
    assert asked & {b"range", b"if-range", b"accept-encoding", b"x-other"} == {b"x-other"}


async def test_a_call_in_a_conversation_is_judged_by_its_tools_schema() -> None:
    tools = {"mode": "enforce", "tools": {"find": "user"}}
    assert (await get(CONVERSATION, listed(call("find", GOOD)), output=tools)).status == 200
    assert (await get(CONVERSATION, listed(call("find", BAD)), output=tools)).status == 500


async def test_a_call_put_beside_it_hides_no_text_of_a_conversation() -> None:
    reply = listed(said(BAD), call("other", "{}"))
    assert (await get(CONVERSATION, reply)).status == 500


@pytest.mark.parametrize("header", ["x-http-method-override", "x-method-override"])
async def test_another_method_that_a_header_names_reads_too(header: str) -> None:
    made = Server(listed(said(BAD)), rules=[{"output": OUTPUT}])
    assert (await made.post({"a": 1}, CONVERSATION, headers={header: "GET"})).status == 500


@pytest.mark.parametrize("method", ["get", "QUERY", "PROPFIND"])
async def test_a_method_that_changes_nothing_reads(method: str) -> None:
    made = Server(listed(said(BAD)), rules=[{"output": OUTPUT}])
    assert (await made.post(b"", CONVERSATION, method=method)).status == 500


async def test_adding_items_to_a_conversation_is_no_reading() -> None:
    made = Server(listed(said(BAD)), rules=[{"output": OUTPUT}])
    assert (await made.post({"items": []}, CONVERSATION)).status == 200


async def test_a_rule_whose_output_is_off_leaves_lists_open() -> None:
    off = {"paths": ["/v1/conversations/*"], "output": {"schema": "user", "mode": "off"}}
    rules = [off, {"output": OUTPUT}]
    assert (await get(CONVERSATION, listed(said(BAD)), rules=rules)).status == 200
    assert (await get(FILE, lines(result("a", chat_reply(BAD))), rules=rules)).status == 500


async def test_an_open_path_is_open_for_whom_the_rule_is_alone() -> None:
    off = {"paths": ["/v1/conversations/*"], "output": {"schema": "user", "mode": "off"}}
    for of in ({"headers": {"x-team": "a"}}, {"models": ["big"]}):
        rules = [{**off, **of}, {"output": OUTPUT}]
        assert (await get(CONVERSATION, listed(said(BAD)), rules=rules)).status == 500
    rules = [{**off, "headers": {"x-team": "a"}}, {"output": OUTPUT}]
    reply = listed(said(BAD))
    assert (await get(CONVERSATION, reply, rules=rules, headers={"x-team": "a"})).status == 200


@pytest.mark.parametrize("path", [CHAT, CONVERSATION, f"{CHAT}/c_1"])
async def test_a_root_path_is_not_part_of_it(path: str) -> None:
    reply = chat_reply(BAD) if path.endswith("c_1") else listed(said(BAD))
    made = Server(listed(chat_reply(BAD)) if path == CHAT else reply, rules=[{"output": OUTPUT}])
    answer = await made.post(b"", f"/root{path}", method="GET", root_path="/root")
    assert (answer.status, answer.headers["x-schema-valid"]) == (500, "false")


async def test_a_list_of_an_apps_own_is_none_of_answers() -> None:
    rules = [{"paths": ["/surveys/responses"], "output": OUTPUT}]
    reply = {"surveys": [1, 2]}
    assert (await get("/surveys/responses", reply, rules=rules)).json == reply


async def test_lists_are_judged_in_front_of_a_url_with_a_prefix() -> None:
    for path in (CONVERSATION, FILE):
        reply = listed(said(BAD)) if path == CONVERSATION else lines(result("a", chat_reply(BAD)))
        assert (await get(f"/api{path}", reply, kind=UpstreamMiddleware)).status == 500


RULES = ({"models": ["small"], "output": {"schema": "user"}},
         {"models": ["big"], "output": OUTPUT},
         {"output": {"schema": "user"}})  # fmt: skip


class TestWhichRule:
    """Nobody knows which model a stored answer is of but by what the answer says."""

    @pytest.mark.parametrize(
        ("model", "status"), [("small", 200), ("big", 500), ("big-2026", 500), (None, 500)]
    )
    async def test_is_that_of_the_model_else_the_one_that_enforces(
        self, model: Any, status: int
    ) -> None:
        for path, reply in (
            (CHAT, listed({**chat_reply(BAD), "model": model})),
            (f"{CHAT}/c_1", {**chat_reply(BAD), "model": model}),
            (FILE, lines(result("a", {**chat_reply(BAD), "model": model}))),
        ):
            assert (await get(path, reply, rules=RULES)).status == status

    async def test_is_one_that_a_request_can_come_to(self) -> None:
        rules = [{"output": {"schema": "user"}}, {"models": ["big"], "output": OUTPUT}]
        reply = listed({**chat_reply(BAD), "model": "big"})
        assert (await get(CHAT, reply, rules=rules)).status == 200
        mine = [{"headers": {"x-team": "a"}, "output": {"schema": "user"}}, {"output": OUTPUT}]
        headers = {"x-team": "a"}
        assert (await get(CHAT, reply, rules=mine, headers=headers)).status == 200
        assert (await get(CHAT, reply, rules=mine)).status == 500

    async def test_of_a_file_is_that_of_its_endpoint(self) -> None:
        rules = [{"paths": ["/v1/completions"], "output": {"schema": "user"}}, {"output": OUTPUT}]
        assert (await get(FILE, lines(result("a", chat_reply(BAD))), rules=rules)).status == 500
        text = {"choices": [{"index": 0, "text": BAD}]}
        assert (await get(FILE, lines(result("a", text)), rules=rules)).status == 200


CLIENT = {"schema": "client", "mode": "enforce"}
FORM = {"type": "json_schema", "name": "u", "schema": {"type": "object", "required": ["z"]}}
CHAT_FORM = {"type": "json_schema", "json_schema": {"name": "u", "schema": FORM["schema"]}}


class TestUnderASchemaOfTheClients:
    @pytest.mark.parametrize(
        ("path", "reply"),
        [
            ("/v1/responses/r_1", response(GOOD)),
            (f"{CHAT}/c_1", chat_reply(GOOD)),
            (CHAT, listed(chat_reply(GOOD))),
            (CONVERSATION, listed(said(GOOD))),
            (FILE, lines(result("a", chat_reply(GOOD)))),
        ],
    )
    async def test_what_nobody_knows_the_schema_of_is_withheld_and_counted(
        self, path: str, reply: Any
    ) -> None:
        before = counted("unjudged", subject="unknown")
        assert (await get(path, reply, output=CLIENT)).status == 500
        assert counted("unjudged", subject="unknown") == before + 1
        warned = await get(path, reply, output={"schema": "client"})
        assert (warned.status, warned.headers["x-schema-valid"]) == (200, "unjudged")

    @pytest.mark.parametrize(
        ("path", "reply"),
        [
            ("/v1/responses/r_1", {**response(GOOD), "text": {"format": FORM}}),
            (f"{CHAT}/c_1", {**chat_reply(GOOD), "response_format": CHAT_FORM}),
            (CHAT, listed({**chat_reply(GOOD), "response_format": CHAT_FORM})),
            (FILE, lines(result("a", {**chat_reply(GOOD), "response_format": CHAT_FORM}))),
        ],
    )
    async def test_what_repeats_its_schema_is_judged_by_it(self, path: str, reply: Any) -> None:
        answer = await get(path, reply, output=CLIENT)
        assert (answer.status, answer.headers["x-schema-valid"]) == (500, "false")
        text = json.dumps(reply) if not isinstance(reply, bytes) else reply.decode()
        fits = text.replace('\\"name\\"', '\\"z\\"').replace('\\\\\\"name', '\\\\\\"z')
        good = fits.encode() if isinstance(reply, bytes) else json.loads(fits)
        assert (await get(path, good, output=CLIENT)).status == 200

    @pytest.mark.parametrize(
        "reply",
        [
            {**response("hello"), "text": {"format": {"type": "text"}}, "background": True},
            {**chat_reply("hello"), "response_format": None},
        ],
    )
    async def test_what_says_that_its_request_asked_for_nothing_passes(self, reply: Any) -> None:
        path = "/v1/responses/r_1" if "output" in reply else f"{CHAT}/c_1"
        assert (await get(path, reply, output=CLIENT)).status == 200

    async def test_a_schema_in_it_that_cannot_be_used_is_none(self) -> None:
        form = {"type": "json_schema", "schema": {"type": "nonsense"}}
        reply = {**response(GOOD), "text": {"format": form}}
        assert (await get("/v1/responses/r_1", reply, output=CLIENT)).status == 500

    async def test_a_stream_of_it_is_withheld(self) -> None:
        event = {"type": "response.completed", "response": response(GOOD)}
        stream = [b"data: %b\n\n" % json.dumps(event).encode()]
        assert (await get("/v1/responses/r_1", stream, output=CLIENT)).status == 500

    async def test_the_same_where_a_header_names_the_schema(self) -> None:
        named = {"named_by": {"header": "x-schema", "allow": ["user"]}, "mode": "enforce"}
        path, reply = f"{CHAT}/c_1", chat_reply(GOOD)
        assert (await get(path, reply, output=named)).status == 500
        assert (await get(path, reply, output=named, headers={"x-schema": "user"})).status == 200


async def test_no_schema_to_judge_by_is_503_before_the_server_is_asked() -> None:
    made = Server(listed(chat_reply(GOOD)), rules=[{"output": OUTPUT}])
    made.registry.delete_subject("user")
    answer = await made.post(b"", CHAT, method="GET")
    assert (answer.status, made.requests) == (503, [])


@pytest.mark.parametrize(
    ("reply", "status"),
    [(b"%PDF-1.7", 200), (b"{}\n", 200), (lines(result("a", chat_reply(GOOD))), 503)],
)
async def test_a_file_needs_a_schema_only_where_it_is_a_batchs(reply: bytes, status: int) -> None:
    made = Server(reply, rules=[{"output": OUTPUT}])
    made.registry.delete_subject("user")
    answer = await made.post(b"", FILE, method="GET")
    assert answer.status == status
    assert ("retry-after" in answer.headers) is (status == 503)


async def test_a_live_request_is_judged_as_before() -> None:
    made = Server(chat_reply(BAD), rules=[{"output": OUTPUT}])
    assert (await made.post(chat_request())).status == 500
