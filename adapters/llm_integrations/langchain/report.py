"""A report on each prompt of a chain: its schema, the version in force, what is newer."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any, Final

from llm_integrations.core.errors import SchemaNotFound
from llm_integrations.core.impact import is_breaking, with_references
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.registry import Registry, SchemaRef
from llm_integrations.langchain.walk import prompts_in, uses_in

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["ChainReport", "PromptLine", "report_on"]

_COLUMNS: Final = ("prompt", "role", "schema", "version", "state", "newer", "breaking")


@dataclass(frozen=True, slots=True)
class PromptLine:
    """One prompt, or another part of a chain, and one schema of it.

    Attributes:
        prompt: its name in the chain.
        role: ``input`` or ``output``; empty for a prompt without a schema.
        schema: the reference as it was written; empty for a prompt without one.
        version: the version that is in force for it now.
        state: of that version; ``missing`` if the registry has it not, ``unbound`` without one.
        newer: the latest version, if that is another one.
        breaking: whether moving there can refuse what is right today; None without a newer one.
    """

    prompt: str
    role: str = ""
    schema: str = ""
    version: str = ""
    state: str = "unbound"
    newer: str = ""
    breaking: bool | None = None

    def cells(self) -> tuple[str, ...]:
        *texts, breaking = astuple(self)
        return (*texts, {None: "", True: "yes", False: "no"}[breaking])


@dataclass(frozen=True, slots=True)
class ChainReport:
    """The lines of one chain; a table in terminals and notebooks."""

    lines: tuple[PromptLine, ...]

    def __rich__(self) -> Table:
        from rich.table import Table

        table = Table(*_COLUMNS)
        for line in self.lines:
            table.add_row(*line.cells())
        return table

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{column}</th>" for column in _COLUMNS)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line.cells()) + "</tr>"
            for line in self.lines
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def __str__(self) -> str:
        return "\n".join("  ".join(cell for cell in line.cells() if cell) for line in self.lines)


def report_on(chain: Any, registry: Registry) -> ChainReport:
    """Look up the schemas of a chain's prompts. RegistryError if the registry does not answer."""
    uses = uses_in(chain)
    bound = {use.part for use in uses}
    unbound = [PromptLine(found.name) for found in prompts_in(chain) if found.name not in bound]
    lines = [_line(use.part, use.role, use.schema, registry) for use in uses]
    return ChainReport((*lines, *unbound))


def _line(prompt: str, role: str, reference: str, registry: Registry) -> PromptLine:
    ref = SchemaRef.parse(reference)
    mine, latest = _get(registry, ref), _get(registry, SchemaRef(ref.subject))
    if mine is None:
        newer = "" if latest is None else str(latest.version)
        return PromptLine(prompt, role, reference, state="missing", newer=newer)
    line = PromptLine(prompt, role, reference, str(mine.version), mine.state)
    if latest is None or latest.version == mine.version:
        return line
    breaking = _is_breaking(mine, latest, role, registry)
    return replace(line, newer=str(latest.version), breaking=breaking)


def _is_breaking(
    mine: RegisteredSchema, latest: RegisteredSchema, role: str, registry: Registry
) -> bool:
    old = registry.run(with_references(registry, mine))
    return is_breaking(old, registry.run(with_references(registry, latest)), role)


def _get(registry: Registry, ref: SchemaRef) -> RegisteredSchema | None:
    try:
        return registry.get(ref)
    except SchemaNotFound:
        return None
