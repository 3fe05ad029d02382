"""Why a schema does not compile, in words for the person who wrote it."""

from __future__ import annotations

import re
from typing import Final

import jsonschema_rs

from llm_integrations.core.jsonschema.documents import BASE_URI
from llm_integrations.core.jsonschema.pointer import to_pointer

__all__ = ["reason"]

_UNKNOWN_DRAFT: Final = re.compile(r"Unknown meta-schema: '(.*?)'")
_NOT_THERE: Final = re.compile(r"Resource '(.*?)' is not present")
_NOWHERE: Final = re.compile(r"(Pointer|Anchor) '(.*?)' does not exist")
_LONGEST: Final = 300


def reason(error: BaseException) -> str:
    """One sentence about the engine's error."""
    message = getattr(error, "message", str(error)).replace(BASE_URI, "")
    if found := _UNKNOWN_DRAFT.search(message):
        return f"$schema {found[1]!r} is none of the drafts 4, 6, 7, 2019-09 and 2020-12"
    if found := _NOT_THERE.search(message):
        return (
            f"a $ref names {found[1]!r}, which is not among the schema's references "
            "(nothing is read from the network or a file)"
        )
    if found := _NOWHERE.search(message):
        return f"a $ref leads nowhere: the {found[1].lower()} {found[2]!r} does not exist"
    if isinstance(error, jsonschema_rs.ValidationError):
        return _of_violation(error, message)
    return f"it cannot be compiled: {_cut(message)}"


def _of_violation(error: jsonschema_rs.ValidationError, message: str) -> str:
    """The schema violates its own draft's schema, or a pattern is refused."""
    where = f"at {to_pointer(error.instance_path)} " if error.instance_path else ""
    if error.kind.name == "format" and error.kind.value == "regex":
        return f"{where}{_of_pattern(error.instance)}"
    return f"{where}it is no JSON Schema: {_cut(message)}"


def _of_pattern(pattern: object) -> str:
    try:
        jsonschema_rs.validator_for({"pattern": pattern}, offline=True)
    except ValueError:
        return f"{_cut(str(pattern))!r} is no regular expression, or is too large for one"
    return (
        f"the pattern {_cut(str(pattern))!r} needs more than linear time or too much space "
        "(lookaround, a backreference, a huge repeat, hundreds of groups that (?:…) could be); "
        "rewrite it, or allow what looks around with ValidationOptions(regex='bounded'), "
        "--regex bounded"
    )


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
