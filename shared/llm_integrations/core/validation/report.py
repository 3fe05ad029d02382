"""The verdict on one piece of data."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Final

from llm_integrations.core.errors import SchemaValidationError

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

__all__ = ["BEYOND_SCHEMA", "NO_RECORD", "ValidationReport", "Violation"]

_POSITION: Final = re.compile(r"(?<=.)/[0-9]+(?=/|$)")
ROOT: Final = "(root)"
"""How the empty path is shown to people."""
NO_RECORD: Final = frozenset({"json", "csv", "corrupt"})
"""What stands for a keyword where a line could not be read as a record, by us or by another."""

BEYOND_SCHEMA: Final = "beyond the schema"
"""What stands for the place in the schema where a rule was broken that no schema can hold."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong.

    Attributes:
        path: where in the data, as a JSON Pointer (RFC 6901); empty for the whole. The name of a
            property that the schema does not know is data: ``*`` stands for it.
        message: what is wrong. Neither it nor ``path`` holds data, unless ``show_values`` was asked
            for.
        keyword: the JSON Schema keyword that was violated, as ``required``; ``type`` also for what
            is no JSON at all, and ``max_depth`` for data nested too deep.
        schema_path: where in the schema, as a JSON Pointer; after its name and ``#`` in a schema
            that was referred to; empty for what no schema allows; "beyond the schema" for what
            none can say.
    """

    path: str
    message: str
    keyword: str
    schema_path: str = ""

    @property
    def place(self) -> str:
        """``path`` with ``*`` for every position in a list, so that like ones count together."""
        return _POSITION.sub("/*", self.path)

    @property
    def reason(self) -> str:
        """What reports count: the keyword and the place, as ``minimum at /ages/*``."""
        return f"{self.keyword} at {self.place or ROOT}"

    def __str__(self) -> str:
        return f"{self.path or ROOT}: {self.message}"


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """Whether data satisfies a schema, and if not, why. False when invalid.

    Attributes:
        is_valid: the verdict.
        errors: the violations, at most ``ValidationOptions.max_errors``.
        warnings: what deserves a look without being a violation (a deprecated schema, a cut list).
        schema: the schema judged by, as ``subject@version``, or what it was called.
        fingerprint: SHA-256 of that schema.
        nulls: how null was taken, "strict" or "absent".
    """

    is_valid: bool
    errors: tuple[Violation, ...] = ()
    warnings: tuple[str, ...] = ()
    schema: str = ""
    fingerprint: str = ""
    nulls: str = field(default="strict")

    def __bool__(self) -> bool:
        return self.is_valid

    def raise_if_invalid(self) -> None:
        """Raise SchemaValidationError, which carries this report, unless the data is valid."""
        if not self.is_valid:
            raise SchemaValidationError(str(self), report=self)

    def to_dict(self) -> dict[str, Any]:
        """A dict of JSON types."""
        return {
            "is_valid": self.is_valid,
            "schema": self.schema,
            "fingerprint": self.fingerprint,
            "nulls": self.nulls,
            "errors": [asdict(error) for error in self.errors],
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ValidationReport:
        """The report that ``to_dict`` was asked of."""
        return cls(
            **{
                **data,
                "errors": tuple(Violation(**error) for error in data["errors"]),
                "warnings": tuple(data["warnings"]),
            }
        )

    def to_json(self, *, indent: int | None = None) -> str:
        return json.dumps(self.to_dict(), indent=indent)

    def __str__(self) -> str:
        target = self.schema or "its schema"
        if self.is_valid:
            return f"valid by {target}"
        shown = "; ".join(str(error) for error in self.errors[:3])
        more = f"; and {len(self.errors) - 3} more" if len(self.errors) > 3 else ""
        return f"does not satisfy {target}: {shown}{more}"

    def __rich__(self) -> Group:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        verdict = "valid" if self.is_valid else "invalid"
        parts: list[RenderableType] = [Text(f"{verdict} by {self.schema}", style="bold")]
        if self.errors:
            table = Table("where", "what", "keyword")
            for error in self.errors:
                # As Text, or rich would take brackets in it for markup.
                table.add_row(*map(Text, (error.path or ROOT, error.message, error.keyword)))
            parts.append(table)
        return Group(*parts, *(Text(f"note: {warning}") for warning in self.warnings))

    def _repr_html_(self) -> str:
        verdict = "valid" if self.is_valid else "invalid"
        parts = [f"<p><b>{verdict}</b> by <code>{escape(self.schema)}</code></p>"]
        if self.errors:
            parts.append(
                "<table><thead><tr><th>where</th><th>what</th><th>keyword</th></tr></thead>"
            )
            parts += [
                f"<tr><td><code>{escape(error.path or ROOT)}</code></td>"
                f"<td>{escape(error.message)}</td><td>{escape(error.keyword)}</td></tr>"
                for error in self.errors
            ]
            parts.append("</table>")
        parts += [f"<p>note: {escape(warning)}</p>" for warning in self.warnings]
        return "".join(parts)
