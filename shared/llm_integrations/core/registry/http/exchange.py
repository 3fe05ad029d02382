"""HTTP as values, so that the protocols need no client and no event loop.

An operation is a generator: it yields requests, is sent the responses and returns its result.
RegistryUnavailable and RegistryProtocolError are thrown into it where a request went wrong.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from llm_integrations.core.errors import (
    InvalidSchema,
    RegistryAuthError,
    RegistryProtocolError,
    RegistryUnavailable,
)
from llm_integrations.core.model.schema import JsonSchema
from llm_integrations.core.registry.http.credentials import redact_url

__all__ = [
    "LOGIN_WANTED",
    "HttpRequest",
    "HttpResponse",
    "Operation",
    "ReplyTooLarge",
    "error_document",
    "is_retryable_status",
    "parse_schema",
    "path",
    "raise_for_refusal",
    "retry_after",
    "said_in",
    "shorten",
    "unavailable",
]

T = TypeVar("T")


class ReplyTooLarge(RegistryProtocolError):
    """An answer with more bytes than are read; asking for less at once may help."""


LOGIN_WANTED: Final = "it asks for a user and a password: http://user:password@host:port"
_LONGEST_WAIT: Final = 86_400.0  # seconds; whoever is told it may compute with it
_RETRYABLE: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """``path`` is encoded already and starts with a slash; ``body`` is sent as JSON, ``form`` as a
    form is."""

    method: str
    path: str
    body: Any = None
    query: Mapping[str, str] | Sequence[tuple[str, str]] = ()
    form: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def target(self) -> str:
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """``url`` is redacted and names where the answer is from; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)  # it may hold a token
    url: str

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_html(self) -> bool:
        return "html" in self.content_type or self.body.lstrip()[:1] == b"<"

    def json(self) -> Any:
        """Raises RegistryProtocolError saying what the body is instead."""
        if self.is_html:
            raise self.protocol_error("with an HTML page: is a proxy or a login page in between?")
        try:
            return json.loads(self.body)
        except RecursionError:
            raise self.protocol_error("with JSON that is nested too deeply") from None
        except ValueError:
            what = "with an empty body" if not self.body.strip() else "with broken JSON"
            raise self.protocol_error(what) from None

    def protocol_error(self, what: str) -> RegistryProtocolError:
        return RegistryProtocolError(f"{self.url} answered {self.status} {what}")


def parse_schema(content: Any, name: str) -> JsonSchema:
    """The JSON Schema in a registry's answer, as text or not; InvalidSchema when there is none."""
    try:
        is_text = isinstance(content, str)
        body = json.loads(content, parse_constant=_refuse_constant) if is_text else content
    except (ValueError, RecursionError):
        raise InvalidSchema(f"{name} holds something that is not JSON") from None
    if not isinstance(body, dict | bool):
        raise InvalidSchema(f"{name} holds neither an object nor a boolean")
    return body


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


Operation: TypeAlias = Generator[HttpRequest, HttpResponse, T]


def path(*segments: str | int) -> str:
    """Segments joined with every special character encoded, slashes included."""
    return "".join(f"/{_segment(str(segment))}" for segment in segments)


def _segment(text: str) -> str:
    encoded = quote(text, safe="")
    # A segment of dots alone would be taken for a step up in the path.
    return encoded.replace(".", "%2E") if encoded.strip(".") == "" else encoded


def shorten(message: object, limit: int = 300) -> str:
    """One line of what a server says, without what would steer a terminal."""
    text = " ".join(str(message).split())
    if len(text) > limit:
        text = f"{text[:limit]}…"
    return text if text.isprintable() else ascii(text)[1:-1]


def is_retryable_status(status: int) -> bool:
    """Whether the same request can have another answer later."""
    return status in _RETRYABLE


def unavailable(response: HttpResponse, now: float) -> RegistryUnavailable | None:
    """What a status says about the server's health; None where it says nothing.

    ``now``: seconds since the epoch, for a Retry-After that is a date.
    """
    status = response.status
    if status < 500 and not is_retryable_status(status):
        return None
    wait = retry_after(response.headers.get("retry-after"), now)
    after = "" if wait is None else f", retry after {wait:.0f} s"
    limits = status == 429
    return RegistryUnavailable(
        f"{response.url} answered {status}{_explanation(response)}{after}",
        retryable=is_retryable_status(status),
        retry_after=wait,
        counts_as_failure=not limits,
    )


def _explanation(response: HttpResponse) -> str:
    """The code and the message of a registry's error, where a proxy has not taken its place."""
    document = error_document(response)
    texts = {key: value for key, value in document.items() if isinstance(value, str) and value}
    code = document.get("error_code") or texts.get("__type") or texts.get("name")
    named = f" (code {shorten(code, 80)})" if code and code != response.status else ""
    said = said_in(document)
    return f"{named}: {shorten(said)}" if said else named


def error_document(response: HttpResponse) -> Mapping[str, Any]:
    """What a registry answers of an error; empty where it is no JSON object."""
    try:
        document = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def said_in(document: Mapping[str, Any]) -> str:
    """What a registry's error says: one text or several, alone or as ``{"loc", "msg", "input"}``,
    whose input is the caller's."""
    for said in map(document.get, _SAID):
        parts = said if isinstance(said, list) else [said]
        texts = (part.get("msg") if isinstance(part, dict) else part for part in parts)
        if text := "; ".join(one for one in texts if isinstance(one, str) and one.strip()):
            return text
    return ""


_SAID: Final = ("message", "Message", "error", "title", "detail")


def retry_after(header: str | None, now: float) -> float | None:
    """Seconds to wait, from a number or an HTTP date, at most a day; None for anything else."""
    text = (header or "").strip()
    if not text:
        return None
    try:
        if text.isascii() and text.replace(".", "", 1).isdigit():
            wait = float(text)
        else:
            wait = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError, OSError, TypeError, IndexError):
        return None
    return min(max(0.0, wait), _LONGEST_WAIT)


def raise_for_refusal(response: HttpResponse) -> None:
    """Raise for what no protocol gives a meaning: refused credentials, redirects, HTML."""
    status = response.status
    if status == 401:
        raise RegistryAuthError(f"{response.url} answered 401: credentials are missing or wrong")
    if status == 403:
        raise RegistryAuthError(f"{response.url} answered 403: these credentials may not do that")
    if status == 407:
        raise RegistryAuthError(f"the proxy before {response.url} answered 407: {LOGIN_WANTED}")
    if status < 200 or 300 <= status < 400:
        raise response.protocol_error(f"which is not followed{_target(response)}")
    if response.is_html:
        response.json()


def _target(response: HttpResponse) -> str:
    location = redact_url(response.headers.get("location", ""))
    return f": use {location} as the registry's URL" if location.startswith("http") else ""
