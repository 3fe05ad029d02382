"""How the commands reach the registry: options that each of them has, and the client they make."""

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

__all__ = ["open_registry", "reaching"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_PANEL: Final = "Reaching the registry"
_given: ContextVar[dict[str, Any]] = ContextVar("_given", default={})  # noqa: B039 - never changed


def _option(kind: Any, *names: str, told: str) -> tuple[Any, Any]:
    option = typer.Option(*names, help=told, rich_help_panel=_PANEL, show_default=False)
    return Annotated[kind, option], None


_OPTIONS: Final = {
    "ca": _option(Path | None, "--ca", told="CAs to trust, a PEM file; else …_REGISTRY_CA."),
    "cert": _option(Path | None, "--cert", told="A client certificate; else …_REGISTRY_CERT."),
    "key": _option(Path | None, "--key", told="Its key; else …_REGISTRY_KEY."),
    "proxy": _option(str | None, "--proxy", told="A proxy's URL; else …_REGISTRY_PROXY."),
    "allow_insecure": _option(
        bool | None,
        "--allow-insecure",
        told="Credentials over plain http; else …_REGISTRY_ALLOW_INSECURE.",
    ),
    "registry_id": _option(
        str | None, "--registry-id", told="What names the registry in events, whatever its URL."
    ),
}


def reaching(command: Callable[_P, _T]) -> Callable[..., _T]:
    """The command with these options besides; ``open_registry`` knows what was given."""

    @wraps(command)
    def with_options(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        given = {name: kwargs.pop(name) for name in _OPTIONS if name in kwargs}
        token = _given.set({name: value for name, value in given.items() if value is not None})
        try:
            return command(*args, **kwargs)
        finally:
            _given.reset(token)

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


def open_registry(registry: str | None) -> Registry:
    """The client of a command. Equal URLs share one, unless an option says how to reach it."""
    given = dict(_given.get())
    if not given:
        return resolve_registry(registry)
    files = {name: str(given.pop(name)) for name in ("ca", "cert", "key") if name in given}
    return connect(registry, tls=TLSOptions(**files) if files else None, **given)
