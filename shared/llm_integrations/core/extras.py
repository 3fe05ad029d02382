"""Optional parts: one that is missing, or older than its floor, is a single clear error."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import Final

from llm_integrations.core.errors import MissingExtra

__all__ = ["extra_with", "require_extra", "too_old"]

_NEEDED: Final = re.compile(r"([\w.-]+)(?:\[[^]]*\])?\s*([^;]*?)\s*;\s*extra == ['\"]([\w-]+)['\"]")
_EXTRAS: Final = (
    "arrow", "datasets", "drift", "events", "kafka", "rabbitmq", "webhooks", "serving",
    "langchain", "llamaindex", "models", "cel", "glue", "otel", "cli",
)  # fmt: skip
_FLOOR: Final = re.compile(r">=\s*([^\s,]+)")
_RELEASE: Final = re.compile(r"v?((?:\d+\.)*\d+)(.*)", re.DOTALL)
_EARLY: Final = re.compile(r"[._-]?(a|b|c|rc|alpha|beta|pre|preview|dev)")


def require_extra(extra: str, *modules: str, if_installed: tuple[str, ...] = ()) -> None:
    """Raise MissingExtra, naming the pip command, unless each module is there and new enough.

    Adapters call it in the first line of their ``__init__``; core modules at the place of use.

    Args:
        extra: of this distribution, as its metadata names it; its floors are the ones compared.
        modules: that have to be importable, named as the distributions that bring them
            (``langchain_core``, ``llama_index.core``).
        if_installed: distributions that may be missing, and may not be too old.
    """
    problems = [f"{name} is not installed" for name in modules if not _is_importable(name)]
    if not problems:
        named = (*modules, *if_installed)
        problems = [problem for name in named if (problem := too_old(extra, name))]
    if problems:
        raise MissingExtra(f"{', '.join(problems)}: pip install 'llm-integrations[{extra}]'")


def extra_with(module: str) -> str:
    """The smallest extra that brings a module's distribution; ``all`` where none is known."""
    wanted = _normalised(module.partition(".")[0])
    bringing = [extra for extra in _EXTRAS if wanted in _needed(extra)]
    return min(bringing, key=lambda extra: len(_needed(extra)), default="all")


def too_old(extra: str, name: str) -> str | None:
    """What is installed and what the extra needs, if that is newer; None if all is well.

    A framework without metadata (vendored, as in a Spark distribution) is taken as new enough.
    """
    from importlib.metadata import PackageNotFoundError, version

    distribution = _normalised(name)
    specifier = _needed(extra).get(distribution, "")
    floor = _FLOOR.search(specifier)
    if floor is None:
        return None
    try:
        installed = version(distribution)
    except PackageNotFoundError:
        return None
    if _order(installed) >= _order(floor[1]):
        return None
    needed = ",".join(sorted(specifier.split(","), reverse=True))
    return f"{distribution} {installed} is installed, and {distribution}{needed} is needed"


@cache
def _needed(extra: str) -> Mapping[str, str]:
    """Version specifiers by distribution; none where this library runs without being installed."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = requires("llm-integrations") or []
    except PackageNotFoundError:
        return {}
    found = filter(None, map(_NEEDED.match, lines))
    return {_normalised(need[1]): need[2] for need in found if need[3] == extra}


def _is_importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it would be in
        return False


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _order(version: str) -> tuple[tuple[float, ...], bool]:
    """A sort key: 1.0 equals 1, a release candidate comes before its release, a word last."""
    match = _RELEASE.match(version)
    if match is None:
        return (math.inf,), True
    numbers: list[float] = [int(number) for number in match[1].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers), _EARLY.match(match[2]) is None
