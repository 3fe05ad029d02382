"""Invalid answers are set aside, without their data unless that is asked for."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord
from llm_integrations.core.validation import compile_validator
from llm_integrations.serving import load_config
from llm_integrations.serving.runtime.set_aside import SetAside
from tests.support.serving_apps import (
    BAD,
    CHAT,
    GOOD,
    USER,
    Reply,
    Server,
    chat_chunks,
    chat_reply,
    chat_request,
)

SECRET = '{"name": "Ann Smith", "age": "forty-one"}'
CALL = {"type": "function", "function": {"name": "save", "arguments": SECRET}}


class Kept:
    """A server with a quarantine, and what is in that once the server has stopped."""

    def __init__(self, folder: Path, *replies: Any, redact: bool | None = None, **output: Any):
        self.folder = folder / "invalid"
        options = {} if redact is None else {"redact": redact}
        rules = [{"name": "users", "output": {"schema": "user", **output}}]
        quarantine = {"folder": str(self.folder), **options}
        self.server = Server(*replies, rules=rules, quarantine=quarantine)

    async def asked(self, *ids: str, **fields: Any) -> Reply:
        reply = Reply()
        for name in ids or ("r-1",):
            headers = {"x-request-id": name}
            reply = await self.server.post(chat_request("My secret", **fields), headers=headers)
        return reply

    async def records(self) -> list[QuarantinedRecord]:
        await self.server.middleware.stop()
        return list(Quarantine(self.folder).records())


async def test_what_is_kept_says_what_was_wrong_and_where_and_holds_no_data(tmp_path: Path) -> None:
    kept = Kept(tmp_path, chat_reply(GOOD, SECRET))
    await kept.asked()
    (record,) = await kept.records()
    assert record.errors[0].path == "/age"
    assert record.errors[0].message == "is a string, not an integer"
    assert (record.schema, record.source) == ("user@1", "serving/users")
    about = {"request_id": "r-1", "place": "choice 1", "characters": len(SECRET)}
    assert record.value == about
    for part in Quarantine(kept.folder).parts():
        for told in ("Ann", "forty", "secret", "role"):
            assert told not in part.read_text()


async def test_no_schema_releases_what_holds_no_data(tmp_path: Path) -> None:
    kept = Kept(tmp_path, chat_reply(SECRET))
    await kept.asked()
    await kept.records()
    released: list[Any] = []
    anything = compile_validator({}, subject="user", reference="user@2")
    result = Quarantine(kept.folder).release(anything, released.extend)
    assert (result.released, result.kept, released) == (0, 1, [])


async def test_unredacted_it_is_the_answer_and_its_request(tmp_path: Path) -> None:
    kept = Kept(tmp_path, chat_reply(SECRET), redact=False)
    await kept.asked()
    (record,) = await kept.records()
    assert record.judged == json.loads(SECRET)
    assert record.value["answer"] == SECRET
    assert record.value["request"] == chat_request("My secret")
    relaxed = compile_validator({**USER, "properties": {}}, subject="user", reference="user@2")
    released: list[Any] = []
    assert Quarantine(kept.folder).release(relaxed, released.extend).released == 1


@pytest.mark.parametrize("text", ["no JSON at all", "", '"half', "[" * 2000])
async def test_an_answer_that_is_no_json_is_its_text(tmp_path: Path, text: str) -> None:
    kept = Kept(tmp_path, chat_reply(text), redact=False)
    await kept.asked()
    (record,) = await kept.records()
    assert (record.judged, record.value["answer"]) == (text, text)


REPLIES: dict[str, tuple[Any, dict[str, Any], str]] = {
    "a stream": (chat_chunks(SECRET), {"mode": "enforce"}, "choice 0"),
    "a held stream": (chat_chunks(SECRET), {"mode": "enforce", "stream": "hold"}, "choice 0"),
    "a dropped choice": (
        chat_reply(SECRET, GOOD),
        {"mode": "enforce", "on_invalid": "drop_choice"},
        "choice 0",
    ),
    "a tool call": (
        chat_reply(None, calls=[CALL]),
        {"tools": {"save": "user"}},
        "choice 0, tool 'save'",
    ),
    "a part": (
        {**chat_reply(GOOD), "meta": json.loads(SECRET)},
        {"checks": [{"of": "/meta", "schema": "user"}]},
        "meta",
    ),
}


@pytest.mark.parametrize("name", REPLIES)
async def test_every_kind_of_answer_is(tmp_path: Path, name: str) -> None:
    reply, output, place = REPLIES[name]
    kept = Kept(tmp_path, reply, redact=False, **output)
    await kept.asked(stream=isinstance(reply, list))
    (record,) = await kept.records()
    assert record.judged == json.loads(SECRET)
    assert record.value["place"] == place


async def test_one_that_was_asked_for_again_is_kept_too(tmp_path: Path) -> None:
    kept = Kept(tmp_path, chat_reply(SECRET), chat_reply(BAD), retries=1, mode="enforce")
    await kept.asked()
    assert len(await kept.records()) == 2


async def test_the_same_answer_twice_is_two(tmp_path: Path) -> None:
    kept = Kept(tmp_path, chat_reply(SECRET))
    await kept.asked("r-1", "r-2", "r-2")
    records = await kept.records()
    assert sorted(record.value["request_id"] for record in records) == ["r-1", "r-2", "r-2"]


async def test_valid_answers_and_invalid_requests_are_not(tmp_path: Path) -> None:
    kept = Kept(tmp_path, chat_reply(GOOD))
    await kept.asked()
    assert await kept.records() == []
    assert not kept.folder.exists()


async def test_a_full_one_takes_no_more_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Kept(tmp_path, chat_reply(SECRET))
    await kept.asked()
    assert len(await kept.records()) == 1
    options = {"folder": str(kept.folder), "max_bytes": 10}
    again = Server(chat_reply(SECRET), quarantine=options)
    for _ in range(3):
        await again.post()
    await again.middleware.stop()
    assert len(list(Quarantine(kept.folder).records())) == 1
    assert caplog.text.count("is full") == 1


async def test_a_folder_that_cannot_be_written_stops_no_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "invalid").write_text("a file")
    kept = Kept(tmp_path, chat_reply(SECRET))
    assert (await kept.asked()).status == 200
    await kept.server.middleware.stop()
    assert "1 invalid answers were not set aside" in caplog.text
    assert "Ann" not in caplog.text


async def test_what_the_disk_does_not_take_in_time_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    goes_on = threading.Event()
    add = Quarantine.add

    def slow(*args: Any, **fields: Any) -> Any:
        goes_on.wait(10)
        return add(*args, **fields)

    monkeypatch.setattr(Quarantine, "add", slow)
    monkeypatch.setattr(f"{SetAside.__module__}._MOST_WAITING", 3 * 2**16)
    kept = Kept(tmp_path, chat_reply(SECRET))
    await kept.asked(*"12345678")
    goes_on.set()
    assert len(await kept.records()) == 3
    assert caplog.text.count("the disk is too slow") == 5


async def test_a_folder_alone_will_do(tmp_path: Path) -> None:
    made = Server(chat_reply(BAD), quarantine=str(tmp_path / "q"))
    await made.post(path=CHAT)
    await made.middleware.stop()
    assert len(Quarantine(tmp_path / "q")) == 1


@pytest.mark.parametrize("given", ["", {}, {"folder": "q", "redact": "some"}, 5])
def test_what_is_no_folder_is_told(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="quarantine"):
        load_config({"rules": [{"output": {"schema": "user"}}], "quarantine": given})
