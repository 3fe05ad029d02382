"""What a reference or an id is called in the cache."""

from __future__ import annotations

from functools import lru_cache

from llm_integrations.core.errors import InvalidReference
from llm_integrations.core.model.reference import SchemaId, SchemaRef

__all__ = ["id_key", "key_of"]


@lru_cache(maxsize=65_536)
def _parsed(reference: str | SchemaRef) -> tuple[str, SchemaRef]:
    ref = SchemaRef.parse(reference)
    return str(ref), ref


def key_of(reference: str | SchemaRef) -> tuple[str, SchemaRef]:
    """A reference's key, the same for all spellings, and the reference parsed.

    Raises:
        InvalidReference: for what is no reference.
    """
    try:
        return _parsed(reference)
    except TypeError:  # unhashable
        raise InvalidReference(
            f"a reference is text or a SchemaRef, not {type(reference).__name__}"
        ) from None


def id_key(schema_id: SchemaId) -> str:
    """No reference looks like this: a subject holds no control characters."""
    if isinstance(schema_id, bool) or not isinstance(schema_id, int | str):
        raise InvalidReference(f"an id is an integer or text, not {type(schema_id).__name__}")
    return f"\x00{schema_id!r}"
