"""One base class, and errors that arrive whole from another process."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from typing import Any

import pytest

from llm_integrations.core import errors
from llm_integrations.core.errors import (
    CircuitOpen,
    IncompatibleSchema,
    LLMIntegrationsError,
    MissingExtra,
    RegistryError,
    RegistryUnavailable,
    SchemaValidationError,
)
from llm_integrations.core.extras import require_extra
from llm_integrations.core.validation import ValidationReport, compile_validator

ALL = [getattr(errors, name) for name in errors.__all__]
REPORT = compile_validator({"required": ["a"]}, reference="x@1").validate({})
ARGUMENTS: dict[type[Exception], dict[str, Any]] = {
    RegistryUnavailable: {"retryable": False, "retry_after": 2.5, "counts_as_failure": False},
    CircuitOpen: {"retry_after": 29.0},
    IncompatibleSchema: {"report": None},
    SchemaValidationError: {"report": REPORT},
}


def made(kind: type[LLMIntegrationsError]) -> LLMIntegrationsError:
    return kind("it failed", **ARGUMENTS.get(kind, {}))


@pytest.mark.parametrize("kind", ALL)
def test_every_error_has_one_base(kind: type[Exception]) -> None:
    assert issubclass(kind, LLMIntegrationsError)
    assert kind.__doc__


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_error_pickles_with_all_that_it_carries(
    kind: type[LLMIntegrationsError], protocol: int
) -> None:
    error = made(kind)
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is kind
    assert str(again) == "it failed"
    assert again.args == error.args
    assert vars(again) == vars(error)


@pytest.mark.parametrize("kind", ALL)
def test_every_error_can_be_copied(kind: type[LLMIntegrationsError]) -> None:
    assert vars(copy.copy(made(kind))) == vars(made(kind))


@pytest.mark.parametrize("kind", ALL)
def test_only_a_missing_extra_is_also_an_error_of_python(kind: type[Exception]) -> None:
    """pydantic and vLLM swallow or rewrite a ValueError; others treat OSErrors as the network's."""
    assert issubclass(kind, ImportError) is (kind is MissingExtra)
    assert not issubclass(kind, ValueError | TypeError | OSError | LookupError | RuntimeError)


def test_the_registrys_errors_have_one_base_of_their_own() -> None:
    for name in ("SchemaNotFound", "InvalidSchema", "Unsupported", "CircuitOpen", "SchemaConflict"):
        assert issubclass(getattr(errors, name), RegistryError)


def fail() -> None:
    raise SchemaValidationError("it failed", report=REPORT)


def test_an_error_arrives_whole_from_a_worker_process() -> None:
    pool = multiprocessing.get_context("spawn").Pool(1)
    with pool, pytest.raises(SchemaValidationError) as caught:
        pool.apply(fail)
    assert caught.value.report == REPORT


def test_a_validation_error_says_what_is_wrong() -> None:
    with pytest.raises(SchemaValidationError) as caught:
        REPORT.raise_if_invalid()
    assert str(caught.value) == ('does not satisfy x@1: (root): lacks the required property "a"')


def test_a_circuit_that_is_open_is_not_worth_another_attempt() -> None:
    error = CircuitOpen("wait", retry_after=5.0)
    assert (error.retryable, error.retry_after) == (False, 5.0)


def test_a_missing_extra_names_the_command_that_installs_it() -> None:
    require_extra("langchain", "json", "sys")
    with pytest.raises(MissingExtra) as caught:
        require_extra("kafka", "json", "no_such_module")
    assert str(caught.value) == (
        "no_such_module is not installed: pip install 'llm-integrations[kafka]'"
    )


def test_a_valid_report_is_no_error() -> None:
    ValidationReport(is_valid=True).raise_if_invalid()
