"""Signatures, compared with the reference library."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from llm_integrations.core.errors import ConfigurationError, WebhookError
from llm_integrations.core.webhooks.signing import Signer, Verifier, parse_secrets
from tests.support.webhooks import OTHER_SECRET, SECRET

BODY = '{"name": "prüfung"}'
KEYS = parse_secrets(SECRET)


def signed(*secrets: str, ago: float = 0.0) -> dict[str, str]:
    now = datetime.now(UTC) - timedelta(seconds=ago)
    return Signer(parse_secrets(secrets)).headers("msg-1", BODY, now)


def test_a_plain_secret_is_its_utf8_bytes_and_whsec_is_base64() -> None:
    key = b"k" * 24
    encoded = base64.b64encode(key).decode()
    assert parse_secrets("k" * 24) == (key,)
    assert parse_secrets("ü" * 12) == (("ü" * 12).encode(),)
    assert parse_secrets(f"whsec_{encoded}") == (key,)
    assert parse_secrets(f"whsec_{encoded.rstrip('=')}") == (key,)
    assert parse_secrets(None) == ()


def test_the_reference_library_verifies_what_we_sign() -> None:
    encoded = "whsec_" + base64.b64encode(b"k" * 32).decode()
    Webhook(encoded).verify(BODY, signed(encoded))


def test_we_verify_what_the_reference_library_signs() -> None:
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "msg-1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET.encode()).sign("msg-1", now, BODY),
    }
    Verifier(KEYS).verify(BODY.encode(), headers)


def test_while_secrets_rotate_either_side_may_be_first() -> None:
    both = signed(SECRET, OTHER_SECRET)
    assert len(both["webhook-signature"].split(" ")) == 2
    for secret in (SECRET, OTHER_SECRET):
        Verifier(parse_secrets(secret)).verify(BODY.encode(), both)
        Verifier(parse_secrets([OTHER_SECRET, SECRET])).verify(BODY.encode(), signed(secret))


def test_without_a_secret_there_is_no_signature() -> None:
    assert set(Signer(()).headers("msg-1", BODY)) == {"webhook-id", "webhook-timestamp"}


@pytest.mark.parametrize("ago", [-290, -200, 0, 200, 290])
def test_clocks_may_differ_by_almost_five_minutes(ago: float) -> None:
    Verifier(KEYS).verify(BODY.encode(), signed(SECRET, ago=ago))


@pytest.mark.parametrize("ago", [-86_400, -310, 310, 86_400])
def test_a_timestamp_more_than_five_minutes_off_is_refused(ago: float) -> None:
    with pytest.raises(WebhookError):
        Verifier(KEYS).verify(BODY.encode(), signed(SECRET, ago=ago))


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg-2"},
        {"webhook-timestamp": str(int(datetime.now(UTC).timestamp()) - 7)},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,\u00fc"},
        {"webhook-signature": "v1,A"},
        {"webhook-signature": "v1a," + "A" * 64},
        {"webhook-signature": ",,, ,"},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "1e300"},
        {"webhook-id": ""},
    ],
)
def test_whatever_is_wrong_with_the_headers_is_one_error_that_does_not_say_what(
    change: dict[str, str],
) -> None:
    with pytest.raises(WebhookError, match=r"^not verified$"):
        Verifier(KEYS).verify(BODY.encode(), {**signed(SECRET), **change})


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", BODY.encode() + b" "])
def test_another_body_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookError):
        Verifier(KEYS).verify(body, signed(SECRET))


def test_a_receiver_without_a_secret_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        Verifier(())
