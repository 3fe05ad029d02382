"""Tool calls, in whatever pieces and forms they come."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.serving_apps import BAD, GOOD, Server, chat_reply, chat_request, counted, sse

TOOLS = [{"type": "function", "function": {"name": name}} for name in ("save", "other")]
STREAM = chat_request(stream=True, tools=TOOLS)
OUTPUT = {"mode": "enforce", "tools": {"save": "user"}}
FREE = {"type": "object"}
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
