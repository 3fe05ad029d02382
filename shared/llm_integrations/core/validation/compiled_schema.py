"""Compiling with jsonschema-rs: offline, formats said either way, patterns bounded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final, Protocol, TypeVar

import jsonschema_rs
from jsonschema_rs import ValidationError

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import InvalidSchema, ValidationLimitExceeded
from llm_integrations.core.jsonschema.documents import BASE_URI, Documents
from llm_integrations.core.jsonschema.drafts import OLDER_DRAFTS
from llm_integrations.core.jsonschema.pointer import to_pointer
from llm_integrations.core.model.fingerprint import JsonSchema
from llm_integrations.core.validation.engine_faults import is_fault
from llm_integrations.core.validation.explain.failure import ErrorList
from llm_integrations.core.validation.explain.growth import (
    NOT_REMEMBERED,
    Growth,
    growth_of,
    is_surely_judged_in_time,
    most_errors_about_a_value,
)
from llm_integrations.core.validation.messages.compile_errors import reason
from llm_integrations.core.validation.patterns import BACKTRACK_LIMIT, PatternLimits, limits_of

__all__ = ["CompiledSchema", "compile_schema", "verdict_of"]

_Patterns = jsonschema_rs.RegexOptions | jsonschema_rs.FancyRegexOptions
_GIVEN_UP = (
    jsonschema_rs.ValidationErrorKind.BacktrackLimitExceeded,
    jsonschema_rs.ValidationErrorKind.RegexEngineFailure,
)

_ANY_STACK_HOLDS: Final = 24
"""Levels of schema that are compiled on the caller's stack, however small it is."""

_SMALL: Final = 5_000
"""Values, or 64 characters each, of which the engine may make a copy for every level."""

_SMALL_WITH_NAMES: Final = 500
"""The same where it copies an object for each name that is wrong."""

_MOST_LISTED: Final = 200_000
"""Errors, and entries that they quote, which the engine may list (18 µs and a kilobyte each)."""

_ROOMY_STACK: Final = 64 * 1024 * 1024
_T = TypeVar("_T")
_stack_size = threading.Lock()


class _ListErrors(Protocol):
    def __call__(self, value: Any, most: int, size: float = 0, /) -> ErrorList:
        """``size`` is how many values it holds, or 64 characters each, if known, else 0."""
        ...


@dataclass(frozen=True)
class CompiledSchema:
    """One schema, compiled.

    Attributes:
        accepts: the verdict on a value; ValueError for a Python object that it does not know, and
            ValidationLimitExceeded when a pattern is given up.
        errors: what is wrong with a value, so many at the most; raises as ``accepts``.
        is_judged_by_engine: whether jsonschema-rs itself gives the verdict.
    """

    accepts: Callable[[Any], bool]
    errors: _ListErrors
    is_judged_by_engine: bool = True


def compile_schema(
    documents: Documents,
    options: ValidationOptions,
    *,
    recursive: bool = True,
    limits: PatternLimits | None = None,
) -> CompiledSchema:
    """Compile the documents' root.

    Args:
        recursive: whether some reference may lead back to where it stands.
        limits: of its patterns, if it is a part of something whose patterns were looked at.

    Raises:
        InvalidSchema: it does not compile, or judging by it could take for ever; the message says
            why.
    """
    growth = (
        None if is_surely_judged_in_time(documents) else growth_of(documents, documents.keywords)
    )
    is_judged = growth is None or growth.is_judged_in_time
    if growth and not (is_judged or NOT_REMEMBERED.isdisjoint(documents.keywords)):
        raise InvalidSchema(
            "judging by it could take for ever: through its references and combinations "
            f"{growth.looks:,} subschemas can apply to one value, of "
            f"{len(growth.uses):,} that it has ({growth.most_looks:,} may)"
        )
    _check_resources(documents)
    validator, patterns = _compiled(documents.root, documents, options, limits)
    walking = partial(_walking, is_judged, documents, options, validator, patterns)
    if not is_judged:
        return walking()
    listing = _listing_all(validator, patterns)
    if growth is None and not recursive:
        growth = Growth()
    chosen = _ListedOrWalked(documents, listing, walking, growth)
    is_linear = isinstance(patterns, jsonschema_rs.RegexOptions)
    return CompiledSchema(listing.accepts if is_linear else chosen.accepts, chosen.errors)


class _ListedOrWalked:
    """Errors of a schema that the engine lists in time for some values."""

    def __init__(
        self,
        documents: Documents,
        listed: CompiledSchema,
        walking: Callable[[], CompiledSchema],
        growth: Growth | None,
    ) -> None:
        self._documents = documents
        self._listed = listed
        self._walking = walking
        if growth is not None:
            self.growth = growth

    @cached_property
    def growth(self) -> Growth:
        """Counted for the first invalid value, where the verdict did not ask for it."""
        return growth_of(self._documents, self._documents.keywords)

    @cached_property
    def walked(self) -> CompiledSchema:
        return self._walking()

    @cached_property
    def _room(self) -> int:
        """Values of which the engine lists all errors in time, if it does at all."""
        most = _SMALL_WITH_NAMES if "propertyNames" in self._documents.keywords else _SMALL
        return min(most, _MOST_LISTED // most_errors_about_a_value(self._documents))

    @cached_property
    def _most_values(self) -> int:
        """Values of which the engine surely lists all errors in time."""
        return self._room if self.growth.is_listed_in_time else 0

    def accepts(self, value: Any) -> bool:
        """The verdict where only the list says that a pattern was given up."""
        return (self._listed if self._is_short(value) else self.walked).accepts(value)

    def errors(self, value: Any, most: int, size: float = 0) -> ErrorList:
        is_short = 0 < size <= self._most_values or self._is_short(value)
        return (self._listed if is_short else self.walked).errors(value, most, size)

    @cached_property
    def _is_short(self) -> Callable[[Any], bool]:
        """Whether the engine's list for a value is."""
        if self.growth.is_listed_in_time:
            return partial(_is_small, room=self._room)
        return self.growth.is_listed_soon


def _is_small(value: Any, room: int) -> bool:
    waiting = [value]
    for item in waiting:  # to which members are added on the way
        kind = type(item)
        if kind is str:
            room -= len(item) >> 6
        elif kind is dict:
            waiting += item.values()
        elif kind is list or kind is tuple:
            waiting += item
        else:
            continue
        if len(waiting) > room:
            return False
    return len(waiting) <= room


def _walking(
    is_judged: bool,
    documents: Documents,
    options: ValidationOptions,
    validator: jsonschema_rs.Validator,
    patterns: _Patterns,
) -> CompiledSchema:
    """For a schema whose errors the engine does not list in time, or that it cannot judge by.

    Args:
        is_judged: whether the engine gives its verdict in time.
    """
    # Few schemas come here, and every process waits for what is imported above.
    from llm_integrations.core.validation.explain.descent import Descent
    from llm_integrations.core.validation.explain.remembering import RememberedVerdicts
    from llm_integrations.core.validation.explain.subschemas import Subschemas, Verdict

    engine_options = {"validate_formats": options.formats, "pattern_options": patterns}
    subschemas = Subschemas(documents, engine_options, _with_room)

    def verdict() -> Verdict:
        return subschemas.accepts if is_judged else RememberedVerdicts(subschemas).accepts

    accepts: Callable[[Any], bool] = validator.is_valid
    if not is_judged:
        accepts = lambda value: verdict()(documents.top, value)  # noqa: E731 - one of two
    if not isinstance(patterns, jsonschema_rs.RegexOptions):
        accepts = _unless_given_up(accepts, documents)

    def errors(value: Any, most: int, _size: float = 0) -> ErrorList:
        if accepts(value):
            return ErrorList()
        return Descent(subschemas, verdict(), value, options.max_steps).errors(most)

    return CompiledSchema(accepts, errors, is_judged)


def verdict_of(
    documents: Documents, options: ValidationOptions, schema: JsonSchema
) -> Callable[[Any], bool]:
    """What accepts data by another schema in the place of the documents' root."""
    validator, patterns = _compiled(schema, documents, options)
    return _listing_all(validator, patterns).accepts


def _unless_given_up(accepts: Callable[[Any], bool], documents: Documents) -> Callable[[Any], bool]:
    """The verdict, once no pattern that looks around was given up on any text of the data.

    Only the engine's list of errors says that it gave up, and that list is what may not end here.
    """
    from llm_integrations.core.validation.explain.hard_patterns import hard_patterns, texts_of

    patterns = hard_patterns(documents)
    limits = PatternLimits(len(patterns)).bounded
    # One by one: given up, a pattern is not reported beside another that does not match.
    hard = [
        jsonschema_rs.validator_for({"pattern": pattern}, offline=True, pattern_options=limits)
        for pattern in patterns
    ]

    def accepts_if_known(value: Any) -> bool:
        for text in texts_of(value):
            for pattern in hard:
                _errors(pattern, text)
        return accepts(value)

    return accepts_if_known


def _listing_all(validator: jsonschema_rs.Validator, patterns: _Patterns) -> CompiledSchema:
    """For a schema whose errors the engine lists in time."""

    if isinstance(patterns, jsonschema_rs.RegexOptions):
        return CompiledSchema(validator.is_valid, partial(_listed, validator.iter_errors))
    errors = partial(_errors, validator)
    # `is_valid` would answer without saying that a pattern was given up.
    return CompiledSchema(lambda value: not errors(value), partial(_listed, errors))


def _listed(
    list_errors: Callable[[Any], Iterable[ValidationError]], value: Any, most: int, _size: float = 0
) -> ErrorList:
    found = list(list_errors(value))
    return ErrorList(found if len(found) <= most else found[:most], len(found))


def _compiled(
    schema: JsonSchema,
    documents: Documents,
    options: ValidationOptions,
    limits: PatternLimits | None = None,
) -> tuple[jsonschema_rs.Validator, _Patterns]:
    limits = limits or limits_of(documents)
    patterns: list[_Patterns] = [limits.linear]
    if options.regex == "bounded":
        patterns.append(limits.bounded)
    refused, is_malformed = "", False
    for choice in patterns:
        try:
            return _compile(schema, documents, options, choice), choice
        except BaseException as error:
            if not is_fault(error):
                raise
            refused = reason(error)
            is_malformed = isinstance(error, ValidationError)
    raise InvalidSchema(refused + (_draft_to_name(schema, documents, options) * is_malformed))


def _check_resources(documents: Documents) -> None:
    """Hold what is referenced against the schema of its draft, as the engine holds the root."""
    dialect = documents.root.get("$schema") if isinstance(documents.root, dict) else None
    offline = jsonschema_rs.Registry([], retriever=_no_retrieval) if documents.named else None
    for name, body in documents.named.items():
        if not isinstance(body, dict):
            continue
        declared = body if "$schema" in body or dialect is None else {"$schema": dialect, **body}
        check = partial(jsonschema_rs.meta.validate, declared, offline)
        try:
            check() if documents.nesting <= _ANY_STACK_HOLDS else _with_room(check)
        except ValidationError as error:
            older = "" if "$schema" in declared else _older_draft_of(body)
            raise InvalidSchema(f"in what {name!r} refers to, {reason(error)}{older}") from None
        except BaseException as error:  # an unknown draft, which compiling says
            if not is_fault(error):
                raise


def _older_draft_of(body: dict[str, Any]) -> str:
    for name, uri in OLDER_DRAFTS:
        if jsonschema_rs.meta.is_valid({"$schema": uri, **body}):
            return f'; by {name} it is one, so name that draft in it: "$schema": "{uri}"'
    return ""


def _draft_to_name(schema: JsonSchema, documents: Documents, options: ValidationOptions) -> str:
    """Words about the draft by which a schema that names none would be one; mostly empty."""
    if not isinstance(schema, dict) or "$schema" in schema:
        return ""
    for name, uri in OLDER_DRAFTS:
        declared = Documents({"$schema": uri, **schema}, documents.named)
        try:
            _compile(declared.root, declared, options, jsonschema_rs.RegexOptions())
        except BaseException as error:
            if not is_fault(error):
                raise
        else:
            return f'; by {name} it is one, so name that draft in it: "$schema": "{uri}"'
    return ""


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
    return jsonschema_rs.Registry(documents.declared_resources, retriever=_no_retrieval)


def _no_retrieval(uri: str) -> JsonSchema:
    raise ValueError(f"{uri} is not among the schema's references")


def _with_room(task: Callable[[], _T]) -> _T:
    """Run on a stack that holds the recursion over a deep schema, whatever the caller's holds."""
    outcome: list[_T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(task())
        except BaseException as error:  # noqa: BLE001 - carried over to the caller's thread
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
