"""Log lines about a request name it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from llm_integrations.core.registry import connect
from tests.support.serving_apps import BAD, Server, chat_chunks, chat_reply, chat_request

RULES: list[dict[str, Any]] = [
    {
        "input": {"checks": [{"of": "messages", "schema": "user"}], "mode": "warn"},
        "output": {"schema": "user"},
    }
]


def ids(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [getattr(record, "llmi_request", None) for record in caplog.records]


@pytest.mark.parametrize("header", ["x-request-id", "x-correlation-id"])
async def test_by_the_id_that_it_brings(header: str, caplog: pytest.LogCaptureFixture) -> None:
    made = Server(chat_reply(BAD), rules=RULES)
    await made.post(chat_request(BAD), headers={header: "r-1"})
    assert ids(caplog) == ["r-1", "r-1"]
    assert all(record.getMessage().endswith(" (request r-1)") for record in caplog.records)


@pytest.mark.parametrize("reply", [chat_reply(BAD), chat_chunks(BAD)], ids=["whole", "stream"])
async def test_else_by_the_one_that_its_reply_brings(
    reply: Any, caplog: pytest.LogCaptureFixture
) -> None:
    made = Server(reply, rules=[{"output": {"schema": "user"}}])
    made.headers = [(b"x-request-id", b"server-2")]
    await made.post(chat_request(BAD))
    assert ids(caplog) == ["server-2"]


async def test_without_one_they_are_as_they_were(caplog: pytest.LogCaptureFixture) -> None:
    await Server(chat_reply(BAD)).post()
    assert ids(caplog) == [None]
    assert "request" not in caplog.text


@pytest.mark.parametrize("given", ["a\nERROR fake", "a\tb", "\x1b[31m", "ä", ""])
async def test_an_id_writes_no_lines_of_its_own(
    given: str, caplog: pytest.LogCaptureFixture
) -> None:
    await Server(chat_reply(BAD)).post(headers={"x-request-id": given})
    assert ids(caplog) == [None]


async def test_a_long_one_is_cut_and_a_percent_sign_is_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await Server(chat_reply(BAD)).post(headers={"x-request-id": "%s" * 1000})
    assert ids(caplog) == ["%s" * 64]
    assert "%s%s" in caplog.text


async def test_requests_beside_each_other_keep_their_own(caplog: pytest.LogCaptureFixture) -> None:
    made = Server(chat_reply(BAD))
    names = [f"r-{number}" for number in range(20)]
    await asyncio.gather(*(made.post(headers={"x-request-id": name}) for name in names))
    assert sorted(ids(caplog)) == sorted(names)


async def test_what_is_not_judged_names_it_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    headers = {"x-request-id": "r-1"}
    await Server(b"{}", rules=RULES).post(chat_request("{"), headers=headers)
    await Server(b"{}", rules=RULES).post(headers={**headers, "content-type": "text/csv"})
    away = connect("http://127.0.0.1:9")
    await Server(b"{}", rules=RULES, registry=away).post(chat_request("{"), headers=headers)
    assert len(ids(caplog)) > 3
    from_us = [r for r in caplog.records if "registry.cache" not in r.name]
    assert {getattr(record, "llmi_request", None) for record in from_us} == {"r-1"}
