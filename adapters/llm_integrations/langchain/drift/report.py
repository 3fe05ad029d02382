"""What became of a comparison of tools with the registry."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from llm_integrations.core.errors import IncompatibleSchema
from llm_integrations.core.evolution import Change, CompatibilityReport, Undecided
from llm_integrations.core.evolution.text.tables import html_table, rich_table, shown
from llm_integrations.core.model.schema import JsonSchema

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["State", "ToolDriftReport", "ToolLine"]

Side: TypeAlias = Literal["arguments", "results"]
State: TypeAlias = Literal["same", "compatible", "incompatible", "missing", "unstated", "unjudged"]
"""same: nothing differs that judges data. compatible: what differs breaks nothing. incompatible:
it does, or could not be shown not to. missing: there is no such tool. unstated: the tool states no
such schema. unjudged: the registry could not say."""

_COLUMNS = ("tool", "side", "schema", "state", "where", "what", "witness")
_DRIFTED = ("incompatible", "missing", "unstated")


@dataclass(frozen=True, slots=True)
class ToolLine:
    """One side of one tool beside its schema in the registry.

    Attributes:
        tool: its name.
        side: ``arguments`` or ``results``.
        schema: the version that it was compared with, as ``search-args@1``.
        state: what came of it.
        compatibility: the verdict, with a witness for each violation; None without a comparison.
        changes: what differs, from the registry to the tool, without titles and descriptions.
        stated: the tool's own schema now, as one would register it; None if it states none.
    """

    tool: str
    side: Side
    schema: str
    state: State
    compatibility: CompatibilityReport | None = None
    changes: tuple[Change, ...] = ()
    stated: JsonSchema | None = field(default=None, repr=False)

    def __str__(self) -> str:
        told = {
            "incompatible": str(self.compatibility),
            "missing": "there is no such tool",
            "unstated": f"it states no schema of its {self.side}"
            + (" (MCP's own tools do, LangChain's never)" if self.side == "results" else ""),
            "unjudged": "the registry could not say what was agreed",
        }.get(self.state, self.state)
        return f"{self.side} of {self.tool} beside {self.schema}: {told}"


@dataclass(frozen=True, slots=True)
class ToolDriftReport:
    """An agent's tools beside the registry. False when one of them drifted.

    Attributes:
        lines: one for each schema that is named for a tool.
        unnamed: tools for which no schema is named: new ones, as seen from the registry.
    """

    lines: tuple[ToolLine, ...]
    unnamed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.drifted

    @property
    def drifted(self) -> tuple[ToolLine, ...]:
        """The lines that speak against the tools."""
        return tuple(line for line in self.lines if line.state in _DRIFTED)

    def raise_if_incompatible(self) -> None:
        """Raise IncompatibleSchema, with all violations in one report, if a tool drifted."""
        if self.drifted:
            told = "; ".join(map(str, self.drifted))
            raise IncompatibleSchema(
                f"tools are not what the registry says: {told}", report=self._as_one()
            )

    def _as_one(self) -> CompatibilityReport:
        """Every violation in one report, each with its tool in its message."""
        found = [line.compatibility for line in self.drifted if line.compatibility is not None]
        others = [
            Undecided("", str(line), "backward", line.schema)
            for line in self.drifted
            if line.compatibility is None
        ]
        return CompatibilityReport(
            False,
            level=" ".join(dict.fromkeys(one.level for one in found)) or "BACKWARD",
            policy=found[0].policy if found else "lenient",
            violations=tuple(
                replace(violation, message=f"{line.tool}: {violation.message}")
                for line in self.drifted
                if line.compatibility is not None
                for violation in line.compatibility.violations
            ),
            unknown=(*others, *(unknown for one in found for unknown in one.unknown)),
            compared=tuple(line.schema for line in self.drifted),
            breaking=tuple(change for one in found for change in one.breaking),
        )

    def to_dict(self) -> dict[str, Any]:
        """A dict of JSON types."""
        return {
            "lines": [
                {
                    "tool": line.tool,
                    "side": line.side,
                    "schema": line.schema,
                    "state": line.state,
                    "compatibility": None
                    if line.compatibility is None
                    else line.compatibility.to_dict(),
                    "changes": [change.to_dict() for change in line.changes],
                    "stated": line.stated,
                }
                for line in self.lines
            ],
            "unnamed": list(self.unnamed),
        }

    def __str__(self) -> str:
        lines = [str(line) for line in self.lines]
        named = [f"no schema is named for {', '.join(self.unnamed)}"] if self.unnamed else []
        return "\n".join([*lines, *named])

    def __rich__(self) -> Table:
        return rich_table("tools", _COLUMNS, self._rows())

    def _repr_html_(self) -> str:
        return html_table(_COLUMNS, self._rows())

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for line in self.lines:
            head = (line.tool, line.side, line.schema, line.state)
            found = line.compatibility
            against = (
                []
                if found is None
                else [
                    *((v.path, v.message, shown(v.witness)) for v in found.violations),
                    *((u.path, u.reason, "") for u in found.unknown),
                ]
            )
            against = against or [(change.path, str(change), "") for change in line.changes]
            rows += [(*head, *cells) for cells in against] or [(*head, "", "", "")]
        return [*rows, *((name, "", "", "unnamed", "", "", "") for name in self.unnamed)]
