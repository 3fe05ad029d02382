"""Texts that are certainly of a format, told without the engine.

Each expression accepts a part of its format, and nothing beyond it. A text that it does not accept
may still be valid, and goes to the engine.
"""

from __future__ import annotations

from typing import Final

from llm_integrations.core.arrow.kernels.byte_patterns import byte_pattern
from llm_integrations.core.arrow.kernels.nodes import Node
from llm_integrations.core.arrow.kernels.strings import Matches

__all__ = ["PLAIN", "plain_format"]

_DATE = "[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
_ZONE = f"(Z|[+-]{_CLOCK})"
_TIME = f"{_CLOCK}:[0-5][0-9](\\.[0-9]{{1,9}})?{_ZONE}"
_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_LABEL = "[A-Za-z][A-Za-z0-9]{0,30}"
_HOST = f"{_LABEL}(\\.{_LABEL}){{1,4}}"
_HEX = "[0-9a-f]"

PLAIN: Final = {
    "date": f"^{_DATE}$",
    "date-time": f"^{_DATE}T{_TIME}$",
    "time": f"^{_TIME}$",
    "email": f"^[A-Za-z0-9]{{1,30}}([._-][A-Za-z0-9]{{1,10}}){{0,2}}@{_HOST}$",
    "hostname": f"^{_HOST}$",
    "ipv4": f"^({_BYTE}\\.){{3}}{_BYTE}$",
    "uri": f"^https?://{_HOST}(/[A-Za-z0-9_~-]+(\\.[a-z]+)?)*/?$",
    "uuid": f"^{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}$",
}


def plain_format(format_name: str) -> Node | None:
    """Accepts texts that are certainly of the format; None for a format without such a test."""
    pattern = PLAIN.get(format_name)
    return None if pattern is None else byte_pattern(pattern) or Matches(pattern)
