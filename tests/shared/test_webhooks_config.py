"""An endpoint's configuration: what is refused, and what it never shows."""

from __future__ import annotations

import pickle
import traceback
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from llm_integrations.core.catalogue import Catalogue
from llm_integrations.core.config import ApiKeyAuth, BasicAuth, BearerAuth
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.events import (
    ConfluentTopicSource,
    EventListener,
    FileWatchSource,
    InMemoryEventBus,
    ListenerState,
    PollSource,
)
from llm_integrations.core.events.brokers.kafka import KafkaEventBus
from llm_integrations.core.events.brokers.rabbitmq import RabbitMQEventBus
from llm_integrations.core.webhooks import WebhookConfig, WebhookDispatcher, WebhookReceiver
from llm_integrations.core.webhooks.config import authorization
from llm_integrations.core.webhooks.urls import parse_url
from tests.support.webhooks import OTHER_SECRET, SECRET

URL = "https://rag.example.com/hooks"


def test_the_defaults_are_those_of_the_delivery_report() -> None:
    config = WebhookConfig(URL)
    assert (config.max_retries, config.timeout_secs) == (3, 10)
    assert (config.backoff_secs, config.max_backoff_secs) == (0.5, 5.0)
    assert (config.headers, config.secret, config.auth) == ({}, None, None)


def test_a_configuration_is_frozen_and_pickles() -> None:
    config = WebhookConfig(URL, headers={"x-team": "rag"}, secret=SECRET)
    with pytest.raises(FrozenInstanceError):
        config.max_retries = 9  # type: ignore[misc]  # that it is refused is the test
    assert pickle.loads(pickle.dumps(config)) == config


@pytest.mark.parametrize(
    "options",
    [
        {"secret": SECRET},
        {"secret": [SECRET, OTHER_SECRET]},
        {"auth": BearerAuth("tell-nobody")},
        {"auth": BasicAuth("user", "tell-nobody")},
        {"headers": {"x-token": "tell-nobody"}},
        {"url": "https://user:tell-nobody@rag.example.com/hooks?token=tell-nobody"},
    ],
)
def test_neither_repr_nor_endpoint_nor_key_shows_a_secret(options: dict[str, Any]) -> None:
    config = WebhookConfig(**{"url": URL, **options})
    shown = f"{config!r} {config} {config.endpoint} {config.key}"
    assert URL in shown
    assert not any(word in shown for word in ("tell-nobody", SECRET, OTHER_SECRET))


def test_the_endpoint_label_is_scheme_host_port_and_path() -> None:
    assert WebhookConfig("https://u:p@H.Example:8443/a/b?q=1#f").endpoint == (
        "https://h.example:8443/a/b"
    )


def test_a_name_stands_for_an_endpoint_whose_path_is_a_secret() -> None:
    config = WebhookConfig("https://hooks.example.com/T0/B0/tell-nobody", name="chat")
    assert (config.endpoint, config.key) == ("chat", "chat")
    assert "tell-nobody" not in repr(config)


def test_urls_that_differ_in_their_query_are_different_endpoints_with_one_label() -> None:
    one, two = WebhookConfig(URL + "?team=a"), WebhookConfig(URL + "?team=b")
    assert one.endpoint == two.endpoint
    assert one.key != two.key


@pytest.mark.parametrize(
    "url",
    ["", "rag.example.com", "ftp://h.example", "https://", "https://a\nb", "https://0177.0.0.1/"],
)
def test_what_is_no_http_url_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"WebhookConfig\.url"):
        WebhookConfig(url)


@pytest.mark.parametrize(
    "secret",
    ["short", "x" * 23, "whsec_" + "QUJD", "whsec_not base64!" * 4, [], [SECRET, "short"]],
)
def test_a_secret_under_24_bytes_or_no_base64_is_refused_without_quoting_it(secret: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        WebhookConfig(URL, secret=secret)
    assert "short" not in str(caught.value)
    assert "QUJD" not in str(caught.value)


@pytest.mark.parametrize(
    "headers",
    [
        {"webhook-id": "mine"},
        {"Webhook-Signature": "mine"},
        {"Content-Type": "text/plain"},
        {"Host": "elsewhere"},
        {"x-split": "a\r\nwebhook-id: mine"},
        {"x split": "a"},
        {"x-unicode": "\u20ac"},
    ],
)
def test_headers_that_are_ours_or_would_split_the_request_are_refused(
    headers: dict[str, str],
) -> None:
    with pytest.raises(ConfigurationError, match="headers"):
        WebhookConfig(URL, headers=headers)


@pytest.mark.parametrize(
    "options",
    [
        {"auth": BearerAuth("t"), "headers": {"Authorization": "Bearer u"}},
        {"auth": BearerAuth("t"), "url": "https://user:pw@rag.example.com/"},
        {"url": "https://user:pw@rag.example.com/", "headers": {"Authorization": "x"}},
        {"auth": BearerAuth("line\nbreak")},
        {"max_retries": -1},
        {"timeout_secs": 0},
        {"backoff_secs": -1},
        {"max_response_bytes": -1},
    ],
)
def test_contradictions_and_impossible_numbers_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        WebhookConfig(**{"url": URL, **options})


@pytest.mark.parametrize(
    ("auth", "url", "header"),
    [
        (None, URL, {}),
        (BearerAuth("abc"), URL, {"Authorization": "Bearer abc"}),
        (BasicAuth("us", "pä:ss"), URL, {"Authorization": "Basic dXM6cMOkOnNz"}),
        (ApiKeyAuth("abc"), URL, {"X-API-Key": "abc"}),
        (None, "https://us:p%C3%A4:ss@h.example/", {"Authorization": "Basic dXM6cMOkOnNz"}),
    ],
)
def test_credentials_become_a_header(auth: Any, url: str, header: dict[str, str]) -> None:
    assert authorization(auth, parse_url(url)) == header


@pytest.mark.parametrize(
    "url",
    [
        "http://rag.example.com/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://10.1.2.3/",
        "https://localhost/",
        "https://localhost./",
        "https://api.localhost/",
        "https://169.254.169.254/latest/meta-data",
    ],
)
def test_plain_http_and_private_addresses_are_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError, match="allow_private"):
        WebhookConfig(url).check_target(allow_private=False)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/", "http://localhost/", "http://10.0.0.1/"])
def test_private_addresses_and_plain_http_can_be_allowed(url: str) -> None:
    WebhookConfig(url).check_target(allow_private=True)


def test_the_metadata_address_cannot_be_allowed() -> None:
    with pytest.raises(ConfigurationError, match="metadata"):
        WebhookConfig("http://169.254.169.254/").check_target(allow_private=True)


NOWHERE = [
    "https://xn--a/",
    "https://xn--/",
    "https://a..b/",
    "https://.a.example/",
    "https://a.example../",
    f"https://{'a' * 64}.example/",
    f"https://{'a.' * 130}example/",
    "https://a.example:99999/",
    "https://a.example:65536/",
    "https://a.example:0/",
    "https://a.example:-1/",
    f"https://a.example:{'9' * 5000}/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[::ffff:0:808:808]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::a00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:c0a8:101::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[::1/",
    "https://[]/",
    "https:///path",
    "https://:443/",
    "https://a b.example/",
    "https://a%20b.example/",
    "https://a\tb.example/",
    "https://a\x00b.example/",
    "https://a.example/\x07",
    "https://a,b.example/",
    "https://*/",
    "https://1.2.3.4.5/",
    "https://99999999999/",
    "https://256.256.256.256/",
    "https://0x100000000/",
    "https://\ud800.example/",
    "https://a.example/\ud800",
    "https://us\ud800er@a.example/",
    "https://\u2603.example/",
    "https://ex\u00adample.example/",
]


def test_a_slash_in_a_password_is_refused_without_quoting_it() -> None:
    with pytest.raises(ConfigurationError, match="%2F") as caught:
        WebhookConfig("https://user:12/SECRET@a.example/hook")
    assert "SECRET" not in str(caught.value)
    assert WebhookConfig("https://a.example/%40hook?to=me@a.example").endpoint.endswith("/%40hook")


@pytest.mark.parametrize("url", NOWHERE, ids=lambda url: ascii(url)[:40])
def test_a_url_that_can_never_work_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"WebhookConfig\.url") as caught:
        WebhookConfig(url)
    assert "example" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example./",
        "https://a_b.example/",
        "https://xn--bcher-kva.example/",
        "https://b\u00fccher.example/",
        "https://1password.example/",
        "https://3.example:65535/",
        "https://[2606:4700::1111]/",
        "https://[64:ff9b::808:808]/",
        "https://[::ffff:8.8.8.8]/",
        "https://134744072/",
        f"https://{'a' * 63}.example/",
    ],
)
def test_a_url_that_may_work_is_taken(url: str) -> None:
    WebhookConfig(url).check_target(allow_private=False)


@pytest.mark.parametrize("name", ["timeout_secs", "backoff_secs", "max_retry_after_secs"])
def test_what_is_no_number_is_no_time(name: str) -> None:
    options: dict[str, Any] = {name: float("nan")}
    with pytest.raises(ConfigurationError):
        WebhookConfig(URL, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"secret": "\ud800" * 24},
        {"auth": BasicAuth("\ud800", "x")},
        {"auth": BearerAuth("\ud800")},
        {"headers": {"x": "\ud800"}},
    ],
)
def test_half_a_pair_of_surrogates_is_refused_everywhere(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        WebhookConfig(URL, **options)


def test_what_was_never_made_has_a_repr(tmp_path: Path) -> None:
    broken = [WebhookConfig.__new__(WebhookConfig)]
    object.__setattr__(broken[0], "url", "https://a..b/?token=tell-nobody")
    classes = [
        WebhookConfig,
        WebhookDispatcher,
        WebhookReceiver,
        InMemoryEventBus,
        ListenerState,
        EventListener,
        PollSource,
        FileWatchSource,
        ConfluentTopicSource,
        KafkaEventBus,
        RabbitMQEventBus,
        Catalogue,
    ]
    for one in (*broken, *(object.__new__(kind) for kind in classes)):
        assert type(one).__name__ in repr(one)
        assert "tell-nobody" not in repr(one)


def test_a_traceback_of_a_refused_config_can_be_shown_with_its_locals() -> None:
    with pytest.raises(ConfigurationError) as caught:
        WebhookConfig("https://a..b/?token=tell-nobody")
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "ConfigurationError" in "".join(shown.format())
