"""Compiling with jsonschema-rs: offline, formats said either way, patterns bounded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, TypeVar

import jsonschema_rs

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.fingerprint import JsonSchema
from llm_integrations.core.validation.documents import BASE_URI, Documents

__all__ = ["BACKTRACK_LIMIT", "Engine", "Patterns", "bounded_patterns", "compile_engine"]

Engine = jsonschema_rs.Validator
Patterns = jsonschema_rs.RegexOptions | jsonschema_rs.FancyRegexOptions

BACKTRACK_LIMIT: Final = 10_000
"""Steps of one hard pattern on one text before it is given up (about 0.2 ms)."""

_ANY_STACK_HOLDS: Final = 24
_ROOMY_STACK: Final = 64 * 1024 * 1024

_T = TypeVar("_T")
_stack_size = threading.Lock()


def bounded_patterns() -> Patterns:
    """Lookaround and backreferences, given up at BACKTRACK_LIMIT; ask only ``iter_errors``."""
    return jsonschema_rs.FancyRegexOptions(backtrack_limit=BACKTRACK_LIMIT)


def compile_engine(
    schema: JsonSchema,
    documents: Documents,
    options: ValidationOptions,
    patterns: Patterns | None = None,
) -> Engine:
    """Compile; raise ValueError, as the engine words it, for what does not compile.

    Args:
        schema: the documents' root, or an equivalent of it.
        documents: what its references may reach.
        options: whether formats are asserted.
        patterns: None means linear time, which refuses lookaround and backreferences.
    """

    def compile_it() -> Engine:
        return jsonschema_rs.validator_for(
            schema,
            # Off by default in 2020-12 and on in draft 7, so it is always said.
            validate_formats=options.formats,
            registry=_registry(documents),
            base_uri=BASE_URI,
            pattern_options=patterns or jsonschema_rs.RegexOptions(),
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
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(task())
        except BaseException as error:  # noqa: BLE001 - carried over to the caller's thread
            failure.append(error)

    with _stack_size:
        before = threading.stack_size(_ROOMY_STACK)
        try:
            thread = threading.Thread(target=run, name="schema-compiler", daemon=True)
            thread.start()
        finally:
            threading.stack_size(before)
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
