"""The verdict on any Python value by one schema under one set of options. Shared and cached."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from cachetools import LRUCache
from jsonschema_rs import ValidationError

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.jsonschema.recursion import is_recursive
from llm_integrations.core.validation.compiled_schema import CompiledSchema, compile_schema
from llm_integrations.core.validation.messages.violations import Describer
from llm_integrations.core.validation.nan_guard import NotGuardable, nan_guard
from llm_integrations.core.validation.normalise import (
    ENGINE_DEPTH,
    Normalised,
    Problem,
    normalise,
)
from llm_integrations.core.validation.nulls.drop_nulls import Nulls
from llm_integrations.core.validation.plain import is_exactly_json, is_plain
from llm_integrations.core.validation.report import Violation
from llm_integrations.core.validation.source import Source

__all__ = ["KEPT", "Evaluator", "evaluator_for"]

KEPT: Final = 1024
_Accepts = Callable[[Any], bool]


@dataclass(frozen=True)
class Evaluator:
    """A compiled schema with what prepares data for it and words what it finds.

    Attributes:
        fast: the verdict on a raw value. True is final; False, or any error but
            ValidationLimitExceeded, asks for a closer look.
        compiled: judges JSON types.
        nulls: drops nulls before the engine sees them; None under ``nulls="strict"``.
        max_depth: levels of data that are judged; None where the schema itself bounds them.
        describer: words the violations.
    """

    fast: _Accepts
    compiled: CompiledSchema
    nulls: Nulls | None
    max_depth: int | None
    describer: Describer

    def accepts(self, value: Any) -> bool:
        """The verdict on anything."""
        if is_exactly_json(value, self._levels):
            with suppress(ValueError):
                return self._accepts(value)
        form = normalise(value, self.max_depth)
        try:
            return not form.problems and self._accepts(form.value)
        except ValueError:
            # The engine met raw bytes or the like. Whether its ``is_valid`` looks at them depends on
            # the order in which it checks keywords; what counts is whether they are a violation.
            return self.explain(value, most=0)[1] == 0

    def violations(self, value: Any, *, plain: bool = False) -> list[Violation]:
        """What is wrong with anything; empty when it is valid. Otherwise as ``explain``."""
        return self.explain(value, plain=plain)[0]

    def explain(
        self, value: Any, *, plain: bool = False, most: int | None = None
    ) -> tuple[list[Violation], int]:
        """What is wrong with anything, and how much that is; nothing when it is valid.

        Args:
            plain: the caller knows that it is JSON types, finite numbers and Unicode text already,
                not too deep: finding that out here costs more than the rest.
            most: how many violations are put into words.
        """
        if plain or is_exactly_json(value, self._levels):
            # ``suppress``: the value may still hold keys that are no text, and lone surrogates.
            with suppress(ValueError):
                errors, data = self._errors(value)
                return [self.describer.violation(e, data) for e in errors[:most]], len(errors)
        form = normalise(value, self.max_depth)
        try:
            return self._found(form, most)
        except ValueError:
            # The engine met a value without a JSON form, so each such value is a problem as well.
            return self._found(form.without_opaque(), most)

    @property
    def _levels(self) -> int:
        return self.max_depth or ENGINE_DEPTH

    def _accepts(self, value: Any) -> bool:
        return any(map(self.compiled.accepts, self._variants(value)))

    def _found(self, form: Normalised, most: int | None) -> tuple[list[Violation], int]:
        errors, data = self._errors(form.value)
        places = {problem.path for problem in form.problems}
        others = [error for error in errors if tuple(error.instance_path) not in places]
        found = [self._of_problem(problem) for problem in form.problems[:most]]
        rest = None if most is None else most - len(found)
        found += [self.describer.violation(error, data) for error in others[:rest]]
        return found, len(form.problems) + len(others)

    def _variants(self, value: Any) -> Iterable[Any]:
        return (value,) if self.nulls is None else self.nulls.variants(value)

    def _errors(self, value: Any) -> tuple[list[ValidationError], Any]:
        """The errors of the variant that comes nearest to being valid, and that variant."""
        if self.nulls is None:
            return self.compiled.errors(value), value
        judged = [(self.compiled.errors(variant), variant) for variant in self._variants(value)]
        return min(judged, key=lambda errors_and_variant: len(errors_and_variant[0]))

    def _of_problem(self, problem: Problem) -> Violation:
        return Violation(self.describer.path(problem.path), problem.message, problem.keyword)


_evaluators: LRUCache[Source, Evaluator] = LRUCache(maxsize=KEPT)
_evaluators_lock = threading.Lock()


def evaluator_for(source: Source) -> Evaluator:
    """The compiled form of a source. Those used last are kept, so equal sources share one."""
    with _evaluators_lock:
        found = _evaluators.get(source)
    if found is None:
        found = _compile(source)
        with _evaluators_lock:
            found = _evaluators.setdefault(source, found)
    return found


def _compile(source: Source) -> Evaluator:
    options = source.options
    documents = Documents(source.body(), source.resources())
    compiled = compile_schema(documents, options)
    max_depth = options.max_depth if is_recursive(documents) else None
    nulls = Nulls(documents) if options.nulls == "absent" else None
    accepts = _guard(documents, options, compiled, max_depth)
    return Evaluator(
        fast=accepts if nulls is None else _apart_from_nulls(accepts, nulls),
        compiled=compiled,
        nulls=nulls,
        max_depth=max_depth,
        describer=Describer(documents, options.show_values),
    )


def _guard(
    documents: Documents,
    options: ValidationOptions,
    compiled: CompiledSchema,
    max_depth: int | None,
) -> _Accepts:
    """The engine, kept away from data without end and from approving NaN unseen."""
    if max_depth is None:
        try:
            stricter = nan_guard(documents)
        except (NotGuardable, RecursionError):
            return _if_plain(compiled.accepts, ENGINE_DEPTH)
        return (
            compiled if stricter is None else compile_schema(documents, options, stricter)
        ).accepts
    return _if_plain(compiled.accepts, max_depth)


def _if_plain(accepts: _Accepts, max_depth: int) -> _Accepts:
    return lambda value: is_plain(value, max_depth) and accepts(value)


def _apart_from_nulls(accepts: _Accepts, nulls: Nulls) -> _Accepts:
    def accepts_apart(value: Any) -> bool:
        if nulls.only_help and accepts(value):
            return True
        return any(map(accepts, nulls.variants(value)))

    return accepts_apart
