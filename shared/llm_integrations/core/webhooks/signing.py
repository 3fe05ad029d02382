"""Standard Webhooks signatures: HMAC-SHA256 over id, timestamp and body."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook

from llm_integrations.core.errors import ConfigurationError, WebhookError

__all__ = ["Signer", "Verifier", "parse_secrets"]

_MIN_BYTES: Final = 24
_PREFIX: Final = "whsec_"


def parse_secrets(secret: str | Sequence[str] | None) -> tuple[bytes, ...]:
    """The keys that a secret, or several, stand for; empty for None.

    Raises:
        ConfigurationError: a secret is shorter than 24 bytes or no base64; it is never quoted.
    """
    if secret is None:
        return ()
    if isinstance(secret, str):
        return (_key(secret),)
    if not secret:
        raise ConfigurationError("secret is an empty list; write None for unsigned deliveries")
    return tuple(_key(one) for one in secret)


def _key(secret: str) -> bytes:
    text = secret.removeprefix(_PREFIX)
    try:
        if text == secret:
            key = secret.encode()
        else:
            key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError(
            "a webhook secret is base64 after whsec_, and else valid Unicode"
        ) from None
    if len(key) < _MIN_BYTES:
        raise ConfigurationError(f"a webhook secret needs at least {_MIN_BYTES} bytes")
    return key


class Signer:
    """Signs with every key, so that receivers with the old or the new secret can verify."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._webhooks = [Webhook(key) for key in keys]

    def headers(self, webhook_id: str, body: str, now: datetime | None = None) -> dict[str, str]:
        """The ``webhook-…`` headers of one attempt, stamped with the time of now (UTC)."""
        moment = now or datetime.now(UTC)
        stamped = {"webhook-id": webhook_id, "webhook-timestamp": str(int(moment.timestamp()))}
        if self._webhooks:
            stamped["webhook-signature"] = " ".join(
                webhook.sign(webhook_id, moment, body) for webhook in self._webhooks
            )
        return stamped


class _AnyBytes(Webhook):
    """Verifies what is no UTF-8 as well, as text in which such bytes are escaped."""

    def sign(self, msg_id: str, timestamp: datetime, data: str) -> str:
        signed = f"{msg_id}.{int(timestamp.timestamp())}.{data}".encode(errors="surrogateescape")
        digest = hmac.digest(self._whsecret, signed, "sha256")
        return f"v1,{base64.b64encode(digest).decode()}"


class Verifier:
    """Accepts a message that any of the keys signed less than 5 minutes ago (or ahead)."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ConfigurationError("a receiver needs a secret to verify by")
        self._webhooks = [_AnyBytes(key) for key in keys]

    def verify(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Raise WebhookError, which does not say why, unless the signature and time are right."""
        text = body.decode(errors="surrogateescape")
        for webhook in self._webhooks:
            try:
                webhook.verify(text, dict(headers), json_parse=False)
            except Exception:  # noqa: BLE001, S112 - strangers send whatever they like
                continue
            return
        raise WebhookError("not verified")
