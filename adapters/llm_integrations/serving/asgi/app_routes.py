"""The routes of the app: which of them infer, and pass by every rule."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.observability import get_logger
from llm_integrations.serving.asgi.layers import layers_of
from llm_integrations.serving.runtime.runtime import Runtime

__all__ = ["check_routes", "may_infer"]

log = get_logger(__name__)

_INFERS: Final = re.compile(
    r"(?:^|[/:_.-])(?:chat|complete|completions?|responses|messages?|(?:stream|batch|bidi"
    r"|retrieveand)?generate\w*|invocations|invoke|converse|infer|inference|infill"
    r"|(?:stream|server|direct|raw|streaming)*predict|predictlongrunning|predictions|realtime"
    r"|batch(?:es)?|stream|runs|turns|interactions|decisions|a2a|vertex"
    r"|(?:v1|agents|live|chatkit)/sessions|deployments/[^/]+/run)(?:$|[/:_.-])",
    re.IGNORECASE,
)
_ANSWERS_NOTHING: Final = re.compile(
    r"(?:/render|count_?tokens|input_?tokens|tokenize|/cancel|/input_items|embeddings|/scoring)/*$",
    re.IGNORECASE,
)
_PARAMETER: Final = re.compile(r"\{(\w+)(:\w+)?\}")
_ANY_PATH: Final = re.compile(r"\{\w+:path\}/*$")
_READING: Final = frozenset(("GET", "HEAD", "OPTIONS"))
_DEEPEST: Final = 20


def check_routes(app: Any, runtime: Runtime) -> None:
    """Tell of the routes that infer and that no rule is for.

    Raises:
        ConfigurationError: there are some, or nobody can tell, under ``strict_routes``.
    """
    routes, is_strict = _routes_of(app), runtime.config.strict_routes
    if routes is None:
        if is_strict:
            raise ConfigurationError("strict_routes: the routes of this app cannot be read")
        return
    found = set(_inferring(routes))
    open_ways = sorted(p for p in found if not runtime.rules.on(_PARAMETER.sub("x", p)))
    if not open_ways:
        return
    problem = (
        f"no rule is for {', '.join(open_ways)}: requests there pass unjudged; put them into a "
        "rule's paths, or into those of a rule whose output has mode off"
    )
    if is_strict:
        raise ConfigurationError(f"strict_routes: {problem}")
    log.warning("%s middleware: %s", runtime.server.name, problem)


def _routes_of(app: Any) -> Iterable[Any] | None:
    """Of the router inside an app, as Starlette and FastAPI have one."""
    found = (getattr(layer, "routes", None) for layer in layers_of(app))
    return next((routes for routes in found if isinstance(routes, list)), None)


def _inferring(routes: Iterable[Any], prefix: str = "", depth: int = 0) -> Iterator[str]:
    for route in routes if depth < _DEEPEST else ():
        # FastAPI keeps what a router included as it was, and tells of the routes that came of it.
        if hasattr(route, "effective_route_contexts"):
            contexts: Iterable[Any] = route.effective_route_contexts()
            found = [getattr(each, "starlette_route", None) or each for each in contexts]
            yield from _inferring(found, prefix, depth + 1)
            continue
        path = prefix + str(getattr(route, "path", "") or "")
        mounted = getattr(route, "routes", None) or _routes_of(getattr(route, "app", None))
        if not hasattr(route, "endpoint") and mounted:
            yield from _inferring(mounted, path, depth + 1)
        elif hasattr(route, "endpoint") and may_infer(path, getattr(route, "methods", None)):
            yield path


def may_infer(path: str, methods: Iterable[str] | None = None) -> bool:
    """Whether a path looks as if a model answers there."""
    if methods and _READING.issuperset(methods):
        return False
    named = _PARAMETER.sub("", path)
    if _ANSWERS_NOTHING.search(named):
        return False
    return _INFERS.search(named) is not None or _ANY_PATH.search(path) is not None
