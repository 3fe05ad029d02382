"""Tool calls whose arguments are JSON text within lists of structs, for every framework."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

__all__ = ["CALLS", "CALL_REASONS", "VALID_CALLS", "calls"]

CALLS: Final = {
    "properties": {
        "calls": {"items": {"properties": {"arguments": {"type": "object", "required": ["q"]}}}}
    }
}
_ARGUMENTS: Final = ('{"q": 1}', "[1]", '{"z": 1}', "no json", None, '{"q": null}')
VALID_CALLS: Final = [0, 4, 5]
CALL_REASONS: Final = {"type at /calls/*/arguments", "required at /calls/*/arguments"}


def calls(kind: Any) -> pa.Table:
    """A row for each of the arguments.

    Args:
        kind: their Arrow type: text, or JSON.
    """
    rows = [[{"name": "a", "arguments": text}] for text in _ARGUMENTS]
    stored = pa.list_(pa.struct([("name", pa.string()), ("arguments", pa.string())]))
    typed = pa.list_(pa.struct([("name", pa.string()), ("arguments", kind)]))
    return pa.table({"id": range(len(rows)), "calls": pa.array(rows, stored).cast(typed)})
