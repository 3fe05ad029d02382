"""``diff``: what changed between two schemas."""

from __future__ import annotations

import json

from llm_integrations.core.cli.options import JsonOutput, RegistryUrl
from llm_integrations.core.cli.output import wide_console
from llm_integrations.core.cli.sides import NewSide, OldSide, schema_of

__all__ = ["diff"]


def diff(
    old: OldSide, new: NewSide, registry: RegistryUrl = None, as_json: JsonOutput = False
) -> None:
    """Show what changed from OLD to NEW, and whom each change breaks.

    Data is taken to hold whatever its schema allows (strict); `guide` takes it to hold declared
    properties only (lenient), so the two can name different sides.

    Example: `llm-integrations diff user-profile@1 user-profile-next.json -r schemas/`
    """
    from llm_integrations.core.evolution import diff as compare

    changes = compare(schema_of(old, registry), schema_of(new, registry))
    if as_json:
        print(json.dumps([change.to_dict() for change in changes], indent=2, default=str))
        return
    console = wide_console()
    if not changes:
        console.print("nothing changed")
        return
    console.print(changes)
