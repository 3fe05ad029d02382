"""Metadata of documents brought under a new version before it judges them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, TypeAlias

from llama_index.core.schema import BaseNode, TransformComponent

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.evolution import MigrationGuide
from llm_integrations.llamaindex.transform import SchemaTransform

__all__ = ["Migrate", "Migration", "changed_metadata"]

Migrate: TypeAlias = Callable[[Any], Any] | str | MigrationGuide
"""A function from metadata to metadata, or the draft of one: a guide, or the source in it."""


class Migration:
    """Changes metadata; None changes nothing.

    Raises:
        ConfigurationError: it is no function, and no source that defines ``migrate``.
    """

    def __init__(self, migrate: Migrate | None) -> None:
        given = migrate.migrate if isinstance(migrate, MigrationGuide) else migrate
        # A guide's draft is empty where nothing has to be done.
        self._migrate = None if given is None or given == "" else _function(given)

    def __call__(self, document: BaseNode, first: Sequence[TransformComponent]) -> BaseNode:
        """A copy with migrated metadata, if ``first``, the schemas that follow, take it."""
        if self._migrate is None:
            return document
        metadata = self._migrate(deepcopy(document.metadata))
        if not isinstance(metadata, Mapping):
            raise ConfigurationError("migrate= must give metadata, as a dict")
        if metadata == document.metadata:
            return document
        migrated = document.model_copy(update={"metadata": dict(metadata)})
        judges = (step for step in first if isinstance(step, SchemaTransform))
        return migrated if all(judge.would_pass(migrated) for judge in judges) else document


def changed_metadata(
    before: Mapping[str, Any], after: Mapping[str, Any], gone: Any
) -> dict[str, Any]:
    """The keys that a migration changed, with ``gone`` for those that it took away."""
    changed = {k: v for k, v in after.items() if k not in before or before[k] != v}
    return {**changed, **{key: gone for key in before if key not in after}}


def _function(given: Callable[[Any], Any] | str) -> Callable[[Any], Any]:
    if isinstance(given, str):
        names: dict[str, Any] = {}
        exec(compile(given, "migrate", "exec"), names)  # noqa: S102 - handed in to be run
        return _function(names.get("migrate", names))
    if not callable(given):
        raise ConfigurationError(
            "migrate= must be a function, or the source of one that is called migrate"
        )
    return given
