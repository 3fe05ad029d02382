"""URLs, credentials and the environment."""

from __future__ import annotations

import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest

from llm_integrations.core.config import ApiKeyAuth, Auth, BasicAuth, BearerAuth, RetryOptions
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry import Registry, connect, resolve_registry
from llm_integrations.core.registry.address import Address, is_loopback, read_addresses
from llm_integrations.core.registry.environment import environment_auth, environment_url

_PREFIX = "LLM_INTEGRATIONS_REGISTRY_"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "API_KEY", "USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(_PREFIX + name, raising=False)


def set_environment(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(_PREFIX + name, value)


# -- URLs ----------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("memory://", Address("memory", "")),
        ("file://schemas", Address("file", "schemas")),
        ("file:schemas", Address("file", "schemas")),
        ("file://schemas/sub", Address("file", "schemas/sub")),
        ("file:///srv/schemas", Address("file", "/srv/schemas")),
        ("file:///my%20schemas", Address("file", "/my schemas")),
        ("schemas", Address("file", "schemas")),
        ("./schemas", Address("file", "schemas")),
        ("/srv/schemas", Address("file", "/srv/schemas")),
        ("C:\\schemas", Address("file", "C:\\schemas")),
        (Path("a") / "b", Address("file", "a/b")),
        ("http://h:8081", Address("confluent", "http://h:8081")),
        ("HTTPS://H/apis/ccompat/v7/", Address("confluent", "https://h/apis/ccompat/v7")),
        ("http://[::1]:8081", Address("confluent", "http://[::1]:8081")),
        ("llm+http://h:8080", Address("llm_registry", "http://h:8080")),
        ("llm+https://h", Address("llm_registry", "https://h")),
        (
            "https://user:p%40ss@h",
            Address("confluent", "https://h", BasicAuth("user", "p@ss")),
        ),
    ],
)
def test_a_url_says_which_protocol_and_where(url: str | Path, expected: Address) -> None:
    assert read_addresses(url) == (expected,)


def test_a_home_folder_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert read_addresses("~/schemas") == (Address("file", "/home/somebody/schemas"),)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "is text such as"),
        ("ftp://h/secret", "unknown scheme 'ftp'"),
        ("kafka://h", "unknown scheme"),
        ("http://", "needs a host"),
        ("http://h:port", "unreadable host or port"),
        ("http://h:99999", "unreadable host or port"),
        ("http://h/?token=secret", "no \\?query"),
        ("http://h/#secret", "no #fragment"),
        ("file://", "needs a folder"),
        ([], "needs a URL"),
        (["http://a", "llm+http://b"], "must all be"),
        (["schemas", "more-schemas"], "must all be"),
        ("http://user:secret@h:port", "unreadable host or port"),
    ],
)
def test_a_url_that_makes_no_sense_is_refused_without_quoting_secrets(
    url: Any, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message.replace("no #", ".*#")) as caught:
        connect(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:12/SECRET@registry.example.com",
        "https://user:12/SECRET@registry.example.com/base",
        "https://user:pa/SECRET@registry.example.com",
        "llm+https://user:12//SECRET@registry.example.com",
        "https://us/er:SECRET@registry.example.com",
        "https://user:12?SECRET@registry.example.com",
        "https://user:12#SECRET@registry.example.com",
    ],
)
def test_a_slash_in_a_password_connects_nowhere_and_is_not_quoted(url: str) -> None:
    with pytest.raises(ConfigurationError, match="%2F") as refused:
        connect(url)
    assert "SECRET" not in str(refused.value)
    assert "user" not in str(refused.value)


def test_an_at_sign_in_a_path_can_be_written() -> None:
    (address,) = read_addresses("https://user:1%2F2@registry.example.com/%40team")
    assert address.location == "https://registry.example.com/%40team"
    assert address.auth == BasicAuth("user", "1/2")


def test_several_base_urls_make_one_client() -> None:
    registry = connect(["http://127.0.0.1:1", "http://127.0.0.1:2"])
    assert [a.location for a in registry.settings.addresses] == [
        "http://127.0.0.1:1",
        "http://127.0.0.1:2",
    ]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("http://localhost:1", True),
        ("http://a.localhost", True),
        ("http://127.8.9.1", True),
        ("http://[::1]:80", True),
        ("http://10.0.0.1", False),
        ("http://localhost.example.com", False),
        ("http://127.0.0.1.example.com", False),
    ],
)
def test_which_hosts_are_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize("timeout", [0, -1.0])
def test_a_timeout_is_more_than_nothing(timeout: float) -> None:
    with pytest.raises(ConfigurationError, match="timeout"):
        connect("memory://", timeout=timeout)


# -- the environment ----------


def test_without_a_url_the_environment_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="LLM_INTEGRATIONS_REGISTRY_URL"):
        connect()
    set_environment(monkeypatch, URL="https://registry.example.com")
    assert connect().url == "https://registry.example.com"
    assert resolve_registry(None).url == "https://registry.example.com"


def test_the_environment_can_name_several_base_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, URL="https://a, https://b")
    assert environment_url() == ["https://a", "https://b"]
    set_environment(monkeypatch, URL="a,b")
    assert environment_url() == "a,b", "a folder may have a comma in its name"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"API_KEY": "k"}, ApiKeyAuth("k")),
        ({"TOKEN": "t"}, BearerAuth("t")),
        ({"USERNAME": "u", "PASSWORD": "p"}, BasicAuth("u", "p")),
        ({"USERNAME": "u"}, BasicAuth("u", "")),
        ({}, None),
    ],
)
def test_credentials_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], expected: Auth | None
) -> None:
    set_environment(monkeypatch, URL="https://registry", **values)
    assert environment_auth(read_addresses("https://registry")) == expected


@pytest.mark.parametrize(
    ("url", "goes"),
    [
        ("https://registry", True),
        ("https://registry:443/other/path", True),
        ("https://REGISTRY", True),
        ("llm+https://registry", True),
        ("http://registry:443", False),
        ("https://registry:8443", False),
        ("https://registry.example.com", False),
        (["https://registry", "https://elsewhere"], False),
    ],
)
def test_the_environments_credentials_go_to_its_own_origin_only(
    monkeypatch: pytest.MonkeyPatch, url: str | list[str], goes: bool
) -> None:
    set_environment(monkeypatch, URL="https://registry", TOKEN="t")
    assert (environment_auth(read_addresses(url)) is not None) is goes


def test_without_a_url_in_the_environment_its_credentials_go_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_environment(monkeypatch, TOKEN="t")
    assert environment_auth(read_addresses("https://registry")) is None


def test_half_or_double_credentials_in_the_environment_are_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_environment(monkeypatch, URL="https://registry", PASSWORD="secret")
    with pytest.raises(ConfigurationError, match="USERNAME"):
        connect()
    set_environment(monkeypatch, USERNAME="u", TOKEN="secret")
    with pytest.raises(ConfigurationError, match="set one of") as caught:
        connect()
    assert "secret" not in str(caught.value)


# -- credentials ----------


@pytest.mark.parametrize("auth", [BasicAuth("u", "p"), BearerAuth("t"), ApiKeyAuth("k")])
@pytest.mark.parametrize("scheme", ["http", "llm+http"])
def test_credentials_do_not_cross_a_network_unencrypted(auth: Auth, scheme: str) -> None:
    with pytest.raises(ConfigurationError, match="allow_insecure=True"):
        connect(f"{scheme}://registry.example.com", auth=auth)
    connect(f"{scheme}://registry.example.com", auth=auth, allow_insecure=True)
    connect(f"{scheme}://127.0.0.1:8081", auth=auth)
    connect(f"{scheme.replace('http', 'https')}://registry.example.com", auth=auth)


def test_those_in_a_url_do_not_either_nor_those_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigurationError, match="unencrypted") as caught:
        connect("http://user:secret@registry.example.com")
    assert "secret" not in str(caught.value)
    set_environment(monkeypatch, URL="http://registry.example.com", TOKEN="secret")
    with pytest.raises(ConfigurationError, match="unencrypted") as caught:
        connect()
    assert "secret" not in str(caught.value)


def test_one_client_has_one_set_of_credentials() -> None:
    with pytest.raises(ConfigurationError, match="different credentials"):
        connect(["https://a:x@one", "https://b:y@two"])


def test_no_credential_shows_in_a_repr() -> None:
    for registry in (
        connect("https://user:secret@registry"),
        connect("https://registry", auth=BearerAuth("secret")),
        connect("https://registry", auth=ApiKeyAuth("secret")),
    ):
        for shown in (registry, registry.aio, registry.settings, registry.url):
            assert "secret" not in repr(shown)
    assert repr(connect("https://user:secret@registry")) == "<Registry https://registry>"


def test_a_pickle_carries_what_connect_was_given_and_nothing_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_environment(monkeypatch, URL="https://registry", TOKEN="from-the-environment")
    pickled = pickle.dumps(connect())
    assert b"from-the-environment" not in pickled
    explicit = connect("https://registry", auth=BearerAuth("given"), timeout=1.5)
    copy: Registry = pickle.loads(pickle.dumps(explicit))
    assert copy.settings == explicit.settings
    assert copy.settings.auth == BearerAuth("given")


# -- what adapters do with their registry argument ----------


def test_an_adapter_takes_a_client_a_url_or_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    registry = connect("memory://")
    assert resolve_registry(registry) is registry
    assert resolve_registry(str(tmp_path)).settings.addresses[0].protocol == "file"
    with pytest.raises(ConfigurationError, match="LLM_INTEGRATIONS_REGISTRY_URL"):
        resolve_registry(None)
    with pytest.raises(ConfigurationError, match="not int"):
        resolve_registry(5)  # type: ignore[arg-type]  # the point of the test


def test_equal_urls_share_one_client_until_it_is_closed(tmp_path: Path) -> None:
    one = resolve_registry(str(tmp_path))
    assert resolve_registry(str(tmp_path)) is one
    one.close()
    assert resolve_registry(str(tmp_path)) is not one


def test_connect_makes_a_client_of_its_own_each_time() -> None:
    assert connect("memory://") is not connect("memory://")
    options = RetryOptions(attempts=1)
    assert connect("memory://", retry=options).settings.retry is options


def _with_locals(error: BaseException) -> str:
    """As an error tracker sees it; the frames of this file are left out."""
    found = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(
        f"{frame.name}: {frame.locals}\n" for frame in found.stack if frame.filename != __file__
    )


def test_a_constructor_that_failed_can_be_shown_with_its_locals() -> None:
    with pytest.raises(ConfigurationError) as failed:
        connect("http://registry.example.com", auth=BearerAuth("s3cret"))
    shown = _with_locals(failed.value)
    assert "<Registry, not made>" in shown
    assert "repr() failed" not in shown
    assert "s3cret" not in shown


@pytest.mark.parametrize(
    "values",
    [
        {"PASSWORD": "s3cret"},
        {"TOKEN": "s3cret", "API_KEY": "s3cret"},
        {"TOKEN": "s3cr\u00e9t"},
        {"API_KEY": "s3cr\u00e9t"},
        {"USERNAME": "s:3", "PASSWORD": "s3cret"},
    ],
)
def test_no_frame_of_an_error_holds_credentials_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str]
) -> None:
    set_environment(monkeypatch, URL="https://registry", **values)
    with pytest.raises(ConfigurationError) as refused:
        connect()
    shown = _with_locals(refused.value)
    assert "s3cret" not in shown
    assert "s3cr\u00e9t" not in shown


def test_a_folder_is_that_of_where_the_process_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for name in ("one", "other"):
        (tmp_path / name / "schemas").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / name)
        with connect("schemas") as registry:
            registry.register(name, {"type": "object"})
        found.append(resolve_registry("schemas"))
    assert [registry.subjects() for registry in found] == [["one"], ["other"]]
