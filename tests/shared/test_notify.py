"""Notices: an owner is told once for an event, or the event comes again."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from llm_integrations.core.config import BearerAuth
from llm_integrations.core.errors import ConfigurationError, WebhookError
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.notify import (
    CallableNotifier,
    LogNotifier,
    Notice,
    WebhookNotifier,
    notifier_for,
)
from llm_integrations.core.webhooks import WebhookConfig

EVENT = SchemaEvent.updated("id", "com.example", "user", 2, 1, event_id="change-1")
NOTICE = Notice("team-a", EVENT, ("greeting/prompt-1",), "user changed", "# Guide", breaking=True)


class Chat:
    """A chat tool on a socket; answers with the next of ``statuses``, then 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: list[tuple[dict[str, str], Any]] = []
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                chat.got.append((dict(self.headers), json.loads(body)))
                self.send_response(chat.statuses.pop(0) if chat.statuses else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Tests read ``got``."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def chat() -> Iterator[Chat]:
    chat = Chat()
    thread = threading.Thread(target=chat.server.serve_forever)
    thread.start()
    yield chat
    chat.server.shutdown()
    thread.join()
    chat.server.server_close()


def quick(url: str, **kwargs: Any) -> WebhookConfig:
    return WebhookConfig(url, backoff_secs=0.001, max_backoff_secs=0.002, **kwargs)


async def test_the_log_names_owner_and_event_and_carries_the_guide(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await LogNotifier().notify(NOTICE)
    [record] = caplog.records
    assert "team-a" in record.getMessage()
    assert record.__dict__["llmi_guide"] == "# Guide"


async def test_functions_are_called_sync_or_async() -> None:
    told: list[Notice] = []

    async def later(notice: Notice) -> None:
        told.append(notice)

    await notifier_for(told.append).notify(NOTICE)
    await notifier_for(later).notify(NOTICE)
    assert told == [NOTICE, NOTICE]
    assert isinstance(notifier_for(None), LogNotifier)
    given = CallableNotifier(told.append)
    assert notifier_for(given) is given
    with pytest.raises(ConfigurationError, match="notify"):
        notifier_for(7)  # type: ignore[arg-type]


async def test_a_chat_tool_gets_a_text_with_the_guide(chat: Chat) -> None:
    config = quick(chat.url, auth=BearerAuth("token"), headers={"X-Room": "schemas"})
    await WebhookNotifier(config, allow_private=True).notify(NOTICE)
    [(headers, body)] = chat.got
    assert body["text"].startswith("user changed\n\n- greeting/prompt-1\n\n# Guide")
    lower = {name.lower(): value for name, value in headers.items()}
    assert lower["webhook-id"] == "change-1"
    assert lower["x-room"] == "schemas"
    assert lower["authorization"] == "Bearer token"


async def test_a_service_gets_the_fields(chat: Chat) -> None:
    notifier = WebhookNotifier(quick(chat.url), template=Notice.to_dict, allow_private=True)
    await notifier.notify(NOTICE)
    assert chat.got[0][1]["affected"] == ["greeting/prompt-1"]
    assert chat.got[0][1]["breaking"] is True


async def test_a_passing_failure_is_tried_again_and_a_lasting_one_raises(chat: Chat) -> None:
    notifier = WebhookNotifier(quick(chat.url), allow_private=True)
    chat.statuses = [503, 503]
    await notifier.notify(NOTICE)
    assert len(chat.got) == 3
    chat.statuses = [500] * 9
    with pytest.raises(WebhookError, match="HTTP 500"):
        await notifier.notify(NOTICE)


def test_private_addresses_need_leave(chat: Chat) -> None:
    with pytest.raises(ConfigurationError, match="allow_private"):
        WebhookNotifier(chat.url)


def test_telling_by_function_needs_no_extra_for_webhooks() -> None:
    code = (
        "import sys; from llm_integrations.core import notify; notify.notifier_for(print);"
        "assert 'llm_integrations.core.webhooks' not in sys.modules; notify.WebhookNotifier;"
        "assert 'llm_integrations.core.webhooks' in sys.modules;"
        "assert not hasattr(notify, 'PagerNotifier')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
