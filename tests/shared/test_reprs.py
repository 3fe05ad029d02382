"""An object whose constructor failed can be shown: error trackers send the locals of frames."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import llm_integrations.core as core


def _classes() -> Iterator[type]:
    for found in pkgutil.walk_packages(core.__path__, f"{core.__name__}."):
        module = importlib.import_module(found.name)
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if kind.__module__ == module.__name__:
                yield kind


def _has_a_written_repr(kind: type) -> bool:
    """A dataclass makes its own of the fields, which are all set before anything is checked."""
    found = inspect.unwrap(kind.__repr__)
    code = getattr(found, "__code__", None)
    return (
        code is not None
        and found.__module__.startswith(core.__name__)
        and (code.co_filename != "<string>")
    )


def _may_lack_a_field(kind: type) -> bool:
    return dataclasses.is_dataclass(kind) and any(
        field.repr and not field.init and field.default is dataclasses.MISSING
        for field in dataclasses.fields(kind)
    )


WRITTEN = [
    kind for kind in _classes() if _has_a_written_repr(kind) and not inspect.isabstract(kind)
]


@pytest.mark.parametrize("kind", WRITTEN, ids=lambda kind: kind.__qualname__)
def test_what_its_constructor_never_finished_has_a_repr(kind: Any) -> None:
    assert repr(kind.__new__(kind))


def test_the_walk_finds_them() -> None:
    assert {"Registry", "AsyncRegistry", "Validator", "WebhookConfig", "KafkaEventBus"} <= {
        kind.__name__ for kind in WRITTEN
    }


def test_no_dataclass_sets_a_field_that_it_shows_after_its_checks() -> None:
    assert [kind for kind in _classes() if _may_lack_a_field(kind)] == []


def _written_in(module: Path) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name == "__repr__":
            yield node


def test_those_of_adapters_hold_too_whatever_framework_is_there() -> None:
    adapters = Path(__file__).parents[2] / "adapters"
    written = {path: [*_written_in(path)] for path in adapters.rglob("*.py")}
    assert sum(map(len, written.values())) >= 6
    assert [
        path.name
        for path, methods in written.items()
        for method in methods
        if "never_raises" not in map(ast.unparse, method.decorator_list)
    ] == []
