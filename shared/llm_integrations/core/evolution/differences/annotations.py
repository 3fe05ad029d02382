"""Comparing what describes data without judging it: titles, defaults, definitions, the dialect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from llm_integrations.core.evolution.differences.change import Change
from llm_integrations.core.evolution.differences.walk import Pair, Walk
from llm_integrations.core.evolution.model.kinds import ChangeKind
from llm_integrations.core.evolution.model.source import Source
from llm_integrations.core.jsonschema.drafts import CONSTRAINING, CONTENT_KEYWORDS
from llm_integrations.core.jsonschema.pointer import escape_token

__all__ = ["compare_documents", "compare_notes"]

# What names, refers or constrains: other keywords say something to people, and change no verdict.
# A format, and what text encodes, count among those where they are not asserted.
_STRUCTURE: Final = (CONSTRAINING - CONTENT_KEYWORDS - {"format"}) | {
    "$anchor",
    "$defs",
    "$dynamicAnchor",
    "$id",
    "$recursiveAnchor",
    "$schema",
    "$vocabulary",
    "definitions",
    "id",
}
_CONTAINERS: Final = ("definitions", "$defs")


def compare_notes(walk: Walk, pair: Pair) -> None:
    """Note what differs in keywords that change no verdict."""
    old, new = walk.raw(pair.old), walk.raw(pair.new)
    if not isinstance(old, dict) or not isinstance(new, dict) or old is new:
        return
    asserted = pair.old.keys() | pair.new.keys()
    for keyword in [*new, *(keyword for keyword in old if keyword not in new)]:
        if keyword in _STRUCTURE or keyword in asserted or _is_content(keyword, asserted):
            continue
        before, after = old.get(keyword), new.get(keyword)
        if before != after:
            kind = ChangeKind.DOCUMENTATION
            walk.note(pair, kind, keyword, before, after, None, None)


def _is_content(keyword: str, asserted: set[str]) -> bool:
    return keyword.startswith("content") and "!content" in asserted


def compare_documents(old: Source, new: Source, visited: set[str]) -> Iterator[Change]:
    """What differs between the documents as wholes: their dialect, their definitions.

    Args:
        old: the old schema.
        new: the new one.
        visited: JSON Pointers of definitions that are compared where they are used.
    """
    before, after = old.body, new.body
    if not isinstance(before, dict) or not isinstance(after, dict):
        return
    if before.get("$schema") != after.get("$schema"):
        kind = ChangeKind.DIALECT_CHANGED
        dialects = before.get("$schema"), after.get("$schema")
        yield Change("/$schema" if dialects[1] else "", kind, *dialects, keyword="$schema")
    definitions = dict(_definitions(before)), dict(_definitions(after))
    for name in sorted(definitions[0].keys() | definitions[1].keys()):
        change = _definition(name, definitions[0].get(name), definitions[1].get(name), visited)
        if change is not None:
            yield change


def _definitions(body: dict[str, Any]) -> Iterator[tuple[str, tuple[str, Any]]]:
    for container in _CONTAINERS:
        found = body.get(container)
        if isinstance(found, dict):
            for name, schema in found.items():
                yield name, (f"/{container}/{escape_token(name)}", schema)


def _definition(
    name: str, old: tuple[str, Any] | None, new: tuple[str, Any] | None, visited: set[str]
) -> Change | None:
    if old is not None and new is not None:
        if old[1] == new[1] or new[0] in visited:
            return None
        return Change(new[0], ChangeKind.DEFINITION_CHANGED, old[1], new[1], keyword=name)
    if new is not None:
        return Change(new[0], ChangeKind.DEFINITION_ADDED, None, new[1], keyword=name)
    path, schema = old if old is not None else ("", None)
    kind = ChangeKind.DEFINITION_REMOVED
    return Change(path, kind, schema, None, keyword=name, side="old")
