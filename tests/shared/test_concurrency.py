"""Event loops on threads of their own: outcomes, cancelling, the end of the process, fork."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest

from llm_integrations.core.concurrency.loop_thread import LoopThread


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    made = LoopThread("a-test")
    yield made
    made.stop()


async def _name_of_thread() -> str:
    return threading.current_thread().name


async def _raise(error: BaseException) -> None:
    raise error


def test_a_coroutine_runs_on_the_thread_and_its_result_comes_back(thread: LoopThread) -> None:
    assert not thread.is_running
    assert thread.run(_name_of_thread()).result(60) == "a-test"
    assert thread.is_running


async def test_a_caller_with_a_loop_awaits_it(thread: LoopThread) -> None:
    assert await thread.call(_name_of_thread()) == "a-test"

    async def calls_again() -> str:
        assert thread.is_current
        return await thread.call(_name_of_thread())

    assert await thread.call(calls_again()) == "a-test"


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt()])
def test_an_error_is_the_callers_and_the_loop_goes_on(
    thread: LoopThread, error: BaseException
) -> None:
    with pytest.raises(type(error)):
        thread.run(_raise(error)).result(60)
    assert thread.run(_name_of_thread()).result(60) == "a-test"


def test_cancelling_the_future_cancels_the_coroutine(thread: LoopThread) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    future = thread.run(wait())
    assert begun.wait(60)
    assert future.cancel()
    assert cancelled.wait(60)


def test_cancelling_before_the_coroutine_began_is_no_warning(thread: LoopThread) -> None:
    for _ in range(50):
        thread.run(_name_of_thread()).cancel()
    assert thread.run(_name_of_thread()).result(60) == "a-test"


def test_stopping_cancels_what_runs_and_the_next_call_starts_anew(thread: LoopThread) -> None:
    waiting = thread.run(asyncio.sleep(60))
    thread.run(_name_of_thread()).result(60)
    thread.stop()
    with pytest.raises(CancelledError):
        waiting.result(60)
    assert not thread.is_running
    assert thread.run(_name_of_thread()).result(60) == "a-test"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_starts_a_loop_of_its_own() -> None:
    assert _run(
        "waiting = thread.run(asyncio.sleep(60))",
        "thread.run(asyncio.sleep(0)).result(60)",
        "pid = os.fork()",
        "if pid == 0:",
        "    assert not thread.is_running",
        "    thread.run(asyncio.sleep(0)).result(60)",
        "    os._exit(7)",
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))",
    ) == ("7", "")


def test_the_end_of_the_process_cancels_what_runs_without_a_word() -> None:
    said, complaints = _run(
        "async def wait():",
        "    try:",
        "        await asyncio.sleep(60)",
        "    finally:",
        "        print('cancelled')",
        "future = thread.run(wait())",
        "thread.run(asyncio.sleep(0)).result(60)",
    )
    assert (said, complaints) == ("cancelled", "")


def _run(*lines: str) -> tuple[str, str]:
    start = (
        "import asyncio, os",
        "from llm_integrations.core.concurrency.loop_thread import LoopThread",
        "thread = LoopThread('a-test')",
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join([*start, *lines])],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip(), done.stderr.strip()


def test_names_that_nobody_answers_hold_up_no_other_work(
    thread: LoopThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, asked = threading.Event(), threading.Semaphore(0)

    def hangs(*_: object, **__: object) -> list[object]:
        asked.release()
        answered.wait(60)
        return []

    async def look_up(host: str) -> object:
        return await asyncio.get_running_loop().getaddrinfo(host, 80, type=socket.SOCK_STREAM)

    async def work() -> str:
        return await asyncio.to_thread(lambda: "done")

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    waiting = [thread.run(look_up(f"host-{number}.example")) for number in range(40)]
    try:
        assert asked.acquire(timeout=60)
        assert thread.run(work()).result(30) == "done"
        assert not any(one.done() for one in waiting)
    finally:
        answered.set()
    assert [one.result(30) for one in waiting] == [[]] * 40


def test_names_are_looked_up_as_ever(thread: LoopThread) -> None:
    async def connect() -> str:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "localhost", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("localhost", port)
        said = await reader.read()
        writer.close()
        server.close()
        return said.decode()

    assert thread.run(connect()).result(30) == ""
