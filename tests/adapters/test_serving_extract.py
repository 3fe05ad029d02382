"""JSON inside a text that holds more, and versions that are tried on live traffic."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.serving import load_config
from llm_integrations.serving.judging.extract import extracted
from tests.support.serving_apps import (
    BAD,
    GOOD,
    Server,
    chat_chunks,
    chat_reply,
    chat_request,
    counted,
    registry_with_user,
    started,
)

ALL = ("fences", "think", "first_json")
TEXTS: dict[str, tuple[str, str]] = {
    "a fence": ("fences", f"Here:\n```json\n{GOOD}\n```\nDone."),
    "a fence of no language": ("fences", f"```\n{GOOD}\n```"),
    "thoughts": ("think", f"<think>\nhm, {{}}\n</think>\n{GOOD}"),
    "the end of thoughts": ("think", f"well then\n</think>\n\n{GOOD}"),
    "words before it": ("first_json", f"The user is {GOOD}, I think."),
    "braces that are none": ("first_json", f"set {{x}} and [y, then {GOOD}"),
}


class TestExtract:
    @pytest.mark.parametrize("name", TEXTS)
    async def test_finds_what_is_judged(self, name: str) -> None:
        way, text = TEXTS[name]
        output = {"schema": "user", "mode": "enforce", "extract": way}
        reply = await Server(chat_reply(text), rules=[{"output": output}]).post()
        assert (reply.status, reply.json) == (200, chat_reply(text))
        assert reply.headers["x-schema-valid"] == "true"
        assert reply.headers["x-schema-extracted"] == way
        bad = text.replace(GOOD, BAD)
        assert (await Server(chat_reply(bad), rules=[{"output": output}]).post()).status == 500

    @pytest.mark.parametrize("name", TEXTS)
    async def test_is_off_by_default(self, name: str) -> None:
        output = {"schema": "user", "mode": "enforce"}
        made = Server(chat_reply(TEXTS[name][1]), rules=[{"output": output}])
        assert (await made.post()).status == 500

    async def test_leaves_json_alone(self) -> None:
        output = {"schema": "user", "extract": list(ALL)}
        reply = await Server(chat_reply(GOOD), rules=[{"output": output}]).post()
        assert "x-schema-extracted" not in reply.headers

    async def test_several_ways_work_together_and_in_streams(self) -> None:
        text = f"<think>x</think>So:\n```json\n{GOOD}\n```"
        output = {"schema": "user", "mode": "enforce", "extract": list(ALL)}
        reply = await Server(chat_reply(text), rules=[{"output": output}]).post()
        assert reply.headers["x-schema-extracted"] == "think, fences"
        chunks = chat_chunks(text)
        stream = Server(chunks, rules=[{"output": output}])
        assert (await stream.post(chat_request(stream=True))).body == b"".join(chunks)

    def test_another_way_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="extract"):
            load_config({"rules": [{"output": {"schema": "user", "extract": "regex"}}]})

    @given(st.text(alphabet='{}[]"`:,\n <>/think1', max_size=60))
    def test_whatever_it_finds_is_in_the_text(self, text: str) -> None:
        found, used = extracted(text, ALL)
        assert found in text
        assert bool(used) or found == text
        if "first_json" in used:
            json.loads(found)


STRICT = {"type": "object", "properties": {"age": {"maximum": 10}}}


class TestShadow:
    def server(self, *replies: Any, **output: Any) -> Server:
        registry = registry_with_user()
        registry.register("strict", STRICT)
        rules = [{"output": {"schema": "user", "shadow": "strict@1", **output}}]
        return Server(*replies, rules=rules, registry=registry)

    @pytest.mark.parametrize(("answer", "outcome"), [(GOOD, "invalid"), ('{"age": 1}', "valid")])
    async def test_is_judged_and_counted_and_never_enforced(
        self, answer: str, outcome: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        before = counted(outcome, subject="strict", module="serving_shadow")
        reply = await self.server(chat_reply(answer)).post()
        assert reply.status == 200
        assert reply.headers["x-schema"] == "user@1"
        assert counted(outcome, subject="strict", module="serving_shadow") == before + 1
        assert ("serving_shadow output: does not satisfy strict@1" in caplog.text) is (
            outcome == "invalid"
        )

    async def test_under_enforce_and_in_streams_too(self) -> None:
        before = counted("invalid", subject="strict", module="serving_shadow")
        assert (await self.server(chat_reply(GOOD), mode="enforce").post()).status == 200
        chunks = chat_chunks(GOOD)
        made = self.server(chunks, mode="enforce")
        assert (await made.post(chat_request(stream=True))).body == b"".join(chunks)
        assert counted("invalid", subject="strict", module="serving_shadow") == before + 2

    async def test_of_a_request(self) -> None:
        registry = registry_with_user()
        registry.register("strict", STRICT)
        checks = [{"of": "messages", "schema": "user", "shadow": "strict"}]
        made = Server(chat_reply(GOOD), rules=[{"input": {"checks": checks}}], registry=registry)
        before = counted("invalid", "input", "strict", "serving_shadow")
        assert (await made.post(chat_request(GOOD))).status == 200
        assert counted("invalid", "input", "strict", "serving_shadow") == before + 1

    async def test_one_that_is_lost_stops_nothing(self) -> None:
        made = self.server(chat_reply(GOOD), mode="enforce")
        made.registry.delete_subject("strict")
        assert (await made.post()).status == 200
        assert (await made.post()).headers["x-schema-valid"] == "true"

    async def test_a_misspelt_one_ends_the_start(self) -> None:
        made = self.server(chat_reply(GOOD), shadow="strickt@1")
        async with started(made.middleware) as said:
            assert "strickt@1" in said[0]["message"]
