"""Labels of values in a profile: plain text for those the schema names, else a keyed hash."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["KEY_VARIABLE", "PLAIN", "Labels"]

KEY_VARIABLE: Final = "LLM_INTEGRATIONS_DRIFT_KEY"
PLAIN: Final = "plain"
"""Stands for the key of a profile that names every value in plain text."""


@dataclass(frozen=True)
class Labels:
    """Makes labels of values, the same ones in the baseline and in later profiles.

    Without a secret a profile's own salt keys the hashes: they show nothing by themselves, but
    somebody who has the profile can try values out. With a secret they cannot.

    Attributes:
        salt: made with the baseline and kept in it.
        secret: kept elsewhere; the environment's LLM_INTEGRATIONS_DRIFT_KEY by default.
        plain: name every value in plain text.
        words: takes down what the hashes stand for, where values may be shown; None does not.
    """

    salt: str = field(default_factory=lambda: secrets.token_hex(16))
    secret: str = field(default_factory=lambda: os.environ.get(KEY_VARIABLE, ""), repr=False)
    plain: bool = False
    words: dict[str, str] | None = field(default=None, repr=False, compare=False)

    @property
    def key_id(self) -> str:
        """Tells whether two profiles' hashes can be compared; tells nothing of the key."""
        return PLAIN if self.plain else self._hash("key id")

    def of(self, value: Any, known: frozenset[str]) -> str:
        """JSON text for a value that the schema names, ``#`` and 16 hex digits for others."""
        text = json.dumps(value, ensure_ascii=False, default=str)
        if self.plain or text in known:
            return text
        label = f"#{self._hash(text)}"
        if self.words is not None:
            self.words[label] = text
        return label

    def _hash(self, text: str) -> str:
        # The salt has a fixed length, so that no other pair of salt and secret gives the same key.
        key = hashlib.sha256(f"{self.salt}|{self.secret}".encode()).digest()
        data = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, key=key, digest_size=8).hexdigest()
