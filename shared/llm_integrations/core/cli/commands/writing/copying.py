"""Copying versions from one registry into another, each once, what they refer to first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

from llm_integrations.core.errors import (
    ConfigurationError,
    IncompatibleSchema,
    InvalidSchema,
    RegistryProtocolError,
    SchemaConflict,
    SchemaNotFound,
    Unsupported,
)
from llm_integrations.core.model.reference import SchemaRef, Version, version_key
from llm_integrations.core.registry import RegisteredSchema, Registry

__all__ = ["Copied", "copy_versions"]

Outcome: TypeAlias = Literal["present", "added", "to add", "refused"]


@dataclass(frozen=True, slots=True)
class Copied:
    """What became of one version; ``reason`` says why it was refused."""

    reference: SchemaRef
    outcome: Outcome
    reason: str = ""


def copy_versions(
    source: Registry, target: Registry, subjects: Iterable[str], *, dry_run: bool = False
) -> Iterator[Copied]:
    """Copy all versions of some subjects; what is there already, with this content, is left alone.

    A version keeps its number: where the target has another version of that number, or would count
    it otherwise, it is refused, and so are the later ones of its subject. So is a subject that
    cannot be read, that refers to what is not there, or whose schemas are of another type.

    Args:
        dry_run: say what would be done; compatibility is asked for and nothing is written.
    """
    done: set[SchemaRef] = set()
    for subject in subjects:
        try:
            yield from _copy_subject(source, target, subject, done, dry_run)
        except (InvalidSchema, RegistryProtocolError, SchemaNotFound) as error:
            yield Copied(SchemaRef(subject), "refused", str(error))


def _copy_subject(
    source: Registry,
    target: Registry,
    subject: str,
    done: set[SchemaRef],
    dry: bool,
    until: Version | None = None,
) -> Iterator[Copied]:
    """The versions up to one, ascending, since servers count them; what one refers to first."""
    for version in source.versions(subject):
        schema = source.get(SchemaRef(subject, version))
        if schema.ref not in done:
            done.add(schema.ref)
            for used in schema.references:
                yield from _copy_subject(source, target, used.subject, done, dry, used.version)
            copied = _outcome(target, schema, dry)
            yield copied
            if copied.outcome == "refused":
                return
        if until is not None and version_key(version) >= version_key(until):
            return


def _outcome(target: Registry, schema: RegisteredSchema, dry: bool) -> Copied:
    try:
        return Copied(schema.ref, (_would_copy if dry else _copy)(target, schema))
    except (IncompatibleSchema, SchemaConflict, Unsupported) as error:
        return Copied(schema.ref, "refused", str(error))


def _copy(target: Registry, schema: RegisteredSchema) -> Outcome:
    if _is_there(target, schema):
        return "present"
    subject, version = schema.ref.subject, schema.ref.version
    about: dict[str, Any] = {"metadata": schema.metadata, "references": schema.references}
    put = partial(target.register, subject, schema.body, **about, state=schema.state)
    if version == _next_number(target, subject):
        with suppress(ConfigurationError):  # of servers that number nothing
            put()  # those that count by themselves take no number, and would give this one
            return "added"
    put(version=version)
    return "added"


def _would_copy(target: Registry, schema: RegisteredSchema) -> Outcome:
    if _is_there(target, schema):
        return "present"
    if _next_number(target, schema.ref.subject) == 1:
        return "to add"  # it has nothing to be compatible with, nor perhaps what it refers to
    target.check_compatibility(
        schema.ref.subject, schema.body, policy="lenient"
    ).raise_if_incompatible(str(schema))
    return "to add"


def _is_there(target: Registry, schema: RegisteredSchema) -> bool:
    """Raises SchemaConflict where the number means another content."""
    try:
        there = target.get(schema.ref)
    except SchemaNotFound:
        return False
    if there.fingerprint != schema.fingerprint:
        raise SchemaConflict(f"{schema} has other content in {target.url}")
    return True


def _next_number(target: Registry, subject: str) -> int:
    try:
        return max(version_key(v)[0] for v in target.versions(subject, deleted=True)) + 1
    except SchemaNotFound:
        return 1
