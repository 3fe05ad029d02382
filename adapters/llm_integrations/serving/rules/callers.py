"""Who asks: by the key that a request brings, or by its other headers."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl

from llm_integrations.serving.config.auth import KEY_HEADERS
from llm_integrations.serving.config.rules import RuleConfig
from llm_integrations.serving.config.section import secret_from
from llm_integrations.serving.rules.patterns import Patterns
from llm_integrations.serving.shapes.failure import Headers

__all__ = ["Callers", "Keys", "brought_by"]

_OF_SERVERS: Final = (
    *("api-key", "x-goog-api-key"),
    *("ocp-apim-subscription-key", "x-litellm-api-key"),
)
_KEY_HEADERS: Final = tuple(name.encode() for name in (*KEY_HEADERS, *_OF_SERVERS))
"""Wherever a known server looks for a key: another header is no way to another rule."""

_IN_QUERIES: Final = frozenset(("key", "api_key", "api-key", "subscription-key"))


class Keys:
    """Compares keys in constant time."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = [_digest(os.fsencode(key)) for key in keys]

    def hold(self, value: bytes) -> bool:
        """Whether a header's value is one of them, with or without ``Bearer``."""
        scheme, _, rest = value.partition(b" ")
        digest = _digest(rest.strip() if scheme.lower() == b"bearer" else value)
        # All of them, so that the time taken tells nothing.
        return sum(hmac.compare_digest(digest, key) for key in self._digests) > 0


def brought_by(headers: Headers, query: bytes) -> Headers:
    """A request's headers, and the keys in its query as if they stood there, since Google and Azure
    look for one in both."""
    if b"=" not in query:
        return headers
    asked = parse_qsl(query.decode("latin-1"), encoding="latin-1")
    keys = [value for name, value in asked if name.casefold() in _IN_QUERIES]
    return [*headers, *((_KEY_HEADERS[0], key.encode("latin-1")) for key in keys)]


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


class Callers:
    """Those whom a rule is for. A header that is sent twice counts as either of what it says.

    Raises:
        ConfigurationError: a key that the rule names is not set.
    """

    def __init__(self, config: RuleConfig) -> None:
        self._headers = [
            (name.lower().encode("latin-1"), Patterns(values))
            for name, values in config.headers.items()
        ]
        self._keys = Keys(secret_from("rules", name) for name in config.keys_env)
        self._by_key = bool(config.keys_env)

    def match(self, headers: Headers) -> bool:
        for wanted, values in self._headers:
            given = (value for name, value in headers if name == wanted)
            if not any(values.match(value.decode("latin-1").strip()) for value in given):
                return False
        if not self._by_key:
            return True
        brought = [value.strip() for name, value in headers if name in _KEY_HEADERS]
        # Some servers take a key behind any scheme; to be one of the callers tells nobody anything.
        keys = (*brought, *(value.partition(b" ")[2] for value in brought))
        return any(map(self._keys.hold, keys))
