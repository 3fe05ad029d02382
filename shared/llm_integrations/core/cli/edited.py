"""Published versions whose text was changed afterwards."""

from __future__ import annotations

from llm_integrations.core.errors import SchemaConflict
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.registry import Registry

__all__ = ["edited_note", "refuse_edited"]


def edited_note(reference: SchemaRef) -> str:
    """What to do about a version that was changed after it was published."""
    return (
        f"{reference} was changed after it was published: take the change back (git checkout), and "
        "register it as the next version. If two branches published it, keep in .fingerprints the "
        "line of the file that you keep, and register the other side's schema as the next version"
    )


def refuse_edited(client: Registry, reference: str) -> None:
    """Raise SchemaConflict where the version was changed after it was published."""
    exact = client.get(reference).ref
    if exact in client.edited(exact.subject):
        raise SchemaConflict(edited_note(exact))
