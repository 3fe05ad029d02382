"""Every error this library raises. No other library's exception leaves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_integrations.core.evolution.verdict.report import CompatibilityReport
    from llm_integrations.core.validation.report import ValidationReport

__all__ = [
    "ArrowMismatch",
    "CircuitOpen",
    "ComparisonLimitExceeded",
    "ConfigurationError",
    "EventError",
    "IncompatibleSchema",
    "InvalidEvaluation",
    "InvalidReference",
    "InvalidSchema",
    "LLMIntegrationsError",
    "MissingExtra",
    "OtherSchemaType",
    "PinMismatch",
    "QuarantineError",
    "RegistryAuthError",
    "RegistryError",
    "RegistryProtocolError",
    "RegistryUnavailable",
    "SchemaConflict",
    "SchemaNotFound",
    "SchemaValidationError",
    "Unsupported",
    "ValidationLimitExceeded",
    "WebhookError",
]


class LLMIntegrationsError(Exception):
    """The base of every error of this library.

    Subclasses may carry attributes beside the message; all of them survive pickling, so that an
    error raised in a worker process arrives whole.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, dict(self.__dict__))


def _rebuild(
    kind: type[LLMIntegrationsError], args: tuple[Any, ...], state: dict[str, Any]
) -> LLMIntegrationsError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(LLMIntegrationsError):
    """An option, URL or environment variable is wrong; the message says what to write instead."""


class InvalidReference(ConfigurationError):
    """A schema reference that cannot be read, as ``user-profile@two``."""


class MissingExtra(LLMIntegrationsError, ImportError):
    """An optional part is not installed; the message holds the pip command that installs it."""


class RegistryError(LLMIntegrationsError):
    """Something went wrong between us and the registry."""


class SchemaNotFound(RegistryError):
    """The registry has no such subject, version or id."""


class SchemaConflict(RegistryError):
    """The version exists already with other content."""


class InvalidSchema(RegistryError):
    """The document is not a JSON Schema that we can judge by; the message says why."""


class OtherSchemaType(InvalidSchema):
    """Nothing is wrong with it, but it is no JSON Schema: it is Avro's, say."""


class Unsupported(RegistryError):
    """This registry cannot do what was asked for."""


class RegistryAuthError(RegistryError):
    """The registry refused our credentials (401) or our rights (403)."""


class RegistryProtocolError(RegistryError):
    """The registry's answer makes no sense: HTML, truncated JSON, another API, too large."""


class RegistryUnavailable(RegistryError):
    """The registry cannot be reached, is too slow, limits us or fails.

    Attributes:
        retryable: whether another attempt can succeed.
        retry_after: seconds that the server asked us to wait, or None.
        counts_as_failure: whether a circuit breaker should count it (429 does not).
    """

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = True,
        retry_after: float | None = None,
        counts_as_failure: bool = True,
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after
        self.counts_as_failure = counts_as_failure


class CircuitOpen(RegistryUnavailable):
    """Not even tried: the last calls failed, and the breaker waits before the next one."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message, retryable=False, retry_after=retry_after)


class IncompatibleSchema(RegistryError):
    """A schema was refused because it breaks its subject's compatibility level.

    Attributes:
        report: the CompatibilityReport with a witness for each violation, where one is known.
    """

    def __init__(self, message: str, *, report: CompatibilityReport | None = None) -> None:
        super().__init__(message)
        self.report = report


class SchemaValidationError(LLMIntegrationsError):
    """Data does not satisfy its schema.

    Not a ValueError: pydantic and vLLM would swallow or rewrite one.

    Attributes:
        report: the ValidationReport, values redacted unless asked for.
        reports: those on all answers, where a model was asked again; the last one is ``report``.
    """

    def __init__(
        self,
        message: str,
        *,
        report: ValidationReport,
        reports: tuple[ValidationReport, ...] = (),
    ) -> None:
        super().__init__(message)
        self.report = report
        self.reports = reports or (report,)


class ValidationLimitExceeded(LLMIntegrationsError):
    """There is no verdict: a pattern's backtracking hit its limit, or the engine itself failed."""


class ComparisonLimitExceeded(LLMIntegrationsError):
    """Two schemas differ in more than ``Limits`` let us list; nothing is wrong with either.

    Attributes:
        changes: the differences that were found before, each a ``Change`` of ``core.evolution``.
    """

    def __init__(self, message: str, *, changes: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.changes = tuple(changes)


class ArrowMismatch(LLMIntegrationsError):
    """Columns and rows were judged differently: a bug of ours, never a property of the data."""


class InvalidEvaluation(LLMIntegrationsError):
    """Test cases, results or metrics of an evaluation do not satisfy their schemas.

    Attributes:
        results: what the harness returned, so that a long run is not lost; None when no model
            was called yet.
    """

    def __init__(self, message: str, *, results: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.results = results


class PinMismatch(LLMIntegrationsError):
    """A benchmark must not run: it is not pinned, or not to the schemas that are there now."""


class QuarantineError(LLMIntegrationsError):
    """A quarantine cannot be written; the message names the folder and says why."""


class EventError(LLMIntegrationsError):
    """An event could not be read, published or handled."""


class WebhookError(LLMIntegrationsError):
    """A webhook could not be configured, delivered or verified."""
