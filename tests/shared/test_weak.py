"""What is collected where the stack ends tells nobody of an error, and is cleared away later."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from llm_integrations.core.concurrency.weak import HeldWeakly, Keepers, OneEach
from llm_integrations.core.registry import connect, resolve_registry
from tests.support.clients import OBJECT, server
from tests.support.patience import until
from tests.support.registry_server import RegistryServer

__all__ = ["server"]


class Thing:
    pass


def go_down(steps: int, act: Callable[[], object]) -> None:
    if steps:
        go_down(steps - 1, act)
    else:
        act()


def collect_at_the_end(above: int) -> None:
    """Where the stack has room for so many calls more."""
    steps = sys.getrecursionlimit()
    while True:
        try:
            go_down(steps, gc.isenabled)
            break
        except RecursionError:
            steps -= 1
    go_down(steps - above, gc.collect)


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[type[BaseException] | None]]:
    """Of callbacks; nothing else is collected meanwhile."""
    seen: list[type[BaseException] | None] = []
    gc.collect()
    gc.disable()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "unraisablehook", lambda told: seen.append(told.exc_type))
        yield seen
    gc.enable()


def a_client(make: Callable[[], Any]) -> None:
    client = make()
    assert client.aio.sync is client  # a cycle, which only the collector finds


@pytest.mark.parametrize("url", ["memory://", "http://127.0.0.1:9"])
@pytest.mark.parametrize("make", [connect, resolve_registry])
def test_a_client_that_is_collected_where_the_stack_ends_fails_at_nothing(
    url: str, make: Callable[[str], Any], failures: list[Any]
) -> None:
    for calls in range(12):
        a_client(lambda: make(url))
        collect_at_the_end(calls)
    assert failures == []


def test_its_connections_are_closed_all_the_same(
    server: RegistryServer, failures: list[Any]
) -> None:
    server.add("s", OBJECT)

    def made() -> Any:
        client = connect(server.url)
        client.get("s")
        return client

    a_client(made)
    assert len(server._writers) == 1
    collect_at_the_end(2)
    until(lambda: not server._writers)
    assert failures == []


def test_a_shared_client_is_made_anew_once_nobody_holds_it() -> None:
    first = resolve_registry("memory://")
    assert resolve_registry("memory://") is first
    first.register("s", OBJECT)
    del first
    gc.collect()
    assert resolve_registry("memory://").subjects() == []


def test_things_are_held_weakly_each_once() -> None:
    things = [Thing() for _ in range(40)]
    held = HeldWeakly[Thing]()
    for thing in [*things, *things]:
        held.add(thing)
    assert list(held) == things
    held.discard(things.pop())
    assert list(held) == things
    for _ in range(1000):
        held.add(Thing())
    assert list(held) == things
    assert len(vars(held)["_references"]) < 200


def test_what_is_to_be_done_is_done_once_and_not_before() -> None:
    acts, done, keepers = Keepers(), list[int](), [Thing(), Thing()]
    acts.when_gone(keepers[0], partial(done.append, 0))
    acts.when_gone(keepers[1], partial(done.append, 1))
    acts.look()
    assert done == []
    del keepers[0]
    acts.look()
    acts.look()
    assert done == [0]


def test_each_has_one_value_for_as_long_as_it_is_held() -> None:
    values, things = OneEach[Thing, Thing](Thing), [Thing() for _ in range(40)]
    made = [values.of(thing) for thing in things]
    assert [values.of(thing) for thing in things] == made
    for _ in range(1000):
        assert values.of(Thing()) not in made
    assert len(vars(values)["_made"]) < 60
