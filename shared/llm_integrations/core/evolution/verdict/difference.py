"""What differs between two schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import ComparisonLimitExceeded
from llm_integrations.core.evolution.differences.change import Change
from llm_integrations.core.evolution.model.levels import check_policy
from llm_integrations.core.evolution.model.limits import Limits, Undecidable
from llm_integrations.core.evolution.model.source import SchemaSource, source_of
from llm_integrations.core.evolution.text.tables import html_table, rich_table
from llm_integrations.core.evolution.text.wording import describe
from llm_integrations.core.evolution.verdict.comparison import Comparison
from llm_integrations.core.evolution.verdict.judges import judges_of_pair
from llm_integrations.core.model.fingerprint import JsonSchema

__all__ = ["Changes", "broken_readers", "diff"]

_COLUMNS: Final = ("breaks", "where", "what")


class Changes(list[Change]):
    """A list of changes that shows itself as a table."""

    def to_dict(self) -> list[dict[str, Any]]:
        """A list of JSON types."""
        return [change.to_dict() for change in self]

    def __rich__(self) -> Any:
        return rich_table(self._count, _COLUMNS, self._rows())

    def _repr_html_(self) -> str:
        return f"<p><b>{self._count}</b></p>" + html_table(_COLUMNS, self._rows())

    @property
    def _count(self) -> str:
        return "1 change" if len(self) == 1 else f"{len(self)} changes"

    def _rows(self) -> list[tuple[str, str, str]]:
        return [
            (broken_readers(change), change.path or "(root)", describe(change)) for change in self
        ]


def broken_readers(change: Change) -> str:
    """Who refuses some data because of a change; empty when nobody does."""
    names = {"new readers": change.breaks_backward, "old readers": change.breaks_forward}
    return ", ".join(name for name, breaks in names.items() if breaks)


def diff(
    old: SchemaSource,
    new: SchemaSource,
    *,
    policy: str = "strict",
    options: ValidationOptions | None = None,
    resources: Mapping[str, JsonSchema] | None = None,
    limits: Limits | None = None,
) -> list[Change]:
    """List what differs, in the order of the new schema; empty when nothing does.

    References are followed, recursive ones too. A change counts as breaking unless it is shown
    that it breaks nobody.

    Args:
        old: the old schema, of any draft from 4 to 2020-12.
        new: the new one, of any of these drafts.
        policy: "strict", or "lenient": properties that data's schema does not declare are absent.
        options: how data is judged (formats, regular expressions).
        resources: the schemas that ``$ref``s name, by the name they use.
        limits: what the comparison may cost.

    Raises:
        InvalidSchema: one of them is no usable JSON Schema.
        ComparisonLimitExceeded: there is more to list than the limits allow; it has what was found.
    """
    options = options or ValidationOptions()
    sources = source_of(old, resources), source_of(new, resources)
    *_, options = judges_of_pair(*sources, options)
    try:
        comparison = Comparison(
            *sources, options=options, policy=check_policy(policy), limits=limits or Limits()
        )
    except Undecidable as error:
        raise ComparisonLimitExceeded(f"the schemas cannot be compared: {error}") from None
    found = Changes(finding.change for finding in comparison.findings)
    if comparison.cut:
        reason = f"the schemas differ in more than could be listed: {comparison.cut}"
        raise ComparisonLimitExceeded(reason, changes=found)
    return found
