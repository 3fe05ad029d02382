"""Replies of our own, and verdicts in the headers of those that nothing judges."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from llm_integrations.serving.asgi.types import Headers, Message, Send
from llm_integrations.serving.judging.verdicts import Verdicts
from llm_integrations.serving.shapes.base import Body
from llm_integrations.serving.shapes.failure import Failure

__all__ = [
    "failure_messages",
    "json_reply",
    "kept_headers",
    "telling",
    "with_headers",
    "without_encoding",
]


_KEPT: Final = (b"access-control-", b"vary", b"x-request-id", b"x-correlation-id")


def json_reply(
    status: int, content: Any, headers: Iterable[tuple[bytes, bytes]] = (), *, head: bool = False
) -> tuple[Message, Message]:
    """A whole reply; ``head`` leaves its body out."""
    body = json.dumps(content).encode()
    fixed = (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))
    return (
        {"type": "http.response.start", "status": status, "headers": [*fixed, *headers]},
        {"type": "http.response.body", "body": b"" if head else body},
    )


def failure_messages(write: Callable[[Failure], Body], failure: Failure) -> tuple[Message, Message]:
    """A whole reply that says what went wrong, as ``write`` does."""
    return json_reply(failure.status, write(failure), failure.headers)


def telling(send: Send, verdicts: Verdicts, *, always: bool) -> Send:
    """A ``send`` that adds the verdict on the request to a reply that is not judged itself.

    Not ``always``, only if the app lets the client in, is a stranger told.
    """

    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start" and (always or message["status"] < 300):
            message = with_headers(message, verdicts.headers())
        await send(message)

    return tell


def kept_headers(start: Message) -> Headers:
    """What layers of the server gave to a reply that is withheld, and ours needs too."""
    return [
        (name, value)
        for name, value in start.get("headers") or ()
        if name.lower().startswith(_KEPT)
    ]


def without_encoding(start: Message) -> Message:
    """The start of a reply that goes out as it was before it was compressed."""
    kept = [
        (name, value)
        for name, value in start["headers"]
        if name.lower() not in (b"content-encoding", b"content-length")
    ]
    return {**start, "headers": kept}


def with_headers(start: Message, headers: Headers) -> Message:
    """The start of a reply with further headers."""
    return {**start, "headers": [*(start.get("headers") or ()), *headers]}
