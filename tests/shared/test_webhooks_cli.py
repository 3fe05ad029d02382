"""``webhook serve`` as a process of its own, and ``webhook replay``."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from typer.testing import CliRunner, Result

from llm_integrations.core.cli.commands.webhook import replay, serve
from llm_integrations.core.errors import ConfigurationError, WebhookError
from llm_integrations.core.webhooks import WebhookConfig, WebhookDispatcher
from tests.support.certificates import make_certificates
from tests.support.events import event
from tests.support.webhooks import SECRET, Reply, endpoint, signed

VARIABLE = "LLM_INTEGRATIONS_WEBHOOK_SECRET"


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command("serve")(serve)
    app.command("replay")(replay)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@contextmanager
def serving(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a process; yields it and the URL that it listens on."""
    command = "llm_integrations.core.cli.commands.webhook"
    code = f"import typer; from {command} import serve; typer.run(serve)"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--port", "0", *map(str, arguments)],
        env={**os.environ, VARIABLE: SECRET},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stderr
    try:
        yield process, process.stderr.readline().removeprefix("listening on ").strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def post(url: str, sent: Any, **options: Any) -> int:
    body, headers = signed(sent)
    return httpx.post(url, content=body, headers=headers, trust_env=False, **options).status_code


def test_serve_prints_each_event_as_a_line_of_json_and_ends_at_a_signal(tmp_path: Path) -> None:
    with serving("--inbox", tmp_path / "inbox.db") as (process, url):
        assert process.stdout
        first, second = event(version=1), event(version=2)
        assert [post(url, sent) for sent in (first, first, second)] == [200] * 3
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert [line["id"] for line in lines] == [first.event_id, second.event_id]
        assert lines[0]["specversion"] == "1.0"
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def test_serve_speaks_https(tmp_path: Path) -> None:
    import ssl

    certificates = make_certificates(tmp_path, "localhost")
    options = ("--cert", certificates.cert, "--key", certificates.key)
    with serving("--inbox", tmp_path / "inbox.db", *options) as (_, url):
        assert url.startswith("https://")
        context = ssl.create_default_context(cafile=str(certificates.ca))
        assert post(url, event(), verify=context) == 200


def test_serve_needs_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    result = run("serve", "--inbox", tmp_path / "inbox.db", "--port", 0)
    assert isinstance(result.exception, ConfigurationError)
    assert VARIABLE in str(result.exception)


def test_serve_says_when_it_cannot_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    result = run("serve", "--inbox", tmp_path / "inbox.db", "--host", "203.0.113.1")
    assert isinstance(result.exception, WebhookError)
    assert "cannot listen on 203.0.113.1:8080" in str(result.exception)


async def dead_letters(outbox: Path, url: str, count: int) -> None:
    config = WebhookConfig(url, secret=SECRET, max_retries=0)
    async with WebhookDispatcher([config], outbox, allow_private=True) as webhooks:
        for version in range(count):
            await webhooks.dispatch(event(version=version))
        await webhooks.flush(60)
        assert len(await webhooks.dead_letters()) == count


async def test_replay_lists_queues_and_discards_dead_letters(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox.db"
    async with endpoint() as server:
        server.default = Reply(404)
        await dead_letters(outbox, server.url, 3)
        listed = run("replay", outbox, "--list", "--json")
        letters = json.loads(listed.stdout)
        assert [letter["reason"] for letter in letters] == ["HTTP 404"] * 3
        assert "HTTP 404" in run("replay", outbox, "--list").stdout

        first, second, _ = (letter["id"] for letter in letters)
        discarded = run("replay", outbox, "--id", first, "--discard", "--json")
        assert json.loads(discarded.stdout) == {"discarded": 1}
        assert run("replay", outbox, "--endpoint", "https://other.example/").stdout == "0 queued\n"
        assert run("replay", outbox, "--id", second).stdout == "1 queued\n"
        listed = run("replay", outbox, "--list", "--json", "--id", letters[2]["id"])
        assert len(json.loads(listed.stdout)) == 1


async def test_a_running_dispatcher_delivers_what_replay_queued(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox.db"
    async with endpoint() as server:
        server.default = Reply(404)
        await dead_letters(outbox, server.url, 1)
        server.default = Reply(200)
        server.requests.clear()
        config = WebhookConfig(server.url, secret=SECRET)
        async with WebhookDispatcher([config], outbox, allow_private=True, poll=0.02):
            result = await asyncio.to_thread(run, "replay", outbox)
            assert result.exit_code == 0
            for _ in range(1000):
                if server.requests:
                    break
                await asyncio.sleep(0.01)
    assert len(server.requests) == 1


async def test_replay_delivers_by_itself_and_says_with_its_exit_code_whether_it_could(
    tmp_path: Path,
) -> None:
    outbox, secrets = tmp_path / "outbox.db", tmp_path / "secrets"
    secrets.write_text(SECRET)
    async with endpoint() as server:
        server.default = Reply(404)
        await dead_letters(outbox, server.url, 2)
        options = ("--deliver", server.url, "--allow-private", "--secret-file", secrets)
        failed = await asyncio.to_thread(run, "replay", outbox, *options)
        assert failed.exit_code == 1
        server.default = Reply(200)
        done = await asyncio.to_thread(run, "replay", outbox, *options)
        assert done.exit_code == 0
    assert len(server.requests) == 6


def test_replay_needs_an_outbox_that_exists(tmp_path: Path) -> None:
    assert run("replay", tmp_path / "none.db").exit_code == 2
    assert not (tmp_path / "none.db").exists()
