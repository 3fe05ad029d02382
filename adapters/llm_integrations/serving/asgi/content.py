"""What a request may be so that its body can be judged; everything else is no way round."""

from __future__ import annotations

from typing import Final

from llm_integrations.serving.asgi.body import RequestBody
from llm_integrations.serving.asgi.types import Headers, Scope
from llm_integrations.serving.shapes.failure import Failure, Refused

__all__ = ["check_content", "is_harmless", "is_overridden"]

_OVERRIDES: Final = frozenset((b"x-http-method-override", b"x-http-method", b"x-method-override"))
# An app reads other things in a form than a parser of JSON does.
_FORMS: Final = (b"multipart/", b"application/x-www-form-urlencoded")


async def is_harmless(scope: Scope, body: RequestBody) -> bool:
    """Whether a request other than POST asks for no inference."""
    return not is_overridden(scope) and await body.is_empty()


def is_overridden(scope: Scope) -> bool:
    """Whether a header names another method, which some servers then take."""
    return any(name in _OVERRIDES for name, _ in scope["headers"])


def check_content(every: Headers, *, any_type: bool = False) -> None:
    """Look at the content type and encoding.

    Raises:
        Refused: 415 for what cannot be read as JSON, or what an app could read otherwise.
    """
    for name, value in every:
        text = value.strip().lower()
        if name == b"content-encoding" and text not in (b"", b"identity"):
            raise Refused(_unsupported("a compressed body"))
        if name == b"content-type" and text and not _is_read(text, any_type=any_type):
            raise Refused(_unsupported("a body of this content type"))


def _is_read(kind: bytes, *, any_type: bool) -> bool:
    return not kind.startswith(_FORMS) if any_type else b"json" in kind.partition(b";")[0]


def _unsupported(what: str) -> Failure:
    return Failure(415, "UnsupportedMediaTypeError", f"{what} cannot be judged here")
