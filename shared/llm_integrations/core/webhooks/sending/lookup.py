"""Resolving host names in threads, so that a hanging look-up delays only its endpoint."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, TypeAlias

from llm_integrations.core.webhooks.addresses import Address

__all__ = ["LookupBusy", "Resolver", "resolve"]

Resolver: TypeAlias = Callable[[str, int], Awaitable[list[Address]]]

_MOST_STUCK: Final = 2
# The look-ups under way, by name. Changed by single operations only, from any thread.
_running: Final[dict[str, set[object]]] = {}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_running.clear)  # their threads stayed in the parent


class LookupBusy(Exception):
    """Earlier look-ups of this name still hang, so no further one was begun."""


async def resolve(host: str, port: int) -> list[Address]:
    """The addresses of a host, by the system's resolver, in its order of preference.

    The resolver cannot be interrupted. Each look-up has a thread of its own, which a caller that
    gives up leaves behind; of one name two may be left, and further ones are not begun.

    Raises:
        LookupBusy: see there.
        OSError, UnicodeError: there is no such name.
    """
    running = _running.setdefault(host, set())
    if len(running) >= _MOST_STUCK:
        raise LookupBusy
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[Any]] = loop.create_future()

    def look_up() -> None:
        try:
            answer: Any = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except Exception as error:  # noqa: BLE001 - it is the caller's to handle
            answer = error
        running.discard(found)
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(_settle, found, answer)

    running.add(found)
    try:
        threading.Thread(target=look_up, name="llm-integrations-lookup", daemon=True).start()
    except RuntimeError:  # the system has no more threads
        running.discard(found)
        raise LookupBusy from None
    return [ipaddress.ip_address(entry[4][0]) for entry in await found]


def _settle(found: asyncio.Future[list[Any]], answer: Any) -> None:
    if found.done():  # nobody waits any more
        return
    if isinstance(answer, Exception):
        found.set_exception(answer)
    else:
        found.set_result(answer)
