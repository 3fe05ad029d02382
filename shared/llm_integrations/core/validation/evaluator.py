"""The verdict on any Python value by one schema under one set of options. Shared and cached."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

from cachetools import LRUCache

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.jsonschema.recursion import is_recursive
from llm_integrations.core.validation.compiled_schema import (
    CompiledSchema,
    compile_schema,
    verdict_of,
)
from llm_integrations.core.validation.engine_faults import is_fault, no_verdict
from llm_integrations.core.validation.explain.failure import ErrorList
from llm_integrations.core.validation.explain.places import place_of
from llm_integrations.core.validation.messages.violations import Describer
from llm_integrations.core.validation.nan_guard import NotGuardable, nan_guard
from llm_integrations.core.validation.normalise import (
    ENGINE_DEPTH,
    Normalised,
    Problem,
    normalise,
)
from llm_integrations.core.validation.nulls.drop_nulls import Nulls
from llm_integrations.core.validation.plain import is_exactly_json, is_plain, size_of_json
from llm_integrations.core.validation.report import Violation
from llm_integrations.core.validation.source import Source

__all__ = ["KEPT", "Evaluator", "Explained", "evaluator_for"]

KEPT: Final = 1024
_Accepts = Callable[[Any], bool]


class Explained(NamedTuple):  # a dataclass takes a µs more, for every invalid value
    """Attributes: the first violations, how many there are, and whether looking for them was given
    up, so that there may be more."""

    violations: list[Violation]
    number: int
    is_cut: bool

    @property
    def is_partial(self) -> bool:
        """Whether there are others than these violations, or may be."""
        return self.is_cut or self.number != len(self.violations)


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
        try:
            if is_exactly_json(value, self.levels):
                try:
                    return self._accepts(value)
                except ValueError:
                    pass  # As below.
            return self._accepts_form(value)
        except BaseException as error:
            if not is_fault(error):
                raise
            failed = no_verdict(error)
        raise failed

    @property
    def tells_parts(self) -> bool:
        """Whether ``accepted`` can be asked about a part of an object's properties as well."""
        return self.nulls is None or not self.nulls.is_branching

    def accepted(self, value: Any) -> Any:
        """Of a value that was accepted the form that was: without the nulls that are absent."""
        if self.nulls is None:
            return value
        try:
            return self._accepted(value)
        except BaseException as error:
            if not is_fault(error):
                raise
            failed = no_verdict(error)
        raise failed

    def _accepted(self, value: Any) -> Any:
        if not is_exactly_json(value, self.levels):
            value = normalise(value, self.max_depth).without_opaque().value
        variants = list(self._variants(value))
        if len(variants) == 1:
            return variants[0]
        return next(filter(self.compiled.accepts, variants), value)

    def explain(self, value: Any, *, most: int, size: float = 0) -> Explained:
        """What is wrong with anything; nothing when it is valid.

        Args:
            most: how many violations are put into words.
            size: of JSON types no more than ``levels`` deep, if the value is known to be that: as
                ``size_of_json`` has it, or more. 0 where that is not known.
        """
        try:
            if size := size or size_of_json(value, self.levels):
                try:
                    return self._worded(*self._errors(value, most, size))
                except ValueError:
                    pass  # It may still hold keys that are no text, and lone surrogates.
            return self._explain_form(normalise(value, self.max_depth), most)
        except BaseException as error:
            if not is_fault(error):
                raise
            failed = no_verdict(error)
        raise failed

    @cached_property
    def levels(self) -> int:
        """Levels of containers in a value that the engine can be asked about as it is."""
        return self.max_depth or ENGINE_DEPTH

    def _accepts_form(self, value: Any) -> bool:
        form = normalise(value, self.max_depth)
        try:
            return not form.problems and self._accepts(form.value)
        except ValueError:
            # The engine met raw bytes or the like. Whether its ``is_valid`` looks at them hangs on
            # the order in which it checks keywords; what counts is whether they are a violation.
            return self._explain_form(form, 0).number == 0

    def _explain_form(self, form: Normalised, most: int) -> Explained:
        try:
            return self._found(form, most)
        except ValueError:
            # The engine met a value without a JSON form, so each such value is a problem as well.
            return self._found(form.without_opaque(), most)

    def _worded(self, found: ErrorList, data: Any) -> Explained:
        violation = self.describer.violation
        violations = [violation(error, data) for error in found.errors]
        return Explained(violations, found.number, found.is_cut)

    def _accepts(self, value: Any) -> bool:
        return any(map(self.compiled.accepts, self._variants(value)))

    def _found(self, form: Normalised, most: int) -> Explained:
        paths = {problem.path for problem in form.problems}
        found, data = self._errors(form.value, most + len(paths))
        # A problem's value is None in the form: what is said about that None is no news.
        others = [e for e in found.errors if tuple(place_of(e, data)[0]) not in paths]
        number = found.number - len(found.errors) + len(others) + len(form.problems)
        violations = [self._of_problem(problem) for problem in form.problems[:most]]
        rest = most - len(violations)
        violations += [self.describer.violation(error, data) for error in others[:rest]]
        return Explained(violations, number, found.is_cut)

    def _variants(self, value: Any) -> Iterable[Any]:
        return (value,) if self.nulls is None else self.nulls.variants(value)

    def _errors(self, value: Any, most: int, size: float = 0) -> tuple[ErrorList, Any]:
        """The errors of the variant that comes nearest to being valid, and that variant."""
        if self.nulls is None:
            return self.compiled.errors(value, most, size), value
        judged = [(self.compiled.errors(each, most), each) for each in self._variants(value)]
        return min(judged, key=lambda errors_and_variant: errors_and_variant[0].number)

    def _of_problem(self, problem: Problem) -> Violation:
        return Violation(self.describer.path(problem.path), problem.message, problem.keyword)


_evaluators: LRUCache[Source, Evaluator] = LRUCache(maxsize=KEPT)
_evaluators_lock = threading.Lock()


def evaluator_for(source: Source, *, keep: bool = True) -> Evaluator:
    """The compiled form of a source. Those used last are kept, so equal sources share one."""
    with _evaluators_lock:
        found = _evaluators.get(source)
    if found is None:
        found = _compile(source)
        if not keep:
            return found
        with _evaluators_lock:
            found = _evaluators.setdefault(source, found)
    return found


def _compile(source: Source) -> Evaluator:
    options = source.options
    documents = Documents(source.body(), source.resources())
    recursive = is_recursive(documents)
    compiled = compile_schema(documents, options, recursive=recursive)
    max_depth = options.max_depth if recursive else None
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
    if max_depth is None and compiled.is_judged_by_engine:
        try:
            stricter = nan_guard(documents)
        except (NotGuardable, RecursionError):
            return _if_plain(compiled.accepts, ENGINE_DEPTH)
        return compiled.accepts if stricter is None else verdict_of(documents, options, stricter)
    return _if_plain(compiled.accepts, max_depth or ENGINE_DEPTH)


def _if_plain(accepts: _Accepts, max_depth: int) -> _Accepts:
    return lambda value: is_plain(value, max_depth) and accepts(value)


def _apart_from_nulls(accepts: _Accepts, nulls: Nulls) -> _Accepts:
    def accepts_apart(value: Any) -> bool:
        if nulls.only_help and accepts(value):
            return True
        return any(map(accepts, nulls.variants(value)))

    return accepts_apart
