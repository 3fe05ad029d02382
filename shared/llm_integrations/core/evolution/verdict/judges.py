"""What judges data by the schemas of a comparison as their authors wrote them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.evolution.model.source import Source
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.validation.compiled_schema import CompiledSchema, compile_schema
from llm_integrations.core.validation.explain.hard_patterns import hard_patterns

__all__ = ["judge_beside", "judges_of_pair"]


def judge_beside(
    source: Source, others: Iterable[Source], options: ValidationOptions
) -> tuple[CompiledSchema, ValidationOptions]:
    """What judges data by a source, and the options with which it does.

    A pattern that looks around is no reason to refuse a schema where the others have it too: that
    it is the same needs no judging, and data is judged by it under a limit.

    Raises:
        InvalidSchema: it does not compile.
    """
    documents = Documents(source.body, source.resources)
    try:
        return compile_schema(documents, options), options
    except InvalidSchema:
        hard = set() if options.regex == "bounded" else set(hard_patterns(documents))
        known = (hard_patterns(Documents(s.body, s.resources)) for s in others if hard)
        if not hard or not hard.issubset(pattern for patterns in known for pattern in patterns):
            raise
    options = replace(options, regex="bounded")
    return compile_schema(documents, options), options


def judges_of_pair(
    old: Source, new: Source, options: ValidationOptions
) -> tuple[CompiledSchema, CompiledSchema, ValidationOptions]:
    """What judges data by either side, and the options for both."""
    reader, by_old = judge_beside(old, [new], options)
    judge, by_new = judge_beside(new, [old], options)
    return reader, judge, by_old if by_old.regex == "bounded" else by_new
