"""Collecting the schemas that a schema refers to in its registry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.model.schema import JsonSchema, RegisteredSchema, SchemaReference

__all__ = ["MAX_REFERENCED", "collect_references"]

MAX_REFERENCED = 1_000
"""Schemas that one schema may refer to, directly or not."""


async def collect_references(
    references: Sequence[SchemaReference], get: Callable[[SchemaRef], Awaitable[RegisteredSchema]]
) -> dict[str, JsonSchema]:
    """The bodies of everything that is referred to, directly or not, by reference name.

    A cycle ends by itself, since each reference is followed once.

    Raises:
        InvalidSchema: when one name means two schemas, or there are more than MAX_REFERENCED.
    """
    found: dict[str, JsonSchema] = {}
    meanings: dict[str, SchemaReference] = {}
    waiting = list(references)
    while waiting:
        reference = waiting.pop()
        known = meanings.setdefault(reference.name, reference)
        if known is not reference:
            _refuse_other_meaning(known, reference)
            continue
        if len(meanings) > MAX_REFERENCED:
            raise InvalidSchema(f"a schema refers to more than {MAX_REFERENCED} others")
        referenced = await get(SchemaRef(reference.subject, reference.version))
        found[reference.name] = referenced.body
        waiting.extend(referenced.references)
    return found


def _refuse_other_meaning(known: SchemaReference, other: SchemaReference) -> None:
    if (known.subject, known.version) != (other.subject, other.version):
        raise InvalidSchema(
            f"{known.name!r} is referred to as {known.subject}@{known.version} "
            f"and as {other.subject}@{other.version}"
        )
