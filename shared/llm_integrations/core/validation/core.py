"""What one schema, its references and one set of options compile to. Shared and cached."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.validation.documents import Documents
from llm_integrations.core.validation.engine import Engine, compile_engine
from llm_integrations.core.validation.messages import Describer
from llm_integrations.core.validation.normalise import Normalised, Problem, normalise
from llm_integrations.core.validation.report import Violation
from llm_integrations.core.validation.source import Source

__all__ = ["Core", "core_for"]


@dataclass(frozen=True)
class Core:
    """A compiled schema.

    Attributes:
        documents: the schema and what it refers to.
        options: how it judges.
        exact: the engine for JSON types.
        fast: the engine on raw values: True is final; False, or an error, asks for ``slow``.
        describer: words the violations.
        recursive: whether data is followed as deep as it goes.
    """

    documents: Documents
    options: ValidationOptions
    exact: Engine
    fast: Callable[[Any], bool]
    describer: Describer
    recursive: bool = True

    def slow(self, value: Any) -> bool:
        """The verdict on anything."""
        form = self._normalise(value)
        if form.problems:
            return False
        try:
            return self.exact.is_valid(form.value)
        except ValueError:
            return False

    def violations(self, value: Any) -> list[Violation]:
        """What is wrong with anything; empty when it is valid."""
        form = self._normalise(value)
        found = [self._violation(problem) for problem in form.problems]
        try:
            found += [self.describer.violation(e) for e in self.exact.iter_errors(form.value)]
        except ValueError:
            found += [self._violation(problem) for problem in form.opaque]
        return found

    def _normalise(self, value: Any) -> Normalised:
        return normalise(value, self.options.max_depth if self.recursive else None)

    def _violation(self, problem: Problem) -> Violation:
        return Violation(self.describer.path(problem.path), problem.message, problem.keyword)


_cores: LRUCache[Source, Core] = LRUCache(maxsize=1024)
_cores_lock = threading.Lock()


def core_for(source: Source) -> Core:
    """The compiled form of a source; the 1,024 used last are kept."""
    with _cores_lock:
        found = _cores.get(source)
    if found is None:
        found = _compile(source)
        with _cores_lock:
            found = _cores.setdefault(source, found)
    return found


def _compile(source: Source) -> Core:
    documents = Documents(source.body(), source.resources())
    try:
        exact = compile_engine(documents.root, documents, source.options)
    except ValueError as error:
        raise InvalidSchema(f"the schema does not compile: {error}") from None
    return Core(
        documents=documents,
        options=source.options,
        exact=exact,
        fast=exact.is_valid,
        describer=Describer(documents.words, source.options.show_values),
    )
