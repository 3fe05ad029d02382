"""Options of the core, as frozen values with the defaults we stand by."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, TypeAlias, get_args

from llm_integrations.core.errors import ConfigurationError

__all__ = [
    "ApiKeyAuth",
    "Auth",
    "BasicAuth",
    "BearerAuth",
    "BreakerOptions",
    "CacheOptions",
    "Mode",
    "OAuthClientCredentials",
    "OnUnavailable",
    "RetryOptions",
    "TLSOptions",
    "ValidationOptions",
    "check_choice",
    "check_kind",
    "check_mode",
    "check_name",
    "check_validation_options",
]

Mode: TypeAlias = Literal["enforce", "warn", "off"]
"""What an adapter does with invalid data: block it, log and count it, or nothing."""

OnUnavailable: TypeAlias = Literal["raise", "pass"]
"""What happens when there is no schema to judge by: an error, or the data passes unjudged."""


def check_mode(mode: str) -> Mode:
    """Return the mode, or raise ConfigurationError naming the three that exist."""
    check_choice("mode", mode, Mode)
    return mode  # type: ignore[return-value] # it is one of them


def check_choice(what: str, value: object, choices: Any) -> None:
    """ConfigurationError, naming what is allowed, unless a value is one of a Literal's."""
    allowed = get_args(choices)
    if value not in allowed:
        *others, last = map(repr, allowed)
        raise ConfigurationError(f"{what} must be {', '.join(others)} or {last}, not {value!r}")


def check_kind(what: str, value: object, kinds: Any, example: str) -> None:
    """ConfigurationError unless a value is of a kind. It is not shown: it may be a secret."""
    if not isinstance(value, kinds):
        raise ConfigurationError(f"{what} must be {example}, not {type(value).__name__}")


def check_name(what: str, name: object) -> None:
    """ConfigurationError unless a name is text and more than space."""
    if not isinstance(name, str) or not name.strip():
        raise ConfigurationError(f"{what} must be text that is not empty, not {name!r}")


def _check_kinds(options: Any) -> None:
    """ConfigurationError unless each number and each flag among a value's fields is one."""
    for field_ in fields(options):
        value, kind = getattr(options, field_.name), type(field_.default)
        if kind not in _KINDS:
            continue
        kinds, what = _KINDS[kind]
        if not isinstance(value, kinds) or (kind is not bool and isinstance(value, bool)):
            name = f"{type(options).__name__}.{field_.name}"
            raise ConfigurationError(f"{name} must be {what}, not {value!r}")


_KINDS: Final[dict[type, tuple[Any, str]]] = {
    bool: (bool, "True or False"),
    int: (int, "a whole number"),
    float: (int | float, "a number of seconds"),
}


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """How long a schema is kept. Times are in seconds.

    Args:
        maxsize: schemas kept; the least recently used goes first.
        ttl: how long a copy counts as fresh.
        stale_ttl: how long after that it may still be served while the registry fails; never
            shorter than ``stale_while_revalidate``.
        negative_ttl: how long an unknown subject or version is remembered as unknown.
        refresh_pause: after a failed refresh, how long until the next one is tried.
        stale_while_revalidate: how long after its ttl a copy is served at once, while a refresh
            runs behind it. Beyond that a reader waits for the refresh.
        refresh_wait: how long such a reader waits at the most, until it gets the copy after all.
    """

    maxsize: int = 10_000
    ttl: float = 300.0
    stale_ttl: float = 86_400.0
    negative_ttl: float = 5.0
    refresh_pause: float = 5.0
    stale_while_revalidate: float = 60.0
    refresh_wait: float = 0.5

    def __post_init__(self) -> None:
        _check_kinds(self)
        if self.maxsize < 1:
            raise ConfigurationError(f"CacheOptions.maxsize must be at least 1, not {self.maxsize}")
        for name in self.__dataclass_fields__:
            if not getattr(self, name) >= 0:
                raise ConfigurationError(f"CacheOptions.{name} must not be negative")


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """Exponential backoff with full jitter. Times are in seconds.

    Args:
        attempts: requests made at the most, the first included.
        base: the first wait's upper bound; each further one doubles.
        cap: no wait is longer, unless the server asks for it in Retry-After.
        deadline: bound over all attempts and waits of one call.
    """

    attempts: int = 3
    base: float = 0.1
    cap: float = 2.0
    deadline: float = 10.0

    def __post_init__(self) -> None:
        _check_kinds(self)
        if self.attempts < 1:
            raise ConfigurationError("RetryOptions.attempts must be at least 1")
        if min(self.base, self.cap) < 0 or self.deadline <= 0:
            raise ConfigurationError("RetryOptions: base and cap >= 0, deadline > 0 (seconds)")


@dataclass(frozen=True, slots=True)
class BreakerOptions:
    """When to stop calling, and for how long (seconds).

    Args:
        failures: consecutive failed calls that open the circuit.
        reset_timeout: after this long, one probe is let through.
    """

    failures: int = 5
    reset_timeout: float = 30.0

    def __post_init__(self) -> None:
        _check_kinds(self)
        if self.failures < 1 or self.reset_timeout <= 0:
            raise ConfigurationError("BreakerOptions: failures >= 1 and reset_timeout > 0")


@dataclass(frozen=True, slots=True)
class ValidationOptions:
    """How data is judged; the same options mean the same verdict everywhere.

    Args:
        formats: whether ``format`` is asserted, in every draft.
        regex: "linear" refuses lookaround and backreferences when a schema is compiled;
            "bounded" allows them under a backtracking limit.
        max_depth: deepest nesting of data that is judged under a recursive schema; 250 at the
            most, which is what the engine can still quote and any thread's stack holds.
        max_errors: violations listed in a report at the most.
        max_steps: how far the reasons of a refusal are looked for, where a schema's unions could
            make that endless: subschemas asked about a value, besides a few for each value in the
            data. The verdict has no such limit, and a report says where the reasons were cut.
        show_values: whether messages may quote the data.
        nulls: "strict" takes null as JSON null; "absent" takes null in an optional property as a
            missing one (tables cannot tell the two apart).
        rules: "judge" judges by those of a schema's rules that can be, and warns of the others;
            "require" takes such another one for an error; "ignore" leaves rules alone.
    """

    formats: bool = True
    regex: Literal["linear", "bounded"] = "linear"
    max_depth: int = 200
    max_errors: int = 100
    max_steps: int = 100_000
    show_values: bool = False
    nulls: Literal["strict", "absent"] = "strict"
    rules: Literal["judge", "require", "ignore"] = "judge"

    def __post_init__(self) -> None:
        _check_kinds(self)
        check_choice("regex", self.regex, Literal["linear", "bounded"])
        check_choice("nulls", self.nulls, Literal["strict", "absent"])
        check_choice("rules", self.rules, Literal["judge", "require", "ignore"])
        if not 1 <= self.max_depth <= 250:
            raise ConfigurationError(f"max_depth must be from 1 to 250, not {self.max_depth}")
        if self.max_errors < 1:
            raise ConfigurationError(f"max_errors must be at least 1, not {self.max_errors}")
        if self.max_steps < 1:
            raise ConfigurationError(f"max_steps must be at least 1, not {self.max_steps}")


def check_validation_options(options: object) -> None:
    """ConfigurationError unless these are options, or None for the usual ones."""
    if options is not None:
        check_kind("options", options, ValidationOptions, "ValidationOptions(…)")


def _check_secret(auth: object, *names: str, may_be_none: bool = False) -> None:
    """ConfigurationError, without the value, for what is no text."""
    for name in names:
        kind = type(getattr(auth, name))
        if not issubclass(kind, str) and not (may_be_none and kind is type(None)):
            field_name = f"{type(auth).__name__}.{name}"
            raise ConfigurationError(f"{field_name} must be text, not {kind.__name__}")


def _check_there(auth: object, name: str) -> None:
    if not getattr(auth, name).strip():
        what = f"{type(auth).__name__}.{name}"
        raise ConfigurationError(f"{what} is empty: is the variable set that it was read from?")


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """User name and password."""

    username: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        _check_secret(self, "username", "password")


@dataclass(frozen=True, slots=True)
class BearerAuth:
    """``Authorization: Bearer …``."""

    token: str = field(repr=False)

    def __post_init__(self) -> None:
        _check_secret(self, "token")
        _check_there(self, "token")


@dataclass(frozen=True, slots=True)
class ApiKeyAuth:
    """``X-API-Key: …``."""

    key: str = field(repr=False)

    def __post_init__(self) -> None:
        _check_secret(self, "key")
        _check_there(self, "key")


@dataclass(frozen=True, slots=True)
class OAuthClientCredentials:
    """A bearer token from an OAuth 2 server, for a client in its own name; renewed ahead of time.

    Args:
        token_url: the server's token endpoint.
        client_id, client_secret: sent there by HTTP Basic authentication.
        scope: what is asked for, words with spaces between.
        identity_pool: of Confluent Cloud, as ``pool-1234``.
        logical_cluster: the registry's on Confluent Cloud, as ``lsrc-1234``.
    """

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str | None = None
    identity_pool: str | None = None
    logical_cluster: str | None = None

    def __post_init__(self) -> None:
        for name in ("token_url", "client_id", "client_secret"):
            # Not with its value: the last one is a secret.
            if not isinstance(getattr(self, name), str) or not getattr(self, name).strip():
                raise ConfigurationError(f"OAuthClientCredentials.{name} must be text")
        if "@" in self.token_url.partition("?")[0]:  # a password before it would be in the repr
            raise ConfigurationError("OAuthClientCredentials.token_url is https://host/path")


Auth: TypeAlias = BasicAuth | BearerAuth | ApiKeyAuth | OAuthClientCredentials


@dataclass(frozen=True, slots=True)
class TLSOptions:
    """Files for TLS: a CA bundle, and a client certificate with its key (PEM paths).

    ``password`` is that of an encrypted key; nobody is asked for it.
    """

    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("ca", "cert", "key"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str | os.PathLike):
                kind = type(value).__name__
                raise ConfigurationError(f"TLSOptions.{name} must be a file's path, not {kind}")
        _check_secret(self, "password", may_be_none=True)
