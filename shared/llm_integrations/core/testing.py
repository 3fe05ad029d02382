"""A pytest plugin for those whose evaluation is pytest: ``schema_case``.

Loaded by pytest through its entry point, so nothing else of the library is imported until a test
asks for the fixture. The registry is ``llm_integrations_registry`` in pytest's configuration, or
``LLM_INTEGRATIONS_REGISTRY_URL``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import pytest

if TYPE_CHECKING:
    from llm_integrations.core.registry import Registry

__all__ = [
    "SchemaCase",
    "assert_model_matches",
    "pytest_addoption",
    "schema_case",
    "schema_registry",
]

T = TypeVar("T")

_OPTION = "llm_integrations_registry"


class SchemaCase(Protocol):
    """``schema_case("subject@1", data)``: fails the test unless the data is valid; returns it.

    Text is valid if it is by itself, or the JSON that it holds: what a model answers.
    """

    def __call__(self, reference: str, data: T) -> T: ...


def assert_model_matches(
    model: Any,
    reference: str,
    registry: Registry | str | None = None,
    *,
    mode: Literal["validation", "serialization"] = "validation",
) -> None:
    """Fail a test where a class says something else than a registered version, and say what.

    ``assert_model_matches(UserProfile, "user-profile@latest", registry="schemas")``

    Args:
        model: a pydantic model, a dataclass, …: see ``core.models``.
        registry: a Registry, a URL, or None for the environment's.
        mode: which schema of a pydantic model is meant.
    """
    __tracebackhide__ = True
    from llm_integrations.core.models import compare_model
    from llm_integrations.core.registry import resolve_registry

    disagreement = compare_model(model, resolve_registry(registry).get(reference), mode)
    if disagreement:
        pytest.fail(f"{model.__name__} {disagreement}", pytrace=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(_OPTION, "the schema registry of the schema_case fixture: a folder or a URL")


@pytest.fixture(scope="session")
def schema_registry(pytestconfig: pytest.Config) -> Iterator[Registry]:
    """The registry that is configured; a relative folder starts at pytest's root."""
    from llm_integrations.core.registry import resolve_registry

    configured = pytestconfig.getini(_OPTION) or None
    if configured and "://" not in configured:
        configured = str(Path(pytestconfig.rootpath, configured))
    with resolve_registry(configured) as registry:
        yield registry


@pytest.fixture
def schema_case(schema_registry: Registry) -> SchemaCase:
    """Judge a test case, an output or a metric by the version in force; see SchemaCase."""

    def judge(reference: str, data: Any) -> Any:
        __tracebackhide__ = True
        report = schema_registry.validate(reference, data)
        note = ""
        if not report and isinstance(data, str):
            try:
                report = schema_registry.validate(reference, json.loads(data))
            except (ValueError, RecursionError):
                note = " (the text is no JSON, so it was judged as text)"
        if not report:
            lines = "\n".join(f"  {error}" for error in report.errors)
            pytest.fail(f"not valid by {report.schema}{note}:\n{lines}", pytrace=False)
        return data

    return judge
