"""The options by which each command reaches the registry, and the client made with them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final, ParamSpec, TypeVar, get_type_hints

import typer

from llm_integrations.core.config import TLSOptions
from llm_integrations.core.registry import Registry, connect, resolve_registry
from llm_integrations.core.tables.remote import check_here

__all__ = ["open_registry", "with_registry_options"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_PANEL: Final = "Reaching the registry"
_connection_options: ContextVar[dict[str, Any]] = ContextVar("_connection_options", default={})  # noqa: B039 - never changed


def _option(kind: Any, *names: str, help_text: str) -> tuple[Any, Any]:
    option = typer.Option(*names, help=help_text, rich_help_panel=_PANEL, show_default=False)
    return Annotated[kind, option], None


_OPTIONS: Final = {
    "ca": _option(Path | None, "--ca", help_text="CAs to trust, a PEM file; else …_REGISTRY_CA."),
    "cert": _option(Path | None, "--cert", help_text="A client certificate; else …_REGISTRY_CERT."),
    "key": _option(Path | None, "--key", help_text="Its key; else …_REGISTRY_KEY."),
    "password": _option(
        str | None,
        "--key-password",
        help_text="Of an encrypted key; better in …_REGISTRY_KEY_PASSWORD, which nobody else sees.",
    ),
    "proxy": _option(str | None, "--proxy", help_text="A proxy's URL; else …_REGISTRY_PROXY."),
    "allow_insecure": _option(
        bool | None,
        "--allow-insecure",
        help_text="Credentials over plain http; else …_REGISTRY_ALLOW_INSECURE.",
    ),
    "registry_id": _option(
        str | None,
        "--registry-id",
        help_text="What names the registry in events, whatever its URL.",
    ),
}
_OF_TLS: Final = ("ca", "cert", "key", "password")


def with_registry_options(command: Callable[_P, _T]) -> Callable[..., _T]:
    """Add these options to a command; ``open_registry`` reads their values."""

    @wraps(command)
    def with_options(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        for name, value in kwargs.items():
            if isinstance(value, Path):
                check_here(f"path --{name.replace('_', '-')}", value, "file or folder")
        options = {name: kwargs.pop(name) for name in _OPTIONS if name in kwargs}
        token = _connection_options.set(
            {name: value for name, value in options.items() if value is not None}
        )
        try:
            return command(*args, **kwargs)
        finally:
            _connection_options.reset(token)

    hints = get_type_hints(command, include_extras=True)
    own = inspect.signature(command)
    kinds = {name: kind for name, (kind, _) in _OPTIONS.items()}
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in _OPTIONS.items()
    ]
    named = [p.replace(annotation=hints[name]) for name, p in own.parameters.items()]
    with_options.__signature__ = own.replace(parameters=[*named, *more])  # type: ignore[attr-defined] # as inspect reads it
    with_options.__annotations__ = {**hints, **kinds}
    return with_options


def open_registry(registry: str | None, **options: Any) -> Registry:
    """The client of a command. Equal URLs share one, unless an option says how to reach it.

    Args:
        options: further ones of ``connect``; those that are None are not said.
    """
    options = {name: value for name, value in options.items() if value is not None}
    options |= _connection_options.get()
    if not options:
        return resolve_registry(registry)
    tls = {name: str(options.pop(name)) for name in _OF_TLS if name in options}
    return connect(registry, tls=TLSOptions(**tls) if tls else None, **options)
