"""The verdict on one piece of data."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llm_integrations.core.errors import SchemaValidationError

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["ValidationReport", "Violation"]


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong.

    Attributes:
        path: where in the data, as a JSON Pointer (RFC 6901); empty for the whole.
        message: what is wrong; quotes no data unless ``show_values`` was asked for.
        keyword: the JSON Schema keyword that was violated, as ``required``.
        schema_path: where in the schema, as a JSON Pointer.
    """

    path: str
    message: str
    keyword: str
    schema_path: str = ""

    def __str__(self) -> str:
        return f"{self.path or '(root)'}: {self.message}"


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
            "errors": [
                {
                    "path": e.path,
                    "message": e.message,
                    "keyword": e.keyword,
                    "schema_path": e.schema_path,
                }
                for e in self.errors
            ],
            "warnings": list(self.warnings),
        }

    def to_json(self, *, indent: int | None = None) -> str:
        return json.dumps(self.to_dict(), indent=indent)

    def __str__(self) -> str:
        target = self.schema or "its schema"
        if self.is_valid:
            return f"valid by {target}"
        shown = "; ".join(str(error) for error in self.errors[:3])
        more = f"; and {len(self.errors) - 3} more" if len(self.errors) > 3 else ""
        return f"does not satisfy {target}: {shown}{more}"

    def __rich__(self) -> Table:
        from rich.table import Table

        table = Table(title=f"{'valid' if self.is_valid else 'invalid'} · {self.schema}")
        for column in ("where", "what", "keyword"):
            table.add_column(column, overflow="fold")
        for error in self.errors:
            table.add_row(error.path or "(root)", error.message, error.keyword)
        return table

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td><code>{escape(e.path or '(root)')}</code></td>"
            f"<td>{escape(e.message)}</td><td>{escape(e.keyword)}</td></tr>"
            for e in self.errors
        )
        verdict = "valid" if self.is_valid else "invalid"
        head = f"<p><b>{verdict}</b> by <code>{escape(self.schema)}</code></p>"
        if not rows:
            return head
        return (
            f"{head}<table><thead><tr><th>where</th><th>what</th><th>keyword</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )
