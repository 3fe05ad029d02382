"""Collecting the schemas that a schema refers to in its registry."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.model.schema import RegisteredSchema, SchemaReference

__all__ = ["MAX_REFERENCED", "collect_references"]

MAX_REFERENCED = 1_000
"""Schemas that one schema may refer to, directly or not."""


async def collect_references(
    references: Sequence[SchemaReference], get: Callable[[SchemaRef], Awaitable[RegisteredSchema]]
) -> dict[str, RegisteredSchema]:
    """Everything that is referred to, directly or not, by reference name.

    A cycle ends by itself, since each name is followed once.

    Raises:
        InvalidSchema: when one name means two schemas, or there are more than MAX_REFERENCED.
    """
    found: dict[str, RegisteredSchema] = {}
    meanings: dict[str, SchemaReference] = {}
    waiting = _unknown(references, meanings)
    while waiting:
        reference = waiting.pop()
        found[reference.name] = await get(SchemaRef(reference.subject, reference.version))
        waiting += _unknown(found[reference.name].references, meanings)
        await asyncio.sleep(0)  # what is in a cache comes at once, and others need the loop too
    return found


def _unknown(
    references: Sequence[SchemaReference], meanings: dict[str, SchemaReference]
) -> list[SchemaReference]:
    """Those whose name has no meaning yet; they are its meaning from now on."""
    unknown = []
    for reference in references[: MAX_REFERENCED + 1]:
        known = meanings.get(reference.name)
        if known is not None:
            _refuse_other_meaning(known, reference)
            continue
        meanings[reference.name] = reference
        unknown.append(reference)
    if max(len(meanings), len(references)) > MAX_REFERENCED:
        raise InvalidSchema(f"a schema refers to more than {MAX_REFERENCED} others")
    return unknown


def _refuse_other_meaning(known: SchemaReference, other: SchemaReference) -> None:
    if (known.subject, known.version) != (other.subject, other.version):
        raise InvalidSchema(
            f"{known.name!r} is referred to as {known.subject}@{known.version} "
            f"and as {other.subject}@{other.version}"
        )
