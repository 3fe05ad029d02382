"""Compiling with jsonschema-rs: offline, formats said either way, patterns bounded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import jsonschema_rs
from jsonschema_rs import ValidationError

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import InvalidSchema, ValidationLimitExceeded
from llm_integrations.core.jsonschema.documents import BASE_URI, Documents
from llm_integrations.core.jsonschema.pointer import to_pointer
from llm_integrations.core.model.fingerprint import JsonSchema
from llm_integrations.core.validation.messages.compile_errors import reason

__all__ = ["BACKTRACK_LIMIT", "CompiledSchema", "compile_schema"]

_Patterns = jsonschema_rs.RegexOptions | jsonschema_rs.FancyRegexOptions
_GIVEN_UP = (
    jsonschema_rs.ValidationErrorKind.BacktrackLimitExceeded,
    jsonschema_rs.ValidationErrorKind.RegexEngineFailure,
)

BACKTRACK_LIMIT: Final = 10_000
"""Steps of one hard pattern on one text before it is given up (about 0.2 ms)."""

_ANY_STACK_HOLDS: Final = 24
"""Levels of schema that are compiled on the caller's stack, however small it is."""

_ROOMY_STACK: Final = 64 * 1024 * 1024
_T = TypeVar("_T")
_stack_size = threading.Lock()


@dataclass(frozen=True)
class CompiledSchema:
    """jsonschema-rs, compiled for one schema.

    Attributes:
        accepts: the verdict on a value; ValueError for a Python object that it does not know, and
            ValidationLimitExceeded when a pattern is given up.
        is_linear: whether every pattern runs in linear time, so that none is ever given up.
    """

    accepts: Callable[[Any], bool]
    is_linear: bool
    _validator: jsonschema_rs.Validator

    @classmethod
    def of(cls, validator: jsonschema_rs.Validator, *, is_linear: bool) -> CompiledSchema:
        if is_linear:
            return cls(validator.is_valid, True, validator)
        # `is_valid` would answer without saying that a pattern was given up.
        return cls(lambda value: not _errors(validator, value), False, validator)

    def errors(self, value: Any) -> list[ValidationError]:
        """What is wrong with a value; raises as ``accepts``."""
        if self.is_linear:
            return list(self._validator.iter_errors(value))
        return _errors(self._validator, value)


def compile_schema(
    documents: Documents, options: ValidationOptions, schema: JsonSchema | None = None
) -> CompiledSchema:
    """Compile the documents' root, or another schema in its place.

    Raises:
        InvalidSchema: it does not compile; the message says why.
    """
    schema = documents.root if schema is None else schema
    try:
        linear = _compile(schema, documents, options, jsonschema_rs.RegexOptions())
        return CompiledSchema.of(linear, is_linear=True)
    except ValueError as error:
        if options.regex == "linear":
            raise InvalidSchema(reason(error)) from None
    limits = jsonschema_rs.FancyRegexOptions(backtrack_limit=BACKTRACK_LIMIT)
    try:
        bounded = _compile(schema, documents, options, limits)
    except ValueError as error:
        raise InvalidSchema(reason(error)) from None
    return CompiledSchema.of(bounded, is_linear=False)


def _errors(validator: jsonschema_rs.Validator, value: Any) -> list[ValidationError]:
    errors = list(validator.iter_errors(value))
    for error in errors:
        if isinstance(error.kind, _GIVEN_UP):
            raise ValidationLimitExceeded(
                f"no verdict: the pattern at {to_pointer(error.schema_path)} was given up after "
                f"{BACKTRACK_LIMIT} steps"
            )
    return errors


def _compile(
    schema: JsonSchema, documents: Documents, options: ValidationOptions, patterns: _Patterns
) -> jsonschema_rs.Validator:
    def compile_it() -> jsonschema_rs.Validator:
        return jsonschema_rs.validator_for(
            schema,
            # Off by default in 2020-12 and on in draft 7, so it is always said.
            validate_formats=options.formats,
            registry=_registry(documents),
            base_uri=BASE_URI,
            pattern_options=patterns,
            # Nothing else keeps every `$ref` off the network and the disk; a registry does not.
            offline=True,
        )

    return compile_it() if documents.nesting <= _ANY_STACK_HOLDS else _with_room(compile_it)


def _registry(documents: Documents) -> jsonschema_rs.Registry | None:
    if not documents.resources:
        return None
    return jsonschema_rs.Registry(list(documents.resources.items()), retriever=_no_retrieval)


def _no_retrieval(uri: str) -> JsonSchema:
    raise ValueError(f"{uri} is not among the schema's references")


def _with_room(task: Callable[[], _T]) -> _T:
    """Run on a stack that holds the recursion over a deep schema, whatever the caller's holds."""
    outcome: list[_T] = []
    failure: list[Exception] = []

    def run() -> None:
        try:
            outcome.append(task())
        except Exception as error:  # noqa: BLE001 - carried over to the caller's thread
            failure.append(error)

    thread = threading.Thread(target=run, name="schema-compiler", daemon=True)
    with _stack_size:
        before = threading.stack_size(_ROOMY_STACK)
        try:
            thread.start()
        finally:
            threading.stack_size(before)
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
