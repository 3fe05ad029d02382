"""Names of tasks, of the groups around them, and what a caller says of them by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Self

from llm_integrations.core.errors import ConfigurationError

__all__ = ["Names", "tasks_named"]


@dataclass(frozen=True)
class Names:
    """What the ``schemas`` argument says, and of which tasks and groups.

    Attributes:
        schemas: by role, or by role under the names of tasks, groups or patterns (``mmlu_*``).
        around: by task or group the groups around it, the nearest first.
    """

    schemas: Mapping[str, Any]
    around: Mapping[str, Sequence[str]]

    @classmethod
    def of(
        cls,
        names: Iterable[str],
        groups: Mapping[str, Iterable[str]],
        schemas: Mapping[str, Any],
    ) -> Self:
        """
        Args:
            names: of every task and group that there is.
            groups: the members of each group.

        Raises:
            ConfigurationError: ``schemas`` names something that there is not.
        """
        known = list(names)
        unknown = [
            name
            for name in tasks_named(schemas)
            if name not in known and not any(fnmatchcase(each, name) for each in known)
        ]
        if unknown:
            raise ConfigurationError(f"schemas= names {sorted(unknown)}, not among {known}")
        return cls(schemas, {name: _around(name, groups) for name in known})

    def with_groups(self, name: str) -> list[str]:
        return [name, *self.around.get(name, ())]

    def said_of(self, name: str) -> Mapping[str, Any]:
        """References by role: the task's own, else those of a group, else of a pattern."""
        named = tasks_named(self.schemas)
        if not named:
            return self.schemas
        for each in self.with_groups(name):
            if each in named:
                return dict(self.schemas[each])
        patterns = sorted((p for p in named if fnmatchcase(name, p)), key=len)
        return dict(self.schemas[patterns[-1]]) if patterns else {}


def tasks_named(schemas: Mapping[str, Any]) -> set[str]:
    """The names in the ``schemas`` argument; none where it is by role."""
    return {name for name, value in schemas.items() if isinstance(value, Mapping)}


def _around(name: str, groups: Mapping[str, Iterable[str]]) -> list[str]:
    found: list[str] = []
    wanted = [name]
    for inner in wanted:
        outer = [group for group, members in groups.items() if inner in members]
        fresh = [group for group in outer if group not in found]
        found += fresh
        wanted += fresh
    return found
